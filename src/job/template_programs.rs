//! Programs of the host without which a container cannot be made, each with the package that has it: those that LXC's
//! templates call, some of them only after minutes, and what unpacks an archive.

use std::io::Read;
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
pub(super) fn of_template(
    name: &str,
    has_option: impl Fn(&str) -> bool,
    root: &Path,
) -> Vec<Program> {
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
