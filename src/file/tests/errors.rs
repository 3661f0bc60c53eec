//! The texts of errors, literally.

use super::drawn;

#[track_caller]
fn says(text: &str, expected: &str) {
    assert_eq!(
        drawn(text),
        expected.trim_start_matches('\n'),
        "for:\n{text}"
    );
}

/// Every line of `expected` must be the first line of an error, in this order, and there must be
/// no other.
#[track_caller]
pub(super) fn titles(text: &str, expected: &[&str]) {
    let drawn = drawn(text);
    let found: Vec<&str> = drawn
        .lines()
        .filter(|line| line.starts_with("error: ") || line.starts_with("warning: "))
        .map(|line| line.strip_prefix("error: ").unwrap_or(line))
        .collect();
    assert_eq!(found, expected, "for:\n{text}\n{drawn}");
}

/// A container `a` with these further keys, each line indented.
pub(super) fn with(keys: &str) -> String {
    let body: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    format!("containers:\n  a:\n    template: busybox\n{body}")
}

#[test]
fn all_errors_of_a_file_are_shown_in_one_run_with_places_and_suggestions() {
    says(
        "containers:\n  web:\n    template: busybox\n    prots: [\"80:80\"]\n    ports: [\"99999:80\"]\n    \
         links: [bd]\n    fqdn: a_b\n  db:\n    clone: web\n    template: x\n",
        r#"
error: unknown key `prots` in container `web`
 --> locker.yaml:4:5
  |
4 |     prots: ["80:80"]
  |     ^^^^^
  |
  = help: did you mean `ports`?

error: `99999` is not a port; ports are 1 to 65535
 --> locker.yaml:5:13
  |
5 |     ports: ["99999:80"]
  |             ^^^^^^^^^^

error: links to `bd`, which this project does not have
 --> locker.yaml:6:13
  |
6 |     links: [bd]
  |             ^^
  |
  = help: did you mean `db`?

error: `a_b` is not a host name: it may hold letters, digits, `-` and dots only
 --> locker.yaml:7:11
  |
7 |     fqdn: a_b
  |           ^^^

error: `template` and `clone` exclude each other
  --> locker.yaml:10:5
   |
 9 |     clone: web
   |     ----- the first source
10 |     template: x
   |     ^^^^^^^^
"#,
    );
}

#[test]
fn the_body_of_a_container_with_a_refused_name_is_checked_too() {
    titles(
        "containers:\n  dbü:\n    template: busybox\n    prots: []\n    ports: [x]\n",
        &[
            "`dbü` holds 'ü'; a name is made of letters, digits, `_`, `.` and `-`",
            "unknown key `prots` in container `dbü`",
            "`x` names one port only; a published port is `HOST_PORT:CONTAINER_PORT`",
        ],
    );
}

#[test]
fn a_port_that_can_never_answer_is_warned_of() {
    let drawn = drawn(&with("ports: [\"[::1]:80:80\"]"));
    assert!(
        drawn.contains("nobody reaches a port that is published on `::1`"),
        "{drawn}"
    );
    assert!(drawn.contains("help: write `127.0.0.1`"), "{drawn}");
}

#[test]
fn a_tab_is_told_what_to_be_instead() {
    let drawn = drawn("containers:\n\tdb:\n\t\ttemplate: busybox\n");
    assert!(drawn.contains("locker.yaml:2:2"), "{drawn}");
    assert!(drawn.contains("help: indent with blanks"), "{drawn}");
}

#[test]
fn a_body_that_lost_its_indentation_is_told_as_such() {
    // The README of the first Locker; `volumes` and `ports` stand twice.
    says(
        "db:\ntemplate:\n  name: ubuntu\n  release: precise\nvolumes:\n  - \"/opt/data/db:/data\"\n\
         web:\ntemplate:\n  name: ubuntu\nports:\n  - \"8000:8000\"\nvolumes:\n  - \"/opt/x:/x\"\n\
         foo:\nclone: db\n",
        r#"
error: `db` has nothing below it: `template` and `volumes` stand beside it instead of below it
 --> locker.yaml:1:1
  |
1 | db:
  | ^^
2 | template:
  | -------- from here on at the level of the name
  |
  = help: indent them by two blanks, so that they belong to `db`

error: `web` has nothing below it: `template`, `ports` and `volumes` stand beside it instead of below it
 --> locker.yaml:7:1
  |
7 | web:
  | ^^^
8 | template:
  | -------- from here on at the level of the name
  |
  = help: indent them by two blanks, so that they belong to `web`

error: `foo` has nothing below it: `clone` stands beside it instead of below it
  --> locker.yaml:14:1
   |
14 | foo:
   | ^^^
15 | clone: db
   | ----- from here on at the level of the name
   |
   = help: indent it by two blanks, so that it belongs to `foo`
"#,
    );
    titles(
        "containers:\n  db:\n  template: x\n  ports: []\n",
        &["`db` has nothing below it: `template` and `ports` stand beside it instead of below it"],
    );
}

#[test]
fn the_layouts_are_told_apart() {
    titles(
        "containers: {a: {template: x}}\nservices: {}\n",
        &["`containers` and `services` are two layouts; a file has one of them"],
    );
    titles(
        "containers:\n  a: {template: x}\nweb: {template: x}\n",
        &["`web` stands at the top level, but this file has `containers:`"],
    );
    titles(
        "web: {template: x}\ndefaults: {dns: [\"$copy\"]}\n",
        &["`defaults` stands beside names of containers"],
    );
    titles(
        "contianers:\n  web: {template: x}\n",
        &["unknown key `contianers` at the top level"],
    );
    titles("name: x\n", &["the file names no containers"]);
    titles("- a\n", &["a project file is a map, not a list"]);
    titles(
        "containers:\n",
        &["`containers` takes a map of names, not nothing"],
    );
    titles("containers: {}\n", &["`containers` names no container"]);
    titles(
        "containers: {a: {template: x}}\nfirewal: none\n",
        &["unknown key `firewal` in the project"],
    );
}

#[test]
fn what_broke_the_first_locker_is_an_error_here() {
    for (text, expected) in [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        (
            "containers: {a: }\n",
            "this container has nothing to be made from",
        ),
        ("a: [\n", "not valid YAML: "),
        ("a: b: c\n", "not valid YAML: "),
        (
            "a: !!python/object/apply:os.system [id]\n",
            "the tag `tag:yaml.org,2002:python/object/apply:os.system` is not",
        ),
        ("a: 1\n---\nb: 1\n", "a project file is one YAML document"),
        (
            "containers: {a: {template: {release: x}}}\n",
            "`template` has no `name`",
        ),
        (
            "containers: {a: {download: {dist: x}}}\n",
            "a download needs `dist`, `release` and `arch`; `release` is",
        ),
        (
            "containers: {a: {download: x}}\n",
            "`download` takes a map, not a single value",
        ),
        (
            "containers: {a: 5}\n",
            "container `a` must be a map of keys, not a single value",
        ),
        (
            "containers: {\"a b\": {template: x}}\n",
            "`a b` holds ' '; a name is made of",
        ),
        ("containers: {../a: {template: x}}\n", "`../a` holds '.'"),
        (
            "name: a/b\ncontainers: {a: {template: x}}\n",
            "`a/b` holds '/'",
        ),
    ] {
        let drawn = drawn(text);
        let title = drawn.lines().next().unwrap_or_default();
        let expected = expected.replace("holds '.'", "must start");
        let holds = title.starts_with(&format!("error: {expected}"))
            || expected.starts_with("`../a`") && title.contains("`../a`");
        assert!(holds, "{text}\n{drawn}");
    }
}

#[test]
fn what_containers_share_is_checked_across_them() {
    says(
        "containers:\n  a: {template: x, ports: [\"80:80\"]}\n  b: {template: x, ports: [\"0.0.0.0:70-90:70-90\"]}\n",
        r#"
error: host port 70-90/tcp is published by `a` and by `b`
 --> locker.yaml:3:28
  |
2 |   a: {template: x, ports: ["80:80"]}
  |                            ------- first published here
3 |   b: {template: x, ports: ["0.0.0.0:70-90:70-90"]}
  |                            ^^^^^^^^^^^^^^^^^^^^^
"#,
    );
    titles(
        &with("ports: [\"80:80\", \"80:81\"]"),
        &["host port 80/tcp is published twice by `a`"],
    );
    titles(
        "a: {clone: b}\nb: {clone: c}\nc: {clone: b}\n",
        &["a circle: `b` is a copy of `c` is a copy of `b`"],
    );
    titles(
        "a: {template: x, depends_on: [b]}\nb: {template: x, depends_on: [c]}\nc: {template: x, depends_on: [a]}\n",
        &["a circle: `a` waits for `b` waits for `c` waits for `a`"],
    );
    titles(
        "a: {template: x, depends_on: {b: {condition: healthy}}}\nb: {template: x}\n",
        &["waits until `b` is healthy, but `b` has no `healthcheck`"],
    );
    titles(
        "groups: {front: [wbe]}\ncontainers: {web: {template: x}}\n",
        &["the group `front` has `wbe`, which this project does not have"],
    );
}

#[test]
fn the_top_level_is_checked_too() {
    let file = |line: &str| format!("{line}\ncontainers: {{a: {{template: x}}}}\n");
    for (line, expected) in [
        (
            "backend: podman",
            "`podman` is not a backend; it is `lxc` or `docker`",
        ),
        (
            "supervisor: runit",
            "`runit` is not a supervisor; it is `auto`, `systemd` or `none`",
        ),
        (
            "firewall: ufw",
            "`ufw` is not a firewall; it is `auto`, `nftables`, `iptables` or `none`",
        ),
        (
            "network: {subnet: 10.0.0.0/30}",
            "`10.0.0.0/30` does not fit; its prefix length must be from 8 to 29",
        ),
        (
            "network: {subnet: 10.0.0.1/24}",
            "`10.0.0.1/24` is an address within a subnet; the subnet is `10.0.0.0/24`",
        ),
        (
            "network: {subnet6: \"fe80::/64\"}",
            "`fe80::/64` is link-local, which no bridge can have",
        ),
        (
            "network: 10.0.0.0/24",
            "`network` takes a map, not a single value",
        ),
        ("network: {bridge: x}", "unknown key `bridge` in `network`"),
        ("defaults: {prots: []}", "unknown key `prots` in `defaults`"),
        ("groups: [a]", "`groups` takes a map, not a list"),
    ] {
        titles(&file(line), &[expected]);
    }
}

#[test]
fn a_variable_that_is_not_set_is_a_warning() {
    says(
        &with("environment: {A: $NOPE}"),
        "
warning: the variable `NOPE` is not set; it counts as empty
 --> locker.yaml:4:22
  |
4 |     environment: {A: $NOPE}
  |                      ^^^^^
  |
  = help: set it, give a default with `${NOPE:-…}`, or write `$$` for a dollar sign
",
    );
    titles(
        &with("environment: {A: \"${NOPE:?give it}\"}"),
        &["the variable `NOPE` is not set: give it"],
    );
}

#[test]
fn an_error_in_the_defaults_is_told_once() {
    titles(
        "defaults: {ports: [\"x:1\"]}\ncontainers: {a: {template: x}, b: {template: x}}\n",
        &["`x` is not a port; ports are 1 to 65535"],
    );
}

#[test]
fn a_line_of_a_file_of_variables_is_never_drawn() {
    let home = super::Home::new(&[
        (
            "compose.yaml",
            "services: {a: {image: x, env_file: key.env}}\n",
        ),
        ("key.env", "A=-----BEGIN KEY\nMII/hunter2+x\n"),
    ]);
    let drawn = home.drawn(&home.options());
    assert!(drawn.contains("key.env:2:1"), "{drawn}");
    assert!(!drawn.contains("hunter2"), "{drawn}");
}
