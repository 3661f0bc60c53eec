//! How a text is shown that others wrote: what would turn the order of its letters is written out.

use std::borrow::Cow;

/// Whether a character changes the direction of the text around it without being seen (Unicode
/// Standard Annex 9, "Directional Formatting Characters").
pub fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text for a terminal, such characters as `\u{202e}`.
pub fn shown(text: &str) -> Cow<'_, str> {
    written(text, |c| c.escape_unicode().to_string())
}

/// A text that is JSON or a quoted text of YAML, such characters as `\u202e`: it means the same.
pub fn shown_quoted(text: &str) -> Cow<'_, str> {
    written(text, |c| format!("\\u{:04x}", u32::from(c)))
}

fn written(text: &str, escape: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.chars().any(turns_text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match turns_text(c) {
            true => out.push_str(&escape(c)),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_a_text_is_written_out_and_letters_of_every_script_stay() {
        for c in "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".chars() {
            let text = format!("a{c}b");
            assert_eq!(shown(&text), format!("a\\u{{{:x}}}b", u32::from(c)));
            let json = format!("\"{text}\"");
            let quoted = shown_quoted(&json);
            assert!(!quoted.contains(c));
            assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
        }
        let plain = "שלום مرحبا é 日本 \u{200d}";
        assert_eq!(shown(plain), plain);
    }
}
