//! Managed blocks in a hosts file, between markers; every other byte of the file is kept.
//!
//! ```text
//! # >>> locker:<tag>
//! 10.77.0.2 db.example.net db
//! # <<< locker:<tag>
//! ```
//!
//! A marker counts only as a whole line. A block whose end is missing is not ours to guess at: its
//! begin line is left where it is and a new block is written at the end of the file.

mod host_file;

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use crate::model::HostsLine;

pub use host_file::HostsFile;

/// Why a hosts file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// The file system refused.
    #[error("cannot {verb} `{}`: {source}", path.display())]
    Io {
        /// `read`, `write`, `resolve`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A name or tag would break out of its line.
    #[error("`{}` cannot stand in a hosts file", word.escape_debug())]
    Word {
        /// The name or tag.
        word: String,
    },
}

/// Puts `lines` into the block of `tag` in place of what was in it; no lines take the block out and
/// leave exactly the bytes that were there before it was put in. A new block goes to the end.
///
/// Refuses names and tags that hold spaces, `#` or control characters.
pub fn replace_block(text: &str, tag: &str, lines: &[HostsLine]) -> Result<String, HostsError> {
    check(tag)?;
    for name in lines.iter().flat_map(|line| &line.names) {
        check(name)?;
    }
    let eol = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let block = render(tag, lines, eol);
    let Some(span) = find(text, tag) else {
        if lines.is_empty() {
            return Ok(text.to_string());
        }
        // The begin line tells by its last word that a line end was missing, so that removal can
        // take it back.
        let bare = !text.is_empty() && !text.ends_with('\n');
        let (gap, block) = match bare {
            true => (eol, block.replacen(eol, &format!("{JOINED}{eol}"), 1)),
            false => ("", block),
        };
        return Ok([text, gap, &block].concat());
    };
    let (before, after) = (&text[..span.begin], &text[span.end..]);
    if !lines.is_empty() {
        let block = match span.joined {
            true => block.replacen(eol, &format!("{JOINED}{eol}"), 1),
            false => block,
        };
        return Ok([before, &block, after].concat());
    }
    let before = match span.joined && after.is_empty() {
        true => before
            .strip_suffix("\r\n")
            .or_else(|| before.strip_suffix('\n'))
            .unwrap_or(before),
        false => before,
    };
    Ok([before, after].concat())
}

/// The lines of the block of `tag`; none when there is no whole block. A line that is not an address
/// and names, so one that somebody changed by hand, is left out.
pub fn read_block(text: &str, tag: &str) -> Option<Vec<HostsLine>> {
    let span = find(text, tag)?;
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        Some(HostsLine {
            address: words.next()?.parse().ok()?,
            names: words.map(String::from).collect(),
        })
    };
    Some(text[span.inner].lines().filter_map(parse).collect())
}

/// Last words of a begin line whose block was put after a text without a final line end.
const JOINED: &str = " (joined)";

struct Span {
    begin: usize,
    end: usize,
    inner: Range<usize>,
    joined: bool,
}

fn markers(tag: &str) -> (String, String) {
    (format!("# >>> locker:{tag}"), format!("# <<< locker:{tag}"))
}

fn check(word: &str) -> Result<(), HostsError> {
    let bad = |c: char| c.is_control() || c.is_whitespace() || c == '#';
    if word.is_empty() || word.contains(bad) {
        return Err(HostsError::Word { word: word.into() });
    }
    Ok(())
}

fn render(tag: &str, lines: &[HostsLine], eol: &str) -> String {
    let (open, close) = markers(tag);
    let mut block = format!("{open}{eol}");
    for line in lines {
        block.push_str(&line.to_string());
        block.push_str(eol);
    }
    block + &close + eol
}

/// The last begin line before the first end line that follows one; any marker of a block in between
/// means that the begin was left without an end.
fn find(text: &str, tag: &str) -> Option<Span> {
    let (open, close) = markers(tag);
    let joined_open = format!("{open}{JOINED}");
    let mut begin: Option<(usize, usize, bool)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let next = at + line.len();
        let bare = line.trim_end_matches(['\n', '\r']);
        if bare == open || bare == joined_open {
            begin = Some((at, next, bare == joined_open));
        } else if bare == close {
            if let Some((start, inner, joined)) = begin {
                return Some(Span {
                    begin: start,
                    end: next,
                    inner: inner..at,
                    joined,
                });
            }
        } else if bare.starts_with("# >>> locker:") || bare.starts_with("# <<< locker:") {
            begin = None;
        }
        at = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<HostsLine> {
        vec![
            HostsLine {
                address: "10.77.0.2".parse().unwrap(),
                names: vec!["db.example.net".into(), "db".into()],
            },
            HostsLine {
                address: "fd77::2".parse().unwrap(),
                names: vec!["db".into()],
            },
        ]
    }

    const TEXTS: [&str; 9] = [
        "",
        "127.0.0.1 localhost\n",
        "127.0.0.1 localhost",
        "127.0.0.1\tlocalhost\r\n# 10.9.9.9 blocked\r\n",
        "127.0.0.1 localhost\r\n::1 x",
        "\n\n",
        "# a comment - \"a\" of fe80::1%eth0 name#c\n\t x  y\n",
        "# >>> locker:shop\n10.0.0.1 precious\n",
        "# <<< locker:shop\n10.0.0.1 precious\n",
    ];

    #[test]
    fn a_block_goes_in_comes_back_and_goes_without_a_trace() {
        for text in TEXTS {
            let with = replace_block(text, "shop", &lines()).unwrap();
            assert!(with.starts_with(text), "{with:?}");
            assert_eq!(read_block(&with, "shop"), Some(lines()), "{with:?}");
            let again = replace_block(&with, "shop", &lines()).unwrap();
            assert_eq!(again, with);
            assert_eq!(replace_block(&with, "shop", &[]).unwrap(), text);
        }
    }

    #[test]
    fn a_changed_block_stays_at_its_place() {
        let text = "a\n# >>> locker:shop\n10.0.0.9 old\n# <<< locker:shop\nb\n";
        let new = replace_block(text, "shop", &lines()[1..]).unwrap();
        assert_eq!(
            new,
            "a\n# >>> locker:shop\nfd77::2 db\n# <<< locker:shop\nb\n"
        );
    }

    #[test]
    fn blocks_of_several_projects_live_side_by_side() {
        let one = replace_block("x", "one", &lines()).unwrap();
        let both = replace_block(&one, "one-more", &lines()[..1]).unwrap();
        assert_eq!(read_block(&both, "one"), Some(lines()));
        assert_eq!(read_block(&both, "one-more").map(|l| l.len()), Some(1));
        let rest = replace_block(&both, "one-more", &[]).unwrap();
        assert_eq!(rest, one);
    }

    #[test]
    fn half_a_block_never_eats_what_follows() {
        let text = "# >>> locker:shop\n1.1.1.1 keep\n# >>> locker:other\n2.2.2.2 o\n# <<< locker:other\n# <<< locker:shop\n";
        let with = replace_block(text, "shop", &lines()).unwrap();
        assert!(with.starts_with(text));
        assert_eq!(replace_block(&with, "shop", &[]).unwrap(), text);
    }

    #[test]
    fn a_name_that_would_break_out_is_refused() {
        for bad in ["a\nb", "a b", "a#b", "", "a\tb", "a\u{85}b", "a\0"] {
            let line = HostsLine {
                address: "10.0.0.1".parse().unwrap(),
                names: vec![bad.into()],
            };
            assert!(replace_block("", "shop", &[line]).is_err(), "{bad:?}");
            assert!(replace_block("", bad, &lines()).is_err(), "{bad:?}");
        }
    }
}
