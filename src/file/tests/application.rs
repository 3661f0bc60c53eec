//! What right files mean for application containers, in both layouts.

use std::num::NonZeroU16;
use std::path::Path;
use std::time::Duration;

use super::{drawn, project, read_text};
use crate::model::*;

fn app(project: &Project, name: &str) -> App {
    *project.containers[name].app.clone().unwrap()
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

#[test]
fn a_service_is_read_as_compose_means_it() {
    let project = project(
        r#"
services:
  web:
    image: nginx:1.27
    command: sh -c 'echo "a b" $$HOME'
    entrypoint: [tini, --]
    ports: ["80", "8080:80/udp", "127.0.0.1::90", {target: 443, published: "8443", protocol: tcp, app_protocol: https, mode: host}]
    environment: {A: 1, B: "two\nlines", TAG: }
    volumes:
      - /anonymous
      - ./html:/html:ro
      - data:/data:nocopy
      - {type: tmpfs, target: /cache, tmpfs: {size: 64m, mode: 01777}}
      - {type: bind, source: /, target: /host, read_only: true, bind: {propagation: rslave}}
      - outside:/outside
    tmpfs: [/run, "/tmp:size=1m"]
    networks: {default: {aliases: [www]}, back: {ipv4_address: 10.9.0.5, priority: 10}}
    depends_on: {db: {condition: service_healthy, restart: true}}
    healthcheck: {test: [CMD, curl, localhost], interval: 1m30s, start_interval: 500ms}
    restart: on-failure:3
    deploy: {resources: {limits: {cpus: "0.5", memory: 64m, pids: 10}, reservations: {memory: 32M}}}
    ulimits: {nproc: 65535, nofile: {soft: 20000, hard: 40000}}
    sysctls: [net.core.somaxconn=1024]
    cap_add: [NET_ADMIN]
    cap_drop: [ALL]
    devices: ["/dev/fuse", "/dev/a:/dev/b:r"]
    extra_hosts: ["host.docker.internal:host-gateway", "db2=10.0.0.1"]
    logging: {driver: journald, options: {tag: x}}
    stop_signal: SIGINT
    stop_grace_period: 1m
    user: 1000:1000
    init: true
    shm_size: 64m
    read_only: true
    hostname: web.example
  db:
    build: {context: ./db, dockerfile: D, args: [V=1], target: run}
volumes: {data: {}, outside: {external: true, name: shared}}
networks: {back: {internal: true, ipam: {config: [{subnet: 10.9.0.0/24, gateway: 10.9.0.1}]}}}
"#,
    );
    let web = &project.containers["web"];
    assert_eq!(web.kind(), Kind::Application);
    let ports: Vec<String> = web.ports.iter().map(|(port, _)| port.to_string()).collect();
    assert_eq!(
        ports,
        [
            "0:80/tcp",
            "8080:80/udp",
            "127.0.0.1:0:90/tcp",
            "8443:443/tcp"
        ]
    );
    assert_eq!(web.environment["B"], "two\nlines");
    assert_eq!(web.environment["TAG"], "bookworm");
    assert_eq!(web.restart, Restart::OnFailure { most: Some(3) });
    assert_eq!(web.stop_grace, Some(Duration::from_secs(60)));
    let check = web.healthcheck.as_ref().unwrap();
    assert_eq!(check.interval.as_secs(), 90);
    assert_eq!(check.start_interval, Some(Duration::from_millis(500)));
    assert_eq!(web.depends_on[0].condition, Condition::Healthy);
    assert!(web.depends_on[0].restart && web.depends_on[0].required);
    let volumes: Vec<String> = web.volumes.iter().map(|(v, _)| v.to_string()).collect();
    assert_eq!(
        volumes,
        ["/srv/shop/html:/html:ro", "data:/data", "/:/host:ro"]
    );
    let app = app(&project, "web");
    assert_eq!(
        app.command,
        Some(texts(&["sh", "-c", "echo \"a b\" $HOME"]))
    );
    assert_eq!(app.entrypoint, Some(texts(&["tini", "--"])));
    assert_eq!(
        app.granted.tmpfs[Path::new("/cache")],
        "size=67108864,mode=1777"
    );
    assert_eq!(app.granted.tmpfs[Path::new("/tmp")], "size=1m");
    assert_eq!(app.engine_volumes[0].volume, EngineVolume::Anonymous);
    assert_eq!(
        app.engine_volumes[1].volume,
        EngineVolume::External("shared".into())
    );
    assert!(app.mount_options[Path::new("/data")].no_copy);
    let host = &app.mount_options[Path::new("/host")];
    assert_eq!(host.propagation.as_deref(), Some("rslave"));
    let AppNetwork::Networks(networks) = &app.network else {
        panic!("{:?}", app.network);
    };
    assert_eq!(
        networks[0].network.as_str(),
        "back",
        "the highest priority is first"
    );
    assert_eq!(networks[0].v4.unwrap().to_string(), "10.9.0.5");
    assert_eq!(networks[1].aliases, ["www"]);
    assert!(project.networks["back"].internal);
    assert_eq!(
        project.networks["back"].wish.subnet.unwrap().to_string(),
        "10.9.0.0/24"
    );
    assert_eq!(app.limits.nano_cpus, Some(500_000_000));
    assert_eq!(app.limits.memory, Some(64 << 20));
    assert_eq!(app.limits.memory_reservation, Some(32 << 20));
    assert_eq!(app.limits.pids, Some(10));
    assert_eq!(
        app.granted.ulimits["nproc"],
        Ulimit {
            soft: 65535,
            hard: 65535
        }
    );
    assert_eq!(app.granted.devices.len(), 2);
    assert_eq!(app.extra_hosts[1], ("db2".into(), "10.0.0.1".into()));
    assert_eq!(
        (app.user.as_deref(), app.init),
        (Some("1000:1000"), Some(true))
    );
    let Source::Build(build) = &project.containers["db"].source else {
        panic!("db is built");
    };
    assert_eq!(build.image, "shop_db");
    assert_eq!(build.context, Path::new("/srv/shop/db"));
    assert_eq!(
        build.dockerfile.as_deref(),
        Some(Path::new("/srv/shop/db/D"))
    );
    assert_eq!(build.args["V"].as_deref(), Some("1"));
}

#[test]
fn both_kinds_stand_side_by_side_and_share_defaults() {
    let project = project(
        r#"
defaults:
  dns: [$copy]
  template: busybox
  mem_limit: 1g
  config: [lxc.tty.max = 4]
containers:
  system: {}
  app: {image: redis, links: [system], cgroup: {memory.max: 64M}, setup: [touch /x], fqdn: app.example}
  named: {image: redis, cgroup: private}
"#,
    );
    let (system, app_container) = (&project.containers["system"], &project.containers["app"]);
    assert_eq!(system.kind(), Kind::System);
    assert!(system.app.is_none());
    assert_eq!(system.config.len(), 1);
    assert_eq!(app_container.kind(), Kind::Application);
    assert!(app_container.config.is_empty(), "`config` is for LXC");
    assert_eq!(app_container.dns, [Dns::Copy]);
    assert_eq!(app_container.setup.len(), 1);
    assert_eq!(app_container.cgroup[0].0.to_string(), "memory.max=64M");
    assert_eq!(app(&project, "app").limits.memory, Some(1 << 30));
    assert_eq!(app(&project, "named").cgroup.as_deref(), Some("private"));
}

#[test]
fn the_backend_says_what_is_missing_only() {
    let said = drawn("backend: docker\ncontainers: {a: {}}\n");
    assert!(said.contains("give it an `image` or a `build`"), "{said}");
    let said = drawn("containers: {a: {command: x}}\n");
    assert!(said.contains("give it an `image` or a `build`"), "{said}");
    let said = drawn("containers: {a: {}}\n");
    assert!(said.contains("give it one of `template`"), "{said}");
    let said = drawn("services: {a: {}}\n");
    assert!(said.contains("give it an `image` or a `build`"), "{said}");
}

#[test]
fn empty_and_absent_commands_differ() {
    let project = project(
        "services:\n  a: {image: x, command: [], entrypoint: \"\"}\n  b: {image: x, command: }\n",
    );
    assert_eq!(app(&project, "a").command, Some(vec![]));
    assert_eq!(app(&project, "a").entrypoint, Some(vec![]));
    assert_eq!(app(&project, "b").command, None);
}

#[test]
fn shared_namespaces_are_dependencies() {
    let project = project(
        r#"
services:
  vpn: {image: x}
  a: {image: x, network_mode: "service:vpn"}
  b: {image: x, pid: "service:vpn", volumes_from: ["vpn:ro", "container:other"], links: ["a:aa"]}
"#,
    );
    let name = |word: &str| Name::new(word).unwrap();
    assert_eq!(
        app(&project, "a").network,
        AppNetwork::Container(name("vpn"))
    );
    assert!(project.containers["a"].depends_on[0].restart);
    let b = app(&project, "b");
    assert_eq!(b.pid.as_deref(), Some("service:vpn"));
    assert_eq!(
        b.volumes_from,
        [("shop_vpn".to_string(), true), ("other".to_string(), false)]
    );
    let on: Vec<&str> = project.containers["b"]
        .depends_on
        .iter()
        .map(|d| d.on.as_str())
        .collect();
    assert_eq!(on, ["vpn", "a"]);
}

#[test]
fn the_first_network_is_the_way_out() {
    let project = project(
        r#"
services:
  a: {image: x, networks: [zeta, inner, beta]}
  b: {image: x, networks: {beta: , zeta: {priority: 5}, inner: {gw_priority: 1}}}
networks: {zeta: , beta: , inner: {internal: true}}
"#,
    );
    for (name, expected) in [("a", "beta zeta inner"), ("b", "inner zeta beta")] {
        let AppNetwork::Networks(all) = app(&project, name).network else {
            panic!("{name}");
        };
        let names: Vec<&str> = all.iter().map(|one| one.network.as_str()).collect();
        assert_eq!(names.join(" "), expected);
    }
}

#[test]
fn a_health_check_without_a_test_leaves_that_of_the_image() {
    let project = project("services: {a: {image: x, healthcheck: {disable: false}}}\n");
    assert_eq!(project.containers["a"].healthcheck, None);
    assert!(!app(&project, "a").no_healthcheck);
}

#[test]
fn a_port_is_asked_only_where_there_is_a_network() {
    let project = project("services: {a: {image: x, healthcheck: {port: 80, retries: 5}}}\n");
    let check = project.containers["a"].healthcheck.as_ref().unwrap();
    let port = NonZeroU16::new(80).unwrap();
    assert_eq!((&check.test, check.retries), (&Test::Port { port }, 5));
    let said = drawn("services: {a: {image: x, network_mode: none, healthcheck: {port: 80}}}\n");
    assert!(
        said.contains("`network_mode: none` leaves nobody to be asked"),
        "{said}"
    );
}

#[test]
fn replicas_are_built_once() {
    let project = project("services: {a: {build: ., scale: 3}}\n");
    assert_eq!(project.containers.len(), 3);
    for container in project.containers.values() {
        assert_eq!(container.source.image(), Some("shop_a"));
    }
}

#[test]
fn an_external_default_network_takes_the_place_of_the_own_one() {
    let project = project(
        "services: {a: {image: x}, b: {image: x, networks: [default]}}\n\
         networks: {default: {external: true, name: proxy}}\n",
    );
    assert_eq!(project.networks["proxy"].external.as_deref(), Some("proxy"));
    for name in ["a", "b"] {
        let AppNetwork::Networks(all) = app(&project, name).network else {
            panic!("{name}");
        };
        assert_eq!(all[0].network.as_str(), "proxy");
    }
}

#[test]
fn secrets_and_configs_are_files_and_are_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, b"hunter2\xff").unwrap();
    let text = format!(
        r#"
services:
  a:
    image: x
    secrets: [key, {{source: key, target: other, uid: "103", gid: 5, mode: 0440}}, {{source: env, target: /abs}}]
    configs: [conf, {{source: conf, target: /etc/app.conf}}]
secrets: {{key: {{file: {}}}, env: {{environment: TAG}}}}
configs: {{conf: {{content: "password=$TAG"}}}}
"#,
        file.display()
    );
    let project = project(&text);
    let files = app(&project, "a").files;
    let shown: Vec<String> = files
        .iter()
        .map(|f| format!("{} {}:{} {:o}", f.target.display(), f.uid, f.gid, f.mode))
        .collect();
    assert_eq!(
        shown,
        [
            "/run/secrets/key 0:0 444",
            "/run/secrets/other 103:5 440",
            "/abs 0:0 444",
            "/conf 0:0 444",
            "/etc/app.conf 0:0 444",
        ]
    );
    assert_eq!(files[0].content.0, b"hunter2\xff");
    assert_eq!(files[2].content.0, b"bookworm");
    assert_eq!(files[3].content.0, b"password=bookworm");
    assert_ne!(files[0].digest, files[2].digest);
    for shown in [
        format!("{project:?}"),
        crate::file::config::to_yaml(&project),
        serde_json::to_string(&app(&project, "a")).unwrap(),
    ] {
        assert!(
            !shown.contains("hunter2") && !shown.contains("bookworm"),
            "{shown}"
        );
    }
}

#[test]
fn a_file_of_variables_may_be_missing_or_raw() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vars");
    std::fs::write(&file, "A=$TAG \"x\"\n#B=1\nC\n").unwrap();
    let text = format!(
        "services:\n  a:\n    image: x\n    env_file: [{{path: {}, format: raw}}, {{path: /nosuch, required: false}}]\n",
        file.display()
    );
    let project = project(&text);
    let environment = &project.containers["a"].environment;
    assert_eq!(environment["A"], "$TAG \"x\"");
    assert_eq!(environment["C"], "");
    assert_eq!(environment.len(), 2);
}

#[test]
fn a_secret_whose_variable_is_not_set_is_no_error_of_the_file() {
    let text = "services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {environment: NOSUCH}}\n";
    let project = project(text);
    let files = &project.containers["a"].app.as_ref().unwrap().files;
    assert!(files[0].is_unset());
    let empty = text.replace("NOSUCH", "EMPTY");
    let project = super::project(&empty);
    let files = &project.containers["a"].app.as_ref().unwrap().files;
    assert!(!files[0].is_unset(), "empty is a value");
}

#[test]
fn a_secret_that_cannot_be_read_is_an_error_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let large = dir.path().join("large");
    std::fs::write(&large, vec![b'x'; (512 << 10) + 1]).unwrap();
    for (secret, expected) in [
        (
            "{file: /nosuch}".to_string(),
            "cannot read `/nosuch`: No such file",
        ),
        (
            "{file: /dev/zero}".to_string(),
            "cannot read `/dev/zero`: not a regular file",
        ),
        (
            format!("{{file: {}}}", large.display()),
            "the file is too long",
        ),
        (
            "{external: true}".to_string(),
            "locker does not have `external`: kept by a swarm",
        ),
        ("{}".to_string(), "secret `s` has no content"),
        (
            "{file: /a, environment: B}".to_string(),
            "secret `s` has `file` and `environment`",
        ),
        (
            "{content: hunter2}".to_string(),
            "secret `s` stands in the project file itself",
        ),
    ] {
        let text =
            format!("services: {{a: {{image: x, secrets: [s]}}}}\nsecrets: {{s: {secret}}}\n");
        let said = drawn(&text);
        assert!(
            said.contains(expected) || expected.starts_with("locker"),
            "{secret}: {said}"
        );
        assert!(read_text(&text).is_err(), "{secret}");
        assert_eq!(said.matches("error: ").count(), 1, "{said}");
    }
}
