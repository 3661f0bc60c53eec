//! What the top level defines for several containers: networks, volumes, secrets, configs.

use std::collections::{BTreeMap, BTreeSet};

use super::networks::{self, Networks};
use super::project::is_the_users;
use super::values::Fields;
use crate::file::desk::{Desk, Scope};
use crate::file::keys;
use crate::file::layout::Parts;
use crate::file::tree::{Entry, Spot};
use crate::model::{
    EngineVolume, FileContent, Name, VolumeSource, check_plain, check_store_label, host_name_of,
    host_path,
};

/// What a name of `volumes` stands for.
#[derive(Clone)]
pub(super) enum StoreVolume {
    /// A directory that locker keeps, or a path.
    Host(VolumeSource),
    /// One that the engine of application containers keeps.
    Engine(EngineVolume),
}

/// A secret or config.
pub(super) struct StoreFile {
    /// Where its content is.
    pub content: FileContent,
    /// The content where the file itself has it.
    pub inline: Option<String>,
    /// Where it stands.
    pub spot: Spot,
}

/// All of them.
#[derive(Default)]
pub(super) struct Stores {
    pub networks: Networks,
    pub volumes: BTreeMap<Name, StoreVolume>,
    pub secrets: BTreeMap<Name, StoreFile>,
    pub configs: BTreeMap<Name, StoreFile>,
    /// Names of secrets and configs that are wrong, which has been reported.
    pub refused: BTreeSet<String>,
}

/// Reads them from the top level.
pub(super) fn lower(desk: &Desk<'_>, parts: &Parts<'_>, project: &Name) -> Stores {
    let top = |key: &str| parts.top.and_then(|top| top.get(key));
    let mut stores = Stores {
        networks: networks::lower(desk, top("networks"), project),
        ..Stores::default()
    };
    for (name, entry) in named(desk, top("volumes")) {
        if let Some(volume) = volume(desk, project, &name, entry) {
            stores.volumes.insert(name, volume);
        }
    }
    for (key, secret) in [("secrets", true), ("configs", false)] {
        for (name, entry) in named(desk, top(key)) {
            let Some(file) = file(desk, entry, secret) else {
                stores.refused.insert(entry.key.clone());
                continue;
            };
            let all = match secret {
                true => &mut stores.secrets,
                false => &mut stores.configs,
            };
            all.insert(name, file);
        }
    }
    stores
}

/// The entries of a map of names; what is no map or no name is reported.
pub(super) fn named<'n>(desk: &Desk<'_>, entry: Option<&'n Entry>) -> Vec<(Name, &'n Entry)> {
    let Some(entry) = entry else {
        return Vec::new();
    };
    if entry.value.entries().is_none() && !entry.value.is_null() {
        let kind = entry.value.kind_name();
        desk.error(
            entry.value.spot,
            format!("`{}` takes a map of names, not {kind}", entry.key),
        );
    }
    let entries = entry.value.entries().unwrap_or_default();
    let counts = |entry: &&Entry| !is_the_users(desk, &entry.key);
    let entries = entries.iter().filter(counts);
    let name = |entry: &'n Entry| Some((desk.check(entry.spot, Name::new(&entry.key))?, entry));
    entries.filter_map(name).collect()
}

/// Whether it is there already, and the name on the host that the file gives it.
pub(super) fn external(desk: &Desk<'_>, fields: Fields<'_, '_>) -> (bool, Option<(String, Spot)>) {
    let name = fields.text(desk, "name");
    let Some(node) = fields.node("external") else {
        return (false, name);
    };
    if node.entries().is_none() {
        return (fields.flag(desk, "external").unwrap_or_default(), name);
    }
    keys::check(desk, node, keys::EXTERNAL, "`external`");
    let inner = Fields {
        map: node,
        scope: fields.scope,
    };
    (true, inner.text(desk, "name").or(name))
}

fn volume(desk: &Desk<'_>, project: &Name, key: &Name, entry: &Entry) -> Option<StoreVolume> {
    let own = Some(StoreVolume::Host(VolumeSource::Named(key.clone())));
    if entry.value.is_null() {
        return own;
    }
    let owner = format!("volume `{key}`");
    if entry.value.entries().is_none() {
        let kind = entry.value.kind_name();
        desk.error(entry.value.spot, format!("{owner} is a map, not {kind}"));
        return None;
    }
    keys::check(desk, &entry.value, keys::STORE_VOLUME, &owner);
    let fields = Fields {
        map: &entry.value,
        scope: Scope::Project,
    };
    let (external, name) = external(desk, fields);
    if let Some((name, spot)) = &name {
        desk.check(*spot, check_volume_name(name))?;
    }
    if external {
        let name = name.map_or_else(|| key.to_string(), |(name, _)| name);
        return Some(StoreVolume::Engine(EngineVolume::External(name)));
    }
    let pairs = |key: &str| -> BTreeMap<String, String> {
        let pairs = fields.pairs(desk, key).into_iter();
        pairs
            .map(|pair| (pair.key, pair.value.unwrap_or_default()))
            .collect()
    };
    let (mut options, labels) = (pairs("driver_opts"), labels(desk, fields));
    let driver = fields.text(desk, "driver");
    let driver = match driver {
        Some((driver, spot)) => desk
            .check(spot, check_plain("driver", &driver))
            .map(|()| driver)?,
        None => "local".into(),
    };
    if driver == "local" && options.is_empty() && labels.is_empty() && name.is_none() {
        return own;
    }
    below_project(desk, entry.spot, &mut options);
    Some(StoreVolume::Engine(EngineVolume::Driver {
        name: name.map_or_else(|| host_name_of(project, key), |(name, _)| name),
        driver,
        options,
        labels,
    }))
}

/// `labels` of a network or volume; what marks one as ours or docker compose's is not for the file to say.
pub(super) fn labels(desk: &Desk<'_>, fields: Fields<'_, '_>) -> BTreeMap<String, String> {
    let pairs = fields.pairs(desk, "labels").into_iter();
    let pairs = pairs.filter_map(|pair| {
        let value = pair.value.unwrap_or_default();
        desk.check(pair.spot, check_store_label(&pair.key, &value))?;
        Some((pair.key, value))
    });
    pairs.collect()
}

/// A device of a bind is a path, below the project when it is not absolute, as Compose has it.
fn below_project(desk: &Desk<'_>, spot: Spot, options: &mut BTreeMap<String, String>) {
    let bind = options
        .get("o")
        .is_some_and(|o| o.split(',').any(|word| matches!(word, "bind" | "rbind")));
    if let Some(device) = options.get_mut("device").filter(|_| bind)
        && let Ok(path) = host_path(device, &desk.directory_of(spot))
    {
        *device = path.display().to_string();
    }
}

fn check_volume_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts && name.len() <= 255 && name.chars().all(fits) {
        return Ok(());
    }
    Err(format!(
        "`{name}` is not the name of a volume or network of the engine"
    ))
}

/// The name of a network of the engine.
pub(super) fn check_engine_name(name: &str) -> Result<(), String> {
    check_volume_name(name)
}

fn file(desk: &Desk<'_>, entry: &Entry, secret: bool) -> Option<StoreFile> {
    let word = if secret { "secret" } else { "config" };
    let owner = format!("{word} `{}`", entry.key);
    if entry.value.entries().is_none() {
        let kind = entry.value.kind_name();
        desk.error_help(
            entry.spot,
            format!("{owner} is a map, not {kind}"),
            "write `{file: PATH}` or `{environment: VARIABLE}`",
        );
        return None;
    }
    keys::check(desk, &entry.value, keys::STORE_FILE, &owner);
    let map = &entry.value;
    if map.get("external").is_some() || map.get("driver").is_some() {
        // Refused above; a second error about it would only distract.
        return None;
    }
    let one = content(desk, entry, &owner)?;
    let text = desk.text(&one.value, Scope::Project, &one.key)?;
    let spot = one.value.spot;
    let (content, inline) = match (one.key.as_str(), secret) {
        ("file", _) => {
            let path = desk.check(spot, host_path(&text, &desk.directory_of(spot)))?;
            (FileContent::File(path), None)
        }
        ("environment", _) => (FileContent::Variable(text), None),
        (_, true) => {
            let help = "give it `file` or `environment`";
            desk.error_help(
                one.spot,
                format!("{owner} stands in the project file itself"),
                help,
            );
            return None;
        }
        (_, false) => (FileContent::Inline, Some(text)),
    };
    Some(StoreFile {
        content,
        inline,
        spot,
    })
}

/// The one key that says where the content is.
fn content<'n>(desk: &Desk<'_>, entry: &'n Entry, owner: &str) -> Option<&'n Entry> {
    let given = ["file", "environment", "content"]
        .into_iter()
        .filter_map(|key| entry.value.get(key));
    let given: Vec<&Entry> = given.collect();
    let [one] = given[..] else {
        let message = match given.get(1) {
            Some(second) => format!(
                "{owner} has `{}` and `{}`; it has one of them",
                given[0].key, second.key
            ),
            None => format!("{owner} has no content"),
        };
        let at = given.get(1).map_or(entry.spot, |second| second.spot);
        desk.error_help(at, message, "give it `file` or `environment`");
        return None;
    };
    Some(one)
}
