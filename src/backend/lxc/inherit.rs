//! What a clone takes over from its origin's LXC configuration, and what is the origin's alone.
//!
//! The settings of the origin stay, led to the clone's own directory. What starts it with the host
//! (`lxc.start.*`, `lxc.group`), its host name and its id map do not: they are for locker to say. Mounts that are
//! kept in a file (`lxc.mount.fstab`) come along in a file of the clone's own, without those on which
//! the clone has a volume; else a volume that is taken out of the project's file would let the
//! origin's show again.

use std::path::{Path, PathBuf};

use super::render::moved;
use crate::model::Mount;

/// The parts of a clone's configuration.
pub(super) struct Inherited {
    /// The text of `config`.
    pub(super) config: String,
    /// The origin's file of mounts; the clone's is [`FSTAB`] in its own directory.
    pub(super) fstab: Option<PathBuf>,
}

/// The name of a clone's file of mounts.
pub(super) const FSTAB: &str = "fstab";

/// The origin's `config` for a clone that moves from the directory `from` to `to`.
pub(super) fn config(text: &str, from: &Path, to: &Path) -> Inherited {
    let mut inherited = Inherited {
        config: String::with_capacity(text.len()),
        fstab: None,
    };
    for line in text.lines() {
        let (key, value) = pair(line);
        if key == "lxc.mount.fstab" {
            // The last one counts; an empty one takes it back.
            inherited.fstab = (!value.is_empty()).then(|| value.into());
        } else if !is_origins_own(key, value) {
            inherited.config.push_str(line);
            inherited.config.push('\n');
        }
    }
    inherited.config = moved(&inherited.config, from, to);
    inherited
}

/// Whether a configuration has keys that LXC has not taken since version 3.
pub(super) fn is_outdated(text: &str) -> bool {
    text.lines().any(|line| {
        let (key, _) = pair(line);
        let whole = [
            "lxc.utsname",
            "lxc.mount",
            "lxc.rootfs",
            "lxc.tty",
            "lxc.pts",
        ];
        whole.contains(&key) || key.starts_with("lxc.network.")
    })
}

fn pair(line: &str) -> (&str, &str) {
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    (key.trim(), value.trim())
}

fn is_origins_own(key: &str, value: &str) -> bool {
    // The first Locker's hook writes to the origin's tree.
    let old_hook = key == "lxc.hook.mount" && value.ends_with("/locker/hooks/mount");
    let starts = key == "lxc.group" || key.starts_with("lxc.start.");
    // It lifts capabilities and devices, which only an id map makes harmless; with one it is included anew.
    let unprivileged = key == "lxc.include" && value.ends_with("userns.conf");
    matches!(key, "lxc.idmap" | "lxc.uts.name") || starts || old_hook || unprivileged
}

/// A file of mounts (fstab(5)) for the clone. Its targets are relative to the root file system or, in
/// the old way, below `from`.
pub(super) fn mounts(text: &str, from: &Path, to: &Path, volumes: &[Mount]) -> String {
    let rootfs = to.join("rootfs");
    let covered = |line: &&str| {
        let Some(target) = line.split_whitespace().nth(1) else {
            return false;
        };
        let target = Path::new(target);
        let inside = target.strip_prefix(&rootfs).unwrap_or(target);
        let inside = Path::new("/").join(inside.strip_prefix("/").unwrap_or(inside));
        volumes.iter().any(|volume| volume.target == inside)
    };
    let text = moved(text, from, to);
    let kept = text.lines().filter(|line| !covered(line));
    kept.map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "/var/lib/lxc/old_db";
    const TO: &str = "/var/lib/lxc/shop_db";

    #[test]
    fn what_is_the_origins_alone_stays_with_it() {
        let text = "lxc.include = /usr/share/x.conf\n\
            lxc.include = /usr/share/lxc/config/userns.conf\nlxc.include = /usr/share/lxc/config/debian.userns.conf\n\
            lxc.start.auto = 1\nlxc.start.delay=5\nlxc.group = onboot\nlxc.idmap = u 0 100000 65536\n\
            lxc.hook.mount = /var/lib/lxc/old_db/rootfs/locker/hooks/mount\n\
            lxc.hook.mount = /usr/share/hook\nlxc.uts.name = old_db\n\
            lxc.mount.fstab = /var/lib/lxc/old_db/fstab\n\
            lxc.rootfs.path = dir:/var/lib/lxc/old_db/rootfs\n";
        let inherited = config(text, Path::new(FROM), Path::new(TO));
        assert_eq!(
            inherited.config,
            "lxc.include = /usr/share/x.conf\nlxc.hook.mount = /usr/share/hook\n\
             lxc.rootfs.path = dir:/var/lib/lxc/shop_db/rootfs\n"
        );
        assert_eq!(inherited.fstab, Some("/var/lib/lxc/old_db/fstab".into()));
        let none = config(
            "lxc.mount.fstab = /x\nlxc.mount.fstab =\n",
            Path::new(FROM),
            Path::new(TO),
        );
        assert_eq!((none.config.as_str(), none.fstab), ("", None));
    }

    #[test]
    fn keys_of_old_versions_are_known() {
        for old in [
            "lxc.utsname = x",
            " lxc.network.0.link=br0",
            "lxc.mount = /x",
        ] {
            assert!(is_outdated(&format!("lxc.tty.max = 4\n{old}\n")), "{old}");
        }
        let new =
            "lxc.net.0.type = veth\nlxc.mount.fstab = /x\nlxc.uts.name = x\n# lxc.mount = y\n";
        assert!(!is_outdated(new));
    }

    #[test]
    fn mounts_move_and_those_under_a_volume_go() {
        let text = "# a note\n\n/opt/db/log var/log none bind 0 0\n\
            /opt/x /var/lib/lxc/old_db/rootfs/x none bind 0 0\n\
            /opt/y /var/lib/lxc/old_db/rootfs/y none bind 0 0\n";
        let volume = |target: &str| Mount {
            host: "/new".into(),
            target: target.into(),
            read_only: false,
            named: false,
        };
        let volumes = [volume("/var/log"), volume("/y"), volume("/other")];
        assert_eq!(
            mounts(text, Path::new(FROM), Path::new(TO), &volumes),
            "# a note\n\n/opt/x /var/lib/lxc/shop_db/rootfs/x none bind 0 0\n"
        );
    }
}
