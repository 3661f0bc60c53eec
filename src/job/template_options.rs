//! What a template is told and would refuse: told before the first change, since some find out only after minutes.
//!
//! The host has the lists: debootstrap has a script for each release, and dpkg a table of architectures. What those do
//! not tell is left to the template.

use std::collections::BTreeSet;
use std::path::Path;

use crate::file::diagnostic::nearest;

use super::template_getopt::Options;

/// debootstrap's own directory, below the root.
const RELEASES: &str = "usr/share/debootstrap/scripts";
/// dpkg's tables of architectures, below the root.
const ARCHITECTURES: [&str; 2] = ["usr/share/dpkg/cputable", "usr/share/dpkg/tupletable"];
/// Where LXC's templates keep what they have made, below the root.
const CACHE: &str = "var/cache/lxc";

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
