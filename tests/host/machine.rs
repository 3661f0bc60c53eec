//! A test host: boots it, runs things in it, looks at it, and takes it away again.
//!
//! Output goes through files, not pipes: a container's monitor that kept an inherited pipe open
//! would make a test hang instead of fail.

use std::cell::RefCell;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::debian_image;
use crate::image;
use crate::ran::Ran;
use crate::slot::Slot;

/// What must be the same after `down` as it was before `up`.
const LOOK: &str = r"
echo '## rules'; nft list ruleset | sed -E 's/counter packets [0-9]+ bytes [0-9]+/counter/' | sort
echo '## units'; ls /etc/systemd/system | grep -i locker; systemctl list-units --all --plain --no-legend 'locker*' | cut -c1-60
echo '## legacy'; cat /proc/net/ip_tables_names 2>/dev/null
echo '## links'; ls /sys/class/net
echo '## routes'; { ip -4 route; ip -6 route | grep -vE 'fe80::/64 dev (eth0|docker0)'; } | sed 's/ linkdown//'
echo '## containers'; ls -A /var/lib/lxc
echo '## mounts'; cut -d' ' -f2 /proc/mounts | sort
echo '## hosts'; cat /etc/hosts
echo '## forwarding'; cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
echo '## projects'; ls -A /var/lib/locker/projects 2>/dev/null
echo '## state'; ls -A /var/lib/locker/containers 2>/dev/null
ls -A /var/lib/locker/bin 2>/dev/null
if systemctl -q is-active docker; then echo '## docker'; docker ps -aq; docker network ls --format '{{.Name}}'; docker volume ls -q; fi
echo '## processes'; pgrep -a -f '^/.*locker|^locker|\[lxc monitor\]'
true
";

/// No registry can be reached, so the image is made of what the host has.
pub const DOCKER: &str = r#"
set -e
systemctl unmask docker docker.socket containerd 2>/dev/null
systemctl start docker
d=$(mktemp -d)
mkdir -p $d/bin $d/www $d/tmp $d/data
cp /bin/busybox $d/bin/
for tool in $(/bin/busybox --list); do [ $tool = busybox ] || ln -s busybox $d/bin/$tool; done
echo hello > $d/www/index.html
echo filled > $d/data/seed
tar -C $d -c . | docker import --change 'CMD ["/bin/httpd","-f","-p","80","-h","/www"]'     --change 'ENV PATH=/bin' - busybox:test >/dev/null
rm -r $d
"#;

/// A machine of the tests that runs scripts, whether it is a container or has a kernel of its own.
pub trait Shell {
    /// Runs a bash script in it.
    fn try_sh(&self, script: &str) -> Ran;

    /// Writes a file in it, with its directories.
    fn write(&self, path: &str, text: &str);

    /// Runs a bash script that must succeed and returns its output, trimmed.
    #[track_caller]
    fn sh(&self, script: &str) -> String {
        self.try_sh(script).exits(0).out.trim().to_owned()
    }
}

impl Shell for Host {
    fn try_sh(&self, script: &str) -> Ran {
        Host::try_sh(self, script)
    }

    fn write(&self, path: &str, text: &str) {
        Host::write(self, path, text);
    }
}

/// A booted test host; gone when dropped.
pub struct Host {
    slot: Slot,
    clean: RefCell<String>,
}

/// What this machine lacks to run test hosts, if anything.
pub fn missing() -> Option<String> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout != b"0\n" {
        return Some("not root".into());
    }
    not_installed(&["mmdebstrap", "lxc-start", "ip", "curl"])
}

/// The first of these programs that is not there.
pub fn not_installed(tools: &[&str]) -> Option<String> {
    tools
        .iter()
        .find(|tool| {
            let found = Command::new("sh")
                .args(["-c", &format!("command -v {tool}")])
                .output();
            !found.is_ok_and(|output| output.status.success())
        })
        .map(|tool| format!("`{tool}` is not installed"))
}

impl Host {
    /// Boots a fresh host with the built binary as `/usr/local/bin/locker`.
    pub fn boot() -> Self {
        Self::boot_with("")
    }

    /// The same with a root file system of Debian in `/opt/debian`, for containers.
    pub fn boot_with_debian() -> Self {
        let from = debian_image::rootfs();
        Self::boot_with(&format!(
            "lxc.mount.entry = {} opt/debian none bind,ro,create=dir 0 0\n",
            from.display()
        ))
    }

    fn boot_with(further: &str) -> Self {
        let slot = Slot::take();
        lay_out(&slot, further);
        let log = slot.dir().join("log").to_string_lossy().into_owned();
        let lxcpath = slot.lxcpath().to_string_lossy().into_owned();
        outer(
            "lxc-start",
            &["-P", &lxcpath, "-n", &slot.bridge(), "-o", &log],
        );
        let host = Self {
            slot,
            clean: RefCell::default(),
        };
        host.await_boot("running");
        // A new network namespace takes these over from the machine, where they may be anything.
        host.sh("echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv6/conf/all/forwarding");
        host.remember_as_clean();
        host
    }

    /// Shuts it down as a person would, and boots it again; what it has on disk stays.
    pub fn reboot(&self) {
        self.reboot_into("running");
    }

    /// The same, until systemd calls the whole host `wanted`.
    pub fn reboot_into(&self, wanted: &str) {
        let (lxcpath, name) = (self.slot.lxcpath(), self.slot.bridge());
        let lxcpath = lxcpath.to_string_lossy();
        outer("lxc-stop", &["-P", &lxcpath, "-n", &name, "-t", "60"]);
        outer("lxc-start", &["-P", &lxcpath, "-n", &name]);
        self.await_boot(wanted);
    }

    fn await_boot(&self, wanted: &str) {
        let begun = Instant::now();
        loop {
            let state = self.try_sh("systemctl is-system-running").out;
            if state.trim() == wanted {
                return;
            }
            if begun.elapsed() > Duration::from_secs(60) {
                let failed = self
                    .try_sh("systemctl --failed --no-legend; systemctl list-jobs")
                    .out;
                panic!(
                    "the test host is `{}` after a minute:\n{failed}",
                    state.trim()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its address, as the machine sees it.
    pub fn address(&self) -> String {
        self.slot.address()
    }

    /// The machine's address, as the host sees it: the world outside.
    pub fn outer_address(&self) -> String {
        self.slot.outer_address()
    }

    /// Runs a bash script in it, at most two minutes.
    pub fn try_sh(&self, script: &str) -> Ran {
        let (out, err) = (self.slot.dir().join("out"), self.slot.dir().join("err"));
        let create = |path: &Path| File::create(path).expect("an output file can be made");
        let read = |path: &Path| fs::read(path).expect("the output can be read");
        let status = Command::new("timeout")
            .args([
                "-k",
                "5",
                "120",
                "lxc-attach",
                "-n",
                &self.slot.bridge(),
                "-P",
            ])
            .arg(self.slot.lxcpath())
            .args([
                "--clear-env",
                "-v",
                "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ])
            .args([
                "-v",
                "HOME=/root",
                "-v",
                "LC_ALL=C.UTF-8",
                "--",
                "bash",
                "-c",
                script,
            ])
            .stdin(Stdio::null())
            .stdout(create(&out))
            .stderr(create(&err))
            .status()
            .expect("lxc-attach can be run");
        Ran {
            script: script.to_owned(),
            code: status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&read(&out)).into_owned(),
            err: String::from_utf8_lossy(&read(&err)).into_owned(),
        }
    }

    /// Runs a bash script that must succeed and returns its output, trimmed.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.try_sh(script).exits(0).out.trim().to_owned()
    }

    /// Writes a file in it, with its directories.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.slot.root().join(path.trim_start_matches('/'));
        let parent = path.parent().expect("a file has a directory");
        fs::create_dir_all(parent).expect("the file's directory can be made");
        fs::write(&path, text).expect("the file can be written");
    }

    /// Copies a directory of this repository into it.
    pub fn copy_in(&self, from: &str, to: &str) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(from);
        let to = self.slot.root().join(to.trim_start_matches('/'));
        outer(
            "cp",
            &["-a", &from.to_string_lossy(), &to.to_string_lossy()],
        );
    }

    /// Copies a file of this machine into it, with its mode.
    pub fn copy_file(&self, from: &Path, to: &str) {
        let to = self.slot.root().join(to.trim_start_matches('/'));
        fs::copy(from, to).expect("the file can be copied");
    }

    /// Starts its dockerd with the image `busybox:test`: a shell, a web server, and a page that says `hello`.
    pub fn docker(&self) {
        self.sh(DOCKER);
        self.remember_as_clean();
    }

    /// What a client outside gets from a published port, or none within two seconds.
    pub fn fetch_from_outside(&self, port: u16) -> Option<String> {
        let url = format!("http://{}:{port}/", self.address());
        let output = Command::new("curl")
            .args(["--silent", "--noproxy", "*", "--max-time", "2", &url])
            .output()
            .expect("curl can be run");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    /// What is now the state that `down` has to lead back to.
    pub fn remember_as_clean(&self) {
        *self.clean.borrow_mut() = self.sh(LOOK);
    }

    /// Takes every project in `/srv` down and checks that nothing of it is left.
    #[track_caller]
    pub fn assert_clean_after_down(&self) {
        self.sh("for d in /srv/*/; do [ -e $d/locker.yaml ] || continue; cd $d; locker down --yes || exit 1; done");
        self.assert_as_remembered("down");
    }

    /// Checks that the host is what it was when it was remembered; `who` is to blame if not.
    #[track_caller]
    pub fn assert_as_remembered(&self, who: &str) {
        let (before, after) = (self.clean.borrow(), self.sh(LOOK));
        let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
        let gone: Vec<_> = old.iter().filter(|line| !new.contains(line)).collect();
        let left: Vec<_> = new.iter().filter(|line| !old.contains(line)).collect();
        assert!(
            *before == after,
            "{who} left {left:#?} and took {gone:#?}\nnow:\n{after}"
        );
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("LOCKER_TEST_VERBOSE").is_some() {
            eprintln!("the host at the end:\n{}", self.try_sh(LOOK).out);
        }
    }
}

/// Makes what a host needs on this machine: its overlay with the binary, its bridge, its settings.
fn lay_out(slot: &Slot, further: &str) {
    let (dir, root, bridge) = (slot.dir(), slot.root(), slot.bridge());
    for name in ["upper", "work", "root", "inner-lxc", "inner-docker"] {
        fs::create_dir_all(dir.join(name)).expect("the slot's directories can be made");
    }
    let layers = format!(
        "lowerdir={},upperdir={dir}/upper,workdir={dir}/work",
        image::rootfs().display(),
        dir = dir.display()
    );
    outer(
        "mount",
        &[
            "-t",
            "overlay",
            "overlay",
            "-o",
            &layers,
            &root.to_string_lossy(),
        ],
    );
    fs::copy(
        env!("CARGO_BIN_EXE_locker"),
        root.join("usr/local/bin/locker"),
    )
    .expect("the binary can be copied");
    outer("ip", &["link", "add", &bridge, "type", "bridge"]);
    outer(
        "ip",
        &[
            "address",
            "add",
            &format!("{}/24", slot.outer_address()),
            "dev",
            &bridge,
        ],
    );
    outer("ip", &["link", "set", &bridge, "up"]);
    let home = slot.lxcpath().join(&bridge);
    fs::create_dir_all(&home).expect("the host's directory can be made");
    fs::write(home.join("config"), settings(slot) + further)
        .expect("the host's settings can be written");
}

/// LXC's settings of a host; architecture.md says why each is there.
fn settings(slot: &Slot) -> String {
    let (dir, name) = (slot.dir(), slot.bridge());
    let (dir, root) = (dir.display(), slot.root());
    format!(
        "lxc.include = /usr/share/lxc/config/common.conf\n\
         lxc.include = /usr/share/lxc/config/nesting.conf\n\
         lxc.cap.drop =\n\
         lxc.cgroup.devices.allow = a\n\
         lxc.apparmor.profile = unconfined\n\
         lxc.mount.auto = proc:rw sys:rw cgroup:rw\n\
         lxc.mount.entry = {dir}/inner-lxc var/lib/lxc none bind,create=dir 0 0\n\
         lxc.mount.entry = {dir}/inner-docker var/lib/docker none bind,create=dir 0 0\n\
         lxc.environment = SYSTEMD_PROC_CMDLINE=systemd.unified_cgroup_hierarchy=1\n\
         lxc.rootfs.path = dir:{root}\n\
         lxc.uts.name = testhost\n\
         lxc.tty.max = 0\n\
         lxc.net.0.type = veth\n\
         lxc.net.0.link = {name}\n\
         lxc.net.0.veth.pair = {name}-host\n\
         lxc.net.0.flags = up\n\
         lxc.net.0.name = eth0\n\
         lxc.net.0.ipv4.address = {address}/24\n\
         lxc.net.0.ipv4.gateway = {outer}\n",
        root = root.display(),
        address = slot.address(),
        outer = slot.outer_address(),
    )
}

fn outer(program: &str, args: &[&str]) {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|error| panic!("cannot run `{program}`: {error}"));
    assert!(
        output.status.success(),
        "`{program} {}`: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}
