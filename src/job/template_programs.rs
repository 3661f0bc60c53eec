//! Programs of the host without which a container cannot be made, each with the package that has it: those that LXC's
//! templates call, some of them only after minutes, and what unpacks an archive.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A program and its package.
pub(super) type Program = (&'static str, &'static str);

const DEBOOTSTRAP: Program = ("debootstrap", "debootstrap");
const RSYNC: Program = ("rsync", "rsync");
const WGET: Program = ("wget", "wget");
const XZ: Program = ("xz", "xz-utils");

/// Where kali's template looks for the keys, below the root, before it fetches them.
const KALI_KEYS: [&str; 2] = [
    "usr/share/keyrings/kali-archive-keyring.gpg",
    "etc/apt/trusted.gpg.d/kali-archive-keyring.gpg",
];

/// What LXC's template `name` calls; `has_option` says which options it is given, `root` is the host's root directory.
/// With `by_snapshot` those for Debian and its kin need not copy what they have made.
pub(super) fn of_template(
    name: &str,
    has_option: impl Fn(&str) -> bool,
    root: &Path,
    by_snapshot: bool,
) -> Vec<Program> {
    let mut programs = called(name, has_option, root);
    programs.retain(|program| !(by_snapshot && *program == RSYNC));
    programs
}

/// Whether these scripts make a snapshot of their cache: it and the container's directory are on btrfs, where
/// `is_btrfs` says so, and what is in the cache is a subvolume.
pub(super) fn by_snapshot(root: &Path, lxcpath: &Path, is_btrfs: impl Fn(&Path) -> bool) -> bool {
    let cache = root.join("var/cache/lxc");
    let on_btrfs = |path: &Path| {
        path.ancestors()
            .find(|dir| dir.is_dir())
            .is_some_and(&is_btrfs)
    };
    let below = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
    let kept = below(&cache).flat_map(|release| below(&release.path()));
    let mut trees = kept.filter(|tree| tree.file_name().as_encoded_bytes().starts_with(b"rootfs-"));
    on_btrfs(&cache) && on_btrfs(lxcpath) && trees.all(|tree| is_subvolume(&tree.path()))
}

/// Whether a directory of btrfs is the root of a subvolume, as the scripts tell.
fn is_subvolume(dir: &Path) -> bool {
    const ROOT: u64 = 256; // BTRFS_FIRST_FREE_OBJECTID
    std::fs::metadata(dir).is_ok_and(|found| found.ino() == ROOT)
}

/// Whether a directory is on btrfs.
pub(super) fn is_btrfs(dir: &Path) -> bool {
    const BTRFS_SUPER_MAGIC: i64 = 0x9123_683e; // statfs(2)
    rustix::fs::statfs(dir).is_ok_and(|at| at.f_type == BTRFS_SUPER_MAGIC)
}

fn called(name: &str, has_option: impl Fn(&str) -> bool, root: &Path) -> Vec<Program> {
    match name {
        // It looks the number of a release up.
        "debian" => vec![
            DEBOOTSTRAP,
            ("debian-distro-info", "distro-info"),
            RSYNC,
            WGET,
        ],
        "devuan" => vec![DEBOOTSTRAP, RSYNC, WGET],
        "kali" if KALI_KEYS.iter().any(|keys| root.join(keys).is_file()) => {
            vec![DEBOOTSTRAP, RSYNC]
        }
        "kali" => vec![DEBOOTSTRAP, RSYNC, WGET],
        "ubuntu" => vec![DEBOOTSTRAP, RSYNC],
        "busybox" if !has_option("busybox-path") => vec![("busybox", "busybox-static")],
        "download" => vec![WGET, XZ],
        "local" => vec![XZ],
        "oci" => vec![("skopeo", "skopeo"), ("umoci", "umoci"), ("jq", "jq")],
        "alpine" => vec![WGET, ("openssl", "openssl")],
        "cirros" => vec![WGET],
        "ubuntu-cloud" => vec![("ubuntu-cloudimg-query", "cloud-image-utils"), WGET],
        _ => Vec::new(),
    }
}

/// What tar(1) calls to unpack a file, by its first bytes, as tar itself tells.
pub(super) fn of_archive(path: &Path) -> Option<Program> {
    let mut start = [0; 6];
    let length = std::fs::File::open(path).and_then(|mut file| file.read(&mut start));
    let start = &start[..length.ok()?];
    let packers: [(&[u8], Program); 6] = [
        (b"\x1f\x8b", ("gzip", "gzip")),
        (b"BZh", ("bzip2", "bzip2")),
        (b"\xfd7zXZ", XZ),
        (b"\x28\xb5\x2f\xfd", ("zstd", "zstd")),
        (b"LZIP", ("lzip", "lzip")),
        (b"\x89LZO", ("lzop", "lzop")),
    ];
    let of_start = |(magic, _): &&(&[u8], Program)| start.starts_with(magic);
    packers.iter().find(of_start).map(|(_, program)| *program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsync_is_asked_for_where_a_template_copies_and_not_where_it_makes_a_snapshot() {
        let dir = tempfile::tempdir().unwrap();
        let (root, lxcpath) = (dir.path(), dir.path().join("lib/lxc"));
        let asked = |by_snapshot| {
            let all = ["debian", "devuan", "kali", "ubuntu"]
                .map(|name| of_template(name, |_| false, root, by_snapshot).contains(&RSYNC));
            assert!(all.iter().all(|asked| *asked == all[0]));
            all[0]
        };
        assert!(asked(false) && !asked(true));
        assert!(
            by_snapshot(root, &lxcpath, |_| true),
            "nothing is there yet"
        );
        assert!(!by_snapshot(root, &lxcpath, |_| false));
        std::fs::create_dir_all(&lxcpath).unwrap();
        std::fs::create_dir_all(root.join("var")).unwrap();
        assert!(!by_snapshot(root, &lxcpath, |path| path.ends_with("var")));
        assert!(!by_snapshot(root, &lxcpath, |path| path.ends_with("lxc")));
        // A plain tree that was made before the file system was another one is copied.
        std::fs::create_dir_all(root.join("var/cache/lxc/jammy/rootfs-amd64")).unwrap();
        assert!(!by_snapshot(root, &lxcpath, |_| true));
    }

    #[test]
    fn an_archive_is_told_by_its_first_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let of = |bytes: &[u8]| {
            let path = dir.path().join("x.tar.xz");
            std::fs::write(&path, bytes).unwrap();
            of_archive(&path).map(|(program, _)| program)
        };
        assert_eq!(of(b"\xfd7zXZ\0\0"), Some("xz"));
        assert_eq!(of(b"\x28\xb5\x2f\xfd\x04"), Some("zstd"));
        assert_eq!(of(b"\x1f\x8b\x08"), Some("gzip"));
        assert_eq!(of(b"./\0\0\0\0"), None, "tar unpacks a plain one itself");
        assert_eq!(of(b""), None);
        assert_eq!(of_archive(&dir.path().join("absent")), None);
    }
}
