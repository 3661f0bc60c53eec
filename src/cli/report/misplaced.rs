//! Options of a command that stand before it, where the first Locker took them.

use clap::Command;

/// What to say about the option `option`, which does not stand where clap looked for it: the command
/// line as it should be, or which commands have the option. None when nobody has it.
pub(super) fn hint(definition: &Command, words: &[String], option: &str) -> Option<String> {
    let at = words
        .iter()
        .position(|word| named(definition, word).is_some());
    let before = &words[..at.unwrap_or(words.len())];
    if !before.iter().any(|word| takes(option, word)) {
        return None;
    }
    if let Some(at) = at
        && let Some(command) = named(definition, &words[at])
        && has(command, option)
    {
        let moves = |word: &&String| !has(definition, word) && has(command, word);
        let stay = before.iter().filter(|word| !moves(word));
        let behind = before.iter().filter(moves);
        let all = stay
            .chain([&words[at]])
            .chain(behind)
            .chain(&words[at + 1..]);
        let all: Vec<&str> = all.map(String::as_str).collect();
        return Some(format!(
            "options of a command stand behind it: `locker {}`",
            all.join(" ")
        ));
    }
    if let Some(command) = named(definition, option.trim_start_matches('-')) {
        return Some(format!(
            "that is a command: `locker {}`",
            command.get_name()
        ));
    }
    let owners = definition.get_subcommands().filter(|c| has(c, option));
    let owners: Vec<String> = owners
        .map(|c| format!("`locker {} {option}`", c.get_name()))
        .collect();
    (!owners.is_empty()).then(|| {
        format!(
            "options of a command stand behind it: {}",
            owners.join(", ")
        )
    })
}

/// Whether the word is the option, with or without a value.
fn takes(option: &str, word: &str) -> bool {
    let option = option.split('=').next().unwrap_or(option);
    word.split('=').next() == Some(option) || (is_short(option) && word.starts_with(option))
}

fn is_short(word: &str) -> bool {
    word.len() == 2 && word.starts_with('-') && !word.starts_with("--")
}

fn named<'c>(definition: &'c Command, word: &str) -> Option<&'c Command> {
    definition
        .get_subcommands()
        .find(|c| c.get_name() == word || c.get_all_aliases().any(|alias| alias == word))
}

/// Whether a command has the option itself; what every command has is the root's.
fn has(command: &Command, word: &str) -> bool {
    let word = word.split('=').next().unwrap_or(word);
    command.get_arguments().any(|arg| {
        if let Some(long) = word.strip_prefix("--") {
            let other = arg.get_all_aliases().unwrap_or_default();
            return arg.get_long() == Some(long) || other.contains(&long);
        }
        let mut letters = word.strip_prefix('-').unwrap_or_default().chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) => {
                let other = arg.get_all_short_aliases().unwrap_or_default();
                arg.get_short() == Some(letter) || other.contains(&letter)
            }
            (Some(_) | None, _) => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_before_its_command_is_led_behind_it() {
        let definition = crate::cli::definition();
        let behind = "options of a command stand behind it: ";
        for (line, option, expected) in [
            ("-x rm web", "-x", format!("{behind}`locker rm -x web`")),
            (
                "-p shop -d create",
                "-d",
                format!("{behind}`locker -p shop create -d`"),
            ),
            (
                "-r -n start a b",
                "-r",
                format!("{behind}`locker start -r -n a b`"),
            ),
            ("-m stop", "-m", format!("{behind}`locker stop -m`")),
            (
                "--extended ps",
                "--extended",
                format!("{behind}`locker ps --extended`"),
            ),
            (
                "--dont-copy-on-create create",
                "--dont-copy-on-create",
                format!("{behind}`locker create --dont-copy-on-create`"),
            ),
            (
                "--validate x.yaml start",
                "--validate",
                "that is a command: `locker validate`".into(),
            ),
            ("-x", "-x", format!("{behind}`locker rm -x`")),
        ] {
            let words: Vec<String> = line.split(' ').map(String::from).collect();
            let all = ["locker".to_string()].into_iter().chain(words.clone());
            assert!(
                crate::cli::definition().try_get_matches_from(all).is_err(),
                "{line}"
            );
            assert_eq!(hint(&definition, &words, option), Some(expected), "{line}");
        }
        let words = ["up".to_string(), "--no-port".into()];
        assert_eq!(hint(&definition, &words, "--no-port"), None);
        assert_eq!(hint(&definition, &["--qqq".to_string()], "--qqq"), None);
    }
}
