//! The root file system of Debian containers, for scenarios that need the real thing: made once, kept beside those
//! of the test hosts and keyed by its recipe as they are.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::image::{CACHE, run};

const PACKAGES: &str = "systemd,systemd-sysv,ifupdown,openssh-server,cron,dbus,iproute2";

/// As a golden image is that somebody forgot to clean: with a machine id and host keys.
const PREPARE: &str = r#"
set -eu
echo 00112233445566778899aabbccddeeff > "$1/etc/machine-id"
rm -f "$1/etc/resolv.conf"
rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*
test -e "$1/etc/ssh/ssh_host_ed25519_key"
"#;

/// The made root file system; makes it first when it is not there. Others who need it wait meanwhile.
pub fn rootfs() -> PathBuf {
    let mut hasher = DefaultHasher::new();
    (PACKAGES, PREPARE).hash(&mut hasher);
    let home = Path::new(CACHE).join(format!("{:016x}", hasher.finish()));
    let rootfs = home.join("rootfs");
    if rootfs.exists() {
        return rootfs;
    }
    fs::create_dir_all(&home).expect("the cache entry can be made");
    let lock = File::create(home.join("lock")).expect("the lock file can be made");
    lock.lock().expect("the lock can be taken");
    if !rootfs.exists() {
        make(&home.join("unfinished"), &rootfs);
    }
    rootfs
}

fn make(unfinished: &Path, rootfs: &Path) {
    if unfinished.exists() {
        fs::remove_dir_all(unfinished).expect("an unfinished root file system can be removed");
    }
    eprintln!("making `{}` (about a minute)", rootfs.display());
    let include = format!("--include={PACKAGES}");
    let words = ["--quiet", "--variant=minbase", &include, "bookworm"];
    run(Command::new("mmdebstrap").args(words).arg(unfinished));
    run(Command::new("sh")
        .args(["-c", PREPARE, "prepare"])
        .arg(unfinished));
    fs::rename(unfinished, rootfs).expect("the root file system can be put in place");
}
