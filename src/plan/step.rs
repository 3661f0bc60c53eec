//! Steps: one step is one driver call and the unit of undo.

use std::time::Duration;

use serde::Serialize;

use crate::model::{
    Build, ContainerSpec, EngineNetwork, Healthcheck, Hook, HostsLine, InnerCommand, Kind, Mount,
    Name, NetworkRules, PortRule, ProgramCopy, Provision, Subnets, UnitsChange,
};
use crate::observed::{Leftover, ProjectRecord};

/// One thing to do. Each variant is one driver call; what undoes it stands beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Write down the project's identity, subnets and addresses. Undo: the record as it was.
    SaveRecord(Box<ProjectRecord>),
    /// Forget the project. Undo: write the record again.
    ForgetProject(Box<ProjectRecord>),
    /// Remove what an interrupted creation left. Never undone: nothing in it was ever whole.
    RemoveWreck {
        /// Short name.
        container: Name,
    },
    /// Give back its name to a container that an interrupted recreation set aside. Undo: none needed.
    BringBack {
        /// Short name.
        container: Name,
    },
    /// Make the bridge, or mend it: mark, addresses, up, forwarding. Undo: remove it if it was made.
    EnsureBridge {
        /// Name of the bridge.
        bridge: String,
        /// Its subnets; the bridge holds the first address of each.
        subnets: Subnets,
        /// Host ends of running containers' cards that must be put on it (again).
        cards: Vec<String>,
        /// Take over a bridge of this name that has no mark: the engine has made it anew for a network
        /// of ours, as it does at boot.
        adopt: bool,
        /// The longest packet that it takes, bytes; none leaves it as it is.
        mtu: Option<u32>,
    },
    /// Remove the bridge. Undo: make it again.
    RemoveBridge {
        /// Name of the bridge.
        bridge: String,
        /// Its subnets.
        subnets: Subnets,
        /// It has no mark: the engine has made it anew for a network of ours, as it does at boot.
        adopt: bool,
    },
    /// Let the project's network out (masquerade, forward, isolation). Undo: close it.
    OpenNetwork(NetworkRules),
    /// Take the network rules out. Undo: open it again.
    CloseNetwork(NetworkRules),
    /// Take out rules that another firewall driver has left. Undo: put them in again.
    Sweep(Box<Leftover>),
    /// Fetch an image. Undo: none, an image more does no harm.
    Pull {
        /// As the file names it.
        image: String,
        /// Its platform when the file says it.
        platform: Option<String>,
    },
    /// Build an image. Undo: none.
    Build(Box<Build>),
    /// Make a network of the engine on a bridge of ours. Undo: remove it.
    EnsureNetwork(Box<EngineNetwork>),
    /// Remove a network of the engine; the bridge stays. Undo: make it again.
    RemoveNetwork(Box<EngineNetwork>),
    /// Put a copy of this program where units can run it. Undo: the copy before; without one it goes.
    InstallProgram(Box<ProgramCopy>),
    /// Write, change or remove the units of the project and its links at boot, and let systemd read them.
    /// Undo: what was there.
    WriteUnits(Box<UnitsChange>),
    /// Make a container from its source and write its settings and mark. Undo: destroy it.
    Create(Box<ContainerSpec>),
    /// Copy the container's own content to empty host directories and files, once, all or nothing,
    /// and make missing ones. Undo: remove what was made.
    Seed {
        /// Short name.
        container: Name,
        /// The mounts to fill.
        mounts: Vec<Mount>,
        /// False makes the host directories but copies nothing (`-d`).
        copy: bool,
    },
    /// Write settings and mark of a made container; what the kernel can change while it runs
    /// (limits, host name) is changed at once. Undo: the settings before.
    Configure(Box<ContainerSpec>),
    /// Write the managed block of the container's hosts file and, when not empty, its name servers;
    /// works on stopped and running containers. Undo: the lines before.
    WriteNames {
        /// Short name.
        container: Name,
        /// Lines of the block; empty removes it.
        hosts: Vec<HostsLine>,
        /// Name servers; empty leaves resolv.conf alone.
        dns: Vec<std::net::IpAddr>,
    },
    /// Start it and wait until it runs. Undo: stop it.
    Start {
        /// Short name.
        container: Name,
    },
    /// Wait until its health check passes. One that ends meanwhile has failed, unless it may end with 0.
    /// Nothing to undo.
    AwaitHealthy {
        /// Short name.
        container: Name,
        /// The check; none is the one that comes with its image, else that it runs.
        check: Option<Healthcheck>,
        /// At most so long; none is as long as the check may take.
        most: Option<Duration>,
        /// Whether having ended with 0 is as good.
        may_end: bool,
        /// Without a check, how long it must have run; none is that it runs.
        settle: Option<Duration>,
    },
    /// Wait until it has ended, with exit code 0. Nothing to undo.
    AwaitCompleted {
        /// Short name.
        container: Name,
        /// At most so long; none is without end.
        most: Option<Duration>,
    },
    /// Furnish it from inside and run the setup commands, once, and those that come after a start. Undone with the creation it belongs to.
    Setup {
        /// Short name.
        container: Name,
        /// What it is furnished with first.
        provisions: Vec<Provision>,
        /// In order; the first failure ends it.
        commands: Vec<InnerCommand>,
        /// What its start leaves to this: commands that want what is set up. None where it started before.
        post_start: Vec<Hook>,
    },
    /// Stop it: thaw, clean shutdown, after `timeout` by force. Undo: start it.
    Stop {
        /// Short name.
        container: Name,
        /// How long the clean shutdown may take.
        timeout: Duration,
        /// The older self that was set aside, not the container itself.
        aside: bool,
    },
    /// Freeze it. Undo: thaw it.
    Freeze {
        /// Short name.
        container: Name,
    },
    /// Thaw it. Undo: freeze it.
    Unfreeze {
        /// Short name.
        container: Name,
    },
    /// Put port rules in and take others out, in one transaction. Undo: the other way round.
    Publish {
        /// Rules to put in.
        add: Vec<PortRule>,
        /// Rules to take out.
        remove: Vec<PortRule>,
    },
    /// Write the project's block of the host's /etc/hosts. Undo: the block before.
    WriteHostNames {
        /// Lines of the block; empty removes it.
        hosts: Vec<HostsLine>,
    },
    /// Rename a container so that a new one can take its place; an application container may run.
    /// Undo: rename it back.
    SetAside {
        /// Short name.
        container: Name,
    },
    /// Destroy a container with all that is its own. Cannot be undone, so it comes last.
    Destroy {
        /// Short name.
        container: Name,
        /// What it is: a system container goes with its root file system, an application container is made
        /// again from its image.
        kind: Kind,
        /// The older self that was set aside, not the container itself.
        aside: bool,
    },
    /// End a command that was run in a container of its own: its service, its container and what is known
    /// of it. Never undone: nobody can begin it again.
    EndJob {
        /// Short name of its container.
        job: Name,
        /// How long it gets to end.
        timeout: Duration,
    },
    /// Remove a named volume and its data. Cannot be undone, so it comes last.
    RemoveVolume {
        /// Its directory on the host; none for one that the engine keeps.
        path: Option<std::path::PathBuf>,
        /// Its name in the engine when it knows it.
        engine: Option<String>,
        /// It was taken over from docker compose, and bears no mark of ours.
        adopted: bool,
    },
}

impl Step {
    /// Whether it destroys what cannot be made again. Such steps wait for all others.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Destroy { .. } | Self::RemoveVolume { .. } => true,
            Self::SaveRecord(_)
            | Self::ForgetProject(_)
            | Self::RemoveWreck { .. }
            | Self::BringBack { .. }
            | Self::EnsureBridge { .. }
            | Self::RemoveBridge { .. }
            | Self::OpenNetwork(_)
            | Self::CloseNetwork(_)
            | Self::Sweep(_)
            | Self::Pull { .. }
            | Self::Build(_)
            | Self::EnsureNetwork(_)
            | Self::RemoveNetwork(_)
            | Self::InstallProgram(_)
            | Self::WriteUnits(_)
            | Self::Create(_)
            | Self::Seed { .. }
            | Self::Configure(_)
            | Self::WriteNames { .. }
            | Self::Start { .. }
            | Self::AwaitHealthy { .. }
            | Self::AwaitCompleted { .. }
            | Self::Setup { .. }
            | Self::Stop { .. }
            | Self::Freeze { .. }
            | Self::Unfreeze { .. }
            | Self::Publish { .. }
            | Self::WriteHostNames { .. }
            | Self::EndJob { .. }
            | Self::SetAside { .. } => false,
        }
    }

    /// Whether it makes or starts something. A change without such a step may go on where there is no room to write
    /// down what is under way: it may be what makes room.
    pub fn makes(&self) -> bool {
        match self {
            Self::BringBack { .. }
            | Self::EnsureBridge { .. }
            | Self::OpenNetwork(_)
            | Self::Pull { .. }
            | Self::Build(_)
            | Self::EnsureNetwork(_)
            | Self::InstallProgram(_)
            | Self::Create(_)
            | Self::Seed { .. }
            | Self::Configure(_)
            | Self::Start { .. }
            | Self::AwaitHealthy { .. }
            | Self::AwaitCompleted { .. }
            | Self::Setup { .. }
            | Self::Unfreeze { .. }
            | Self::SetAside { .. } => true,
            Self::SaveRecord(_)
            | Self::ForgetProject(_)
            | Self::RemoveWreck { .. }
            | Self::RemoveBridge { .. }
            | Self::CloseNetwork(_)
            | Self::Sweep(_)
            | Self::RemoveNetwork(_)
            | Self::WriteUnits(_)
            | Self::WriteNames { .. }
            | Self::Stop { .. }
            | Self::Freeze { .. }
            | Self::Publish { .. }
            | Self::WriteHostNames { .. }
            | Self::EndJob { .. }
            | Self::Destroy { .. }
            | Self::RemoveVolume { .. } => false,
        }
    }
}
