//! Clap's refusals in locker's form.

use super::{Kind, Report, bare};

/// Clap's text in our form: its first paragraph, its tips, and where to read on.
pub(super) fn dress(text: &str) -> Report {
    let ours = |line: &str| line.trim().replace('\'', "`");
    let first = text.lines().take_while(|line| !line.trim().is_empty());
    let message = first.map(ours).collect::<Vec<_>>().join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let mut report = bare(Kind::Usage, message.to_string());
    let tips = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("tip: "));
    report.help.extend(tips.map(ours));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_clap_get_our_form() {
        let error = crate::cli::definition()
            .try_get_matches_from(["locker", "upp"])
            .unwrap_err();
        let report = dress(&error.render().to_string());
        assert_eq!(report.message, "unrecognized subcommand `upp`");
        assert_eq!(
            report.help,
            [
                "a similar subcommand exists: `up`",
                "`locker --help` tells more"
            ]
        );
    }
}
