//! Clap's refusals in locker's form.

use super::{Kind, Report, bare, misplaced};

/// Words of other programs for what has another name here.
const ELSEWHERE: [(&str, &str); 12] = [
    (
        "attach",
        "`locker logs -f NAME` shows its output, `locker shell NAME` opens a shell in it",
    ),
    ("kill", "`locker stop -t 0 NAME` ends it by force"),
    ("ls", "`locker status` lists the containers of this project"),
    (
        "list",
        "`locker status` lists the containers of this project",
    ),
    ("push", "locker pushes no images; `docker push IMAGE` does"),
    ("remove", "`locker rm NAME` destroys a container"),
    ("scale", "`locker up --scale NAME=N` makes so many"),
    (
        "stats",
        "`locker top` shows processors, memory, input and output",
    ),
    ("update", "`locker up` changes what differs from the file"),
    ("version", "`locker --version` prints it"),
    ("volumes", "`locker config --volumes` lists them"),
    ("watch", "`locker status --watch` looks again and again"),
];

/// Clap's text in our form: its first paragraph, its tips, and where to read on. `words` are those that
/// were typed.
pub(super) fn dress(text: &str, words: &[String]) -> Report {
    let ours = |line: &str| line.trim().replace('\'', "`");
    let first = text.lines().take_while(|line| !line.trim().is_empty());
    let message = first.map(ours).collect::<Vec<_>>().join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let mut report = bare(Kind::Usage, message.to_string());
    let tips = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("tip: "));
    match elsewhere(message).or_else(|| displaced(message, words)) {
        Some(hint) => report.help.push(hint),
        None => report.help.extend(tips.map(ours)),
    }
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    let command: Vec<&str> = usage
        .unwrap_or("locker")
        .split(' ')
        .take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect();
    report
        .help
        .push(format!("`{} --help` tells more", command.join(" ")));
    report
}

/// What stands for a command of another program; clap would guess by its letters.
fn elsewhere(message: &str) -> Option<String> {
    let word = message.strip_prefix("unrecognized subcommand `")?;
    let word = word.strip_suffix('`')?;
    let known = ELSEWHERE.iter().find(|(name, _)| *name == word);
    known.map(|(_, hint)| hint.to_string())
}

/// An option that its command takes, and that stands before it.
fn displaced(message: &str, words: &[String]) -> Option<String> {
    let option = message.strip_prefix("unexpected argument `")?;
    let option = option.strip_suffix("` found")?;
    misplaced::hint(&crate::cli::definition(), words, option)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_clap_get_our_form() {
        let error = crate::cli::definition()
            .try_get_matches_from(["locker", "upp"])
            .unwrap_err();
        let report = dress(&error.render().to_string(), &[]);
        assert_eq!(report.message, "unrecognized subcommand `upp`");
        assert_eq!(
            report.help,
            [
                "a similar subcommand exists: `up`",
                "`locker --help` tells more"
            ]
        );
    }

    #[test]
    fn a_word_of_another_program_is_led_to_ours() {
        let mut definition = crate::cli::definition();
        for (word, hint) in ELSEWHERE {
            let error = definition
                .try_get_matches_from_mut(["locker", word])
                .unwrap_err();
            let report = dress(&error.render().to_string(), &[]);
            assert_eq!(report.help[0], hint, "{word}");
            let ours = hint.split('`').nth(1).unwrap();
            let Some(ours) = ours.strip_prefix("locker ") else {
                continue;
            };
            let words = ours.split(' ').map(|word| match word {
                "NAME" => "web",
                "NAME=N" => "web=2",
                word => word,
            });
            let understood =
                definition.try_get_matches_from_mut(["locker"].into_iter().chain(words));
            let version = understood
                .err()
                .is_none_or(|error| error.kind() == clap::error::ErrorKind::DisplayVersion);
            assert!(version, "{hint}");
        }
    }
}
