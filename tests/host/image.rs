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

/// What Debian 13 gets: what a person installs, and all that apt brings with it (lxcfs, lxc-net with dnsmasq,
/// AppArmor's profiles). The kernel beside it is for virtual hosts.
const TRIXIE_PACKAGES: &str = "systemd,systemd-sysv,dbus,iproute2,iputils-ping,procps,iptables,nftables,\
    lxc,lxc-templates,busybox-static,uidmap,rsync,curl,ca-certificates,attr,docker.io,apparmor,kmod";
const TRIXIE_OPTIONS: [&str; 2] = [
    "--aptopt=APT::Install-Recommends \"true\"",
    r#"--customize-hook=chroot "$1" sh -c 'cd /var/cache && apt-get -q download $(apt-cache depends \
linux-image-cloud-amd64 | sed -n "s/.*Depends: \(linux-image-[0-9].*\)/\1/p")'"#,
];

/// Its services are what they are after an installation; only timers go that would begin work of their own.
const TRIXIE_PREPARE: &str = r#"
set -eu
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer
do ln -sf /dev/null "$1/etc/systemd/system/$unit"; done
"#;

/// What both have beside their packages.
const COMMON: &str = r#"echo 6c6f636b65726c6f636b65726c6f636b > "$1/etc/machine-id"
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

/// Units that would only cost time: `lxc.service` waits 30 s for a bridge that locker does not use.
/// Docker, its registry, ufw and firewalld are started by the scenarios that are about them.
const PREPARE: &str = r#"
set -eu
for unit in lxc.service lxc-net.service docker.service docker.socket containerd.service \
    ufw.service firewalld.service docker-registry.service \
    e2scrub_reap.service systemd-logind.service systemd-networkd.service getty.target \
    apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer
do ln -sf /dev/null "$1/etc/systemd/system/$unit"; done
"#;

/// The scripts write below their argument: without one, or with the machine's own root, they would write to it.
const GUARD: &str = r#"
if [ ! -d "${1:-/}/etc" ] || [ "${1:-/}" -ef / ]; then echo "no root file system to prepare: ${1:-}" >&2; exit 9; fi
"#;

/// Which Debian a test host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// 12, without what apt recommends.
    Bookworm,
    /// 13, with it.
    Trixie,
}

impl Release {
    /// The one that virtual hosts are to be: `LOCKER_VM=trixie` or, without a word, Debian 12.
    pub fn asked() -> Self {
        match std::env::var("LOCKER_VM").as_deref() {
            Ok("trixie") => Self::Trixie,
            Ok("bookworm") | Err(_) => Self::Bookworm,
            Ok(other) => panic!("LOCKER_VM is `bookworm` or `trixie`, not `{other}`"),
        }
    }

    fn suite(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }

    fn packages(self) -> &'static str {
        match self {
            Self::Bookworm => PACKAGES,
            Self::Trixie => TRIXIE_PACKAGES,
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Bookworm => &[],
            Self::Trixie => &TRIXIE_OPTIONS,
        }
    }

    fn prepare(self) -> String {
        let own = match self {
            Self::Bookworm => PREPARE,
            Self::Trixie => TRIXIE_PREPARE,
        };
        format!("{own}{COMMON}")
    }
}

/// The made root file system of Debian 12; makes it first when it is not there. Others wait meanwhile.
pub fn rootfs() -> PathBuf {
    rootfs_of(Release::Bookworm)
}

/// The same of any release.
pub fn rootfs_of(release: Release) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    release.packages().hash(&mut hasher);
    release
        .options()
        .iter()
        .for_each(|option| option.hash(&mut hasher));
    release.prepare().hash(&mut hasher);
    cached(hasher.finish(), |unfinished| make(release, unfinished))
}

/// The root file system that this recipe's key stands for; `make` makes it first when it is not there.
pub fn cached(key: u64, make: impl FnOnce(&Path)) -> PathBuf {
    let home = Path::new(CACHE).join(format!("{key:016x}"));
    let rootfs = home.join("rootfs");
    if rootfs.exists() {
        return rootfs;
    }
    fs::create_dir_all(&home).expect("the cache entry can be made");
    // One of its own: who needs another one need not wait.
    let lock = File::create(home.join("lock")).expect("the lock file can be made");
    lock.lock().expect("the lock can be taken");
    if !rootfs.exists() {
        let unfinished = home.join("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).expect("an unfinished root file system can be removed");
        }
        eprintln!("making `{}` (some minutes)", rootfs.display());
        make(&unfinished);
        fs::rename(&unfinished, &rootfs).expect("the root file system can be put in place");
    }
    rootfs
}

/// Runs a script that writes below `root`, and never elsewhere.
pub fn prepare(script: &str, root: &Path) {
    let script = format!("{GUARD}{script}");
    run(Command::new("sh")
        .args(["-c", &script, "prepare"])
        .arg(root));
}

fn make(release: Release, unfinished: &Path) {
    run(Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase"])
        .arg(format!("--include={}", release.packages()))
        .args(release.options())
        .arg(release.suite())
        .arg(unfinished));
    prepare(&release.prepare(), unfinished);
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
