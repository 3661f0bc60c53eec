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

/// As [`replace_block`], but no line of the file itself takes a name of `lines` before they do, nor does
/// the line of `127.0.1.1`, which names the machine: the block then stands before the first such line.
/// hosts(5) is read from the top, and the first name of the first line that fits is the canonical one.
///
/// # Errors
/// As [`replace_block`].
pub fn put_block(text: &str, tag: &str, lines: &[HostsLine]) -> Result<String, HostsError> {
    let ours = |name: &str| {
        let mut all = lines.iter().flat_map(|line| &line.names);
        all.any(|own| own.eq_ignore_ascii_case(name))
    };
    let span = find(text, tag);
    let until = span.as_ref().map_or(text.len(), |span| span.begin);
    let takes = |line: &str| {
        let mut words = words(line);
        words.next() == Some(ITSELF) || words.any(ours)
    };
    if !text[..until].lines().any(takes) {
        return replace_block(text, tag, lines);
    }
    check(tag)?;
    let bare = replace_block(text, tag, &[])?;
    let mut at = 0;
    for line in bare.split_inclusive('\n') {
        if takes(line) {
            break;
        }
        at += line.len();
    }
    let block = replace_block("", tag, lines)?;
    let eol = if bare.contains("\r\n") { "\r\n" } else { "\n" };
    Ok([&bare[..at], &block.replace('\n', eol), &bare[at..]].concat())
}

/// The address and names of a line, without its comment.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split('#')
        .next()
        .unwrap_or_default()
        .split_whitespace()
}

/// The text without what an earlier self of a copied container wrote for itself: blocks of projects
/// other than `tag`, the links that the first Locker kept (`10.1.1.2 db.example.net db # shop_db`: a
/// comment of project and name beside that name), and the host's own line (`127.0.1.1`) when it names
/// nobody but `earlier`, the host name that the copy had.
pub fn without_earlier_self(text: &str, tag: &str, earlier: Option<&str>) -> String {
    let mut text = text.to_owned();
    for other in tags(&text) {
        if other != tag
            && let Ok(without) = replace_block(&text, &other, &[])
        {
            text = without;
        }
    }
    let kept = text.split_inclusive('\n');
    kept.filter(|line| !is_first_lockers(line) && !is_own_line(line, earlier))
        .collect()
}

/// The tags of all begin lines.
fn tags(text: &str) -> Vec<String> {
    let begins = text
        .lines()
        .filter_map(|line| line.strip_prefix("# >>> locker:"));
    let tags = begins.map(|tag| tag.strip_suffix(JOINED).unwrap_or(tag));
    tags.map(str::to_owned).collect()
}

fn is_first_lockers(line: &str) -> bool {
    let Some((_, comment)) = line.split_once('#') else {
        return false;
    };
    let plain = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let mut words = words(line);
    let address = words
        .next()
        .is_some_and(|w| w.parse::<std::net::IpAddr>().is_ok());
    match comment.trim().split_once('_') {
        Some((project, name)) if address && plain(project) && plain(name) => {
            words.any(|word| word == name)
        }
        Some(_) | None => false,
    }
}

fn is_own_line(line: &str, earlier: Option<&str>) -> bool {
    let Some(earlier) = earlier else { return false };
    let mut words = words(line);
    let itself = |word: &str| {
        let rest = word.strip_prefix(earlier);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    words.next() == Some(ITSELF) && words.all(itself)
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

/// The address by which Debian's systems and the first Locker name the machine itself.
const ITSELF: &str = "127.0.1.1";

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
    fn no_line_of_the_file_takes_one_of_our_names_first() {
        let block = replace_block("", "shop", &lines()).unwrap();
        let head = "127.0.0.1 localhost\n";
        let dead = "127.0.1.1\tDB.example.net old # dead\n::1 x\n";
        let expected = format!("{head}{block}{dead}");
        let text = format!("{head}{dead}");
        assert_eq!(put_block(&text, "shop", &lines()).unwrap(), expected);
        // One that stands below moves up; one that stands right stays.
        let below = replace_block(&text, "shop", &lines()).unwrap();
        assert_eq!(put_block(&below, "shop", &lines()).unwrap(), expected);
        assert_eq!(put_block(&expected, "shop", &lines()).unwrap(), expected);
        assert_eq!(replace_block(&expected, "shop", &[]).unwrap(), text);
        // Comments and other names are nobody's.
        for text in ["# 10.9.9.9 db\n10.9.9.9 x # db\n", "10.9.9.9 db2 xdb\n"] {
            let put = put_block(text, "shop", &lines()).unwrap();
            assert_eq!(put, format!("{text}{block}"));
        }
        let dead = put_block("127.0.1.1 dead\n", "shop", &lines()).unwrap();
        assert_eq!(dead, format!("{block}127.0.1.1 dead\n"));
        let crlf = put_block("1.1.1.1 db\r\n", "shop", &lines()).unwrap();
        assert_eq!(crlf.matches('\n').count(), crlf.matches("\r\n").count());
        let unended = put_block("1.1.1.1 db", "shop", &lines()).unwrap();
        assert_eq!(unended, format!("{block}1.1.1.1 db"));
    }

    #[test]
    fn what_an_earlier_self_wrote_goes_and_nothing_else() {
        let text = "127.0.0.1 localhost\n127.0.1.1 old.example.net old\n\
            10.1.1.2 db.example.net db database # shop_db\n10.1.1.3 cache  # old_cache\n";
        assert_eq!(
            without_earlier_self(text, "shop", Some("old")),
            "127.0.0.1 localhost\n"
        );
        let kept = "127.0.1.1 old.example.net mail\n10.0.0.5 printer # my_scanner\n\
            # 10.0.0.6 db # shop_db\n10.0.0.7 db # shop_db, by hand\n10.0.0.8 db #\n";
        assert_eq!(without_earlier_self(kept, "shop", Some("old")), kept);
        let other = "127.0.1.1 older\n";
        assert_eq!(without_earlier_self(other, "shop", Some("old")), other);
        assert_eq!(without_earlier_self(other, "shop", None), other);
        let ours = replace_block(other, "shop", &lines()).unwrap();
        let both = replace_block(&ours, "lab", &lines()).unwrap();
        assert_eq!(without_earlier_self(&both, "shop", None), ours);
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
