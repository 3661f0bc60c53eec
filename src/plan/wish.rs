//! What the user asks for: the third input of the planner beside the file and the host.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{Name, Port, ProgramCopy};

/// The verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Make all as the file says and running.
    Up,
    /// Make containers that are missing, start nothing.
    Create,
    /// Start what is made. `restart` stops running ones first.
    Start {
        /// Stop running ones first.
        restart: bool,
    },
    /// Stop.
    Stop,
    /// Stop and start.
    Restart,
    /// Destroy the selected containers.
    Remove,
    /// Take everything of the project down. `keep` only stops the containers.
    Down {
        /// Keep the LXC containers, stopped.
        keep: bool,
        /// Remove named volumes too.
        volumes: bool,
    },
    /// Put the file's port rules of running containers in place.
    Ports,
    /// Take port rules out.
    Unports,
    /// Add a rule by hand.
    PortAdd(Port),
    /// Take a rule out by hand: all rules of the container with this host port, protocol and address.
    PortRemove(Port),
    /// Write the links of running containers.
    Links,
    /// Remove link names from containers.
    Unlinks,
    /// Apply limits.
    Limits,
    /// Freeze running ones.
    Freeze,
    /// Thaw frozen ones.
    Unfreeze,
    /// Fetch the images of the selected containers anew.
    Pull,
    /// Build the images of the selected containers.
    Build,
    /// Whether the selected containers start with the host: all of the project without names.
    Enable(bool),
    /// Stop everything, remove rules, bridge and record; never a container that the file defines.
    Cleanup,
}

/// What the user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The verb.
    pub goal: Goal,
    /// Selected short names; none means all of the project.
    pub selection: Option<BTreeSet<Name>>,
    /// `-n`: leave port rules alone.
    pub no_ports: bool,
    /// `-m`/`-l`: leave links alone.
    pub no_links: bool,
    /// `-a`: keep the host's /etc/hosts true as well.
    pub host_names: bool,
    /// `-d`: do not copy the container's content to empty host directories.
    pub no_copy: bool,
    /// How long a clean shutdown may take; none is what the file says, else what is usual for its kind.
    pub timeout: Option<Duration>,
    /// Where LXC containers are kept; recorded with the project.
    pub lxcpath: PathBuf,
    /// Remove containers that the file no longer defines.
    pub remove_orphans: bool,
    /// When containers are made anew.
    pub recreate: Recreate,
    /// What the selected ones depend on is left alone.
    pub no_deps: bool,
    /// `up` and `start` wait until all are running and healthy; those that ended with 0 are done.
    pub wait: Option<Wait>,
    /// The program that units start.
    pub program: PathBuf,
    /// The copy of this program that they need first.
    pub copy: Option<ProgramCopy>,
    /// Where locker's state is when it is not where it usually is.
    pub state_dir: Option<PathBuf>,
    /// Volumes without a name are not taken over by a new self.
    pub renew_anonymous: bool,
    /// How long a new self without a health check must have run before the older one goes; zero is not at all.
    pub settle: Duration,
    /// Where the project is now when it was moved here from the directory that its marks bear.
    pub moved: Option<PathBuf>,
}

/// How long to wait for containers to be ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// At most so long for each; none is as long as its health check may take.
    pub most: Option<Duration>,
}

/// When containers are made anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recreate {
    /// When what defines them changed.
    #[default]
    Changed,
    /// In any case.
    Force,
    /// Never; those that differ stay as they are.
    Never,
}
