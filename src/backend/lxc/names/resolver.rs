//! Search domains and options of a container's resolver, as lines of its resolv.conf(5).
//!
//! They stand at its end below a remark, by which they are found again; what others wrote of the same kind goes
//! where locker says something, since of search domains the last line counts and options add up.

use super::super::inner_file::Inside;
use crate::backend::BackendError;

const FILE: &str = "/etc/resolv.conf";
const REMARK: &str = "# dns_search and dns_opt, by locker";

/// Writes those of the spec, or takes out those of an earlier one.
pub(in super::super) fn write_resolver(inside: &Inside<'_>) -> Result<(), BackendError> {
    let before = inside.read(FILE)?.unwrap_or_default();
    let after = with(&before, wanted(inside));
    match after == before {
        true => Ok(()),
        false => inside.write(FILE, &after),
    }
}

/// Whether the file of a running container, `text`, says something else than the spec. A DHCP client that writes the file anew,
/// the remark with it, has no options in its lease, and may know one search domain or none: that is no difference.
pub(super) fn differs(inside: &Inside<'_>, text: &str) -> bool {
    is_other(text, wanted(inside))
}

/// Search domains and options.
type Wanted<'a> = (&'a [String], &'a [String]);

fn wanted<'a>(inside: &Inside<'a>) -> Wanted<'a> {
    let system = &inside.spec.system;
    (&system.dns_search, &system.dns_opt)
}

fn is_other(text: &str, (search, options): Wanted<'_>) -> bool {
    let last = said(text, &["search", "domain"]).last().unwrap_or_default();
    let all: Vec<&str> = said(text, &["options"]).flatten().collect();
    let ours = text.lines().any(|line| line == REMARK);
    match ours {
        true => (!search.is_empty() && last != search) || (!options.is_empty() && all != options),
        false => !search.is_empty() && !search.iter().zip(&last).all(|(ours, word)| ours == word),
    }
}

/// The words of the lines that begin with one of these.
fn said<'t>(text: &'t str, keys: &'t [&'t str]) -> impl Iterator<Item = Vec<&'t str>> {
    let lines = text.lines().filter(|line| is_of(line, keys));
    lines.map(|line| line.split_whitespace().skip(1).collect())
}

fn with(text: &str, (search, options): Wanted<'_>) -> String {
    let mut out = String::new();
    let mut ours = false;
    for line in text.lines() {
        ours = line == REMARK || (ours && is_of(line, &["search", "options"]));
        let replaced = (!search.is_empty() && is_of(line, &["search", "domain"]))
            || (!options.is_empty() && is_of(line, &["options"]));
        if !ours && !replaced {
            out.push_str(line);
            out.push('\n');
        }
    }
    let said = [("search", search), ("options", options)];
    let said = said.iter().filter(|(_, words)| !words.is_empty());
    let said: Vec<String> = said
        .map(|(key, words)| format!("{key} {}\n", words.join(" ")))
        .collect();
    if !said.is_empty() {
        out.push_str(REMARK);
        out.push('\n');
        out.extend(said);
    }
    out
}

/// Whether a line begins with one of these words.
fn is_of(line: &str, keys: &[&str]) -> bool {
    let first = line.split_whitespace().next();
    first.is_some_and(|word| keys.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_said_replaces_what_others_said_and_goes_again_without_a_trace() {
        let file = "domain a.b\nnameserver 9.9.9.9\noptions ndots:2\n";
        let (search, options) = (words("example.net b.c"), words("use-vc"));
        let both = with(file, (&search, &options));
        let wanted = "nameserver 9.9.9.9\n# dns_search and dns_opt, by locker\n\
                      search example.net b.c\noptions use-vc\n";
        assert_eq!(both, wanted);
        assert_eq!(with(&both, (&search, &options)), both);
        assert_eq!(with(&both, (&[], &[])), "nameserver 9.9.9.9\n");
        let one = with(file, (&search, &[]));
        assert!(one.contains("options ndots:2\n#"), "{one}");
        assert_eq!(with(file, (&[], &[])), file);
    }

    #[test]
    fn what_somebody_changed_is_seen_and_what_a_lease_cannot_know_is_no_difference() {
        let (search, options) = (words("example.net"), words("ndots:1 use-vc"));
        let wanted = (search.as_slice(), options.as_slice());
        let file = with("nameserver 9.9.9.9\n", wanted);
        assert!(!is_other(&file, wanted));
        assert!(is_other(&file.replace("example.net", "a.b"), wanted));
        assert!(is_other(&file.replace("use-vc", ""), wanted));
        assert!(!is_other("nameserver 9.9.9.9\n", wanted));
        assert!(!is_other("search example.net\n", wanted));
        assert!(is_other("search a.b\nnameserver 9.9.9.9\n", wanted));
        let two = words("example.net b.c");
        assert!(!is_other("search example.net\n", (&two, &options)));
        assert!(!is_other("search a.b\n", (&[], &[])));
    }
}
