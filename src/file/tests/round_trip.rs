//! The resolved file gives the same project again.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{drawn, read_text};
use crate::file::config::{to_json, to_yaml};
use crate::model::*;

/// A project without its places.
fn placeless(mut project: Project) -> Project {
    project.network.place = Place::nowhere();
    for container in project.containers.values_mut() {
        container.place = Place::nowhere();
        container.places.clear();
        let none = Place::nowhere;
        container
            .ports
            .iter_mut()
            .for_each(|(_, place)| *place = none());
        container
            .volumes
            .iter_mut()
            .for_each(|(_, place)| *place = none());
        container
            .links
            .iter_mut()
            .for_each(|(_, place)| *place = none());
        container
            .cgroup
            .iter_mut()
            .for_each(|(_, place)| *place = none());
        container
            .config
            .iter_mut()
            .for_each(|(_, place)| *place = none());
    }
    project
}

#[track_caller]
fn comes_back(project: Project) {
    let project = placeless(project);
    for text in [to_yaml(&project), to_json(&project)] {
        match read_text(&text) {
            Ok(again) => assert_eq!(placeless(again.project), project, "{text}"),
            Err(_) => panic!("{}\n{text}", drawn(&text)),
        }
    }
}

#[test]
fn a_full_file_comes_back() {
    let text = r#"
network: {subnet: 10.77.0.0/24, isolate: true}
firewall: iptables
groups: {front: [b], empty: []}
containers:
  a:
    download: {dist: debian, release: bookworm, arch: amd64}
    ports: ["[::]:80:80", {published: 9, target: 9, protocol: udp, allow: [10.0.0.0/8]}]
    volumes: ["pg:/x:ro", {source: "/a:b", target: "/c d"}]
    dns: [$bridge, 1.1.1.1]
    cgroup: [devices.deny=a, devices.allow=c 1:3 r]
    idmap: auto
    healthcheck: {test: "test -e /x && echo $$PATH", start_period: 1m30s}
    setup: ["echo 'a: b' # $$c\nexit 0", [echo, ""]]
  b:
    rootfs: ./root.tar
    links: {a: [x, y]}
    depends_on: {a: {condition: healthy}}
    labels: {x: "yes", y: " - ", z: "\u2028é😀\ufeff"}
    environment: {E: "", N: "0123", T: "true"}
"#;
    comes_back(read_text(text).unwrap().project);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_texts_come_back(
        values in proptest::collection::vec("\\PC{0,12}", 1..5),
        script in "[ -~\n\t]{0,20}",
        ports in proptest::collection::vec((1u16.., 1u16..), 0..4),
        limit in 0u64..1 << 40,
    ) {
        let mut container = Container::bare(Name::new("a").unwrap());
        container.source = Source::Template { name: "busybox".into(), args: vec![("x".into(), values[0].clone())] };
        container.environment = values.iter().enumerate().map(|(n, v)| (format!("V{n}"), v.clone())).collect();
        container.labels = values.iter().enumerate().map(|(n, v)| (format!("l{n}"), v.clone())).collect();
        container.config = values.iter().map(|v| (ConfigLine::new("lxc.mount.entry", v).unwrap(), Place::nowhere())).collect();
        container.setup = vec![InnerCommand::Exec(vec!["x".into(), script.clone()])];
        container.setup.extend((!script.trim().is_empty()).then_some(InnerCommand::Shell(script)));
        container.cgroup = vec![(Limit::new("memory.max", &limit.to_string()).unwrap(), Place::nowhere())];
        let taken: BTreeMap<u16, u16> = ports.into_iter().collect();
        for (host, inside) in taken {
            let port = Port::new(None, PortRange::single(host), PortRange::single(inside), Protocol::Tcp);
            container.ports.push((port.unwrap(), Place::nowhere()));
        }
        comes_back(Project {
            name: Name::new("p").unwrap(),
            directory: "/srv/shop".into(),
            file: "/srv/shop/locker.yaml".into(),
            network: NetworkWish::default(),
            networks: BTreeMap::new(),
            supervisor: Supervisor::Auto,
            firewall: FirewallChoice::Auto,
            groups: BTreeMap::new(),
            disabled: BTreeMap::new(),
            containers: [(container.name.clone(), container)].into(),
        });
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-c:\\-\\[\\]{}\"'&*<!$#,|> \n]{0,60}") {
        let _ = drawn(&text);
    }
}
