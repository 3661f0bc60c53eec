//! Which word goes to which stream, in which form and colour.

use std::process::Stdio;

use crate::invocation::Invocation;

const NO_FILE: &str = "error: no project file: looked for `locker.yaml`, `locker.yml`, `compose.yaml`, `compose.yml`, \
    `docker-compose.yml`, `docker-compose.yaml` in `[DIR]` and the directories above it\n\
    help: name a file with `-f FILE`, a project that is up with `-p NAME`, or go to the directory of a project\n";

#[test]
fn the_version_is_data() {
    let version = format!("locker {}\n", env!("CARGO_PKG_VERSION"));
    for line in ["--version", "-V"] {
        Invocation::of(line).gives(0, &version, "");
    }
}

#[test]
fn locker_alone_prints_its_help_and_says_that_nothing_was_done() {
    let alone = Invocation::of("").run();
    let said = "no command was given, so nothing was done: `locker up` makes the project run\n";
    assert_eq!((alone.status, alone.stderr.as_str()), (Some(0), said));
    assert_eq!(alone.stdout, Invocation::of("-h").run().stdout);
    assert!(alone.stdout.starts_with("Runs a project of containers"));
    assert!(!alone.stdout.contains('\x1b'));
}

#[test]
fn help_of_a_command_ends_with_examples() {
    let help = Invocation::of("port --help").run();
    assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
    assert!(
        help.stdout.ends_with("  locker port check web\n"),
        "{}",
        help.stdout
    );
}

#[test]
fn colour_is_only_where_it_is_wanted() {
    let coloured = |invocation: Invocation| invocation.run().stderr.contains("\x1b[");
    let forced = || Invocation::of("status").variable("CLICOLOR_FORCE", "1");
    assert!(coloured(forced()));
    assert!(!coloured(Invocation::of("status")));
    assert!(!coloured(forced().variable("NO_COLOR", "1")));
    for line in ["status --no-color", "-o status"] {
        assert!(!coloured(
            Invocation::of(line).variable("CLICOLOR_FORCE", "1")
        ));
    }
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let error = "{\"error\":{\"kind\":\"usage\",\
        \"message\":\"no project file: looked for `locker.yaml`, `locker.yml`, `compose.yaml`, `compose.yml`, \
    `docker-compose.yml`, `docker-compose.yaml` in `[DIR]` and the directories above it\",\
        \"help\":[\"name a file with `-f FILE`, a project that is up with `-p NAME`, or go to the directory of a project\"]}}\n";
    for line in [
        "up --progress json",
        "status --format=json",
        "logs --format json",
        "wait --format json",
        "events --format json",
        "images --format json",
        "top --format json",
    ] {
        Invocation::of(line).gives(2, "", error);
    }
    Invocation::of("upp --progress json").gives(
        2,
        "",
        "{\"error\":{\"kind\":\"usage\",\"message\":\"unrecognized subcommand `upp`\",\
         \"help\":[\"a similar subcommand exists: `up`\",\"`locker --help` tells more\"]}}\n",
    );
}

#[test]
fn quiet_silences_no_error() {
    Invocation::of("-q up").gives(2, "", NO_FILE);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let invocation = Invocation::of("completions bash");
    let mut child = invocation
        .command()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let invocation = Invocation::of("completions bash");
    let output = invocation.command().stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(
        stderr.starts_with("error: cannot write to standard output: "),
        "{stderr}"
    );
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "elvish", "fish", "zsh"] {
        let given = Invocation::of(&format!("completions {shell}")).run();
        assert_eq!(given.status, Some(0), "{shell}");
        assert!(given.stdout.contains("rmports"), "{shell}");
    }
}

#[test]
fn a_supervisor_whose_journal_is_away_ends_as_it_would_end_with_it() {
    let (reads, writes) = std::io::pipe().unwrap();
    drop(reads);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_locker"));
    command.arg("__supervise").env_remove("NOTIFY_SOCKET");
    let ended = command
        .stdin(Stdio::null())
        .stderr(writes)
        .status()
        .unwrap();
    assert_eq!(ended.code(), Some(69));
}
