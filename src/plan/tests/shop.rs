//! The project of most tests: `web` is linked to `db` and publishes a port, `cache` is a clone of `db`.

use std::collections::BTreeMap;

use super::*;

pub(super) fn busybox() -> Source {
    Source::Template {
        name: "busybox".into(),
        args: Vec::new(),
    }
}

/// Every key of a container stands one line below the one before it.
pub(super) fn container(word: &str, line: u32, source: Source) -> Container {
    let keys = [
        source.key(),
        Key::Ports,
        Key::Links,
        Key::Volumes,
        Key::Fqdn,
        Key::Dns,
        Key::Cgroup,
        Key::Environment,
        Key::Idmap,
        Key::Setup,
    ];
    Container {
        place: place(line),
        places: keys
            .into_iter()
            .zip(line + 1..)
            .map(|(key, line)| (key, place(line)))
            .collect(),
        source,
        ..Container::bare(name(word))
    }
}

pub(super) fn project(containers: Vec<Container>) -> Project {
    let named = containers.into_iter().map(|c| (c.name.clone(), c));
    Project {
        name: name("shop"),
        directory: PathBuf::from("/srv/shop"),
        file: PathBuf::from("/srv/shop/locker.yaml"),
        supervisor: Default::default(),
        disabled: Default::default(),
        none: Default::default(),
        network: NetworkWish {
            place: place(2),
            ..NetworkWish::default()
        },
        networks: BTreeMap::new(),
        firewall: FirewallChoice::Auto,
        groups: BTreeMap::new(),
        containers: named.collect(),
    }
}

pub(super) fn volume(source: &str, target: &str) -> Volume {
    Volume {
        source: match source.starts_with('/') {
            true => VolumeSource::Host(source.into()),
            false => VolumeSource::Named(name(source)),
        },
        target: target.into(),
        read_only: false,
        short: true,
        must_exist: false,
    }
}

pub(super) fn link(text: &str) -> Link {
    text.parse().unwrap()
}

pub(super) fn shop() -> Project {
    let mut db = container("db", 10, busybox());
    db.volumes.push((volume("/srv/data", "/data"), place(14)));
    db.fqdn = Fqdn::new("db.example.net").ok();
    let mut web = container("web", 30, busybox());
    web.ports.push((port("8080:80"), place(31)));
    web.links.push((link("db:database"), place(32)));
    let cache = container("cache", 50, Source::CloneSibling(name("db")));
    project(vec![db, web, cache])
}

/// The shop with one container changed.
pub(super) fn with(word: &str, change: impl FnOnce(&mut Container)) -> Project {
    let mut project = shop();
    change(project.containers.get_mut(word).unwrap());
    project
}

pub(super) fn without(word: &str) -> Project {
    let mut project = shop();
    project.containers.remove(word);
    for container in project.containers.values_mut() {
        container
            .links
            .retain(|(link, _)| link.target.as_str() != word);
    }
    project
}
