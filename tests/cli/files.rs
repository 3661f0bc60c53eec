//! What the counter says of a project file: valid, invalid, resolved.

use crate::invocation::Invocation;

const SHOP: &str = "\
name: shop
containers:
  db:
    template: busybox
  web:
    template: busybox
    ports: [\"8080:80\"]
";

/// Three mistakes: an unknown key, a bad port, a dangling link.
const BROKEN: &str = "\
name: shop
containers:
  web:
    template: busybox
    prots: [\"8080:80\"]
    ports: [\"80:99999\"]
    links: [nosuch]
";

#[test]
fn a_good_file_is_called_valid() {
    for words in ["validate", "-f locker.yaml validate", "-q validate"] {
        Invocation::of(words).file("locker.yaml", SHOP).gives(
            0,
            "locker.yaml is valid: 2 containers\n",
            "",
        );
    }
}

#[test]
fn all_mistakes_of_a_file_are_shown_in_one_run() {
    for words in ["validate", "up", "plan", "config", "status"] {
        let given = Invocation::of(words).file("locker.yaml", BROKEN).run();
        assert_eq!(
            (given.status, given.stdout.as_str()),
            (Some(2), ""),
            "{words}"
        );
        for expected in [
            "--> locker.yaml:5:5",
            "--> locker.yaml:6:",
            "--> locker.yaml:7:",
        ] {
            assert!(given.stderr.contains(expected), "{words}: {}", given.stderr);
        }
        assert_eq!(
            given.stderr.matches("error: ").count(),
            3,
            "{}",
            given.stderr
        );
        assert!(
            given.stderr.contains("did you mean `ports`"),
            "{}",
            given.stderr
        );
    }
}

#[test]
fn the_mistakes_of_a_file_are_told_as_json_too() {
    let given = Invocation::of("validate --progress json")
        .file("locker.yaml", BROKEN)
        .run();
    let error: serde_json::Value = serde_json::from_str(&given.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "invalid_file");
    let lines: Vec<_> = error["error"]["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["place"]["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [5, 6, 7]);
}

#[test]
fn the_resolved_file_is_a_file_again() {
    let first = Invocation::of("config").file("locker.yaml", SHOP).run();
    assert_eq!((first.status, first.stderr.as_str()), (Some(0), ""));
    let again = Invocation::of("config")
        .file("locker.yaml", &first.stdout)
        .run();
    assert_eq!(again.stdout, first.stdout);
    let json = Invocation::of("config --format json")
        .file("locker.yaml", SHOP)
        .run();
    let value: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(value["name"], "shop");
}

#[test]
fn the_schema_is_json_and_knows_the_keys() {
    let given = Invocation::of("validate --print-schema").run();
    assert_eq!((given.status, given.stderr.as_str()), (Some(0), ""));
    let schema: serde_json::Value = serde_json::from_str(&given.stdout).unwrap();
    let keys = &schema["$defs"]["container"]["properties"];
    assert!(keys["ports"].is_object(), "{schema}");
}

#[test]
fn every_file_in_the_readme_is_valid() {
    let readme = include_str!("../../README.md");
    let blocks: Vec<&str> = readme
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let given = Invocation::of("validate").file("locker.yaml", block).run();
        assert_eq!(given.status, Some(0), "{block}\n{}", given.stderr);
    }
}
