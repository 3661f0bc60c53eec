//! Use cases: one file for each thing one may ask of locker. No clap, no printing.
// SEAM: only shapes, so that `cli` compiles alone; the branch `apply` replaces this file.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

pub use crate::apply::events::{Event, Events};
use crate::file::diagnostic::Diagnostic;
pub use crate::file::{LoadError, LoadOptions};
use crate::model::{FirewallChoice, Name, Project};
pub use crate::observed::State;
pub use crate::plan::{Goal, Loss, Plan, Problem, Step, StepId, Warning};

/// Which file, which host.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How to find the file.
    pub load: LoadOptions,
    /// `-P`.
    pub lxcpath: Option<PathBuf>,
    /// `--state-dir`.
    pub state_dir: Option<PathBuf>,
    /// `--firewall`.
    pub firewall: Option<FirewallChoice>,
    /// `--parallel`.
    pub parallel: Option<usize>,
    /// How long to wait for another run.
    pub lock_wait: Duration,
}

/// A change as asked for.
#[derive(Clone, Debug)]
pub struct ChangeRequest {
    /// The verb as typed.
    pub command: &'static str,
    /// The verb as meant.
    pub goal: Goal,
    /// Names and `@group`s; none means all.
    pub names: Vec<String>,
    /// `-n`.
    pub no_ports: bool,
    /// `-l`.
    pub no_links: bool,
    /// `-a`.
    pub host_names: bool,
    /// `-d`.
    pub no_copy: bool,
    /// Clean shutdown.
    pub timeout: Duration,
    /// `--remove-orphans`.
    pub remove_orphans: bool,
}

/// What a change did.
#[derive(Debug)]
pub struct Changed {
    /// The project.
    pub project: Name,
    /// What was done; empty when there was nothing to do.
    pub plan: Plan,
    /// Of the file.
    pub warnings: Vec<Diagnostic>,
}

/// What a change would do.
#[derive(Debug)]
pub struct Planned {
    /// The project.
    pub project: Name,
    /// The plan.
    pub plan: Plan,
    /// Of the file.
    pub warnings: Vec<Diagnostic>,
}

/// A good file.
#[derive(Debug)]
pub struct Valid {
    /// The file.
    pub file: PathBuf,
    /// The project.
    pub project: Name,
    /// How many containers.
    pub containers: usize,
    /// Of the file.
    pub warnings: Vec<Diagnostic>,
}

/// The resolved file.
#[derive(Debug)]
pub struct Resolved {
    /// The project.
    pub project: Project,
    /// Of the file.
    pub warnings: Vec<Diagnostic>,
}

impl Resolved {
    /// As YAML.
    pub fn to_yaml(&self) -> String {
        String::new()
    }
    /// As JSON.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

/// One container's row.
#[derive(Clone, Debug, Serialize)]
pub struct StatusRow {
    /// The project.
    pub project: Name,
    /// Short name.
    pub name: Name,
    /// Full name.
    pub container: String,
    /// `lxc`.
    pub r#type: &'static str,
    /// In the file.
    pub defined: bool,
    /// Its group.
    pub group: Option<String>,
    /// Its fqdn.
    pub fqdn: Option<String>,
    /// Its state.
    pub state: State,
    /// Its health.
    pub health: Option<String>,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// Its rules.
    pub ports: Vec<String>,
    /// Its links.
    pub links: Vec<String>,
    /// What differs from the file.
    pub drift: Vec<String>,
    /// Processors.
    pub cpus: Option<String>,
    /// Share.
    pub shares: Option<String>,
    /// Peak in bytes.
    pub memory_peak: Option<u64>,
    /// Limit in bytes.
    pub memory_limit: Option<u64>,
}

/// One rule.
#[derive(Clone, Debug, Serialize)]
pub struct PortRow {
    /// Short name.
    pub name: Name,
    /// The rule.
    pub rule: String,
    /// In the kernel.
    pub active: bool,
    /// In the file.
    pub defined: bool,
}

/// A command inside.
#[derive(Clone, Debug)]
pub struct ExecRequest {
    /// Short name.
    pub name: String,
    /// Empty means a shell.
    pub argv: Vec<String>,
    /// `-u`.
    pub user: Option<String>,
    /// `-w`.
    pub workdir: Option<PathBuf>,
    /// `-e`.
    pub environment: Vec<(String, String)>,
}

/// What would be lost.
#[derive(Clone, Debug)]
pub struct PricedLoss {
    /// What.
    pub what: String,
    /// Why.
    pub cause: String,
    /// How much.
    pub bytes: Option<u64>,
}

/// Why nobody could be asked.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// No terminal.
    #[error("a question needs a terminal")]
    NoTerminal,
    /// It broke.
    #[error("cannot ask: {source}")]
    Failed {
        /// The system's word.
        source: std::io::Error,
    },
}

/// Asks before something is lost.
pub trait Consent: Send + Sync {
    /// Whether all of it may go.
    fn ask(&self, losses: &[PricedLoss]) -> Result<bool, ConsentError>;
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// No project.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// No such container or group.
    #[error("{message}")]
    Selection {
        /// What.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// No plan.
    #[error("`{command}` cannot be done")]
    Problems {
        /// The verb.
        command: &'static str,
        /// Why.
        problems: Vec<Problem>,
    },
    /// Not root.
    #[error("`locker {command}` must be run as root")]
    NotRoot {
        /// The verb.
        command: &'static str,
    },
    /// The user said no.
    #[error("refused; nothing was changed")]
    Refused,
    /// Nobody to ask.
    #[error(transparent)]
    Consent(#[from] ConsentError),
}

fn nothing_here<T>(s: &Setting) -> Result<T, JobError> {
    Err(JobError::Load(LoadError::NotFound {
        searched: s.load.cwd.clone(),
    }))
}

/// Does a change.
pub async fn change(
    s: &Setting,
    _: &ChangeRequest,
    _: &dyn Events,
    _: &dyn Consent,
) -> Result<Changed, JobError> {
    nothing_here(s)
}

/// Plans a change.
pub async fn plan(s: &Setting, _: &ChangeRequest) -> Result<Planned, JobError> {
    nothing_here(s)
}

/// What is.
pub async fn status(s: &Setting, _: &[String]) -> Result<Vec<StatusRow>, JobError> {
    nothing_here(s)
}

/// The rules.
pub async fn ports(s: &Setting, _: &[String]) -> Result<Vec<PortRow>, JobError> {
    nothing_here(s)
}

/// Checks the file.
pub fn validate(s: &Setting) -> Result<Valid, JobError> {
    nothing_here(s)
}

/// Resolves the file.
pub fn config(s: &Setting) -> Result<Resolved, JobError> {
    nothing_here(s)
}

/// The schema of the file.
pub fn schema() -> serde_json::Value {
    serde_json::json!({})
}

/// Console logs.
pub async fn logs(
    s: &Setting,
    _names: &[String],
    _follow: bool,
    _lines: Option<usize>,
    _out: &mut (dyn FnMut(&Name, &str) -> ControlFlow<()> + Send),
) -> Result<(), JobError> {
    nothing_here(s)
}

/// A command inside.
pub async fn exec(s: &Setting, _: &ExecRequest) -> Result<i32, JobError> {
    nothing_here(s)
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nothing to do\n")
    }
}

impl Plan {
    /// As JSON.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}
