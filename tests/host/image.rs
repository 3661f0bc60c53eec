//! The root file system of the test hosts: made once with mmdebstrap and kept outside the work tree.
//!
//! It is keyed by its recipe, so that a changed recipe makes a new one. It is only ever a lower
//! layer: nothing may write to it after it is made.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CACHE: &str = "/var/cache/locker-tests";
const PACKAGES: &str = "systemd,systemd-sysv,dbus,iproute2,iputils-ping,procps,iptables,nftables,\
    lxc,lxc-templates,busybox-static,uidmap,rsync,curl,ca-certificates,attr,docker.io,\
    ufw,firewalld,docker-registry";

/// Units that would only cost time: `lxc.service` waits 30 s for a bridge that locker does not use.
/// Docker, its registry, ufw and firewalld are started by the scenarios that are about them.
const PREPARE: &str = r#"
set -eu
for unit in lxc.service lxc-net.service docker.service docker.socket containerd.service \
    ufw.service firewalld.service docker-registry.service \
    e2scrub_reap.service systemd-logind.service systemd-networkd.service getty.target \
    apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer
do ln -sf /dev/null "$1/etc/systemd/system/$unit"; done
echo 6c6f636b65726c6f636b65726c6f636b > "$1/etc/machine-id"
echo 'nameserver 192.0.2.53' > "$1/etc/resolv.conf"
printf '127.0.0.1 localhost\n# a line of the host\n' > "$1/etc/hosts"
rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*
cat > "$1/usr/share/lxc/templates/lxc-tiny" <<'EOT'
#!/bin/sh
# The busybox template without its DHCP client, which never ends; with a page that tells the host name.
set -e
/usr/share/lxc/templates/lxc-busybox "$@"
for word; do case "$word" in --rootfs=*) root=${word#--rootfs=};; esac; done
mkdir -p "$root/www" "$root/srv"
sed -i '/udhcpc/d' "$root/etc/init.d/rcS"
cat >> "$root/etc/init.d/rcS" <<'EOR'
hostname > /www/index.html
echo boot >> /srv/boots
/bin/httpd -p 80 -h /www
EOR
EOT
cat > "$1/usr/share/lxc/templates/lxc-broken" <<'EOT'
#!/bin/sh
echo 'the mirror is on fire' >&2
exit 7
EOT
chmod 755 "$1"/usr/share/lxc/templates/lxc-tiny "$1"/usr/share/lxc/templates/lxc-broken
"#;

/// The made root file system; makes it first when it is not there. Others wait meanwhile.
pub fn rootfs() -> PathBuf {
    let mut hasher = DefaultHasher::new();
    (PACKAGES, PREPARE).hash(&mut hasher);
    let home = Path::new(CACHE).join(format!("{:016x}", hasher.finish()));
    let rootfs = home.join("rootfs");
    if rootfs.exists() {
        return rootfs;
    }
    fs::create_dir_all(CACHE).expect("the cache directory can be made");
    let lock = File::create(Path::new(CACHE).join("lock")).expect("the lock file can be made");
    lock.lock().expect("the lock can be taken");
    if !rootfs.exists() {
        make(&home, &rootfs);
    }
    rootfs
}

fn make(home: &Path, rootfs: &Path) {
    let unfinished = home.join("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).expect("an unfinished root file system can be removed");
    }
    fs::create_dir_all(home).expect("the cache entry can be made");
    eprintln!(
        "making the root file system of the test hosts in `{}` (about a minute)",
        home.display()
    );
    run(Command::new("mmdebstrap")
        .args([
            "--quiet",
            "--variant=minbase",
            &format!("--include={PACKAGES}"),
            "bookworm",
        ])
        .arg(&unfinished));
    run(Command::new("sh")
        .args(["-c", PREPARE, "prepare"])
        .arg(&unfinished));
    fs::rename(&unfinished, rootfs).expect("the root file system can be put in place");
}

/// Runs a command that must succeed.
pub fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
