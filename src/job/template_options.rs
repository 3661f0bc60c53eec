//! What a template is told and would refuse: told before the first change, since some find out only after minutes.
//!
//! The host has the lists: the template's own script names its options, debootstrap has a script for each release,
//! and dpkg a table of architectures. What those do not tell is left to the template.

use std::collections::BTreeSet;
use std::path::Path;

use crate::file::diagnostic::nearest;
use crate::model::given_by_lxc;

/// debootstrap's own directory, below the root.
const RELEASES: &str = "usr/share/debootstrap/scripts";
/// dpkg's tables of architectures, below the root.
const ARCHITECTURES: [&str; 2] = ["usr/share/dpkg/cputable", "usr/share/dpkg/tupletable"];
/// Where LXC's templates keep what they have made, below the root.
const CACHE: &str = "var/cache/lxc";

/// The options that a template's script reads, as far as its text tells them.
pub(super) enum Options {
    /// What it tells getopt(1), which takes abbreviations.
    Listed(Vec<Listed>),
    /// It reads them by getopt(1) and keeps the list elsewhere: words of the script, some of which are options.
    Among(BTreeSet<String>),
    /// It does not read them by getopt(1), and may hand them on.
    Anything,
}

/// A long option of a list for getopt(1).
pub(super) struct Listed {
    name: String,
    needs_value: bool,
}

impl Options {
    /// Of the text of a script.
    pub(super) fn of(script: &str) -> Self {
        let script = &script.replace("\\\n", "");
        let reads = |line: &&str| !line.trim_start().starts_with('#') && line.contains("getopt ");
        let lines: Vec<&str> = script.lines().filter(reads).collect();
        if lines.is_empty() {
            return Self::Anything;
        }
        let lists: Option<Vec<Vec<Listed>>> = lines.iter().map(|line| listed(line)).collect();
        match lists {
            Some(lists) => Self::Listed(lists.into_iter().flatten().collect()),
            None => Self::Among(words(script)),
        }
    }

    /// What the script called `template` would refuse of `args`, each with what to do.
    pub(super) fn refused(
        &self,
        template: &str,
        args: &[(String, String)],
    ) -> Vec<(String, String)> {
        let wrong = args.iter().filter_map(|(option, value)| match self {
            Self::Listed(list) => wrong(list, template, option, value),
            // A letter stands in a row with others, and a script has every letter.
            Self::Among(words) if option.len() > 1 && !words.contains(option) => Some((
                no_option(template, option),
                "its script does not have the word".into(),
            )),
            Self::Among(_) | Self::Anything => None,
        });
        wrong.collect()
    }

    /// The whole name of an option that is abbreviated.
    pub(super) fn whole<'a>(&'a self, option: &'a str) -> &'a str {
        let list = match self {
            Self::Listed(list) => list,
            Self::Among(_) | Self::Anything => return option,
        };
        match meant(list, option)[..] {
            [one] => &one.name,
            _ => option,
        }
    }
}

/// The long options of a line that calls getopt(1); none where the line does not have the list itself.
fn listed(line: &str) -> Option<Vec<Listed>> {
    let mut words = line.split_whitespace();
    let list = words.find_map(|word| match word.split_once('=') {
        Some((flag, list)) if is_long_flag(flag) => Some(Some(list)),
        Some(_) => None,
        None => is_long_flag(word).then_some(None),
    })?;
    let list = list.or_else(|| words.next())?;
    let list = ["\"", "'"]
        .iter()
        .find_map(|quote| list.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(list);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_:,".contains(c);
    if !list.chars().all(is_plain) {
        return None;
    }
    let all = list.split(',').filter(|option| !option.is_empty());
    let option = |word: &str| Listed {
        name: word.trim_end_matches(':').into(),
        needs_value: word.ends_with(':') && !word.ends_with("::"),
    };
    Some(all.map(option).collect())
}

fn is_long_flag(word: &str) -> bool {
    ["-l", "--long", "--longoptions"].contains(&word)
}

fn words(script: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let words = script.split(|c| !is_word(c));
    words
        .map(|word| word.trim_start_matches('-').to_owned())
        .collect()
}

/// The options that getopt(1) takes `option` for: one, none, or several of which it can be the beginning.
fn meant<'a>(list: &'a [Listed], option: &str) -> Vec<&'a Listed> {
    let mut all: Vec<&Listed> = list
        .iter()
        .filter(|one| one.name.starts_with(option))
        .collect();
    if let Some(exact) = all.iter().position(|one| one.name == option) {
        all = vec![all[exact]];
    }
    all
}

fn wrong(list: &[Listed], template: &str, option: &str, value: &str) -> Option<(String, String)> {
    match meant(list, option)[..] {
        [one] if one.needs_value && value.is_empty() => Some((
            format!(
                "the option `{}` of the LXC template `{template}` needs a value",
                one.name
            ),
            "give it one, or remove the key".into(),
        )),
        [_] => None,
        [] => {
            let own = list.iter().map(|one| one.name.as_str());
            let own: BTreeSet<&str> = own
                .filter(|name| *name != "help" && given_by_lxc(name).is_none())
                .collect();
            let help = match nearest(option, own.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has: {}", own.into_iter().collect::<Vec<_>>().join(", ")),
            };
            Some((no_option(template, option), help))
        }
        [..] => {
            let all: Vec<String> = meant(list, option)
                .iter()
                .map(|one| format!("`{}`", one.name))
                .collect();
            Some((
                format!(
                    "`{option}` is short for more than one option of the LXC template `{template}`"
                ),
                format!("write the one that is meant: {}", all.join(", ")),
            ))
        }
    }
}

fn no_option(template: &str, option: &str) -> String {
    format!("the LXC template `{template}` has no option `{option}`")
}

/// What debootstrap could not make for one of LXC's scripts for Debian and its kin, each with what to do; `root` is the
/// host's root directory. What the template has made before and kept is taken as it is.
pub(super) fn refused<'a>(
    root: &'a Path,
    template: &str,
    options: &Options,
    args: &'a [(String, String)],
) -> impl Iterator<Item = (String, String)> + use<'a> {
    let told = |name: &str| {
        let mut all = args.iter().rev();
        all.find(|(option, _)| options.whole(option) == name)
            .map(|(_, value)| value.as_str())
    };
    let (release, arch) = (told("release"), told("arch"));
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
        let script = "variant=minbase\noptions=$(getopt -o hp:r: -l arch:,auth-key:,help,path:,release:,\\\nflush-cache,color:: -- \"$@\")\n";
        let told = |script: &str, option: &str, value: &str| {
            Options::of(script).refused("debian", &args(&[(option, value)]))
        };
        let none = "the LXC template `debian` has no option";
        assert_eq!(
            told(script, "relase", "x"),
            [(format!("{none} `relase`"), "did you mean `release`?".into())]
        );
        assert_eq!(
            told(script, "zzzzzzzz", "x")[0].1,
            "it has: arch, auth-key, color, flush-cache, release"
        );
        assert_eq!(
            told(script, "variant", "x").len(),
            1,
            "a word that is no option"
        );
        assert!(told(script, "a", "x")[0].1.ends_with("`arch`, `auth-key`"));
        for known in ["release", "rel", "ar", "flush-cache", "f"] {
            assert_eq!(told(script, known, "x"), [], "{known}");
        }
        assert!(told(script, "release", "")[0].0.contains("needs a value"));
        for bare in ["flush-cache", "color"] {
            assert_eq!(told(script, bare, ""), [], "{bare}");
        }
        let elsewhere = "long=arch:,release:\ngetopt -l $long -- \"$@\"\n";
        assert_eq!(told(elsewhere, "relase", "x").len(), 1);
        assert_eq!(told(elsewhere, "release", ""), []);
        assert_eq!(told("exec lxc-debian \"$@\"", "relase", ""), []);
        assert_eq!(told("", "relase", ""), []);
    }

    #[test]
    fn lists_are_read_as_getopt_takes_them() {
        let names = |line: &str| {
            let all = listed(line)?.into_iter().map(|one| one.name);
            Some(all.collect::<Vec<_>>().join(" "))
        };
        for line in [
            "options=$(getopt -o a -l a:,b::,c -- \"$@\")",
            "getopt --long=a:,b,c -- \"$@\"",
            "if ! o=$(getopt --longoptions 'a:,b::,c' -- \"$@\"); then",
        ] {
            assert_eq!(names(line).as_deref(), Some("a b c"), "{line}");
        }
        for line in [
            "getopt -o a -- \"$@\"",
            "getopt --long \"${long_opts}\" -- \"$@\"",
            "getopt -l 'a, b' -- \"$@\"",
        ] {
            assert_eq!(names(line), None, "{line}");
        }
    }

    #[test]
    fn a_release_or_architecture_that_the_host_cannot_make_is_told_unless_it_is_kept_or_nobody_knows()
     {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let told = |release: &str, arch: &str| {
            let args = args(&[("rel", release), ("arch", arch)]);
            let options = Options::of("getopt -l arch:,release: --");
            refused(root, "debian", &options, &args).collect::<Vec<_>>()
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
