//! Several files of one project: places, layouts, variables and secrets across them.

use super::Home;

#[test]
fn an_error_shows_the_file_and_line_where_it_stands() {
    let home = Home::new(&[
        (
            "compose.yaml",
            "services:\n  a:\n    template: busybox\n    ports: [\"80:80\"]\n",
        ),
        (
            "compose.override.yaml",
            "# more\nservices:\n  b:\n    template: busybox\n    ports: [\"80:81\"]\n    fqdn: a_b\n",
        ),
    ]);
    assert_eq!(
        home.drawn(&home.options()),
        "\
error: host port 80/tcp is published by `a` and by `b`
 --> compose.override.yaml:5:13
  |
5 |     ports: [\"80:81\"]
  |             ^^^^^^^
  |
 ::: compose.yaml:4:13
  |
4 |     ports: [\"80:80\"]
  |             ------- first published here

error: `a_b` is not a host name: it may hold letters, digits, `-` and dots only
 --> compose.override.yaml:6:11
  |
6 |     fqdn: a_b
  |           ^^^
"
    );
}

#[test]
fn all_files_of_a_project_have_one_layout() {
    let home = Home::new(&[
        ("a.yaml", "containers: {a: {template: x}}\n"),
        ("b.yaml", "services: {b: {template: x}}\n"),
        ("c.yaml", "b: {template: x}\n"),
    ]);
    let with = |second: &str| {
        let mut options = home.options();
        options.files = vec!["a.yaml".into(), second.into()];
        home.titles(&options)
    };
    assert_eq!(
        with("b.yaml"),
        [
            "error: `containers` and `services` are two layouts; all files of a project have the same"
        ]
    );
    assert_eq!(
        with("c.yaml"),
        ["error: `b` stands at the top level, but the project has `containers:`"]
    );
}

#[test]
fn every_file_is_checked_in_one_run() {
    let home = Home::new(&[
        ("a.yaml", "services: {a: {template: x, prots: []}}\n"),
        ("b.yaml", "services: [\n"),
        ("c.yaml", "services: {c: {template: x, c: }, c: {}}\n"),
    ]);
    let mut options = home.options();
    options.files = ["a.yaml", "b.yaml", "c.yaml"].map(Into::into).into();
    let titles = home.titles(&options);
    assert!(titles[0].starts_with("error: not valid YAML"), "{titles:?}");
    assert_eq!(titles[1], "error: the key `c` stands here twice");
}

#[test]
fn variables_come_from_the_files_that_are_named() {
    let home = Home::new(&[
        (
            "compose.yaml",
            "services: {a: {template: \"$A\", environment: {B: $B, C: $C, D: $name}}}\n",
        ),
        ("one.env", "A=one\nB=one\nC=one\nname=mine\n"),
        ("two.env", "B=two\n"),
        (".env", "A=never\n"),
    ]);
    let mut options = home.options();
    options.env_files = vec!["one.env".into(), "two.env".into()];
    options.environment = [("C".to_string(), "env".to_string())].into();
    let a = home.project(&options).containers["a"].clone();
    let values: Vec<&str> = a.environment.values().map(String::as_str).collect();
    // In a Compose file `$name` is a variable like any other.
    assert_eq!(values, ["two", "env", "mine"]);
    options.env_files.clear();
    let list = (
        "COMPOSE_ENV_FILES".to_string(),
        "one.env, two.env".to_string(),
    );
    options.environment.extend([list]);
    assert_eq!(home.project(&options).containers["a"], a);
}

#[test]
fn composes_own_variables_count_for_compose_files_only() {
    let home = Home::new(&[
        (
            "sub/compose.yaml",
            "name: inner\nservices: {a: {template: x, profiles: [p]}, b: {template: x, labels: {n: $COMPOSE_PROJECT_NAME}}}\n",
        ),
        (
            "locker.yaml",
            "name: own\ncontainers: {a: {template: x, profiles: [p]}, b: {template: x}}\n",
        ),
    ]);
    let mut options = home.options();
    options.project_name = None;
    options.environment = [
        ("COMPOSE_PROJECT_NAME", "outer"),
        ("COMPOSE_PROFILES", "p"),
        ("COMPOSE_FILE", "sub/compose.yaml"),
    ]
    .map(|(k, v)| (k.to_string(), v.to_string()))
    .into();
    let own = home.project(&options);
    assert_eq!((own.name.as_str(), own.containers.len()), ("own", 1));
    std::fs::remove_file(home.path().join("locker.yaml")).unwrap();
    let compose = home.project(&options);
    assert_eq!(
        (compose.name.as_str(), compose.containers.len()),
        ("outer", 2)
    );
    assert_eq!(compose.containers["b"].labels["n"], "outer");
    assert_eq!(compose.directory, home.path().join("sub"));
}

#[test]
fn the_words_of_old_yaml_are_taken_from_compose_files_only() {
    let home = Home::new(&[("compose.yaml", "services: {a: {image: x, tty: yes}}\n")]);
    assert_eq!(
        home.titles(&home.options()),
        ["warning: `yes` is no longer a word of YAML for `true`"]
    );
    let text = "services: {a: {image: x, tty: maybe}}\n";
    std::fs::write(home.path().join("compose.yaml"), text).unwrap();
    assert_eq!(
        home.titles(&home.options()),
        ["error: `tty` is `true` or `false`, not `maybe`"]
    );
}

#[test]
fn values_of_secrets_are_not_shown() {
    let home = Home::new(&[
        (
            "compose.yaml",
            "services:\n  a: {template: x, ports: [\"$DB_PASSWORD:80\"], environment: {API_TOKEN: abc, 1A: x}}\n",
        ),
        (".env", "DB_PASSWORD=hunter22\n"),
    ]);
    let drawn = home.drawn(&home.options());
    assert!(drawn.contains("`(secret)` is not a port"), "{drawn}");
    assert!(drawn.contains("API_TOKEN: ***, 1A"), "{drawn}");
    assert!(!drawn.contains("hunter22"), "{drawn}");
    // A secret that is an ordinary word does not take that word out of what is said.
    let text = "services: {a: {image: x, environment: {P: \"${DB_PASSWORD}\"}}}\nnetworks: {n: {driver: overlay}}\n";
    let home = Home::new(&[("compose.yaml", text), (".env", "DB_PASSWORD=network\n")]);
    let drawn = home.drawn(&home.options());
    assert!(
        drawn.contains("does not make networks of the driver `overlay`"),
        "{drawn}"
    );
    assert!(drawn.contains("`docker network create`"), "{drawn}");
}
