//! Where things are on this host.

use std::path::{Path, PathBuf};

use crate::model::Name;

/// Every path that locker owns, from two roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    state: PathBuf,
    run: PathBuf,
    etc: PathBuf,
}

impl Paths {
    /// The host's own: `/var/lib/locker`, `/run/locker`, `/etc`.
    pub fn system() -> Self {
        Self {
            state: "/var/lib/locker".into(),
            run: "/run/locker".into(),
            etc: "/etc".into(),
        }
    }

    /// With `--state-dir DIR`: `DIR/lib` and `DIR/run`; `/etc` stays the host's.
    pub fn under(dir: &Path) -> Self {
        Self {
            state: dir.join("lib"),
            run: dir.join("run"),
            etc: "/etc".into(),
        }
    }

    /// The same with another `/etc`, for tests.
    pub fn with_etc(mut self, etc: &Path) -> Self {
        self.etc = etc.into();
        self
    }

    /// All that is kept.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// All that ends with the boot.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// What is kept of all projects.
    pub fn projects(&self) -> PathBuf {
        self.state.join("projects")
    }

    /// What is kept of one project.
    pub fn project(&self, project: &Name) -> PathBuf {
        self.projects().join(project.as_str())
    }

    /// The project's record.
    pub fn record(&self, project: &Name) -> PathBuf {
        self.project(project).join("project.json")
    }

    /// What the project has in the kernel, for the service that keeps it there.
    pub fn kept(&self, project: &Name) -> PathBuf {
        self.project(project).join("network.json")
    }

    /// On which file systems the sources of its mounts are.
    pub fn sources(&self, project: &Name) -> PathBuf {
        self.project(project).join("mounts.json")
    }

    /// From which files the project was brought up.
    pub fn origins(&self, project: &Name) -> PathBuf {
        self.project(project).join("files.json")
    }

    /// What is under way in the project.
    pub fn journal(&self, project: &Name) -> PathBuf {
        self.project(project).join("journal.jsonl")
    }

    /// The volumes of docker compose that the project has taken over.
    pub fn adopted(&self, project: &Name) -> PathBuf {
        self.project(project).join("adopted.json")
    }

    /// Notes of owners that a change has given to containers.
    pub fn owners(&self, project: &Name) -> PathBuf {
        self.project(project).join("owners")
    }

    /// What is known of commands in containers of their own.
    pub fn jobs(&self, project: &Name) -> PathBuf {
        self.project(project).join("jobs")
    }

    /// One of them.
    pub fn job(&self, project: &Name, job: &Name) -> PathBuf {
        self.jobs(project).join(format!("{job}.json"))
    }

    /// The project's lock.
    pub fn lock(&self, project: &Name) -> PathBuf {
        self.run.join(format!("{project}.lock"))
    }

    /// The lock of what all projects share. `~` cannot stand in a name, so no project's lock collides.
    pub fn host_lock(&self) -> PathBuf {
        self.run.join("host~.lock")
    }

    /// Named volumes of a project.
    pub fn volumes(&self, project: &Name) -> PathBuf {
        self.state.join("volumes").join(project.as_str())
    }

    /// Files of a project's application containers that are mounted into them, and what changed since
    /// they were made.
    pub fn containers(&self, project: &Name) -> PathBuf {
        self.state.join("containers").join(project.as_str())
    }

    /// Console and engine logs of a project's containers.
    pub fn logs(&self, project: &Name) -> PathBuf {
        self.state.join("logs").join(project.as_str())
    }

    /// Kernel settings as they were before locker changed them; gone after a reboot, as they are.
    pub fn settings(&self) -> PathBuf {
        self.run.join("settings.json")
    }

    /// Unit files of the host's administrator, systemd.unit(5).
    pub fn units(&self) -> PathBuf {
        self.etc.join("systemd/system")
    }

    /// The places of unit files of lower rank, systemd.unit(5): what is set until the next boot, and packages.
    pub fn other_units(&self) -> Vec<PathBuf> {
        let root = self.etc.parent().unwrap_or(Path::new("/"));
        let dirs = [
            "run/systemd/system",
            "usr/local/lib/systemd/system",
            "usr/lib/systemd/system",
            "lib/systemd/system",
        ];
        dirs.map(|dir| root.join(dir)).to_vec()
    }

    /// The places of drop-ins, those of the highest rank first, systemd.unit(5).
    pub fn drop_ins(&self) -> Vec<PathBuf> {
        let control = self.etc.join("systemd/system.control");
        let mut all = vec![control, self.set_properties(), self.units()];
        all.extend(self.other_units());
        all
    }

    /// Where systemd writes down the properties that are set until the next boot.
    pub fn set_properties(&self) -> PathBuf {
        let root = self.etc.parent().unwrap_or(Path::new("/"));
        root.join("run/systemd/system.control")
    }

    /// The drop-ins that systemd writes for a run of ours in a project, which takes them away again.
    pub fn limits_due(&self, project: &Name) -> PathBuf {
        self.run.join(format!("{project}~limits"))
    }

    /// Says that unit files were changed and systemd has not read them yet.
    pub fn reload_due(&self) -> PathBuf {
        self.run.join("reload-due")
    }

    /// The copy of the program that units run when it is not where programs stay.
    pub fn program(&self) -> PathBuf {
        self.state.join("bin/locker")
    }

    /// What each service of a project is to be.
    pub fn unit_specs(&self, project: &Name) -> PathBuf {
        self.project(project).join("units")
    }

    /// Which application containers of a project were told to end when they ran last.
    pub fn stopped(&self, project: &Name) -> PathBuf {
        self.project(project).join("stopped")
    }

    /// Says that a service is ready; a reboot makes all of them not.
    pub fn ready(&self, project: &Name, container: &Name) -> PathBuf {
        let of = self.notes_of(project);
        self.run.join("ready").join(format!("{of}{container}"))
    }

    /// How the names of all notes about a project's services begin.
    pub fn notes_of(&self, project: &Name) -> String {
        format!("{project}~")
    }

    /// Where services note what holds until the next boot.
    pub fn notes(&self) -> [PathBuf; 2] {
        [self.run.join("ready"), self.run.join("attended")]
    }

    /// Says that a container of a service runs and is attended to, while it is locked.
    pub fn attended(&self, project: &Name, container: &Name) -> PathBuf {
        let of = self.notes_of(project);
        self.run.join("attended").join(format!("{of}{container}"))
    }

    /// Where the network service is told that a container runs, or does not any more.
    pub fn network_socket(&self) -> PathBuf {
        self.run.join("network.sock")
    }

    /// Says that a start of a service was asked for by name.
    pub fn asked(&self, project: &Name, container: &Name) -> PathBuf {
        self.run
            .join("asked")
            .join(format!("{project}~{container}"))
    }

    /// Says that a service was told to stop; its next start forgets it.
    pub fn told_to_stop(&self, project: &Name, container: &Name) -> PathBuf {
        self.run
            .join("stopped")
            .join(format!("{project}~{container}"))
    }

    /// Why its supervisor has ended the container, when its last run did not end otherwise.
    pub fn unwell(&self, project: &Name, container: &Name) -> PathBuf {
        self.run
            .join("unwell")
            .join(format!("{project}~{container}"))
    }

    /// Which LXC containers are frozen while they are copied, by their names on the host.
    pub fn frozen(&self) -> PathBuf {
        self.run.join("frozen")
    }

    /// What a command after the start printed that has failed, and kept the container from starting.
    pub fn hook_failed(&self, project: &Name, container: &Name) -> PathBuf {
        self.run
            .join("hooks")
            .join(format!("{project}~{container}"))
    }

    /// Which container of the engine's was started, while the commands after its start have not all run.
    pub fn unfollowed(&self, project: &Name, container: &Name) -> PathBuf {
        self.run
            .join("follows")
            .join(format!("{project}~{container}"))
    }

    /// How often a service has failed to start in a row; a reboot forgives.
    pub fn backoff(&self, project: &Name, container: &Name) -> PathBuf {
        self.run
            .join("failures")
            .join(format!("{project}~{container}"))
    }

    /// What was seen of the firewall last.
    pub fn firewall_seen(&self) -> PathBuf {
        self.run.join("firewall.json")
    }

    /// How far a container's output was handed on to the journal.
    pub fn handed_on(&self, project: &Name, container: &Name) -> PathBuf {
        self.run
            .join("output")
            .join(format!("{project}~{container}"))
    }

    /// Where everything is that is kept, when it is not where it usually is.
    pub fn moved(&self) -> Option<PathBuf> {
        let usual = self.state == Path::new("/var/lib/locker");
        let dir = self.state.parent().filter(|_| !usual);
        dir.map(Path::to_path_buf)
    }

    /// The host's hosts file.
    pub fn hosts(&self) -> PathBuf {
        self.etc.join("hosts")
    }

    /// The host's resolv.conf.
    pub fn resolv(&self) -> PathBuf {
        self.etc.join("resolv.conf")
    }

    /// The servers that systemd-resolved asks, systemd-resolved.service(8).
    pub fn resolved(&self) -> PathBuf {
        let root = self.etc.parent().unwrap_or(Path::new("/"));
        root.join("run/systemd/resolve/resolv.conf")
    }

    /// Ranges of user ids that the host's users hold, subuid(5).
    pub fn subuid(&self) -> PathBuf {
        self.etc.join("subuid")
    }

    /// Ranges of group ids that the host's users hold, subgid(5).
    pub fn subgid(&self) -> PathBuf {
        self.etc.join("subgid")
    }
}
