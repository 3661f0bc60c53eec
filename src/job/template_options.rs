//! What a template is told and would refuse: told before the first change, since some find out only after minutes.
//!
//! The host has the lists: the template's own script names its options, debootstrap has a script for each release,
//! and dpkg a table of architectures. What those do not tell is left to the template.

use std::collections::BTreeSet;
use std::path::Path;

use crate::file::diagnostic::nearest;

/// debootstrap's own directory, below the root.
const RELEASES: &str = "usr/share/debootstrap/scripts";
/// dpkg's tables of architectures, below the root.
const ARCHITECTURES: [&str; 2] = ["usr/share/dpkg/cputable", "usr/share/dpkg/tupletable"];
/// Where LXC's templates keep what they have made, below the root.
const CACHE: &str = "var/cache/lxc";

/// The options of `args` that the text of a template's script does not have, each with what to do. A script that does not
/// read its options by getopt(1) may hand them on, and tells nothing.
pub(super) fn unknown(script: &str, args: &[(String, String)]) -> Vec<(String, String)> {
    let script = &script.replace("\\\n", "");
    let reads = |line: &str| !line.trim_start().starts_with('#') && line.contains("getopt ");
    if !script.lines().any(reads) {
        return Vec::new();
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let words: BTreeSet<&str> = script
        .split(|c| !is_word(c))
        .map(|word| word.trim_start_matches('-'))
        .collect();
    // A letter stands in a row with others, and a script has every letter.
    let long = args
        .iter()
        .map(|(option, _)| option)
        .filter(|o| o.len() > 1);
    let absent = long.filter(|option| !words.contains(option.as_str()));
    absent
        .map(|option| {
            let options = options(script);
            let help = match nearest(option, options.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "it has: {}",
                    options.into_iter().collect::<Vec<_>>().join(", ")
                ),
            };
            (option.clone(), help)
        })
        .collect()
}

/// The long options that a script, whose lines are whole, tells getopt(1), but for those that LXC gives.
fn options(script: &str) -> BTreeSet<&str> {
    let lines = script.lines().filter(|line| line.contains("getopt "));
    let lists = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        words.find(|word| ["-l", "--long", "--longoptions"].contains(word))?;
        words.next()
    });
    let of_lxc = ["help", "name", "path", "rootfs", "mapped-uid", "mapped-gid"];
    let all = lists.flat_map(|list| list.split(','));
    let all = all.map(|option| option.trim_matches(|c: char| c == ':' || c == '"' || c == '\''));
    all.filter(|option| !option.is_empty() && !of_lxc.contains(option))
        .collect()
}

/// What debootstrap could not make for one of LXC's scripts for Debian and its kin, each with what to do; `root` is the
/// host's root directory. What the template has made before and kept is taken as it is.
pub(super) fn refused<'a>(
    root: &'a Path,
    template: &str,
    args: &'a [(String, String)],
) -> impl Iterator<Item = (String, String)> + use<'a> {
    let told = |long: &str, short: &str| {
        let mut all = args.iter().rev();
        all.find(|(option, _)| option == long || option == short)
            .map(|(_, value)| value.as_str())
    };
    let (release, arch) = (told("release", "r"), told("arch", "a"));
    let kept = release.is_some_and(|release| is_kept(root, template, release));
    let release = release
        .filter(|_| !kept)
        .and_then(|word| no_release(root, word));
    let arch = arch
        .filter(|_| !kept)
        .and_then(|word| no_architecture(root, word));
    release.into_iter().chain(arch)
}

/// Whether the template has made the release before, for any architecture.
fn is_kept(root: &Path, template: &str, release: &str) -> bool {
    let cache = root.join(CACHE);
    let has = |dir: &Path, start: &str| {
        let mut names = std::fs::read_dir(dir).into_iter().flatten().flatten();
        names.any(|entry| entry.file_name().to_string_lossy().starts_with(start))
    };
    // That of Ubuntu has a directory for each release.
    has(&cache.join(template), &format!("rootfs-{release}-"))
        || has(&cache.join(release), "rootfs-")
}

fn no_release(root: &Path, release: &str) -> Option<(String, String)> {
    let dir = root.join(RELEASES);
    let known = std::fs::read_dir(&dir).ok()?.flatten();
    let known: Vec<String> = known
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    // An empty directory is none of debootstrap's.
    if known.is_empty() || known.iter().any(|name| name == release) {
        return None;
    }
    let help = match nearest(release, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            format!("`ls /{RELEASES}` lists those that it has; a newer debootstrap has newer ones")
        }
    };
    Some((
        format!("debootstrap on this host has no release `{release}`"),
        help,
    ))
}

fn no_architecture(root: &Path, arch: &str) -> Option<(String, String)> {
    let mut known = BTreeSet::new();
    for table in ARCHITECTURES {
        let text = std::fs::read_to_string(root.join(table)).ok()?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        known.extend(lines.flat_map(str::split_whitespace).map(str::to_string));
    }
    if known.contains(arch) {
        return None;
    }
    let help = match nearest(arch, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`dpkg --print-architecture` tells the host's".into(),
    };
    Some((
        format!("dpkg on this host knows no architecture `{arch}`"),
        help,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs.map(|(k, v)| ((*k).into(), (*v).into())).collect()
    }

    #[test]
    fn an_option_that_the_script_does_not_have_is_told_and_one_that_it_may_hand_on_is_not() {
        let script =
            "options=$(getopt -o hp:r: -l arch:,help,path:,release:,flush-cache -- \"$@\")\n";
        let told = |script: &str, option: &str| unknown(script, &args(&[(option, "x")]));
        assert_eq!(
            told(script, "relase"),
            [("relase".to_string(), "did you mean `release`?".to_string())]
        );
        assert_eq!(
            told(script, "zzzzzzzz")[0].1,
            "it has: arch, flush-cache, release"
        );
        for known in ["release", "arch", "flush-cache", "r"] {
            assert_eq!(told(script, known), [], "{known}");
        }
        assert_eq!(told("exec lxc-debian \"$@\"", "relase"), []);
        assert_eq!(told("", "relase"), []);
    }

    #[test]
    fn a_release_or_architecture_that_the_host_cannot_make_is_told_unless_it_is_kept_or_nobody_knows()
     {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let told = |release: &str, arch: &str| {
            let args = args(&[("release", release), ("arch", arch)]);
            refused(root, "debian", &args).collect::<Vec<_>>()
        };
        assert_eq!(told("bookwurm", "amd46"), [], "nobody knows");
        std::fs::create_dir_all(root.join(RELEASES)).unwrap();
        std::fs::write(root.join(RELEASES).join("bookworm"), "").unwrap();
        std::fs::create_dir_all(root.join("usr/share/dpkg")).unwrap();
        std::fs::write(root.join(ARCHITECTURES[0]), "# x\namd64\tx86_64\t64\n").unwrap();
        std::fs::write(root.join(ARCHITECTURES[1]), "eabihf-gnu-linux-arm armhf\n").unwrap();
        let [(release, near), (arch, _)] = &told("bookwurm", "amd46")[..] else {
            panic!("not both are told");
        };
        assert!(release.contains("`bookwurm`") && arch.contains("`amd46`"));
        assert_eq!(near, "did you mean `bookworm`?");
        for arch in ["amd64", "armhf", "x86_64"] {
            assert_eq!(told("bookworm", arch), [], "{arch}");
        }
        std::fs::create_dir_all(root.join(CACHE).join("debian/rootfs-old-amd64")).unwrap();
        assert_eq!(told("old", "amd64"), [], "it was made before");
        assert_eq!(told("older", "amd64").len(), 1);
    }
}
