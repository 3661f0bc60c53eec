//! What right files mean.

use std::fs;

use super::{drawn, project, read_text};
use crate::file::{LoadOptions, load};
use crate::model::*;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn shown<T: ToString, P>(all: &[(T, P)]) -> Vec<String> {
    all.iter().map(|(value, _)| value.to_string()).collect()
}

#[test]
fn every_key_of_a_container_is_read() {
    let project = project(
        r#"
name: shop
backend: lxc
supervisor: none
firewall: nftables
network: {subnet: 10.77.0.0/24, subnet6: "fd77::/64", isolate: true}
x-anything: {a: 1}
groups: {front: [web]}
containers:
  db:
    template: {name: debian, release: $TAG, no-validate: }
    healthcheck: {test: [CMD, pg_isready, -q], interval: 5s, retries: 5}
  web:
    clone: db
    ports: [22:22, "[::]:80-81:80-81/udp", {published: 0, target: 8080, allow: [10.0.0.9/8, "::1"]}]
    volumes: ["/data/$project/${name}/$fqdn:/d/$name:ro", "pg:/x", {host: ./a, target: /y}]
    fqdn: $name.example.net
    links: [db, "db:database", {name: db, alias: sql}]
    dns: [8.8.8.8, $copy, "${bridge}"]
    cgroup: ["memory.max = 512M", cpu.shares=512]
    environment: {A: 1.10, B: "$$x", TAG: }
    config: [lxc.mount.auto = proc, "lxc.cap.drop="]
    idmap: [b 0 100000 65536]
    depends_on: {db: {condition: service_healthy}}
    restart: no
    labels: {com.example: "on"}
    group: [back]
    setup: ["apt-get update", [touch, /x]]
    autostart: true
"#,
    );
    assert_eq!(project.name, name("shop"));
    assert_eq!(project.firewall, FirewallChoice::Nftables);
    assert_eq!(project.network.subnet.unwrap().to_string(), "10.77.0.0/24");
    assert!(project.network.isolate);
    let db = &project.containers["db"];
    let args = |k: &str, v: &str| (k.to_string(), v.to_string());
    assert_eq!(
        db.source,
        Source::Template {
            name: "debian".into(),
            args: vec![args("release", "bookworm"), args("no-validate", "")]
        }
    );
    let check = db.healthcheck.as_ref().unwrap();
    let test = InnerCommand::Exec(vec!["pg_isready".into(), "-q".into()]);
    assert_eq!(check.test, test.into());
    assert_eq!(
        (
            check.interval.as_secs(),
            check.timeout.as_secs(),
            check.retries
        ),
        (5, 30, 5)
    );
    let web = &project.containers["web"];
    assert_eq!(web.source, Source::CloneSibling(name("db")));
    assert_eq!(
        shown(&web.ports),
        ["22:22/tcp", "[::]:80-81:80-81/udp", "0:8080/tcp"]
    );
    assert_eq!(web.ports[2].0.allow[0].to_string(), "10.0.0.0/8");
    assert_eq!(
        shown(&web.volumes),
        [
            "/data/shop/web/web.example.net:/d/web:ro",
            "pg:/x",
            "/srv/shop/a:/y"
        ]
    );
    assert_eq!(shown(&web.links), ["db", "db:database", "db:sql"]);
    assert_eq!(
        web.dns.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["8.8.8.8", "$copy", "$bridge"]
    );
    assert_eq!(shown(&web.cgroup), ["memory.max=512M", "cpu.shares=512"]);
    let env: Vec<_> = web
        .environment
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert_eq!(env, ["A=1.10", "B=$x", "TAG=bookworm"]);
    assert_eq!(web.config[1].0.value, "");
    assert!(matches!(&web.idmap, Some(Idmap::Ranges(ranges)) if ranges.len() == 2));
    assert_eq!(web.depends_on[0].condition, Condition::Healthy);
    assert_eq!(web.groups, [name("back"), name("front")]);
    assert_eq!(project.groups["front"], [name("web")]);
    assert_eq!(
        web.setup[1],
        InnerCommand::Exec(vec!["touch".into(), "/x".into()])
    );
    assert!(web.autostart);
    assert_eq!(web.place_of(Key::Ports).line, 15);
    assert_eq!(web.place.line, 13);
    assert_eq!((web.ports[1].1.line, web.ports[1].1.column), (15, 20));
}

#[test]
fn defaults_are_merged_key_by_key() {
    let project = project(
        r#"
defaults:
  template: {name: debian}
  dns: [1.1.1.1, 9.9.9.9]
  cgroup: {memory.max: 1G, pids.max: 10}
  environment: [A=default, B=default]
  volumes: ["/d/$name:/d"]
  links: [db]
  autostart: true
  setup: [first]
containers:
  db:
    clone: other_container
    autostart: false
  web:
    dns: [8.8.8.8, 1.1.1.1]
    cgroup: [memory.max=2G]
    environment: {B: own}
    volumes: ["/e:/e"]
    setup: [second]
  bare:
"#,
    );
    let web = &project.containers["web"];
    assert!(matches!(&web.source, Source::Template { name, .. } if name == "debian"));
    assert_eq!(
        web.dns.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["8.8.8.8", "1.1.1.1", "9.9.9.9"]
    );
    assert_eq!(shown(&web.cgroup), ["pids.max=10", "memory.max=2G"]);
    assert_eq!(web.environment["A"], "default");
    assert_eq!(web.environment["B"], "own");
    assert_eq!(shown(&web.volumes), ["/d/web:/d", "/e:/e"]);
    assert_eq!(
        web.setup
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["first", "second"]
    );
    assert!(web.autostart && !project.containers["db"].autostart);
    assert_eq!(
        project.containers["db"].source,
        Source::CloneHost("other_container".into())
    );
    assert!(
        project.containers["db"].links.is_empty(),
        "defaults do not link it to itself"
    );
    assert_eq!(shown(&project.containers["bare"].links), ["db"]);
}

#[test]
fn the_early_layout_and_full_names_of_siblings_work() {
    let project =
        project("db:\n  template: {name: busybox}\nweb:\n  clone: shop_db\n  ports: [\"80:80\"]\n");
    assert_eq!(project.name, name("shop"));
    assert_eq!(
        project.containers["web"].source,
        Source::CloneSibling(name("db"))
    );
}

#[test]
fn the_placeholders_of_the_first_locker_mean_what_they_meant() {
    let source = |text: &str| {
        let loaded = read_text(text).unwrap();
        let volume = &loaded.project.containers["web"].volumes[0].0;
        (volume.to_string(), loaded.warnings.len())
    };
    let late = |volume: &str| {
        let text =
            format!("containers: {{web: {{template: x, fqdn: w.net, volumes: [\"{volume}\"]}}}}");
        source(&text)
    };
    let early = |volume: &str, more: &str| {
        let text =
            format!("web: {{template: {{name: x}}, fqdn: w.net, volumes: [\"{volume}\"]{more}}}\n");
        source(&text)
    };
    let both = ("/d/shop_web:/x".to_string(), 0);
    assert_eq!(late("/d/$project_$name:/x"), both);
    assert_eq!(early("/d/$project_$name:/x", ""), both);
    assert_eq!(late("/d/$names/$fqdn_:/x").0, "/d/webs/w.net_:/x");
    assert_eq!(late("/d/$name:/x"), ("/d/web:/x".to_string(), 0));
    // What `$name` was in the early layout depends on the version: it is told.
    assert_eq!(early("/d/$name:/x", ""), ("/d/shop_web:/x".to_string(), 1));
    assert_eq!(early("/d/$name:/x", ", dns: [9.9.9.9]").0, "/d/web:/x");
    assert_eq!(early("/d/$project/$name:/x", "").0, "/d/shop/web:/x");
    assert_eq!(early("/d/${name}:/x", ""), ("/d/web:/x".to_string(), 0));
    let said = drawn("web: {template: {name: x}, volumes: [\"/d/$name:/x\"]}\n");
    assert!(said.contains("${project}_${name}"), "{said}");
    // Elsewhere, and in Compose files, a variable's name ends where its letters end.
    let compose = "services: {web: {image: x, volumes: [\"/d/$project_:/x\"]}}";
    assert_eq!(source(compose).0, "/d:/x");
    let long =
        "containers: {web: {template: x, volumes: [{source: /d/$project_$name, target: /x}]}}";
    assert_eq!(source(long), both);
}

#[test]
fn anchors_aliases_and_merges_work() {
    let project = project(
        "x-base: &base {template: busybox, autostart: true}\ncontainers:\n  a: *base\n  b:\n    <<: *base\n    autostart: false\n",
    );
    assert!(project.containers["a"].autostart);
    assert!(!project.containers["b"].autostart);
}

#[test]
fn a_file_is_loaded_with_its_env_and_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().canonicalize().unwrap().join("my app!");
    fs::create_dir_all(home.join("sub")).unwrap();
    fs::write(home.join(".env"), "HERE=file\nBOTH=file\n").unwrap();
    fs::write(home.join("vars.env"), "A=$BOTH\nB=2\n").unwrap();
    let text = "containers:\n  a:\n    template: busybox\n    env_file: vars.env\n    \
                environment: {B: \"$HERE$BOTH\"}\n    volumes: [\"./d:/d\"]\n";
    fs::write(home.join("locker.yaml"), text).unwrap();
    let mut options = LoadOptions {
        cwd: home.join("sub"),
        environment: [("BOTH".to_string(), "env".to_string())].into(),
        ..LoadOptions::default()
    };
    let project = load(&options).unwrap().project;
    assert_eq!(project.name, name("my-app-"));
    assert_eq!(project.directory, home);
    let a = &project.containers["a"];
    assert_eq!(a.environment["A"], "env");
    assert_eq!(a.environment["B"], "fileenv");
    assert_eq!(shown(&a.volumes), [format!("{}/d:/d", home.display())]);
    options.project_name = Some("other".into());
    options.project_directory = Some(dir.path().into());
    fs::write(dir.path().join("vars.env"), "A=1\n").unwrap();
    let project = load(&options).unwrap().project;
    assert_eq!(project.name, name("other"));
    assert_eq!(project.directory, dir.path().canonicalize().unwrap());
}

#[test]
fn a_directory_without_a_fit_name_asks_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("___");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("locker.yaml"), "a: {template: busybox}\n").unwrap();
    let options = LoadOptions {
        cwd: home,
        ..LoadOptions::default()
    };
    let crate::file::LoadError::Invalid(all) = load(&options).unwrap_err() else {
        panic!("the file itself is right");
    };
    assert_eq!(
        all[0].message,
        "the project has no name, and the directory's, `___`, cannot be one"
    );
}
