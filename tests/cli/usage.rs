//! Wrong words: exit code 2, one error, one hint.

use crate::invocation::Invocation;

#[test]
fn wrong_words_are_refused_with_a_hint() {
    let cases = [
        (
            "upp",
            "error: unrecognized subcommand `upp`\n\
             help: a similar subcommand exists: `up`\n\
             help: `locker --help` tells more\n",
        ),
        (
            "up --no-port",
            "error: unexpected argument `--no-port` found\n\
             help: a similar argument exists: `--no-ports`\n\
             help: `locker up --help` tells more\n",
        ),
        (
            "exec web",
            "error: the following required arguments were not provided: <CMD>...\n\
             help: `locker exec --help` tells more\n",
        ),
        (
            "--parallel 0 up",
            "error: invalid value `0` for `--parallel <N>`: must be a number from 1\n\
             help: `locker --help` tells more\n",
        ),
        (
            "stop -t soon",
            "error: invalid value `soon` for `--timeout <TIME>`: expected number at 0\n\
             help: `locker --help` tells more\n",
        ),
        (
            "status --format csv",
            "error: invalid value `csv` for `--format <FORM>` [possible values: table, json, yaml]\n\
             help: `locker --help` tells more\n",
        ),
        (
            "up -q -v",
            "error: the argument `--quiet` cannot be used with `--verbose`\n\
             help: `locker up --help` tells more\n",
        ),
        (
            "down --keep --volumes",
            "error: the argument `--keep` cannot be used with `--volumes`\n\
             help: `locker down --help` tells more\n",
        ),
        (
            "port add web 80",
            "error: wrong port rule `80`: `80` names one port only; a published port is \
             `HOST_PORT:CONTAINER_PORT`\n",
        ),
        (
            "port add web 80:99999",
            "error: wrong port rule `80:99999`: `99999` is not a port; ports are 1 to 65535\n",
        ),
        (
            "exec --dry-run web -- true",
            "error: `exec` has no plan that `--dry-run` could print\n\
             help: run `exec` without `--dry-run`\n",
        ),
    ];
    for (line, stderr) in cases {
        Invocation::of(line).gives(2, "", stderr);
    }
}

#[test]
fn without_a_file_every_command_says_where_it_looked() {
    for line in [
        "up",
        "down",
        "create",
        "start",
        "stop",
        "restart",
        "rm",
        "status",
        "plan",
        "validate",
        "config",
        "ports",
        "rmports",
        "port list",
        "links",
        "rmlinks",
        "cgroup",
        "freeze",
        "unfreeze",
        "cleanup",
        "logs",
        "exec web true",
        "shell web",
        "up --dry-run",
    ] {
        Invocation::of(line).gives(
            2,
            "",
            "error: no project file: looked for `locker.yaml`, `locker.yml`, `compose.yaml`, `compose.yml`, \
    `docker-compose.yaml`, `docker-compose.yml` in `[DIR]` and the directories above it\n\
             help: name a file with `-f FILE`, or go to the directory of a project\n",
        );
    }
}

#[test]
fn the_old_flags_of_the_first_locker_are_taken() {
    for line in [
        "rm -x web",
        "rm --delete-dont-ask",
        "create -d",
        "create --dont-copy-on-create",
        "start -r -n -a -m -t 5 web",
        "start -l",
        "stop -n -a -l -t 30",
        "reboot -t 3",
        "status -e",
        "ps",
        "-o -P /srv/lxc -p shop -v status",
        "validate -s schema.yaml",
    ] {
        let given = Invocation::of(line).run();
        // The words are right: what is missing is the file.
        assert!(
            given.stderr.contains("no project file"),
            "{line}: {given:?}"
        );
    }
}

#[test]
fn follow_and_file_share_a_letter_without_harm() {
    for line in [
        "logs -f",
        "-f other.yaml logs -f",
        "logs --file other.yaml -f",
    ] {
        let given = Invocation::of(line).run();
        assert!(
            !given.stderr.contains("locker logs --help"),
            "{line}: {given:?}"
        );
        assert_eq!(given.status, Some(2), "{line}");
    }
}
