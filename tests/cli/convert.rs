//! `convert`: the new file on standard output, what is lost on standard error.

use crate::invocation::Invocation;

const COMPOSE: &str = "\
version: \"3\"
services:
  web:
    image: \"nginx:${TAG:-1.27}\"
    ports: [\"8080:80\"]
";

#[test]
fn a_compose_file_is_printed_in_lockers_layout() {
    Invocation::of("convert")
        .file("compose.yaml", COMPOSE)
        .gives(
            0,
            "\
# Made by `locker convert` from compose.yaml.
containers:
  web:
    image: \"nginx:${TAG:-1.27}\"
    ports:
      - \"8080:80\"
network:
  enable_ipv6: false
",
            "\
warning: `version` is left out; it has no meaning
 --> compose.yaml:1:1
  |
1 | version: \"3\"
  | ^^^^^^^
",
        );
}

#[test]
fn a_file_that_is_there_is_replaced_with_yes_only() {
    let words = "convert --output locker.yaml";
    let given = Invocation::of(&format!("-f compose.yaml {words}"))
        .file("compose.yaml", COMPOSE)
        .file("locker.yaml", "mine")
        .run();
    assert_eq!((given.status, given.stdout.as_str()), (Some(2), ""));
    assert!(
        given.stderr.contains("cannot write `locker.yaml`"),
        "{}",
        given.stderr
    );
    assert!(
        given.stderr.contains("say `--yes` to replace it"),
        "{}",
        given.stderr
    );
    let given = Invocation::of(&format!("-f compose.yaml --yes {words}"))
        .file("compose.yaml", COMPOSE)
        .file("locker.yaml", "mine")
        .run();
    assert_eq!((given.status, given.stdout.as_str()), (Some(0), ""));
}

#[test]
fn a_wrong_file_is_not_converted() {
    let given = Invocation::of("convert")
        .file("compose.yaml", "services: {web: {image: x, prots: []}}\n")
        .run();
    assert_eq!((given.status, given.stdout.as_str()), (Some(2), ""));
    assert!(
        given.stderr.contains("did you mean `ports`?"),
        "{}",
        given.stderr
    );
}
