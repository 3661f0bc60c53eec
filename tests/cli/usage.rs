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
            "cp a b",
            "error: wrong paths `a b`: one of them must be in a container, `NAME:PATH`\n",
        ),
        (
            "up --scale web",
            "error: invalid value `web` for `--scale <NAME=N>`: must be NAME=N, as in `web=3`\n\
             help: `locker --help` tells more\n",
        ),
        (
            "up --build --no-build",
            "error: the argument `--build` cannot be used with `--no-build`\n\
             help: `locker up --help` tells more\n",
        ),
        (
            "logs --since soon",
            "error: invalid value `soon` for `--since <TIME>`: must be a time such as \
             `2026-01-31T12:00:00Z`, or how long ago: `10m`\n\
             help: `locker --help` tells more\n",
        ),
        (
            "run --entrypoint ' web",
            "error: wrong entrypoint `'`: a quote is not closed\n",
        ),
        (
            "run --dry-run web",
            "error: `run` has no plan that `--dry-run` could print\n\
             help: run `run` without `--dry-run`\n",
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
        "enable",
        "disable web",
        "pull",
        "build",
        "images",
        "top",
        "wait",
        "events",
        "cp a web:/b",
        "run web",
    ] {
        Invocation::of(line).gives(
            2,
            "",
            "error: no project file: looked for `locker.yaml`, `locker.yml`, `compose.yaml`, `compose.yml`, \
    `docker-compose.yml`, `docker-compose.yaml` in `[DIR]` and the directories above it\n\
             help: name a file with `-f FILE`, a project that is up with `-p NAME`, or go to the directory of a project\n",
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
fn the_words_of_compose_are_taken() {
    for line in [
        "up -d",
        "up -d --build --force-recreate --remove-orphans web",
        "up --no-build --pull always --quiet-pull --no-recreate",
        "up --wait --wait-timeout 60 -V --scale web=2 --scale db=1",
        "up --no-deps --no-start web",
        "up --always-recreate-deps web",
        "--profile debug --profile test up",
        "down --remove-orphans --volumes",
        "start --wait web",
        "ps",
        "logs -f --tail 20 -t web",
        "logs --tail all --since 10m --until 1m --no-log-prefix",
        "exec -i web sh",
        "exec -T -e A=b -e C -w /srv --index 2 web sh -c true",
        "exec -d --privileged web sh",
        "run --rm -i -e A=b -v ./x:/y web sh -c true",
        "run -d --name once --no-deps --service-ports --entrypoint sh web",
        "run --rm -T --user 0:0 -w /srv --label a=b --use-aliases --build web",
        "cp ./a:b web:/srv/",
        "top web",
        "top --no-stream --sort cpu web",
        "top -1 --format json",
        "top --processes",
        "jobs",
        "wait web",
        "events --json",
        "pull --include-deps web",
        "build --no-cache --pull --build-arg A=b --build-arg C web",
        "images --format json",
        "pause web",
        "unpause web",
        "restart -t 5 web",
        "config --services",
        "config --hash *",
        "create --build",
    ] {
        let given = Invocation::of(line).run();
        assert!(
            given.stderr.contains("no project file"),
            "{line}: {given:?}"
        );
    }
}

#[test]
fn a_terminal_that_is_asked_for_and_not_there_is_told() {
    for line in ["exec -it web sh", "run --rm -it web sh"] {
        let given = Invocation::of(line).run();
        assert_eq!(
            given.stderr,
            "error: standard input is not a terminal; leave out `-t`, or leave out `-i` for a terminal that nobody types on\n"
        );
        assert_eq!(given.status, Some(1));
    }
}

#[test]
fn files_of_variables_are_read_in_their_order() {
    let shop = "name: shop\ncontainers: {web: {template: busybox, fqdn: \"${HOST}.${ZONE}\"}}\n";
    let given = Invocation::of("--env-file a.env --env-file b.env config")
        .file("locker.yaml", shop)
        .file("a.env", "HOST=old\nZONE=example.net\n")
        .file("b.env", "HOST=www\n")
        .run();
    assert!(given.stdout.contains("www.example.net"), "{given:?}");
}

#[test]
fn several_files_are_taken_in_their_order() {
    let given = Invocation::of("-f one.yaml -f two.yaml up").run();
    assert!(given.stderr.contains("one.yaml"), "{given:?}");
}

#[test]
fn a_command_of_another_program_is_led_to_ours() {
    Invocation::of("kill web").gives(
        2,
        "",
        "error: unrecognized subcommand `kill`\n\
         help: `locker stop -t 0 NAME` ends it by force\n\
         help: `locker --help` tells more\n",
    );
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
