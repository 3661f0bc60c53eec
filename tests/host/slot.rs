//! A slot: the part of this machine that one test host may use.
//!
//! A slot has a number, and from it a directory, a bridge, a subnet and a container name. Whoever
//! holds the lock of a slot owns all of that, so what an earlier, killed run left in it can be
//! removed without asking: the kernel has released that run's lock.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const HOME: &str = "/var/tmp/locker-tests";
const SLOTS: u8 = 8;

/// A slot that this process holds; swept on drop.
pub struct Slot {
    number: u8,
    _lock: File,
}

impl Slot {
    /// Takes a free slot and removes what a dead run left in it; waits while all are in use.
    pub fn take() -> Self {
        fs::create_dir_all(HOME).expect("the tests' directory can be made");
        loop {
            for number in 0..SLOTS {
                let path = Path::new(HOME).join(format!("slot-{number}.lock"));
                let lock = File::create(path).expect("the slot's lock file can be made");
                if lock.try_lock().is_ok() {
                    let slot = Self {
                        number,
                        _lock: lock,
                    };
                    slot.sweep();
                    return slot;
                }
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Everything of this slot that is a file.
    pub fn dir(&self) -> PathBuf {
        Path::new(HOME).join(format!("slot-{}", self.number))
    }

    /// Where the outer LXC keeps the test host.
    pub fn lxcpath(&self) -> PathBuf {
        self.dir().join("lxc")
    }

    /// The test host's root, an overlay.
    pub fn root(&self) -> PathBuf {
        self.dir().join("root")
    }

    /// Name of the test host's container and of its bridge.
    pub fn bridge(&self) -> String {
        format!("lkt{}", self.number)
    }

    /// The machine's address on the bridge. 198.18.0.0/15 is for tests (RFC 2544).
    pub fn outer_address(&self) -> String {
        format!("198.18.{}.1", self.number)
    }

    /// The test host's address.
    pub fn address(&self) -> String {
        format!("198.18.{}.11", self.number)
    }

    fn sweep(&self) {
        let name = self.bridge();
        if self.lxcpath().exists() {
            quietly(
                Command::new("lxc-stop")
                    .args(["-k", "-n", &name, "-P"])
                    .arg(self.lxcpath()),
            );
        }
        let root = self.root();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        if mounts.contains(&format!(" {} ", root.display())) {
            quietly(Command::new("umount").arg(&root));
        }
        if Path::new("/sys/class/net").join(&name).exists() {
            quietly(Command::new("ip").args(["link", "delete", &name]));
        }
        if self.dir().exists()
            && let Err(error) = fs::remove_dir_all(self.dir())
        {
            eprintln!("cannot remove `{}`: {error}", self.dir().display());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.sweep();
    }
}

fn quietly(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    if let Ok(output) = output
        && !output.status.success()
    {
        eprintln!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
}
