//! How a process that lives as long as its container stays small.
//!
//! Starting a container runs through most of liblxc and its libraries once; the pages of that code would
//! count as the monitor's own for ever. Here is found out which pages can be let go, because they are
//! the same in the files they come from, and the kernel brings them back should they be needed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::OnceLock;

use super::ffi::{Range, let_go};

/// So much of `smaps` is read at once: memory that was needed once counts for ever.
const PIECE: usize = 4096;

/// What this process lets go of: found once, since looking costs a hundred times what letting go does.
/// Nothing that is loaded by the first time may be unloaded later.
static CLEAN: OnceLock<Vec<Range>> = OnceLock::new();

/// Pages of programs and libraries that nothing has written to, as proc(5), `smaps`, shows them.
pub(super) fn clean() -> Vec<Range> {
    // Without the file nothing is let go of.
    let smaps = File::open("/proc/self/smaps");
    smaps.map_or_else(
        |_| Vec::new(),
        |smaps| clean_of(BufReader::with_capacity(PIECE, smaps)),
    )
}

/// Lets go of what this process does not need while it sleeps. Cheap but for the first time.
pub(super) fn shed() {
    let_go(CLEAN.get_or_init(clean));
}

fn clean_of(smaps: impl BufRead) -> Vec<Range> {
    let (mut found, mut current) = (Vec::new(), None);
    for line in smaps.lines().map_while(Result::ok) {
        if let Some(range) = head(&line) {
            current = range;
        } else if let Some(anonymous) = line.strip_prefix("Anonymous:") {
            // A page that was written to, by the loader say, is nowhere but here.
            let range = current.take().filter(|_| anonymous.trim() == "0 kB");
            if let Some(range) = range {
                add(&mut found, range);
            }
        }
    }
    found
}

/// One call lets go of ranges that follow each other.
fn add(found: &mut Vec<Range>, range: Range) {
    match found.last_mut() {
        Some(last) if last.start + last.length == range.start => last.length += range.length,
        Some(_) | None => found.push(range),
    }
}

/// The first line of a mapping: its range when it is an unwritable part of a program or library.
fn head(line: &str) -> Option<Option<Range>> {
    let mut words = line.split_ascii_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let (from, to) = (number(from)?, number(to)?);
    let access = words.next()?;
    let inode = words.nth(2)?;
    let code = inode != "0" && matches!(access, "r-xp" | "r--p");
    Some(code.then(|| Range {
        start: from,
        length: to.saturating_sub(from),
    }))
}

fn number(text: &str) -> Option<usize> {
    usize::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
1000-3000 r-xp 00000000 fe:00 12 /usr/lib/libc.so.6
Rss: 8 kB
Anonymous: 0 kB
VmFlags: rd ex
3000-4000 r--p 00002000 fe:00 12 /usr/lib/libc.so.6
Anonymous: 4 kB
4000-5000 rw-p 00003000 fe:00 12 /usr/lib/libc.so.6
Anonymous: 0 kB
5000-6000 r--p 00000000 00:00 0 [vvar]
Anonymous: 0 kB
6000-9000 r--p 00000000 fe:00 13 /usr/bin/a b
Anonymous: 0 kB
9000-a000 r-xp 00003000 fe:00 13 /usr/bin/a b
Anonymous: 0 kB
";

    #[test]
    fn only_unwritten_pages_of_files_are_let_go() {
        let found = clean_of(SMAPS.as_bytes());
        let found: Vec<_> = found.iter().map(|r| (r.start, r.length)).collect();
        assert_eq!(found, [(0x1000, 0x2000), (0x6000, 0x4000)]);
    }

    #[test]
    fn a_process_goes_on_after_it_shed_its_pages() {
        assert!(!clean().is_empty());
        shed();
        shed();
        assert_eq!(clean_of(SMAPS.as_bytes()).len(), 2);
    }
}
