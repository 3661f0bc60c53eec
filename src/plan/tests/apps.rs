//! A project of both kinds: `web` is an image with a port and is linked to the system container `db`,
//! `job` is built here.

use std::collections::BTreeMap;

use super::shop::{busybox, container, link, project};
use super::*;

/// Application keys stand in lines after those of every container.
pub(super) fn app(word: &str, line: u32, source: Source) -> Container {
    let mut app = container(word, line, source);
    let keys = [
        Key::Image,
        Key::Build,
        Key::Command,
        Key::Networks,
        Key::NetworkMode,
    ];
    for (key, line) in keys.into_iter().zip(line + 11..) {
        app.places.insert(key, place(line));
    }
    app.app = Some(Box::default());
    app
}

pub(super) fn image(name: &str) -> Source {
    Source::Image(name.into())
}

pub(super) fn build(name: &str) -> Source {
    Source::Build(Box::new(Build {
        image: name.into(),
        tags: Vec::new(),
        context: "/srv/shop/job".into(),
        dockerfile: None,
        inline: None,
        args: BTreeMap::new(),
        target: None,
        labels: BTreeMap::new(),
        cache_from: Vec::new(),
        no_cache: false,
        pull: false,
        network: None,
        extra_hosts: Vec::new(),
        shm_size: None,
        platform: None,
    }))
}

pub(super) fn settings(container: &mut Container) -> &mut App {
    container.app.as_mut().unwrap()
}

pub(super) fn on(word: &str, condition: Condition) -> Dependency {
    Dependency {
        on: name(word),
        condition,
        restart: false,
        required: true,
    }
}

pub(super) fn mixed() -> Project {
    let mut db = container("db", 10, busybox());
    db.links.push((link("web"), place(13)));
    let mut web = app("web", 30, image("nginx:1"));
    web.ports.push((port("8080:80"), place(31)));
    web.links.push((link("db:database"), place(32)));
    web.healthcheck = Some(Healthcheck::new(InnerCommand::Shell("true".into())));
    let job = app("job", 50, build("shop_job"));
    project(vec![db, web, job])
}

/// The mixed project with one container changed.
pub(super) fn mixed_with(word: &str, change: impl FnOnce(&mut Container)) -> Project {
    let mut project = mixed();
    change(project.containers.get_mut(word).unwrap());
    project
}

pub(super) fn extra(line: u32, subnet: Option<&str>) -> ExtraNetwork {
    ExtraNetwork {
        wish: NetworkWish {
            subnet: subnet.map(|text| text.parse().unwrap()),
            place: place(line),
            ..NetworkWish::default()
        },
        external: None,
        name: None,
        internal: false,
        labels: BTreeMap::new(),
    }
}

/// Puts an application container on these networks.
pub(super) fn put_on(container: &mut Container, words: &[&str]) {
    let all = words.iter().map(|word| Attachment::new(name(word)));
    settings(container).network = AppNetwork::Networks(all.collect());
}

/// The mixed project with a network `front` for `web` and `job`, and `back` for `job` alone.
pub(super) fn several() -> Project {
    let mut project = mixed();
    project
        .networks
        .insert(name("front"), extra(5, Some("10.80.0.0/24")));
    let mut back = extra(7, None);
    back.internal = true;
    project.networks.insert(name("back"), back);
    put_on(
        project.containers.get_mut("web").unwrap(),
        &["default", "front"],
    );
    put_on(
        project.containers.get_mut("job").unwrap(),
        &["front", "back"],
    );
    project
}
