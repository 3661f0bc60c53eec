//! `secrets` and `configs` of a container: files inside, their content read when the file is.
//!
//! Content goes from here to the engine and nowhere else; errors name files and variables only.

use std::path::{Path, PathBuf};

use crate::file::desk::{Desk, Scope};
use crate::file::diagnostic::nearest;
use crate::file::keys;
use crate::file::lower::container::{Layers, Shared};
use crate::file::lower::stores::StoreFile;
use crate::file::lower::values::{Fields, items, number};
use crate::file::text;
use crate::file::tree::{Node, Spot};
use crate::model::{FileContent, FileOrigin, InnerFile, Key, Name, Secret, digest_of, target_path};

/// Most bytes of a secret or config.
const MOST: usize = 512 << 10;

/// All files; no two at the same path.
pub(super) fn lower(desk: &Desk<'_>, shared: &Shared<'_>, layers: &Layers<'_>) -> Vec<InnerFile> {
    let mut all: Vec<InnerFile> = Vec::new();
    for (key, secret) in [(Key::Secrets, true), (Key::Configs, false)] {
        let scope = layers.scope(key);
        for item in layers.of(key).flat_map(|entry| items(desk, entry)) {
            let Some(file) = file(desk, shared, scope, item, secret) else {
                continue;
            };
            if all.iter().any(|old| old.target == file.target) {
                let target = file.target.display();
                desk.error(item.spot, format!("two files at `{target}`"));
            }
            all.push(file);
        }
    }
    all
}

fn file(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    scope: Scope<'_>,
    item: &Node,
    secret: bool,
) -> Option<InnerFile> {
    let word = if secret { "secret" } else { "config" };
    let fields = Fields { map: item, scope };
    let (source, spot) = if item.entries().is_none() {
        (desk.text(item, scope, word)?, item.spot)
    } else {
        keys::check(desk, item, keys::INNER_FILE, &format!("a {word}"));
        let Some(source) = fields.text(desk, "source") else {
            desk.error(item.spot, format!("a {word} needs `source`"));
            return None;
        };
        source
    };
    let store = known(desk, shared, spot, &source, secret)?;
    let target = target(desk, fields, &source, secret)?;
    let id = |key: &str| fields.parsed(desk, key, |text| number(key, text, 0, u32::MAX));
    let (uid, gid) = (id("uid"), id("gid"));
    let mode = fields.permissions(desk, "mode");
    let content = content(desk, store)?;
    Some(InnerFile {
        target,
        uid: uid.unwrap_or(0),
        gid: gid.unwrap_or(0),
        mode: mode.unwrap_or(0o444),
        digest: content.as_deref().map(digest_of).unwrap_or_default(),
        origin: FileOrigin {
            secret,
            name: source,
            content: store.content.clone(),
        },
        content: Secret(content.unwrap_or_default()),
    })
}

/// The entry of the top level.
fn known<'s>(
    desk: &Desk<'_>,
    shared: &Shared<'s>,
    spot: Spot,
    word: &str,
    secret: bool,
) -> Option<&'s StoreFile> {
    let (all, key) = match secret {
        true => (&shared.stores.secrets, "secrets"),
        false => (&shared.stores.configs, "configs"),
    };
    let found = all.get(word);
    // One that is refused where it is defined has been reported there.
    if found.is_none() && !shared.stores.refused.contains(word) {
        let help = match nearest(word, all.keys().map(Name::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("name it at the top level below `{key}:`"),
        };
        desk.error_help(spot, format!("there is no `{word}` below `{key}`"), help);
    }
    found
}

/// Secrets are below /run/secrets, configs at the root, as Compose has it.
fn target(desk: &Desk<'_>, fields: Fields<'_, '_>, source: &str, secret: bool) -> Option<PathBuf> {
    let given = fields.text(desk, "target");
    let spot = given.as_ref().map_or(fields.map.spot, |(_, spot)| *spot);
    let word = given.map_or_else(|| source.to_string(), |(text, _)| text);
    let path = match (word.starts_with('/'), secret) {
        (true, _) => word,
        (false, true) => format!("/run/secrets/{word}"),
        (false, false) => format!("/{word}"),
    };
    desk.check(spot, target_path(&path))
}

/// The content; the inner `None` is a variable that is not set, which only who makes the container needs.
fn content(desk: &Desk<'_>, store: &StoreFile) -> Option<Option<Vec<u8>>> {
    let content = match &store.content {
        FileContent::Inline => store.inline.clone().unwrap_or_default().into_bytes(),
        FileContent::File(path) => read(desk, store.spot, path)?,
        FileContent::Variable(name) => match desk.variable(store.spot, name) {
            Some(value) => value.into_bytes(),
            None => return Some(None),
        },
    };
    if content.len() > MOST {
        desk.error(store.spot, "a secret or config has at most 512 KiB");
        return None;
    }
    Some(Some(content))
}

fn read(desk: &Desk<'_>, spot: Spot, path: &Path) -> Option<Vec<u8>> {
    let shown = path.display();
    let bytes = text::read_bytes(path, MOST);
    desk.check(
        spot,
        bytes.map_err(|error| format!("cannot read `{shown}`: {error}")),
    )
}
