//! A command line that is written as one text, cut into words.

/// Cuts `text` into words as a shell would, without any of its other powers: quotes and
/// backslashes only. None when a quote is not closed or a backslash ends the text.
pub fn split_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    // A word of nothing, as `""` makes one, is a word too.
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => double_quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => match chars.next()? {
                '\n' => {}
                c => word.get_or_insert_default().push(c),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// Up to the closing quote; a backslash takes its meaning from four signs only (POSIX, 2.2.3).
fn double_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Option<()> {
    loop {
        match chars.next()? {
            '"' => return Some(()),
            '\\' => match chars.next()? {
                '\n' => {}
                c @ ('"' | '\\' | '$' | '`') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_a_shell_cuts_them() {
        for (text, expected) in [
            ("", &[][..]),
            ("  a  b\n c ", &["a", "b", "c"]),
            ("sh -c 'a \"b\" $x'", &["sh", "-c", "a \"b\" $x"]),
            ("a\"b c\"d", &["ab cd"]),
            ("\"\" ''", &["", ""]),
            ("a\\ b \\# #c", &["a b", "#", "#c"]),
            ("\"\\\"\\n\\$\"", &["\"\\n$"]),
            ("a;b | c > d", &["a;b", "|", "c", ">", "d"]),
            ("a \\\n b", &["a", "b"]),
        ] {
            let words = split_words(text).unwrap();
            assert_eq!(words, expected, "{text:?}");
        }
        for text in ["'", "\"a", "a\\", "a 'b", "\"\\\""] {
            assert_eq!(split_words(text), None, "{text:?}");
        }
    }
}
