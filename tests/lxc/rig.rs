//! What every test stands on: a network namespace with a bridge, an LXC path, specs and cleaning up.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use locker::backend::Backend;
use locker::backend::lxc::LxcBackend;
use locker::model::{Hook, InnerCommand, Name};
use locker::observed::Mark;
use locker::store::Paths;
use serde_json::{Value, json};

use super::support::{Ring, may_run};

const INSIDE: &str = "LOCKER_TEST_OWN_NETWORK";

/// Runs `test` in a process of its own in a fresh network namespace.
pub fn in_own_network<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Rig) -> F) {
    let able = rustix::process::geteuid().is_root() && has_lxc();
    if !may_run(Ring::Host, (!able).then_some("needs root and liblxc")) {
        return;
    }
    if std::env::var_os(INSIDE).is_none() {
        let status = Command::new("unshare")
            .args(["--net", "--mount"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(INSIDE, "1")
            .status()
            .unwrap();
        assert!(status.success(), "{name} failed in its own network");
        return;
    }
    sh(NETWORK);
    let rig = Rig::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test(rig));
}

/// A bridge, and a /sys that shows this network (liblxc looks for the bridge there) with the
/// machine's cgroups bound over again; all in namespaces that end with the test.
const NETWORK: &str = "set -e
ip link set lo up
ip link add lkt0 type bridge
ip addr add 10.77.0.1/24 dev lkt0
ip link set lkt0 up
mount -t tmpfs none /mnt
mkdir /mnt/cgroup
mount --rbind /sys/fs/cgroup /mnt/cgroup
mount -t sysfs none /sys
mount --rbind /mnt/cgroup /sys/fs/cgroup";

fn has_lxc() -> bool {
    let asked = Command::new("lxc-start").arg("--version").output();
    asked.is_ok_and(|asked| asked.status.success())
}

pub fn name(word: &str) -> Name {
    Name::new(word).unwrap()
}

pub fn shell(line: &str) -> Hook {
    InnerCommand::Shell(line.into()).into()
}

pub fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub struct Rig {
    pub top: PathBuf,
    pub lxc: LxcBackend,
    _dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let top = dir.path().to_owned();
        sh(&format!("chmod 755 {}", top.display()));
        let lxc = LxcBackend::open(
            Name::new("t").unwrap(),
            "/project".into(),
            top.join("lxc"),
            Paths::under(&top),
        )
        .with_program(env!("CARGO_BIN_EXE_locker").into());
        Self {
            top,
            lxc,
            _dir: dir,
        }
    }

    /// A mark of a container, with `change` laid over its spec.
    pub fn mark(&self, name: &str, index: u8, change: Value) -> Mark {
        let mut spec = json!({
            "project": "t", "name": name, "source": {"template": {"name": "busybox", "args": []}},
            "idmap": [], "hostname": format!("{name}.example.net"), "fqdn": null,
            "nic": {"bridge": "lkt0", "veth": format!("lkt-{index}"),
                "mac": format!("02:00:00:00:00:{index:02}"),
                "addresses": {"v4": format!("10.77.0.{index}"), "v6": format!("fd77::{index}")},
                "subnets": {"v4": "10.77.0.0/24", "v6": "fd77::/64"}},
            "mounts": [], "environment": {}, "config": [], "limits": [], "dns": [], "setup": [],
            "labels": {}
        });
        for (key, value) in change.as_object().unwrap() {
            spec[key] = value.clone();
        }
        serde_json::from_value(
            json!({"version": 1, "directory": "/project", "spec": spec, "setup_done": false}),
        )
        .unwrap()
    }

    pub fn rootfs(&self, name: &str) -> PathBuf {
        self.top.join(format!("lxc/t_{name}/rootfs"))
    }

    pub async fn make(&self, mark: &Mark) {
        self.lxc
            .create(mark, false, &|line| eprintln!("{line}"))
            .await
            .unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // After a failed assertion: no container may outlive its test.
        let path = self.top.join("lxc");
        let _ = Command::new("sh")
            .args([
                "-c",
                "for c in $(lxc-ls -1 -P \"$0\"); do lxc-stop -k -P \"$0\" -n $c; done",
            ])
            .arg(&path)
            .output();
        std::thread::sleep(Duration::from_millis(100));
    }
}
