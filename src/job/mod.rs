//! Use cases: one file for each thing one may ask of locker. No clap, no printing.
//!
//! `up`, `plan` and `--dry-run` walk the same road, [`change`] and [`plan()`] differ only in where
//! they stop: file → lock → look → plan → consent → apply → look again.

mod absence;
mod adopt;
mod begun;
mod beside_compose;
mod blame;
mod change;
mod config;
mod consent;
mod convert;
mod copy;
mod drift;
mod error;
mod exec;
mod follow;
mod happenings;
mod health;
mod hint;
mod home;
mod image_list;
mod images;
mod jobs;
pub mod keep_network;
#[cfg(test)]
mod listening;
mod located;
mod logs;
mod missing_files;
mod once;
mod one_off;
mod own_sources;
mod plan;
mod port_check;
mod ports;
mod processes;
mod rest;
mod road;
mod select;
mod status;
mod supplies;
mod template_getopt;
mod template_options;
mod template_programs;
mod top;
mod unit_rows;
mod unseen;
mod usage;
mod validate;
mod wait;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::model::{FirewallChoice, Name};

pub use crate::apply::events::{Event, Events};
pub use crate::apply::{ApplyError, VerifyError};
pub use crate::backend::{Happening, LogLine, LogWish, Process, RunOptions, What};
pub use crate::file::{LoadError, LoadOptions};
pub use crate::model::PullPolicy;
pub use crate::observed::{Down, Health, State};
pub use crate::plan::{Goal, Loss, Plan, Problem, Recreate, Step, StepId, Wait, Warning};

pub use absence::{Remark, Remarks};
pub use adopt::{Taken, WAY_BACK, adopt};
pub use change::{Changed, change};
pub use config::{Resolved, config, schema};
pub use consent::{Consent, ConsentError, PricedLoss};
pub use convert::{Converted, Target, convert, write_file};
pub use copy::{CopyRequest, Way, copy};
pub use error::JobError;
pub use exec::{ExecRequest, exec};
pub use happenings::happenings;
pub use image_list::{ImageRow, images};
pub use images::ImageWish;
pub use jobs::{JobPhase, JobRow, jobs};
pub use logs::{LogRequest, logs};
pub use once::{Once, OnceRequest, once};
pub use plan::{Planned, plan};
pub use port_check::{PortCheckRow, PortResult, port_check};
pub use ports::{PortRow, ports};
pub use processes::{Processes, processes};
pub use status::{StatusRequest, StatusRow, status};
pub use top::{Samples, TopOrder, TopRequest, TopRow, top};
pub use unit_rows::UnitRow;
pub use validate::{Valid, validate};
pub use wait::{Ended, wait};

/// Which file and which host.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How to find and read the file.
    pub load: LoadOptions,
    /// Where LXC containers are kept; none means where the project's are, else `/var/lib/lxc`.
    pub lxcpath: Option<PathBuf>,
    /// What locker keeps on disk goes there instead of the host's own directories.
    pub state_dir: Option<PathBuf>,
    /// Wins over the file's choice.
    pub firewall: Option<FirewallChoice>,
    /// At most so many steps at once.
    pub parallel: Option<usize>,
    /// How long to wait for another run on the same project.
    pub lock_wait: Duration,
}

/// A change as asked for: the goal, and words that are resolved here.
#[derive(Clone, Debug)]
pub struct ChangeRequest {
    /// The verb as typed, for messages, the lock and the journal.
    pub command: &'static str,
    /// The verb as meant.
    pub goal: Goal,
    /// Names and `@group`s; none means all of the project.
    pub names: Vec<String>,
    /// Leave port rules alone.
    pub no_ports: bool,
    /// Leave links alone.
    pub no_links: bool,
    /// Keep the host's /etc/hosts true as well.
    pub host_names: bool,
    /// Do not copy a container's content to empty host directories.
    pub no_copy: bool,
    /// How long a clean shutdown may take; none is what the file says, else what is usual for its kind.
    pub timeout: Option<Duration>,
    /// Remove containers that the file no longer defines.
    pub remove_orphans: bool,
    /// When containers are made anew.
    pub recreate: Recreate,
    /// Leave alone what the selected ones depend on.
    pub no_deps: bool,
    /// What the selected ones depend on is selected as well.
    pub with_deps: bool,
    /// Wait until all run and are healthy.
    pub wait: Option<Wait>,
    /// A container made anew starts with new volumes without a name.
    pub renew_anonymous: bool,
    /// What is done about images first.
    pub images: ImageWish,
    /// A container that fails takes all others of this run along.
    pub all_or_nothing: bool,
    /// A container whose making or setup failed stays for a look.
    pub keep_failed: bool,
    /// How long a new self without a health check must have run before the older one goes.
    pub settle: Duration,
}

/// The usual time; most programs that cannot start end in it.
pub const SETTLE: Duration = Duration::from_secs(5);

impl ChangeRequest {
    /// Whether containers that do not need a failed one are finished and stay.
    fn independent(&self) -> bool {
        let many = matches!(
            self.goal,
            Goal::Up | Goal::Create | Goal::Start { restart: false }
        );
        many && !self.all_or_nothing
    }

    /// A request for the whole project with everything off.
    pub fn new(command: &'static str, goal: Goal) -> Self {
        Self {
            command,
            goal,
            names: Vec::new(),
            no_ports: false,
            no_links: false,
            host_names: false,
            no_copy: false,
            timeout: None,
            remove_orphans: false,
            recreate: Recreate::Changed,
            no_deps: false,
            with_deps: false,
            wait: None,
            renew_anonymous: false,
            images: ImageWish::default(),
            all_or_nothing: false,
            keep_failed: false,
            settle: SETTLE,
        }
    }
}

/// Limits and use of a running container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Usage {
    cpus: Option<String>,
    shares: Option<String>,
    memory: Option<u64>,
    memory_peak: Option<u64>,
    memory_limit: Option<u64>,
}

/// The short names of a selection; none means all.
type Selection = Option<std::collections::BTreeSet<Name>>;
