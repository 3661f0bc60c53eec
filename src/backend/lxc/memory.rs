//! How a process that lives as long as its container stays small.
//!
//! Starting a container runs through most of liblxc and its libraries once; the pages of that code would
//! count as the monitor's own for ever. Here is found out which pages can be let go, because they are
//! the same in the files they come from, and the kernel brings them back should they be needed.

use super::ffi::{Range, let_go};

/// Pages of programs and libraries that nothing has written to, as proc(5), `smaps`, shows them.
pub(super) fn clean() -> Vec<Range> {
    clean_of(&std::fs::read_to_string("/proc/self/smaps").unwrap_or_default())
}

/// Lets go of what this process does not need while it sleeps.
pub(super) fn shed() {
    let_go(&clean());
}

fn clean_of(smaps: &str) -> Vec<Range> {
    let (mut found, mut current) = (Vec::new(), None);
    for line in smaps.lines() {
        if let Some(range) = head(line) {
            current = range;
        } else if let Some(anonymous) = line.strip_prefix("Anonymous:") {
            // A page that was written to, by the loader say, is nowhere but here.
            found.extend(current.take().filter(|_| anonymous.trim() == "0 kB"));
        }
    }
    found
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
";

    #[test]
    fn only_unwritten_pages_of_files_are_let_go() {
        let found = clean_of(SMAPS);
        let found: Vec<_> = found.iter().map(|r| (r.start, r.length)).collect();
        assert_eq!(found, [(0x1000, 0x2000), (0x6000, 0x3000)]);
    }

    #[test]
    fn a_process_goes_on_after_it_shed_its_pages() {
        assert!(!clean().is_empty());
        shed();
        assert_eq!(clean_of(SMAPS).len(), 2);
    }
}
