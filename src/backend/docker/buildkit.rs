//! Builds that need BuildKit, by Docker's own command line.
//!
//! The engine's own builder does not know `RUN --mount`, `COPY --link` and here-documents. What does is
//! a protocol of its own that the command `docker` speaks; where a Dockerfile needs it, it is asked. Values
//! reach it as arguments or variables, never through a shell. Must not print arguments.

use std::collections::VecDeque;
use std::process::Stdio;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use super::images::{trouble, with_tag};
use crate::backend::{BackendError, Progress};
use crate::model::Build;

const PROGRAM: &str = "docker";
/// Lines of its output that an error shows.
const SHOWN: usize = 20;
/// Flags of COPY and ADD that the engine's own builder does not know.
const FLAGS: [&str; 6] = [
    "--link",
    "--chmod",
    "--checksum",
    "--exclude",
    "--parents",
    "--keep-git-dir",
];

/// What in a Dockerfile the engine's own builder does not know: the beginning of the instruction.
pub(super) fn needed_by(dockerfile: &str) -> Option<String> {
    let mut rest = dockerfile.lines();
    while let Some(line) = rest.next() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        let mut whole = line.trim().to_owned();
        while let Some(begun) = whole.strip_suffix('\\') {
            let Some(next) = rest.next() else { break };
            let next = next.trim();
            // A comment within an instruction does not end it.
            if !next.starts_with('#') {
                whole = format!("{begun} {next}");
            }
        }
        if needs(&whole) {
            let start: String = whole.chars().take(60).collect();
            return Some(start);
        }
    }
    None
}

fn needs(instruction: &str) -> bool {
    let mut words = instruction.split_whitespace();
    let name = words.next().unwrap_or_default().to_ascii_uppercase();
    let mut flags = words.take_while(|word| word.starts_with("--"));
    let flagged = match name.as_str() {
        "RUN" => flags.next().is_some(),
        "COPY" | "ADD" => flags.any(|flag| {
            let flag = flag.split('=').next().unwrap_or(flag);
            FLAGS.contains(&flag)
        }),
        _ => return false,
    };
    flagged
        || instruction
            .match_indices("<<")
            .any(|(at, _)| begins_document(instruction, at))
}

/// `<<EOF`, `<<-EOF`, `<<"EOF"`: not `<<<` and not the shift of a calculation.
fn begins_document(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    let word = text.get(at + 2..).unwrap_or_default();
    let word = word.strip_prefix('-').unwrap_or(word);
    let word = word.trim_start_matches(['"', '\'']);
    before.is_none_or(|c| c.is_whitespace() || c.is_ascii_digit())
        && word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Builds with the command `docker build`. `inline` is a Dockerfile that is in no file.
pub(super) async fn build(
    build: &Build,
    why: &str,
    progress: Progress<'_>,
) -> Result<(), BackendError> {
    let mut child = start(build).map_err(|error| {
        let reason = format!("`{why}` needs BuildKit, and `{PROGRAM}` cannot be run: {error}");
        let help = "install Docker's command line with BuildKit: apt-get install docker.io, \
             and docker-buildx where that is a package of its own";
        trouble("build", &build.image, reason, Some(help.into()))
    })?;
    let (input, output) = (child.stdin.take(), child.stderr.take());
    let feed = async {
        if let (Some(mut input), Some(text)) = (input, &build.inline) {
            // It says itself why it did not read to the end.
            let _ = input.write_all(text.as_bytes()).await;
        }
    };
    let mut kept = VecDeque::new();
    let listen = async {
        let Some(output) = output else { return };
        let mut output = BufReader::new(output);
        while let Some(line) = next_line(&mut output).await {
            if line.is_empty() {
                continue;
            }
            progress(&line);
            kept.push_back(line);
            if kept.len() > SHOWN {
                kept.pop_front();
            }
        }
    };
    tokio::join!(feed, listen);
    finish(build, child, kept.into()).await
}

/// The next line without its end, or none after the last. Commands of a build print what they like: where they are not
/// read to the end the build cannot write any more, and fails.
async fn next_line(output: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    let read = output.read_until(b'\n', &mut line).await;
    let some = read.is_ok_and(|read| read > 0);
    some.then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
}

async fn finish(build: &Build, mut child: Child, log: Vec<String>) -> Result<(), BackendError> {
    let ended = child.wait().await;
    if ended.as_ref().is_ok_and(std::process::ExitStatus::success) {
        return Ok(());
    }
    let told = log.iter().rev().find(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("error") || line.contains("failed to")
    });
    let reason = match (told, ended) {
        (Some(line), _) => line.clone(),
        (None, Ok(status)) => format!("`{PROGRAM} build` ended with {status}"),
        (None, Err(error)) => format!("cannot wait for `{PROGRAM} build`: {error}"),
    };
    Err(BackendError::Image {
        verb: "build",
        image: build.image.clone(),
        reason,
        log,
        help: None,
    })
}

fn start(build: &Build) -> std::io::Result<Child> {
    let (words, variables) = words(build);
    Command::new(PROGRAM)
        .args(words)
        .envs(variables)
        .env("DOCKER_BUILDKIT", "1")
        // Another builder would keep the image to itself.
        .env("BUILDX_BUILDER", "default")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Its arguments, and the variables that hold the values of the build's own: arguments can be seen by
/// every user of the host.
fn words(build: &Build) -> (Vec<String>, Vec<(String, String)>) {
    let mut words: Vec<String> = vec!["build".into(), "--progress=plain".into()];
    let mut variables = Vec::new();
    let mut add = |flag: &str, value: &str| words.push(format!("--{flag}={value}"));
    for name in std::iter::once(&build.image).chain(&build.tags) {
        add("tag", &with_tag(name));
    }
    match (&build.inline, &build.dockerfile) {
        (Some(_), _) => add("file", "-"),
        (None, Some(path)) => add("file", &path.to_string_lossy()),
        (None, None) => {}
    }
    for (key, value) in &build.args {
        match value {
            Some(value) if is_its_own(key) => add("build-arg", &format!("{key}={value}")),
            Some(value) => {
                add("build-arg", key);
                variables.push((key.clone(), value.clone()));
            }
            None => add("build-arg", key),
        }
    }
    wishes(build, &mut add);
    words.push("--".into());
    words.push(build.context.to_string_lossy().into_owned());
    (words, variables)
}

/// What is neither a name nor a file nor an argument.
fn wishes(build: &Build, add: &mut dyn FnMut(&str, &str)) {
    for (key, value) in &build.labels {
        add("label", &format!("{key}={value}"));
    }
    for (name, address) in &build.extra_hosts {
        add("add-host", &format!("{name}:{address}"));
    }
    build
        .cache_from
        .iter()
        .for_each(|image| add("cache-from", image));
    let single = [
        ("target", build.target.clone()),
        ("network", build.network.clone()),
        ("platform", build.platform.clone()),
        ("shm-size", build.shm_size.map(|size| size.to_string())),
        ("no-cache", build.no_cache.then(|| "true".into())),
        ("pull", build.pull.then(|| "true".into())),
    ];
    for (flag, value) in single {
        value.iter().for_each(|value| add(flag, value));
    }
}

/// A variable that the command itself would heed.
fn is_its_own(key: &str) -> bool {
    matches!(key, "PATH" | "HOME")
        || ["DOCKER_", "BUILDX_", "BUILDKIT_", "LD_"]
            .iter()
            .any(|start| key.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_engines_builder_does_not_know_is_handed_on() {
        for (text, needed) in [
            ("FROM a\nRUN --mount=type=cache,target=/x make", true),
            ("FROM a\nRUN \\\n  # why\n  --network=none make", true),
            ("FROM a\ncopy --link a b", true),
            ("FROM a\nCOPY --chmod=755 a b", true),
            ("FROM a\nRUN <<EOF\nmake\nEOF", true),
            ("FROM a\nCOPY <<-'END' /x\ntext\nEND", true),
            ("# syntax=docker/dockerfile:1\nFROM a\nRUN make", false),
            ("FROM --platform=x a\nCOPY --from=y --chown=1 a b", false),
            (
                "FROM a\nRUN echo $((1<<2)) && cat <<<\"x\" && make --jobs",
                false,
            ),
            ("FROM a\n# RUN --mount=x y\nCMD [\"--mount\"]", false),
        ] {
            assert_eq!(needed_by(text).is_some(), needed, "{text}");
        }
    }

    #[tokio::test]
    async fn output_in_any_encoding_is_read_to_its_end() {
        let mut output: &[u8] = b"#5 caf\xe9\r\n\n#6 done";
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut output).await {
            lines.push(line);
        }
        assert_eq!(lines, ["#5 caf\u{fffd}", "", "#6 done"]);
    }

    #[test]
    fn values_of_arguments_are_in_the_variables_and_not_on_the_line() {
        let mut plan = super::super::build::tests::plan(std::path::Path::new("/ctx"));
        plan.args = [
            ("TOKEN", Some("hunter2")),
            ("PATH", Some("/x")),
            ("OWN", None),
        ]
        .map(|(key, value)| (key.into(), value.map(String::from)))
        .into();
        plan.inline = Some("FROM a".into());
        let (words, variables) = words(&plan);
        assert_eq!(variables, [("TOKEN".to_owned(), "hunter2".to_owned())]);
        let line = words.join(" ");
        assert!(!line.contains("hunter2"), "{line}");
        for part in [
            "--build-arg=TOKEN ",
            "--build-arg=PATH=/x",
            "--build-arg=OWN",
            "--file=- ",
            "-- /ctx",
        ] {
            assert!(line.contains(part), "{line} lacks {part}");
        }
    }
}
