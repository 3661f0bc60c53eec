//! The root file system of Debian containers, for scenarios that need the real thing: made once, kept beside those
//! of the test hosts and keyed by its recipe as they are.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::image::{cached, prepare, run};

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
    cached(hasher.finish(), make)
}

fn make(unfinished: &Path) {
    let include = format!("--include={PACKAGES}");
    let words = ["--quiet", "--variant=minbase", &include, "bookworm"];
    run(Command::new("mmdebstrap").args(words).arg(unfinished));
    prepare(PREPARE, unfinished);
}
