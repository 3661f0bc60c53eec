//! The resolved file gives the same project again.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{drawn, read_text};
use crate::file::config::{to_json, to_yaml};
use crate::model::*;

/// A project without its places.
pub(super) fn placeless(mut project: Project) -> Project {
    project.network.place = Place::nowhere();
    for network in project.networks.values_mut() {
        network.wish.place = Place::nowhere();
    }
    for container in project.containers.values_mut() {
        container.place = Place::nowhere();
        container.places.clear();
        let none = Place::nowhere;
        container
            .ports
            .iter_mut()
            .for_each(|(_, place)| *place = none());
        container.volumes.iter_mut().for_each(|(volume, place)| {
            volume.short = false; // it is written in its long form
            *place = none();
        });
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
pub(super) fn comes_back(project: Project) {
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

#[test]
fn every_key_of_a_service_comes_back() {
    for text in super::compose_keys::files() {
        let mut project = match read_text(&text) {
            Ok(loaded) => loaded.project,
            Err(_) => panic!("{}", drawn(&text)),
        };
        // The resolved file has each replica for itself, and those that take part only; the content
        // of configs is not in it.
        for container in project.containers.values_mut() {
            container.replica_of = None;
            for file in container.app.iter_mut().flat_map(|app| &mut app.files) {
                let hidden = file.origin.content == FileContent::Inline;
                file.digest = digest_of(if hidden {
                    b"(not shown)"
                } else {
                    &file.content.0
                });
            }
        }
        project.disabled.clear();
        comes_back(project);
    }
}

#[test]
fn a_full_service_comes_back() {
    let text = r#"
name: shop
supervisor: systemd
networks:
  default: {internal: true, labels: {a: "$$b"}}
  back: {ipam: {config: [{subnet: 10.9.0.0/24}, {subnet: "fd09::/64"}]}, labels: {x: y}}
  out: {external: true, name: proxy}
volumes:
  data:
  nfs: {driver: local, driver_opts: {type: nfs, o: "addr=10.0.0.1,rw", device: ":/x"}, labels: {l: m}}
  named: {name: fixed}
  ext: {external: true}
secrets: {s: {environment: TAG}}
services:
  a:
    image: x
    command: ["sh", "-c", "echo $$HOME 'a'\n", ""]
    entrypoint: []
    environment: {M: "a\nb", D: "$$x"}
    volumes: [/anon, "data:/data:nocopy", "nfs:/nfs:ro", "named:/named", "ext:/ext", "/a:/b:rslave", {type: bind, source: "/x:y", target: /z}]
    tmpfs: ["/t:size=1m", /u]
    networks: {out: , back: {ipv4_address: 10.9.0.7, ipv6_address: "fd09::7", aliases: [one, two], mac_address: "02:00:00:00:00:01", priority: 5}}
    extra_hosts: {h: [1.1.1.1, "::1"], g: host-gateway}
    healthcheck: {disable: true}
    depends_on: {b: {condition: service_completed_successfully, restart: true, required: false}}
    restart: unless-stopped
    stop_grace_period: 1m30s
    idle: 10m
    isolate: true
    on_demand: true
    supervisor: none
    autostart: true
    secrets: [{source: s, target: x, mode: "0400", uid: 7}]
    security_opt: ["no-new-privileges", "seccomp={\"defaultAction\": \"SCMP_ACT_ALLOW\"}", "label:disable"]
    ulimits: {nofile: {soft: 1024, hard: -1}}
    devices: ["/dev/a:/dev/b:r"]
    blkio_config: {weight: 300, device_read_bps: [{path: /dev/sda, rate: 1mb}], weight_device: [{path: /dev/sda, weight: 10}]}
    cpus: 1.25
    memswap_limit: -1
    cpu_quota: -1
    logging: {driver: json-file, options: {max-size: 10m}}
    labels: {"traefik.rule": "Host(`x`)\n"}
  b:
    build: {context: ., dockerfile_inline: "FROM x\nRUN echo $$A\n", args: [A=1, NOSUCH], labels: {a: b}, tags: ["y:1"], extra_hosts: ["h:1.1.1.1"], platforms: [linux/arm64], shm_size: 1m, no_cache: true, pull: true, network: host, cache_from: [z]}
    network_mode: none
    healthcheck: {test: "x $$y", start_interval: 1s, timeout: 1.5s}
  d: {image: x, healthcheck: {port: 443, timeout: 2s}}
  c: {image: x, network_mode: "service:b", ipc: "service:b", volumes_from: ["a:ro"]}
"#;
    comes_back(
        read_text(text)
            .map(|loaded| loaded.project)
            .unwrap_or_else(|_| panic!("{}", drawn(text))),
    );
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
            none: Default::default(),
            containers: [(container.name.clone(), container)].into(),
        });
    }

    #[test]
    fn no_value_of_a_key_makes_the_reader_panic(
        key in 0..crate::file::keys::CONTAINER.len(),
        value in "[a-z0-9/:.=,~@\\-\\[\\]{} \u{0}\u{e9}]{0,24}",
        digits in "[0-9]{1,30}",
        shape in 0..4,
    ) {
        let key = crate::file::keys::CONTAINER[key].name;
        let quoted = serde_json::to_string(&value).unwrap();
        let value = match shape {
            0 => quoted,
            1 => format!("[{quoted}]"),
            2 => format!("{{{quoted}: {digits}}}"),
            _ => digits,
        };
        let _ = drawn(&format!("services: {{a: {{image: x, {key}: {value}}}}}\n"));
        let _ = drawn(&format!("containers: {{a: {{template: x, {key}: {value}}}}}\n"));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-c:\\-\\[\\]{}\"'&*<!$#,|> \n]{0,60}") {
        let _ = drawn(&text);
    }
}
