//! Gives back the pages that a small process needed only to get going.
//!
//! A monitor and a guard live as long as their container, and there are two of them for each one.
//! What the program read of itself and of its libraries to come so far (the loader's tables, the parser
//! of the request, the code of liblxc's configuration reader) is never read again, yet counts as theirs.
//! Only pages that equal their file are let go, so the kernel reads again whatever is wanted after all.

use std::ops::Range;

/// Lets go of every page of this process that is the same as in its file.
///
/// Best effort: without it the process is only larger.
pub(super) fn give_back() {
    let text = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    for range in unchanged(&text) {
        super::ffi::let_go(&range);
    }
}

/// The mappings of an smaps text (proc_pid_smaps(5)) that are of a file, cannot be written and hold no
/// page that was changed, as the loader changes those that hold addresses.
fn unchanged(smaps: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut current = None;
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("Anonymous:"), Some("0")) => found.extend(current.take()),
            (Some(key), _) if key.ends_with(':') => {}
            (Some(range), Some("r--p" | "r-xp"))
                if words.nth(2).is_some_and(|inode| inode != "0") =>
            {
                current = addresses(range);
            }
            (_, _) => current = None,
        }
    }
    found
}

fn addresses(text: &str) -> Option<Range<usize>> {
    let (start, end) = text.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    Some(number(start)?..number(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unchanged_pages_of_files_are_let_go() {
        let smaps = "\
1000-3000 r--p 00000000 fe:00 12 /usr/bin/locker\nSize: 8 kB\nAnonymous:             0 kB\nVmFlags: rd mr\n\
3000-5000 r-xp 00002000 fe:00 12 /usr/bin/locker\nAnonymous:             0 kB\n\
5000-6000 r--p 00004000 fe:00 12 /usr/bin/locker\nAnonymous:             4 kB\n\
6000-7000 rw-p 00005000 fe:00 12 /usr/bin/locker\nAnonymous:             0 kB\n\
7000-8000 r--s 00000000 fe:00 13 /dev/shm/shared\nAnonymous:             0 kB\n\
8000-9000 r-xp 00000000 00:00 0 [vdso]\nAnonymous:             0 kB\n\
9000-a000 r--p 00000000 00:00 0\nAnonymous:             0 kB\n";
        assert_eq!(unchanged(smaps), [0x1000..0x3000, 0x3000..0x5000]);
        assert!(
            unchanged("").is_empty() && unchanged("x-y r--p 0 0 1 /a\nAnonymous: 0 kB").is_empty()
        );
    }

    #[test]
    fn a_process_that_has_given_back_goes_on_with_less() {
        let rss = || {
            let text = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = text.lines().find(|line| line.starts_with("RssFile:"));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        };
        let before = rss();
        give_back();
        assert!(rss() < before, "{:?} then {before:?}", rss());
    }
}
