//! What only application containers have: the process and the engine's settings for it.

mod files;
mod kernel;
mod limits;
mod network;

use std::collections::BTreeMap;

use super::container::{Layers, Shared};
use super::values::{Fields, flag, number, one, pairs, pairs_of, parsed, parsed_list, texts, warn};
use super::volumes::Mounts;
use super::{build, order};
use crate::file::desk::{Desk, Scope};
use crate::file::keys;
use crate::file::tree::{Entry, Kind as Shape, Node, Spot};
use crate::model::{
    App, AppValueError, Fqdn, Key, Logging, Name, PullPolicy, check_plain, check_platform,
    check_signal, host_name_of, parse_size, split_words,
};

pub(in crate::file) use limits::THROTTLES;
pub(super) use network::extra_hosts;

/// A text without control characters that is passed on as it is.
fn plain(desk: &Desk<'_>, layers: &Layers<'_>, key: Key) -> Option<String> {
    parsed(desk, layers, key, |text| {
        kept(text, |text| check_plain(key.as_str(), text))
    })
}

/// The text that a check lets through.
fn kept<E>(text: &str, check: impl FnOnce(&str) -> Result<(), E>) -> Result<String, E> {
    check(text).map(|()| text.to_string())
}

/// A list of such texts.
fn plain_list(desk: &Desk<'_>, layers: &Layers<'_>, key: Key) -> Vec<String> {
    parsed_list(desk, layers, key, |text| {
        kept(text, |text| check_plain(key.as_str(), text))
    })
}

/// All settings of an application container.
pub(super) fn lower(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    mounts: Mounts,
) -> App {
    let flag = |key: Key| flag(desk, layers, key).unwrap_or_default();
    let mut app = App {
        pull: pull(desk, layers),
        platform: parsed(desk, layers, Key::Platform, |text| {
            kept(text, check_platform)
        }),
        command: words(desk, layers, Key::Command),
        entrypoint: words(desk, layers, Key::Entrypoint),
        user: plain(desk, layers, Key::User),
        group_add: plain_list(desk, layers, Key::GroupAdd),
        working_dir: plain(desk, layers, Key::WorkingDir),
        tty: flag(Key::Tty),
        stdin_open: flag(Key::StdinOpen),
        read_only: flag(Key::ReadOnly),
        privileged: flag(Key::Privileged),
        init: super::values::flag(desk, layers, Key::Init),
        hostname: parsed(desk, layers, Key::Hostname, |text| {
            // The engine takes an underscore too.
            Fqdn::new(&text.replace('_', "-")).map(|_| text.to_string())
        }),
        domainname: plain(desk, layers, Key::Domainname),
        stop_signal: parsed(desk, layers, Key::StopSignal, |text| {
            kept(text, check_signal)
        }),
        shm_size: parsed(desk, layers, Key::ShmSize, parse_size),
        runtime: plain(desk, layers, Key::Runtime),
        cgroup_parent: plain(desk, layers, Key::CgroupParent),
        oom_kill_disable: super::values::flag(desk, layers, Key::OomKillDisable),
        oom_score_adj: parsed(desk, layers, Key::OomScoreAdj, |text| {
            number("oom_score_adj", text, -1000, 1000)
        }),
        dns_search: plain_list(desk, layers, Key::DnsSearch),
        dns_opt: plain_list(desk, layers, Key::DnsOpt),
        logging: logging(desk, layers),
        storage_opt: options(desk, layers, Key::StorageOpt),
        no_healthcheck: order::healthcheck(desk, layers).off,
        limits: limits::lower(desk, layers),
        engine_volumes: mounts.engine,
        mount_options: mounts.options,
        tmpfs: mounts.tmpfs,
        files: files::lower(desk, shared, layers),
        volumes_from: volumes_from(desk, shared, layers),
        ..App::default()
    };
    kernel::fill(desk, layers, &mut app);
    namespaces(desk, shared, layers, &mut app);
    network::fill(desk, shared, layers, &mut app);
    super::values::flag(desk, layers, Key::Attach);
    build::isolation(desk, one(desk, layers, Key::Isolation));
    app
}

/// `pull`, or Compose's `pull_policy`.
fn pull(desk: &Desk<'_>, layers: &Layers<'_>) -> PullPolicy {
    let (pull, policy) = (
        one(desk, layers, Key::Pull),
        one(desk, layers, Key::PullPolicy),
    );
    if let (Some(_), Some((_, spot))) = (&pull, &policy) {
        desk.error(*spot, "`pull` and `pull_policy` mean the same");
    }
    let Some((word, spot)) = pull.or(policy) else {
        return PullPolicy::default();
    };
    match word.as_str() {
        "always" => PullPolicy::Always,
        "missing" | "if_not_present" => PullPolicy::Missing,
        "never" => PullPolicy::Never,
        "build" => PullPolicy::Build,
        "daily" | "weekly" | "refresh" => stale(desk, spot, &word),
        word if word.starts_with("every_") => stale(desk, spot, word),
        other => {
            let message = format!("`{other}` is not when an image is fetched");
            desk.error_help(
                spot,
                message,
                "write `always`, `missing`, `never` or `build`",
            );
            PullPolicy::default()
        }
    }
}

/// Policies that ask for an image's age, which the engine does not tell.
fn stale(desk: &Desk<'_>, spot: Spot, word: &str) -> PullPolicy {
    warn(
        desk,
        spot,
        format!("`{word}` counts as `missing` here; `locker pull` fetches images anew"),
    );
    PullPolicy::Missing
}

/// A command line: a text is cut into words as a shell would, a list is taken as it is. An empty
/// one takes the image's away; one without a value leaves it.
fn words(desk: &Desk<'_>, layers: &Layers<'_>, key: Key) -> Option<Vec<String>> {
    let entry = layers.last(key)?;
    let scope = layers.scope(key);
    let words = match &entry.value.kind {
        Shape::Null => return None,
        Shape::Sequence(nodes) => {
            let text = |node: &Node| desk.text(node, scope, key.as_str());
            nodes.iter().map(text).collect::<Option<Vec<String>>>()?
        }
        Shape::Scalar(_) | Shape::Mapping(_) => {
            let text = desk.text(&entry.value, scope, key.as_str())?;
            match split_words(&text) {
                Some(words) => words,
                None => {
                    let message = format!("a quote in `{key}` is not closed");
                    desk.error_help(
                        entry.value.spot,
                        message,
                        "close it, or write a list of words",
                    );
                    return None;
                }
            }
        }
    };
    if words.iter().any(|word| word.contains('\0')) {
        desk.error(entry.value.spot, format!("`{key}` holds a zero byte"));
        return None;
    }
    Some(words)
}

fn logging(desk: &Desk<'_>, layers: &Layers<'_>) -> Option<Logging> {
    let entry = layers
        .last(Key::Logging)
        .filter(|entry| !entry.value.is_null())?;
    let map = &entry.value;
    if map.entries().is_none() {
        let message = format!("`logging` takes a map, not {}", map.kind_name());
        desk.error_help(map.spot, message, "write `logging: {driver: journald}`");
        return None;
    }
    keys::check(desk, map, keys::LOGGING, "`logging`");
    let fields = Fields {
        map,
        scope: layers.scope(Key::Logging),
    };
    let driver = fields.parsed(desk, "driver", |text| {
        kept(text, |text| check_plain("driver", text))
    });
    let options = fields.pairs(desk, "options").into_iter();
    Some(Logging {
        driver: driver.unwrap_or_else(|| "json-file".into()),
        options: options
            .map(|pair| (pair.key, pair.value.unwrap_or_default()))
            .collect(),
    })
}

/// Pairs that are passed on as they are.
fn options(desk: &Desk<'_>, layers: &Layers<'_>, key: Key) -> BTreeMap<String, String> {
    let pairs = pairs(desk, layers, key, false).into_iter();
    pairs
        .map(|pair| (pair.key, pair.value.unwrap_or_default()))
        .collect()
}

/// `pid`, `ipc`, `uts`, `userns_mode`, and the word form of `cgroup`.
fn namespaces(desk: &Desk<'_>, shared: &Shared<'_>, layers: &Layers<'_>, app: &mut App) {
    let read = |key: Key, words: &[&str], others: bool| {
        let (text, spot) = one(desk, layers, key).filter(|(text, _)| !text.is_empty())?;
        if words.contains(&text.as_str()) || others && joins(desk, shared, layers, spot, &text) {
            return Some(text);
        }
        let mut known: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        if others {
            known.extend(["`service:NAME`".into(), "`container:NAME`".into()]);
        }
        if !others || !text.starts_with("service:") {
            desk.error(
                spot,
                format!("`{key}` is {}, not `{text}`", known.join(" or ")),
            );
        }
        None
    };
    app.pid = read(Key::Pid, &["host"], true);
    app.ipc = read(Key::Ipc, &["host", "shareable", "private", "none"], true);
    app.uts = read(Key::Uts, &["host"], false);
    app.userns_mode = read(Key::UsernsMode, &["host"], false);
    let is_word = |entry: &&Entry| matches!(entry.value.kind, Shape::Scalar(_));
    if let Some(word) = layers.of(Key::Cgroup).find(is_word) {
        app.cgroup = read(Key::Cgroup, &["host", "private"], false);
        if layers.of(Key::Cgroup).any(|entry| !is_word(&entry)) {
            desk.error(
                word.spot,
                "`cgroup` is a word here, and limits in `defaults`",
            );
        }
    }
}

/// Whether the text names another container whose namespace is shared; one that the project does
/// not have has been reported.
fn joins(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    spot: Spot,
    text: &str,
) -> bool {
    if let Some(name) = text.strip_prefix("container:") {
        return super::stores::check_engine_name(name).is_ok();
    }
    let Some(word) = text.strip_prefix("service:") else {
        return false;
    };
    sibling(desk, shared, layers, spot, word).is_some()
}

/// Another application container of the project.
fn sibling(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    spot: Spot,
    word: &str,
) -> Option<Name> {
    let name = desk.check(spot, Name::new(word))?;
    if &name == layers.words.name {
        desk.error(spot, format!("`{name}` cannot share with itself"));
        return None;
    }
    if !super::reach::known(desk, shared, spot, &name, "shares with") {
        return None;
    }
    let entry = shared.entries.get(&name)?;
    if super::source::kind_of(shared, &entry.value) == crate::model::Kind::System {
        desk.error(
            spot,
            format!("`{name}` is an LXC container, with which a Docker container cannot share"),
        );
        return None;
    }
    Some(name)
}

/// `NAME[:ro|:rw]` or `container:NAME[:ro|:rw]`, as full names on the host.
fn volumes_from(desk: &Desk<'_>, shared: &Shared<'_>, layers: &Layers<'_>) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    for (text, spot) in texts(desk, layers, Key::VolumesFrom) {
        let (foreign, rest) = match text.strip_prefix("container:") {
            Some(rest) => (true, rest),
            None => (false, text.as_str()),
        };
        let (name, mode) = rest.split_once(':').unwrap_or((rest, "rw"));
        if !matches!(mode, "ro" | "rw") {
            desk.error(
                spot,
                format!("`{mode}` is not a mode of `volumes_from`; it is `ro` or `rw`"),
            );
            continue;
        }
        let name = if foreign {
            desk.check(spot, super::stores::check_engine_name(name))
                .map(|()| name.to_string())
        } else {
            sibling(desk, shared, layers, spot, name)
                .map(|name| host_name_of(shared.project, &name))
        };
        all.extend(name.map(|name| (name, mode == "ro")));
    }
    all
}

/// The pairs of a map that each carry a value, checked one by one.
fn checked_pairs(
    desk: &Desk<'_>,
    layers: &Layers<'_>,
    key: Key,
    check: fn(&str) -> Result<(), AppValueError>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let scope: Scope<'_> = layers.scope(key);
    for pair in layers
        .of(key)
        .flat_map(|entry| pairs_of(desk, entry, scope, false))
    {
        let Some(value) = pair.value else {
            desk.error(pair.spot, format!("`{}` of `{key}` has no value", pair.key));
            continue;
        };
        if desk.check(pair.spot, check(&pair.key)).is_some()
            && desk
                .check(pair.spot, check_plain(key.as_str(), &value))
                .is_some()
        {
            all.insert(pair.key, value);
        }
    }
    all
}
