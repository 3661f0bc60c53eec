//! Files in another layout mean the same.

use super::Home;
use super::round_trip::placeless;
use crate::file::convert::{Converted, Target, convert};
use crate::file::{LoadOptions, load};
use crate::model::Project;

/// Converts, and gives the notes as lines.
#[track_caller]
fn converted(
    home: &Home,
    options: &LoadOptions,
    target: Option<Target>,
) -> (Converted, Vec<String>) {
    match convert(options, target) {
        Ok(converted) => {
            let lost = converted.lost.iter();
            let lost = lost.map(|note| format!("{}: {}", note.place.line, note.message));
            let lost = lost.collect();
            (converted, lost)
        }
        Err(_) => panic!("{}", home.drawn(options)),
    }
}

/// The meaning of a file, without what it is called.
#[track_caller]
fn meaning(home: &Home, options: &LoadOptions) -> Project {
    let Ok(loaded) = load(options) else {
        panic!("{}", home.drawn(options));
    };
    let mut project = placeless(loaded.project);
    project.file = "x".into();
    project
}

fn of(home: &Home, file: &str) -> LoadOptions {
    LoadOptions {
        files: vec![file.into()],
        ..home.options()
    }
}

const COMPOSE: &str = r#"# A shop.
name: shop
x-common: &common
  restart: unless-stopped
  environment: &env {TZ: UTC, EMPTY: "", NUMBER: "012"}
services:
  db:
    <<: *common
    image: "postgres:${PG:-16}"
    healthcheck: {test: [CMD, pg_isready, -q], interval: 5s, start_period: 1m}
    volumes: ["data:/var/lib/postgresql", "./conf:/conf:ro"]
    secrets: [password]
    networks: {back: {aliases: [sql]}}
  web:
    <<: *common
    build: {context: ./web, args: {A: "1"}}
    command: |
      sh -c 'echo "hello: world" # $$HOME
      true'
    depends_on: {db: {condition: service_healthy}}
    links: ["db:database", cache]
    ports: ["8080:80", "127.0.0.1:8443:443/tcp", {target: 53, published: "5353", protocol: udp}]
    environment: ["A=b: c", "B=$${x}", C=]
    networks: [back, default]
    deploy: {replicas: 1, resources: {limits: {memory: 64M}}}
    init: true
    extra_hosts: ["h:1.2.3.4"]
  cache: {image: "redis@sha256:0ed5d5928d4737458944eb604cc8509e245c3e19d02ad83935398bc4b991aac7", profiles: [more], tmpfs: /run}
networks: {back: {internal: true}}
volumes: {data: }
secrets: {password: {file: ./password.txt}}
"#;

#[test]
fn a_compose_file_means_the_same_in_lockers_layout_and_back() {
    let home = Home::new(&[
        ("compose.yaml", COMPOSE),
        ("password.txt", "x"),
        ("web/Dockerfile", "FROM scratch\n"),
    ]);
    let mut first = of(&home, "compose.yaml");
    first.profiles = vec!["*".into()];
    let (locker, lost) = converted(&home, &first, None);
    assert_eq!(locker.target, Target::Locker);
    assert_eq!(lost, ["0: comments are not kept"]);
    assert!(locker.text.contains("\ncontainers:\n"), "{}", locker.text);
    assert!(
        locker.text.contains("image: postgres:${PG:-16}")
            || locker.text.contains("image: \"postgres:${PG:-16}\""),
        "{}",
        locker.text
    );
    std::fs::write(home.path().join("locker.yaml"), &locker.text).unwrap();
    let mut second = of(&home, "locker.yaml");
    second.profiles = vec!["*".into()];
    assert_eq!(
        meaning(&home, &second),
        meaning(&home, &first),
        "{}",
        locker.text
    );
    let (compose, lost) = converted(&home, &second, None);
    assert_eq!(lost, ["0: comments are not kept"]);
    std::fs::write(home.path().join("again.yaml"), &compose.text).unwrap();
    let mut third = of(&home, "again.yaml");
    third.profiles = vec!["*".into()];
    assert_eq!(
        meaning(&home, &third),
        meaning(&home, &first),
        "{}",
        compose.text
    );
}

#[test]
fn several_files_become_one_with_all_that_they_bring() {
    let home = Home::new(&[
        (
            "compose.yaml",
            "version: \"3\"\ninclude: [sub/compose.yaml]\nservices:\n  a: {extends: {service: base, file: sub/base.yaml}, ports: [\"1:1\"]}\n",
        ),
        (
            "compose.override.yaml",
            "services: {a: {ports: !override [\"2:2\"]}}\n",
        ),
        (
            "sub/compose.yaml",
            "services: {b: {image: \"$T\", volumes: [\"./d:/d\", \"../e:/e\"], build: .}}\nsecrets: {s: {file: s.txt}}\n",
        ),
        (
            "sub/base.yaml",
            "services: {base: {image: x, env_file: v.env}}\n",
        ),
        ("sub/v.env", "A=1\n"),
        ("sub/.env", "T=busybox\n"),
        ("sub/s.txt", ""),
    ]);
    let first = home.options();
    let (locker, lost) = converted(&home, &first, Some(Target::Locker));
    assert_eq!(
        lost,
        [
            "1: `version` is left out; it has no meaning",
            "1: `sub/compose.yaml` sees variables of its own; their present values are put in"
        ]
    );
    std::fs::write(home.path().join("one.yaml"), &locker.text).unwrap();
    assert_eq!(
        meaning(&home, &of(&home, "one.yaml")),
        meaning(&home, &first),
        "{}",
        locker.text
    );
}

#[test]
fn a_variable_that_is_called_like_a_word_of_lockers_is_put_in() {
    let home = Home::new(&[
        (
            "compose.yaml",
            "services:\n  a:\n    image: x\n    environment: {A: \"$name-$$name-${TAG}\", B: \"${name:-x}\"}\n",
        ),
        (".env", "name=me\nTAG=t\n"),
    ]);
    let (locker, lost) = converted(&home, &home.options(), None);
    assert_eq!(lost.len(), 2);
    assert_eq!(
        lost[0],
        "4: a variable is called like a word of locker's; its present value is put in"
    );
    assert!(
        locker.text.contains("A: \"me-$$name-${TAG}\""),
        "{}",
        locker.text
    );
    std::fs::write(home.path().join("one.yaml"), &locker.text).unwrap();
    let project = home.project(&of(&home, "one.yaml"));
    assert_eq!(project.containers["a"].environment["B"], "me");
}

const LOCKER: &str = r#"name: shop
backend: lxc
network: {subnet: 10.77.0.0/24, subnet6: "fd77::/64", isolate: true}
groups: {front: [web]}
defaults: {environment: {TZ: UTC}, labels: [a=1], restart: always, template: busybox}
containers:
  db: {template: debian, fqdn: db.example.net}
  web:
    image: nginx
    fqdn: $name.example.net
    depends_on: [db, {api}]
    links: {api: [backend], db: }
    volumes: ["/data/$project/$name:/d", "pg:/pg", {host: ./x, target: /x}]
    ports: ["80:80", {published: 81, target: 81, allow: [10.0.0.0/8]}]
    environment: {TZ: CET, F: $fqdn}
    autostart: true
    pull: always
    dns: [$copy, 1.1.1.1]
  api: {image: api, restart: "no", healthcheck: {test: "true"}}
  far: {image: api, restart: "no", healthcheck: {port: 80}}
"#;

#[test]
fn what_compose_does_not_have_is_told_with_its_line() {
    let text = LOCKER.replace("[db, {api}]", "{db: , api: {condition: healthy}}");
    let home = Home::new(&[("locker.yaml", &text)]);
    let (compose, lost) = converted(&home, &home.options(), None);
    assert_eq!(
        lost,
        [
            "2: `backend` is left out; Compose has no such key",
            "3: `isolate` of `network` is left out; Compose has no such key",
            "4: `groups` is left out; Compose has no such key",
            "7: `db` is left out; it is an LXC container, and Compose has none",
            "11: `web` no longer names `db`, which is left out",
            "12: `web` no longer names `db`, which is left out",
            "14: `allow` is left out; everybody reaches a port that Compose publishes",
            "16: `autostart` of `web` is left out; Compose has no such key",
            "18: `$copy` is left out; Compose's own resolver answers",
            "20: `healthcheck` of `far` is left out; Compose has no check by port",
        ]
    );
    let expected = r#"# Made by `locker convert` from locker.yaml.
name: shop
networks:
  default:
    ipam:
      config:
        - subnet: 10.77.0.0/24
        - subnet: "fd77::/64"
    enable_ipv6: true
services:
  web:
    environment:
      TZ: CET
      F: web.example.net
    labels:
      - "a=1"
    restart: always
    image: nginx
    hostname: web
    domainname: example.net
    depends_on:
      api:
        condition: service_healthy
    links:
      - "api:backend"
    volumes:
      - "/data/shop/web:/d"
      - "pg:/pg"
      - type: bind
        source: ./x
        target: /x
    ports:
      - "80:80"
      - published: 81
        target: 81
    pull_policy: always
    dns:
      - 1.1.1.1
  api:
    environment:
      TZ: UTC
    labels:
      - a=1
    image: api
    restart: "no"
    healthcheck:
      test: "true"
  far:
    environment:
      TZ: UTC
    labels:
      - a=1
    image: api
    restart: "no"
volumes:
  pg:
"#;
    let plain = |text: &str| text.replace(['"'], "");
    assert_eq!(plain(&compose.text), plain(expected));
    std::fs::write(home.path().join("compose.yaml"), &compose.text).unwrap();
    let project = meaning(&home, &of(&home, "compose.yaml"));
    assert_eq!(project.containers.len(), 3);
    assert_eq!(
        project.network.subnet.map(|net| net.to_string()),
        Some("10.77.0.0/24".into())
    );
}

#[test]
fn a_file_that_is_wrong_is_not_converted() {
    let home = Home::new(&[("compose.yaml", "services: {a: {image: x, prots: []}}\n")]);
    assert!(convert(&home.options(), None).is_err());
}
