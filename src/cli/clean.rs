//! Text that others wrote must not steer the user's terminal.

use std::borrow::Cow;

/// `line` without escape sequences and control characters; a tab stays.
pub fn clean(line: &str) -> Cow<'_, str> {
    if !line.chars().any(|c| c.is_control()) {
        return Cow::Borrowed(line);
    }
    let plain = anstream::adapter::strip_str(line).to_string();
    Cow::Owned(
        plain
            .chars()
            .filter(|c| *c == '\t' || !c.is_control())
            .collect(),
    )
}

/// The same for text of several lines.
pub fn clean_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(clean).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_taken_out() {
        for (line, kept) in [
            ("plain words", "plain words"),
            ("a\tb", "a\tb"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("bell\x07 back\x08", "bell back"),
            ("c1\u{9b}2J", "c12J"),
        ] {
            assert_eq!(clean(line), kept, "{line:?}");
        }
        assert_eq!(clean_lines("a\x1b[1A\r\nb\n"), "a\nb");
    }
}
