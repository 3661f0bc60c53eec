//! One container: the layers of its keys, and all keys put together.

use std::collections::BTreeMap;

use super::stores::Stores;
use super::values::{flag, one, timed};
use super::{app, health, hooks, inside, order, ports, reach, source, system, variables, volumes};
use crate::file::desk::{Desk, Scope, Words};
use crate::file::keys;
use crate::file::tree::{self, Entry, Node};
use crate::model::{Container, Fqdn, Key, Kind, Name};

/// The maps in which a key of one container may stand.
pub(super) struct Layers<'a> {
    /// `defaults`, if the file has it.
    pub defaults: Option<&'a Node>,
    /// The container's own body.
    pub own: &'a Node,
    /// What locker's words stand for in it.
    pub words: Words<'a>,
    /// What it is made from decides which keys of `defaults` are for it.
    pub kind: Kind,
}

impl<'a> Layers<'a> {
    /// All entries of a key, that of `defaults` first.
    pub fn of(&self, key: Key) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let defaults = self.defaults.filter(|_| keys::fits(key, self.kind));
        let defaults = defaults.and_then(|map| map.get(key.as_str()));
        defaults.into_iter().chain(self.own.get(key.as_str()))
    }

    /// The entry that counts where only one can: the container's own, else that of `defaults`.
    pub fn last(&self, key: Key) -> Option<&'a Entry> {
        self.of(key).last()
    }

    /// Whose words may stand in the value of a key.
    pub fn scope(&self, key: Key) -> Scope<'a> {
        Scope::Container(self.words, key)
    }
}

/// What all containers of a file have in common.
pub(super) struct Shared<'a> {
    pub project: &'a Name,
    pub bridge: &'a str,
    pub defaults: Option<&'a Node>,
    /// Every container of the file with its entry.
    pub entries: &'a BTreeMap<Name, &'a Entry>,
    /// What a container without a source is.
    pub backend: Kind,
    /// Whether the file is laid out as Compose's.
    pub compose: bool,
    /// Containers whose profiles are not enabled, with their profiles.
    pub out: &'a BTreeMap<String, Vec<String>>,
    /// Networks, volumes, secrets and configs of the top level.
    pub stores: &'a Stores,
}

/// The container with all its keys. After an error it is incomplete, and the desk is not clean.
pub(super) fn lower(desk: &Desk<'_>, shared: &Shared<'_>, name: &Name, entry: &Entry) -> Container {
    let mut container = Container::bare(name.clone());
    container.place = desk.place(entry.spot);
    let kind = source::kind_of(shared, &entry.value);
    if !is_body(desk, shared, kind, entry) {
        return container;
    }
    let words = Words {
        name,
        project: shared.project,
        bridge: shared.bridge,
        fqdn: None,
    };
    let mut layers = Layers {
        defaults: shared.defaults,
        own: &entry.value,
        words,
        kind,
    };
    let fqdn = fqdn(desk, &layers);
    layers.words.fqdn = fqdn.as_ref();
    for key in Key::ALL.iter().copied() {
        if let Some(entry) = layers.last(key) {
            container.places.insert(key, desk.place(entry.spot));
        }
    }
    fill(desk, shared, &layers, &mut container);
    if let Some(source) = source::lower(desk, shared, &layers, entry.spot) {
        container.source = source;
    }
    container.fqdn = fqdn;
    container
}

/// Checks the keys of a body; false when it is none.
fn is_body(desk: &Desk<'_>, shared: &Shared<'_>, kind: Kind, entry: &Entry) -> bool {
    let word = if shared.compose {
        "service"
    } else {
        "container"
    };
    // As it is written: one whose name is refused is checked under another.
    let owner = format!("{word} `{}`", entry.key);
    match entry.value.kind {
        tree::Kind::Mapping(_) => keys::check_container(desk, &entry.value, &owner, Some(kind)),
        tree::Kind::Null => {}
        tree::Kind::Scalar(_) | tree::Kind::Sequence(_) => {
            let kind = entry.value.kind_name();
            let message = format!("{owner} must be a map of keys, not {kind}");
            desk.error(entry.value.spot, message);
            return false;
        }
    }
    true
}

/// All keys but the source, and the name that other values may hold.
fn fill(desk: &Desk<'_>, shared: &Shared<'_>, layers: &Layers<'_>, container: &mut Container) {
    container.ports = ports::lower(desk, layers);
    container.links = reach::links(desk, shared, layers);
    container.dns = reach::dns(desk, layers);
    container.cgroup = inside::cgroup(desk, layers);
    container.environment = variables::environment(desk, layers);
    container.config = inside::config(desk, layers);
    container.idmap = inside::idmap(desk, layers);
    container.identity =
        super::values::parsed(desk, layers, Key::Identity, str::parse).unwrap_or_default();
    container.depends_on = order::depends_on(desk, shared, layers);
    container.healthcheck = health::lower(desk, layers).check;
    container.restart = order::restart(desk, layers);
    container.labels = variables::labels(desk, layers);
    container.setup = inside::setup(desk, layers);
    container.hooks = hooks::lower(desk, layers);
    container.autostart = flag(desk, layers, Key::Autostart).unwrap_or_default();
    container.isolate = flag(desk, layers, Key::Isolate).unwrap_or_default();
    container.on_demand = flag(desk, layers, Key::OnDemand).unwrap_or_default();
    let time = |key: Key| {
        let (text, spot) = one(desk, layers, key)?;
        timed(desk, spot, &text, key.as_str())
    };
    container.stop_grace = time(Key::StopGracePeriod);
    container.idle = time(Key::Idle);
    container.supervisor = super::values::parsed(desk, layers, Key::Supervisor, str::parse);
    let mounts = volumes::lower(desk, shared, layers);
    container.volumes = mounts.volumes.clone();
    match layers.kind {
        Kind::System => system::fill(desk, shared, layers, mounts, container),
        Kind::Application => {
            container.app = Some(Box::new(app::lower(desk, shared, layers, mounts)));
        }
    }
    health::check_network(desk, layers, container);
}

fn fqdn(desk: &Desk<'_>, layers: &Layers<'_>) -> Option<Fqdn> {
    let Some(entry) = layers.last(Key::Fqdn) else {
        return match layers.kind {
            Kind::System => system::fqdn(desk, layers),
            Kind::Application => None,
        };
    };
    let text = desk.text(&entry.value, layers.scope(Key::Fqdn), "fqdn")?;
    desk.check(entry.value.spot, Fqdn::new(&text))
}
