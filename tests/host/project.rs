//! A project on a test host: its file, its commands and its containers as LXC sees them.

use std::time::{Duration, Instant};

use crate::machine::Shell;
use crate::ran::Ran;

/// A project in `/srv/<name>`.
pub struct Project<'h> {
    host: &'h dyn Shell,
    name: &'static str,
}

impl<'h> Project<'h> {
    /// Writes its file; `containers` is the YAML below `containers:`, indented by two.
    pub fn new(host: &'h dyn Shell, name: &'static str, containers: &str) -> Self {
        let project = Self { host, name };
        project.rewrite(containers);
        project
    }

    /// Writes another file.
    pub fn rewrite(&self, containers: &str) {
        let text = format!("name: {}\ncontainers:\n{containers}", self.name);
        self.host
            .write(&format!("/srv/{}/locker.yaml", self.name), &text);
    }

    /// The host that it is on.
    pub fn host(&self) -> &dyn Shell {
        self.host
    }

    /// Its directory.
    pub fn dir(&self) -> String {
        format!("/srv/{}", self.name)
    }

    /// Runs `locker WORDS` in its directory.
    pub fn locker(&self, words: &str) -> Ran {
        self.host
            .try_sh(&format!("cd {} && exec locker {words}", self.dir()))
    }

    /// `locker up`, which must work.
    #[track_caller]
    pub fn up(&self) {
        self.locker("up").exits(0);
    }

    /// Process id of a container's init, which must run.
    #[track_caller]
    pub fn init(&self, container: &str) -> u32 {
        let pid = self
            .host
            .sh(&format!("lxc-info -n {}_{container} -pH", self.name));
        pid.parse()
            .unwrap_or_else(|_| panic!("`{container}` does not run"))
    }

    /// Its state as LXC says it, or `ABSENT`.
    pub fn state(&self, container: &str) -> String {
        let full = format!("{}_{container}", self.name);
        self.host.sh(&format!(
            "[ -e /var/lib/lxc/{full} ] && lxc-info -n {full} -sH || echo ABSENT"
        ))
    }

    /// Runs a script with the container's own shell.
    pub fn inside(&self, container: &str, script: &str) -> Ran {
        let quoted = script.replace('\'', r"'\''");
        self.host.try_sh(&format!(
            "lxc-attach -n {}_{container} --clear-env -- /bin/sh -c '{quoted}'",
            self.name
        ))
    }

    /// The IPv4 address that the container's interface has.
    #[track_caller]
    pub fn ip(&self, container: &str) -> String {
        let shown = self
            .inside(container, "ip -4 -o addr show dev eth0")
            .exits(0)
            .out;
        let word = shown
            .split_whitespace()
            .skip_while(|word| *word != "inet")
            .nth(1);
        let word = word.unwrap_or_else(|| panic!("`{container}` has no address: {shown}"));
        word.split('/').next().unwrap_or_default().to_owned()
    }

    /// Path of a container's root file system on the host.
    pub fn rootfs(&self, container: &str) -> String {
        format!("/var/lib/lxc/{}_{container}/rootfs", self.name)
    }
}

/// Waits at most ten seconds until `look` gives `wanted`.
#[track_caller]
pub fn eventually<T: PartialEq + std::fmt::Debug>(wanted: T, mut look: impl FnMut() -> T) {
    let begun = Instant::now();
    let mut seen = look();
    while seen != wanted {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "still {seen:?}, not {wanted:?}"
        );
        std::thread::sleep(Duration::from_millis(100));
        seen = look();
    }
}
