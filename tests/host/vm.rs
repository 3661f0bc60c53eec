//! A virtual test host: the test hosts' root file system under a kernel of its own.
//!
//! For what a container cannot show: there no cgroup controller can be had where the machine holds them
//! on version 1, and no kernel setting is its own. QEMU emulates it (KVM is not everywhere), which is some
//! ten times slower than a container: few scenarios, and each does much. It has no network but its own.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::image::{self, Release};
use crate::machine::{self, Shell};
use crate::ran::Ran;
use crate::slot::Slot;
use crate::vm_image;

/// How long anything may take: a boot, or a script of the agent, which gives up after four minutes.
const PATIENCE: Duration = Duration::from_secs(270);

/// Puts the binary behind what the host boots: an initrd may be several archives.
const INITRD: &str = r#"
set -eu
cd "$1"
strip -o locker "$2"
{ cat "$3/initrd"; echo locker | cpio -o -H newc --quiet; } > initrd
rm locker
"#;

/// A copy of a disk that is made to last: with a journal, as an installation has it.
const DISK: &str = r#"
set -eu
cp --sparse=always "$1" "$2"
tune2fs -O has_journal "$2" >/dev/null
"#;

/// A booted virtual host; gone when dropped, and when the test is killed.
pub struct Vm {
    slot: Slot,
    drives: Drives,
    qemu: RefCell<Child>,
    agent: RefCell<BufReader<UnixStream>>,
}

/// What a virtual host has of disks, and the kernel for it.
struct Drives {
    release: Release,
    /// Where its kernel is.
    made: PathBuf,
    /// What it boots from; none is the image itself, to which nothing is written.
    own: Option<PathBuf>,
    /// The root file system of Debian containers, which it finds in `/opt/debian`.
    debian: Option<PathBuf>,
}

/// What this machine lacks to run virtual test hosts, if anything.
pub fn missing() -> Option<String> {
    if std::env::consts::ARCH != "x86_64" {
        return Some("virtual test hosts have a kernel for x86_64 only".into());
    }
    machine::missing()
        .or_else(|| machine::not_installed(&["qemu-system-x86_64", "mke2fs", "cpio", "strip"]))
}

impl Vm {
    /// Boots a fresh one with the built binary as `/usr/local/bin/locker`; what it writes is gone with it.
    pub fn boot(release: Release) -> Self {
        Self::with(|_| Drives {
            release,
            made: vm_image::directory(release),
            own: None,
            debian: None,
        })
    }

    /// The same with a disk that lasts when its power is cut, and with Debian for containers.
    pub fn lasting(release: Release) -> Self {
        let vm = Self::with(|slot| {
            let made = vm_image::directory(release);
            let own = slot.dir().join("disk");
            image::run(
                Command::new("sh")
                    .args(["-c", DISK, "disk"])
                    .args([&made.join("root.ext4"), &own]),
            );
            Drives {
                release,
                made,
                own: Some(own),
                debian: Some(vm_image::debian()),
            }
        });
        vm.write("/etc/fstab", "/dev/vdb /opt/debian ext4 ro 0 0\n");
        vm.sh("mkdir -p /opt/debian && mount /opt/debian");
        vm
    }

    fn with(drives: impl FnOnce(&Slot) -> Drives) -> Self {
        let slot = Slot::take();
        let dir = slot.dir();
        fs::create_dir_all(&dir).expect("the slot's directory can be made");
        let drives = drives(&slot);
        let parts = [&dir, Path::new(env!("CARGO_BIN_EXE_locker")), &drives.made];
        image::run(
            Command::new("sh")
                .args(["-c", INITRD, "initrd"])
                .args(parts),
        );
        let mut qemu = start(&dir, &drives);
        let agent = connect(&dir, &mut qemu);
        let vm = Self {
            slot,
            drives,
            qemu: RefCell::new(qemu),
            agent: RefCell::new(BufReader::new(agent)),
        };
        vm.await_boot();
        vm
    }

    /// Shuts it down as a person would, and boots it again.
    pub fn reboot(&self) {
        // The agent goes with it: its answer comes before.
        self.sh("systemd-run --quiet --on-active=1s systemctl reboot");
        self.await_boot();
    }

    /// Takes its power away in the middle of whatever it does, and boots it again. What it had not written to its
    /// disk yet is lost.
    pub fn cut_power(&self) {
        let mut qemu = self.qemu.borrow_mut();
        qemu.kill().expect("QEMU can be killed");
        qemu.wait().expect("QEMU can be waited for");
        let dir = self.slot.dir();
        *qemu = start(&dir, &self.drives);
        *self.agent.borrow_mut() = BufReader::new(connect(&dir, &mut qemu));
        drop(qemu);
        self.await_boot();
    }

    /// Starts its dockerd with the image `busybox:test`.
    pub fn docker(&self) {
        self.sh(machine::DOCKER);
    }

    fn await_boot(&self) {
        while self.line() != "ready" {}
        let state =
            self.try_sh("systemctl is-system-running --wait; systemctl --failed --no-legend");
        assert_eq!(state.out, "running\n", "the virtual test host");
    }

    fn send(&self, script: &str) {
        let agent = self.agent.borrow();
        let mut stream = agent.get_ref();
        let sent = write!(stream, "{}\n{script}", script.len());
        sent.unwrap_or_else(|error| self.lost(&error.to_string()));
    }

    fn line(&self) -> String {
        let mut line = String::new();
        match self.agent.borrow_mut().read_line(&mut line) {
            Ok(0) => self.lost("QEMU has ended"),
            Ok(_) => line.trim_end().to_owned(),
            Err(error) => self.lost(&error.to_string()),
        }
    }

    fn bytes(&self, length: usize) -> String {
        let mut bytes = vec![0; length];
        let read = self.agent.borrow_mut().read_exact(&mut bytes);
        read.unwrap_or_else(|error| self.lost(&error.to_string()));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn lost(&self, why: &str) -> ! {
        let console = fs::read(self.slot.dir().join("console")).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let last: Vec<&str> = console.lines().rev().take(40).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        panic!("the virtual test host is lost: {why}\n{}", last.join("\n"));
    }
}

impl Shell for Vm {
    /// At most four minutes.
    fn try_sh(&self, script: &str) -> Ran {
        self.send(script);
        let head = self.line();
        let numbers: Vec<i32> = head
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let [code, out, err] = numbers[..] else {
            self.lost(&format!("its agent says {head:?}"));
        };
        let length = |number: i32| usize::try_from(number).expect("a length is not negative");
        Ran {
            script: script.to_owned(),
            code,
            out: self.bytes(length(out)),
            err: self.bytes(length(err)),
        }
    }

    fn write(&self, path: &str, text: &str) {
        let dir = Path::new(path).parent().expect("a file has a directory");
        let dir = dir.display();
        self.sh(&format!(
            "mkdir -p {dir}; cat > {path} <<'end of the file'\n{text}\nend of the file"
        ));
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // One that has ended by itself is what was wanted.
        let mut qemu = self.qemu.borrow_mut();
        let _ = qemu.kill();
        let _ = qemu.wait();
    }
}

/// Starts QEMU, which ends with this thread. What the host writes goes to a file that has no name any more.
fn start(dir: &Path, drives: &Drives) -> Child {
    // Of Debian 12 without what apt recommends there are no profiles either.
    let modules = match drives.release {
        Release::Bookworm => "apparmor=0 audit=0",
        Release::Trixie => "audit=0",
    };
    let at = |name: &str| drives.made.join(name).display().to_string();
    let mut disks = vec![match &drives.own {
        Some(own) => format!("file={},format=raw,if=none,id=disk0", own.display()),
        None => format!(
            "file={},format=raw,if=none,id=disk0,snapshot=on",
            at("root.ext4")
        ),
    }];
    disks.extend(drives.debian.as_ref().map(|debian| {
        format!(
            "file={},format=raw,if=none,id=disk1,readonly=on",
            debian.display()
        )
    }));
    let log = fs::File::create(dir.join("qemu")).expect("the log can be made");
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
        .args(["-accel", "tcg,thread=multi", "-smp", "2", "-m", "2048"])
        .args(["-cpu", "max", "-machine", "q35", "-no-user-config"])
        .args(["-nodefaults", "-display", "none", "-serial", "file:console"])
        .args(["-kernel", &at("vmlinuz"), "-initrd", "initrd", "-append"])
        .arg(format!(
            "console=ttyS0 loglevel=4 panic=-1 mitigations=off {modules}"
        ))
        .args(["-chardev", "socket,id=agent,path=agent,server=on,wait=off"])
        .args(["-device", "virtio-serial-pci"])
        .args(["-device", "virtserialport,chardev=agent"])
        .env("TMPDIR", dir)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log can be shared"))
        .stderr(log);
    for (at, disk) in disks.iter().enumerate() {
        let device = format!("virtio-blk-pci,drive=disk{at}");
        command.args(["-drive", disk, "-device", &device]);
    }
    command.spawn().expect("setpriv can be run")
}

fn connect(dir: &Path, qemu: &mut Child) -> UnixStream {
    let begun = Instant::now();
    loop {
        if let Ok(stream) = UnixStream::connect(dir.join("agent")) {
            let patient = stream.set_read_timeout(Some(PATIENCE));
            patient.expect("a socket can have a timeout");
            return stream;
        }
        let ended = qemu.try_wait().expect("QEMU can be looked at");
        if ended.is_some() || begun.elapsed() > PATIENCE {
            let log = fs::read_to_string(dir.join("qemu")).unwrap_or_default();
            panic!("QEMU does not start ({ended:?}): {log}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
