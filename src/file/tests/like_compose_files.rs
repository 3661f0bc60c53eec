//! Files beside the project file, read as docker compose reads them: `.env`, `env_file`, `include`, profiles.

use super::Home;
use crate::model::*;

#[test]
fn a_file_of_another_directory_is_included_and_told() {
    let home = Home::new(&[
        (
            "inc.yaml",
            "services: {b: {image: x, volumes: ['./d:/d']}}\n",
        ),
        (
            "p/compose.yaml",
            "include: [../inc.yaml]\nservices: {a: {image: x}}\n",
        ),
    ]);
    let mut options = home.options();
    options.cwd = home.path().join("p");
    let loaded = crate::file::load(&options).unwrap();
    assert_eq!(loaded.project.containers.len(), 2);
    let path = home.path().join("d");
    assert_eq!(
        loaded.project.containers["b"].volumes[0].0.source,
        VolumeSource::Host(path)
    );
    let titles = home.titles(&options);
    assert!(
        titles[0].starts_with("warning: `../inc.yaml` leads out of the project's directory"),
        "{titles:?}"
    );
}

#[test]
fn a_variable_that_is_unset_in_a_file_of_variables_is_told() {
    let home = Home::new(&[
        (
            "compose.yaml",
            "services: {a: {image: x, env_file: e.env, environment: {P: $PASSWORD, B: $B, E: $E}}}\n",
        ),
        ("e.env", "# a comment\nPW=\"abc$def\"\nSECRET=x$yz\n"),
        (
            ".env",
            "PASSWORD=#s3cret\nB= # only comment\nE=#\nU=$GONE\n",
        ),
    ]);
    let titles = home.titles(&home.options());
    let told = |of: &str, name: &str| {
        format!(
            "warning: the variable `{name}` in the value of `{of}` is not set; it counts as empty"
        )
    };
    assert_eq!(titles.len(), 3, "{titles:?}");
    assert!(
        titles.contains(&told("PW", "def")) && titles.contains(&told("U", "GONE")),
        "{titles:?}"
    );
    assert!(
        !titles.iter().any(|title| title.contains("yz")),
        "{titles:?}"
    );
    let loaded = crate::file::load(&home.options()).unwrap();
    let set = |name: &str| loaded.project.containers["a"].environment[name].clone();
    assert_eq!(
        [set("P"), set("B"), set("E"), set("PW")],
        ["#s3cret", "# only comment", "#", "abc"]
    );
}

fn set(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    let pairs = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    pairs.collect()
}

#[test]
fn a_later_file_of_variables_sees_those_of_an_earlier_one() {
    let home = Home::new(&[
        (
            "compose.yaml",
            "services: {a: {image: x, environment: {TOP: $TOP}, env_file: [a.env, b.env]}}\n",
        ),
        ("one.env", "BASE=one\nOWN=project\n"),
        ("two.env", "TOP=$BASE/two\n"),
        ("a.env", "OWN=mine\n"),
        ("b.env", "BOTH=$OWN $BASE\n"),
    ]);
    let mut options = home.options();
    options.env_files = vec!["one.env".into(), "two.env".into()];
    let a = &home.project(&options).containers["a"];
    assert_eq!(a.environment["TOP"], "one/two");
    assert_eq!(a.environment["BOTH"], "mine one");
}

#[test]
fn the_variable_of_profiles_counts_only_without_the_option() {
    let home = Home::new(&[(
        "compose.yaml",
        "services: {a: {image: x, profiles: [p]}, b: {image: x, profiles: [q]}}\n",
    )]);
    let mut options = home.options();
    options.environment = set(&[("COMPOSE_PROFILES", "p")]);
    options.profiles = vec!["q".into()];
    let project = home.project(&options);
    let names: Vec<&str> = project
        .containers
        .keys()
        .map(|name| name.as_str())
        .collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn dot_env_does_not_count_where_the_variable_says_so() {
    let home = Home::new(&[
        (
            "compose.yaml",
            "services: {a: {image: x, environment: {A: \"${A:-none}\"}}}\n",
        ),
        (".env", "A=read\n"),
    ]);
    let mut options = home.options();
    for (said, expected) in [("0", "read"), ("true", "none"), ("1", "none")] {
        options.environment = set(&[("COMPOSE_DISABLE_ENV_FILE", said)]);
        let project = home.project(&options);
        assert_eq!(project.containers["a"].environment["A"], expected, "{said}");
    }
}

#[test]
fn what_is_the_same_here_and_in_an_included_file_is_one() {
    let with = |own: &str, theirs: &str| {
        Home::new(&[
            (
                "compose.yaml",
                &format!("include: [sub/c.yaml]\nservices: {{a: {{image: x}}}}\n{own}\n"),
            ),
            (
                "sub/c.yaml",
                &format!("services: {{b: {{image: x}}}}\n{theirs}\n"),
            ),
        ])
    };
    let same = "networks: {proxy: {external: true}}";
    let home = with(same, same);
    assert!(home.project(&home.options()).networks.contains_key("proxy"));
    for (own, theirs) in [
        (same, "networks: {proxy: {internal: true}}"),
        ("secrets: {s: {file: ./s}}", "secrets: {s: {file: ./s}}"),
        (
            "networks: {proxy: {name: $N}}",
            "networks: {proxy: {name: $N}}",
        ),
    ] {
        let home = with(own, theirs);
        let said = home.drawn(&home.options());
        assert!(
            said.contains("is defined here and in a file that is included"),
            "{said}"
        );
    }
}
