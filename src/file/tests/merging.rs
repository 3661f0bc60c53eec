//! Several files as one tree.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Home;
use crate::file::desk::Desk;
use crate::file::merge;
use crate::file::origin::{Origin, Variables};
use crate::file::reader::{Given, Reader};
use crate::file::tree::{Kind, Node};

fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Scalar(text) => text.as_str().into(),
        Kind::Sequence(items) => items.iter().map(value).collect(),
        Kind::Mapping(entries) => {
            let entries = entries.iter().map(|e| (e.key.clone(), value(&e.value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

/// The one tree of files that are merged in this order.
#[track_caller]
fn merged(texts: &[&str]) -> Value {
    let variables: Variables = [("PORT".to_string(), "80".to_string())].into();
    let variables = Arc::new(variables);
    let shown: Arc<Path> = Arc::from(Path::new("compose.yaml"));
    let desk = Desk::new(shown.clone(), Path::new("/srv/shop"), variables.clone());
    let origin = Origin {
        shown,
        directory: Arc::from(Path::new("/srv/shop")),
        variables,
    };
    let given = texts.iter().enumerate().map(|(index, text)| Given {
        number: match index {
            0 => 0,
            _ => desk.origins.add(origin.clone()).unwrap(),
        },
        path: format!("/srv/shop/{index}.yaml").into(),
        text: text.to_string(),
    });
    let given: Vec<Given> = given.collect();
    let reader = Reader::new(&desk, "/srv/shop".into(), "/srv/shop".into());
    let unit = reader.unit(&given, None);
    let Some(unit) = unit.filter(|_| desk.is_clean()) else {
        panic!("{:#?}", desk.finish());
    };
    let mut root = unit.root;
    merge::settle(&mut root);
    value(&root)
}

/// The body of the container `a` of two files.
#[track_caller]
fn body(base: &str, over: &str) -> Value {
    let file = |keys: &str| format!("services: {{a: {{{keys}}}}}\n");
    let merged = merged(&[&file(base), &file(over)]);
    merged["services"]["a"].clone()
}

#[test]
fn maps_are_merged_lists_appended_and_single_values_replaced() {
    for (base, over, expected) in [
        (
            "image: a, user: x",
            "image: b, tty: true",
            json!({"image": "b", "user": "x", "tty": "true"}),
        ),
        (
            "security_opt: [a]",
            "security_opt: [b, a]",
            json!({"security_opt": ["a", "b"]}),
        ),
        ("setup: [a]", "setup: [a]", json!({"setup": ["a", "a"]})),
        ("command: [a, b]", "command: [c]", json!({"command": ["c"]})),
        ("command: [a]", "command: ", json!({"command": null})),
        (
            "entrypoint: [a, b]",
            "entrypoint: x",
            json!({"entrypoint": "x"}),
        ),
        ("user: x", "user: ", json!({"user": "x"})),
        (
            "healthcheck: {test: [CMD, a], retries: 3}",
            "healthcheck: {test: [CMD, b]}",
            json!({"healthcheck": {"test": ["CMD", "b"], "retries": "3"}}),
        ),
        ("x-a: {b: 1}", "x-a: {c: 2}", json!({"x-a": {"c": "2"}})),
        (
            "idmap: auto",
            "idmap: [b 0 1 2]",
            json!({"idmap": ["b 0 1 2"]}),
        ),
    ] {
        assert_eq!(body(base, over), expected, "{base} | {over}");
    }
}

#[test]
fn variables_and_labels_are_merged_by_key_in_either_form() {
    for (base, over, expected) in [
        (
            "environment: {A: 1, B: 2}",
            "environment: {B: 3, A: }",
            json!({"environment": {"A": null, "B": "3"}}),
        ),
        (
            "environment: [A=1, B=2]",
            "environment: [B=3, C]",
            json!({"environment": ["A=1", "B=3", "C"]}),
        ),
        (
            "environment: {A: 1, B$: 2}",
            "environment: [A=3]",
            json!({"environment": ["A=3", "B$$=2"]}),
        ),
        (
            "labels: [a=1]",
            "labels: {a: 2, b: }",
            json!({"labels": ["a=2", "b"]}),
        ),
        (
            "build: {args: {A: 1}}",
            "build: {args: [A=2]}",
            json!({"build": {"args": ["A=2"]}}),
        ),
        (
            "sysctls: {a: 1}",
            "sysctls: [a=2]",
            json!({"sysctls": ["a=2"]}),
        ),
    ] {
        assert_eq!(body(base, over), expected, "{base} | {over}");
    }
}

#[test]
fn of_two_items_for_the_same_thing_the_later_one_counts() {
    for (base, over, expected) in [
        (
            "volumes: [\"a:/x\", /y]",
            "volumes: [\"b:/x:ro\"]",
            json!(["b:/x:ro", "/y"]),
        ),
        (
            "volumes: [\"a:/x\"]",
            "volumes: [{type: tmpfs, target: /x/}]",
            json!([{"type": "tmpfs", "target": "/x/"}]),
        ),
        (
            "ports: [\"80:80\"]",
            "ports: [\"81:80\", \"80:80/tcp\"]",
            json!(["80:80/tcp", "81:80"]),
        ),
        (
            "ports: [\"$PORT:80\"]",
            "ports: [{published: 80, target: 80}]",
            json!([{"published": "80", "target": "80"}]),
        ),
        (
            "secrets: [a]",
            "secrets: [{source: b, target: a}]",
            json!([{"source": "b", "target": "a"}]),
        ),
        (
            "configs: [a]",
            "configs: [{source: b, target: /a}]",
            json!([{"source": "b", "target": "/a"}]),
        ),
        (
            "devices: [\"/dev/a:/dev/b\"]",
            "devices: [\"/dev/c:/dev/b\"]",
            json!(["/dev/c:/dev/b"]),
        ),
        (
            "dns: 1.1.1.1",
            "dns: [8.8.8.8, 1.1.1.1]",
            json!(["1.1.1.1", "8.8.8.8"]),
        ),
        (
            "env_file: a",
            "env_file: [b, {path: a}]",
            json!([{"path": "a"}, "b"]),
        ),
        (
            "tmpfs: /run",
            "tmpfs: [\"/run:size=1m\"]",
            json!(["/run:size=1m"]),
        ),
        (
            "extra_hosts: [\"h:1.2.3.4\"]",
            "extra_hosts: {h: 1.2.3.4, i: [::1, ::2]}",
            json!(["h=1.2.3.4", "i=::1", "i=::2"]),
        ),
        (
            "extra_hosts: {h: 1.2.3.4}",
            "extra_hosts: {h: 4.3.2.1}",
            json!(["h=1.2.3.4", "h=4.3.2.1"]),
        ),
        ("cap_add: [A]", "cap_add: [A, B]", json!(["A", "B"])),
        ("links: [db]", "links: {db: [x]}", json!(["db", "db:x"])),
    ] {
        let merged = body(base, over);
        let only = merged.as_object().unwrap().values().next().unwrap();
        assert_eq!(only, &expected, "{base} | {over}");
    }
}

#[test]
fn short_and_long_forms_are_merged() {
    for (base, over, expected) in [
        (
            "build: .",
            "build: {target: x}",
            json!({"build": {"context": ".", "target": "x"}}),
        ),
        (
            "depends_on: {b: {condition: service_healthy, restart: true}}",
            "depends_on: [b, c]",
            json!({"depends_on": {
                "b": {"condition": "service_started", "restart": "true", "required": "true"},
                "c": {"condition": "service_started", "required": "true"}
            }}),
        ),
        (
            "networks: [x]",
            "networks: {x: {aliases: [y]}, z: }",
            json!({"networks": {"x": {"aliases": ["y"]}, "z": null}}),
        ),
        (
            "logging: {driver: a, options: {x: 1}}",
            "logging: {options: {y: 2}}",
            json!({"logging": {"driver": "a", "options": {"x": "1", "y": "2"}}}),
        ),
        (
            "logging: {driver: a, options: {x: 1}}",
            "logging: {driver: b}",
            json!({"logging": {"driver": "b"}}),
        ),
        (
            "ulimits: {nofile: 1, nproc: {soft: 1, hard: 2}}",
            "ulimits: {nofile: {soft: 3}, nproc: {soft: 3}}",
            json!({"ulimits": {"nofile": {"soft": "3"}, "nproc": {"soft": "3", "hard": "2"}}}),
        ),
    ] {
        assert_eq!(body(base, over), expected, "{base} | {over}");
    }
}

#[test]
fn reset_takes_away_and_override_replaces() {
    for (base, over, expected) in [
        (
            "image: a, ports: [\"80:80\"]",
            "ports: !reset []",
            json!({"image": "a"}),
        ),
        (
            "environment: {A: 1, B: 2}",
            "environment: {A: !reset }",
            json!({"environment": {"B": "2"}}),
        ),
        (
            "environment: [A=1]",
            "environment: {A: !reset null}",
            json!({"environment": []}),
        ),
        (
            "ports: [\"80:80\"]",
            "ports: !override [\"81:80\"]",
            json!({"ports": ["81:80"]}),
        ),
        (
            "labels: {a: 1}",
            "labels: !override {b: 2}",
            json!({"labels": {"b": "2"}}),
        ),
        ("user: !reset x", "tty: true", json!({"tty": "true"})),
    ] {
        assert_eq!(body(base, over), expected, "{base} | {over}");
    }
    let files = [
        "services: {a: {ports: [x]}, b: {image: x}}\n",
        "services: {a: {ports: !reset }, b: !reset {}}\n",
        "services: {a: {ports: [y]}}\n",
    ];
    assert_eq!(merged(&files), json!({"services": {"a": {"ports": ["y"]}}}));
}

#[test]
fn the_top_level_is_merged_too() {
    let base = "services: {a: {image: x}}\nnetworks: {n: {labels: [a=1], ipam: {config: [{subnet: 10.0.0.0/8}]}}}\n\
                volumes: {v: }\nx-a: {b: 1}\n";
    let over = "networks: {n: {labels: {a: 2}, ipam: {config: [{subnet: 10.0.0.0/8, gateway: 10.0.0.9}]}}, m: }\n\
                volumes: {v: {external: true}}\nx-a: {c: 1}\n";
    assert_eq!(
        merged(&[base, over]),
        json!({
            "services": {"a": {"image": "x"}},
            "networks": {
                "n": {"labels": ["a=2"], "ipam": {"config": [{"subnet": "10.0.0.0/8", "gateway": "10.0.0.9"}]}},
                "m": null,
            },
            "volumes": {"v": {"external": "true"}},
            "x-a": {"c": "1"},
        })
    );
    let groups = [
        "groups: {g: [a]}\ncontainers: {a: {}}\n",
        "groups: {g: [a, b]}\ncontainers: {b: {}}\n",
    ];
    assert_eq!(merged(&groups)["groups"], json!({"g": ["a", "b"]}));
    let early = ["a: {template: x}\n", "a: {setup: [y]}\nb: {clone: a}\n"];
    assert_eq!(
        merged(&early)["containers"],
        json!({"a": {"template": "x", "setup": ["y"]}, "b": {"clone": "a"}})
    );
}

#[test]
fn merge_keys_take_maps_and_lists_of_maps() {
    let text = "x-a: &a {user: a, tty: true}\nx-b: &b {user: b, init: true}\nx-c: &c [p, q]\n\
                services:\n  s: {<<: [*a, *b], image: x, dns: *c}\n  t:\n    <<: *a\n    tty: false\n";
    let services = merged(&[text])["services"].clone();
    assert_eq!(
        services,
        json!({
            "s": {"image": "x", "dns": ["p", "q"], "user": "a", "tty": "true", "init": "true"},
            "t": {"tty": "false", "user": "a"},
        })
    );
}

#[test]
fn a_container_has_what_it_extends() {
    let text = "services:\n  base: {image: x, environment: {A: 1, B: 1}, command: [a]}\n  \
                mid: {extends: base, environment: [B=2], ports: [\"1:1\"]}\n  \
                top: {extends: {service: mid}, command: b, ports: !reset , depends_on: [base]}\n";
    let services = merged(&[text])["services"].clone();
    assert_eq!(
        services["top"],
        json!({"image": "x", "environment": ["A=1", "B=2"], "command": "b", "depends_on": ["base"]})
    );
    assert_eq!(services["mid"]["ports"], json!(["1:1"]));
    // A later file may extend what an earlier one has, and change what was extended.
    let files = [
        "services: {a: {image: x, user: u}}\n",
        "services: {b: {extends: a}}\n",
        "services: {b: {user: v}}\n",
    ];
    let services = merged(&files)["services"].clone();
    assert_eq!(services["b"], json!({"image": "x", "user": "v"}));
}

#[test]
fn a_container_of_another_file_keeps_its_paths_and_places() {
    let home = Home::new(&[
        (
            "locker.yaml",
            "containers:\n  a: {extends: {service: base, file: sub/base.yaml}, fqdn: a.b}\n",
        ),
        (
            "sub/base.yaml",
            "services:\n  base:\n    extends: {file: ../more.yaml, service: more}\n    volumes: [\"./d:/d\"]\n    env_file: v.env\n",
        ),
        (
            "more.yaml",
            "containers: {more: {template: busybox, volumes: [\"./e:/e\"], prots: [], ports: [\"x:1\"]}}\n",
        ),
        ("sub/v.env", "A=1\n"),
    ]);
    let drawn = home.drawn(&home.options());
    assert!(drawn.contains(" --> more.yaml:1:61\n"), "{drawn}");
    assert!(
        drawn.contains("unknown key `prots`") && drawn.contains("`x` is not a port"),
        "{drawn}"
    );
    let mended = "containers: {more: {template: busybox, volumes: [\"./e:/e\"]}}\n";
    std::fs::write(home.path().join("more.yaml"), mended).unwrap();
    let project = home.project(&home.options());
    let a = &project.containers["a"];
    let volumes: Vec<String> = a
        .volumes
        .iter()
        .map(|(volume, _)| volume.to_string())
        .collect();
    let path = home.path().display().to_string();
    assert_eq!(
        volumes,
        [format!("{path}/e:/e"), format!("{path}/sub/d:/d")]
    );
    assert_eq!(a.environment["A"], "1");
    assert_eq!(&*a.volumes[1].1.file, Path::new("sub/base.yaml"));
    assert_eq!(project.containers.len(), 1);
}

#[test]
fn what_cannot_be_extended_is_told_at_its_place() {
    for (bodies, expected) in [
        (
            "a: {extends: b}\n  b: {extends: c}\n  c: {extends: a}",
            "error: a circle: `a` extends `b` extends `c` extends `a`",
        ),
        ("a: {extends: a}", "error: a circle: `a` extends `a`"),
        (
            "a: {extends: bd}\n  db: {}",
            "error: extends `bd`, which `locker.yaml` does not have",
        ),
        (
            "a: {extends: {file: x.yaml}}",
            "error: `extends` has no `service`",
        ),
        (
            "a: {extends: {file: nosuch.yaml, service: b}}",
            "error: cannot find `nosuch.yaml`: No such file or directory (os error 2)",
        ),
        (
            "a: {extends: {file: empty.yaml, service: b}}",
            "error: `empty.yaml` has neither `services:` nor `containers:`",
        ),
        (
            "a: {extends: {file: other.yaml, service: b}}",
            "error: a circle: `b` of `other.yaml` extends `c` of `other.yaml` extends `b` of `other.yaml`",
        ),
        (
            "a: {extends: {service: b, flie: x}}\n  b: {template: x}",
            "error: unknown key `flie` in `extends`",
        ),
    ] {
        let text = format!("containers:\n  {bodies}\n");
        let home = Home::new(&[
            ("locker.yaml", text.as_str()),
            ("empty.yaml", "x-a: 1\n"),
            (
                "other.yaml",
                "services: {b: {extends: c}, c: {extends: b}}\n",
            ),
        ]);
        let titles = home.titles(&home.options());
        assert_eq!(
            titles.first().map(String::as_str),
            Some(expected),
            "{titles:#?}"
        );
    }
    let long: String = (0..60)
        .map(|n| format!("  c{n}: {{extends: c{}}}\n", n + 1))
        .collect();
    let home = Home::new(&[(
        "locker.yaml",
        &format!("containers:\n{long}  c60: {{template: x}}\n"),
    )]);
    let titles = home.titles(&home.options());
    assert_eq!(titles, ["error: more than 50 containers extend each other"]);
}

#[test]
fn extending_does_not_multiply_a_file_without_bounds() {
    let list: String = (0..2000).map(|n| format!("k{n}, ")).collect();
    let many: String = (0..500)
        .map(|n| format!("  b{n}: {{extends: a}}\n"))
        .collect();
    let text = format!("containers:\n  a: {{template: x, labels: [{list}]}}\n{many}");
    let home = Home::new(&[("locker.yaml", &text)]);
    let titles = home.titles(&home.options());
    assert!(
        titles[0].contains("the project has more than 200000 values"),
        "{titles:?}"
    );
}
