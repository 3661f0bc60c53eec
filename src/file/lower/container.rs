//! One container: the layers of its keys, and all keys put together.

use std::collections::BTreeMap;

use super::{inside, order, reach, source, values};
use crate::file::desk::{Desk, Scope, Words};
use crate::file::keys::{self, ALL};
use crate::file::tree::{Entry, Kind, Node};
use crate::model::{Container, Fqdn, Key, Name};

/// The maps in which a key of one container may stand.
pub(super) struct Layers<'a> {
    /// `defaults`, if the file has it.
    pub defaults: Option<&'a Node>,
    /// The container's own body.
    pub own: &'a Node,
    /// What locker's words stand for in it.
    pub words: Words<'a>,
}

impl<'a> Layers<'a> {
    /// All entries of a key, that of `defaults` first.
    pub fn of(&self, key: Key) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let defaults = self.defaults.and_then(|map| map.get(key.as_str()));
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
}

/// The container with all its keys. After an error it is incomplete, and the desk is not clean.
pub(super) fn lower(desk: &Desk<'_>, shared: &Shared<'_>, name: &Name, entry: &Entry) -> Container {
    // As it is written: one whose name is refused is checked under another.
    let owner = format!("container `{}`", entry.key);
    let mut container = Container::bare(name.clone());
    container.place = desk.place(entry.spot);
    match entry.value.kind {
        Kind::Mapping(_) => keys::check_container(desk, &entry.value, &owner),
        Kind::Null => {}
        Kind::Scalar(_) | Kind::Sequence(_) => {
            let kind = entry.value.kind_name();
            desk.error(
                entry.value.spot,
                format!("{owner} must be a map of keys, not {kind}"),
            );
            return container;
        }
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
    };
    let fqdn = fqdn(desk, &layers);
    layers.words.fqdn = fqdn.as_ref();
    for key in ALL {
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

/// All keys but the source, and the name that other values may hold.
fn fill(desk: &Desk<'_>, shared: &Shared<'_>, layers: &Layers<'_>, container: &mut Container) {
    container.ports = reach::ports(desk, layers);
    container.volumes = reach::volumes(desk, layers);
    container.links = reach::links(desk, shared, layers);
    container.dns = reach::dns(desk, layers);
    container.cgroup = inside::cgroup(desk, layers);
    container.environment = inside::environment(desk, layers);
    container.config = inside::config(desk, layers);
    container.idmap = inside::idmap(desk, layers);
    container.depends_on = order::depends_on(desk, shared, layers);
    container.healthcheck = order::healthcheck(desk, layers);
    order::restart(desk, layers);
    container.labels = inside::labels(desk, layers);
    container.setup = inside::setup(desk, layers);
    if let Some(entry) = layers.last(Key::Autostart) {
        let scope = layers.scope(Key::Autostart);
        let value = values::boolean(desk, &entry.value, scope, "autostart");
        container.autostart = value.unwrap_or_default();
    }
}

fn fqdn(desk: &Desk<'_>, layers: &Layers<'_>) -> Option<Fqdn> {
    let entry = layers.last(Key::Fqdn)?;
    let text = desk.text(&entry.value, layers.scope(Key::Fqdn), "fqdn")?;
    desk.check(entry.value.spot, Fqdn::new(&text))
}
