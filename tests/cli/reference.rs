//! docs/commands.md is written from the definition of the command line, and must be fresh.

use std::fmt::Write;

use clap::{Arg, Command};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md");

const INTRODUCTION: &str = "\
# Commands

This page is written from the program's own help by `tests/cli/reference.rs`; to write it anew:
`LOCKER_WRITE_DOCS=1 cargo test --test cli reference`.

`locker [OPTIONS] COMMAND [NAME]...`: containers are named as in the file, none means all, `@group` is a
group. Standard output is data, standard error is talk. What destroys data asks first; without a
terminal the question is refused unless `--yes` is given.

Exit status: 0 done, 1 failed, 2 wrong usage or invalid file. `plan --exit-code`: 0 nothing to do,
3 changes. `exec` and `shell` end with the status of the command inside. 130: ended by SIGINT (Ctrl-C),
143: by SIGTERM, 129: by SIGHUP. A change that was told to end and had nothing left to do is done: 0.

";

#[test]
fn the_reference_of_commands_is_fresh() {
    let page = page();
    if std::env::var_os("LOCKER_WRITE_DOCS").is_some() {
        std::fs::write(PATH, &page).unwrap();
    }
    let written = std::fs::read_to_string(PATH).unwrap();
    assert!(
        written == page,
        "docs/commands.md is stale; run: LOCKER_WRITE_DOCS=1 cargo test --test cli reference"
    );
}

fn page() -> String {
    let mut definition = locker::cli::definition();
    definition.build();
    let mut page = INTRODUCTION.to_string();
    page.push_str("## Options of every command\n\n");
    for arg in definition.get_arguments().filter(|arg| arg.is_global_set()) {
        option(&mut page, arg);
    }
    let own = |command: &&Command| command.get_name() != "help";
    for command in definition.get_subcommands().filter(own) {
        section(&mut page, command, "locker", 2);
    }
    page.trim_end().to_string() + "\n"
}

fn section(page: &mut String, command: &Command, parent: &str, level: usize) {
    let name = format!("{parent} {}", command.get_name());
    writeln!(page, "\n{} {name}\n", "#".repeat(level)).unwrap();
    let about = command.get_long_about().or(command.get_about()).unwrap();
    writeln!(page, "{}\n", paragraphs(&about.to_string())).unwrap();
    let aliases: Vec<&str> = command.get_visible_aliases().collect();
    if !aliases.is_empty() {
        writeln!(page, "Also `{}`.\n", aliases.join("`, `")).unwrap();
    }
    let own = |arg: &&Arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help";
    for arg in command.get_arguments().filter(own) {
        option(page, arg);
    }
    if let Some(examples) = command.get_after_help() {
        let lines = examples.to_string();
        let lines: Vec<&str> = lines.lines().skip(1).map(str::trim_start).collect();
        writeln!(page, "\n```text\n{}\n```", lines.join("\n")).unwrap();
    }
    for inner in command.get_subcommands() {
        if inner.get_name() != "help" {
            section(page, inner, &name, level + 1);
        }
    }
}

fn option(page: &mut String, arg: &Arg) {
    let mut words: Vec<String> = Vec::new();
    words.extend(arg.get_short().map(|short| format!("-{short}")));
    words.extend(arg.get_long().map(|long| format!("--{long}")));
    for alias in arg.get_visible_aliases().unwrap_or_default() {
        words.push(format!("--{alias}"));
    }
    let takes_value = arg.get_action().takes_values();
    let value = arg.get_value_names().filter(|_| takes_value);
    let value = value.map(|names| names[0].to_string()).unwrap_or_default();
    let head = if words.is_empty() {
        format!("`{value}`")
    } else if value.is_empty() {
        format!("`{}`", words.join("`, `"))
    } else {
        format!("`{} {value}`", words.join("`, `"))
    };
    write!(page, "- {head}: {}", arg.get_help().unwrap()).unwrap();
    let possible: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if takes_value && !possible.is_empty() {
        write!(page, "; one of {}", possible.join(", ")).unwrap();
    }
    if let Some(default) = arg.get_default_values().first().filter(|_| takes_value) {
        write!(page, " (default `{}`)", default.to_str().unwrap()).unwrap();
    }
    page.push('\n');
}

/// The short line of a help text is a sentence too.
fn paragraphs(text: &str) -> String {
    let (first, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    format!("{first}.\n\n{rest}").trim_end().to_string()
}
