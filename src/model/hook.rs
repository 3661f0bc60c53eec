//! Commands around the life of a container: `post_start` and `pre_stop`, as in the Compose Specification.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::InnerCommand;

/// A command that runs inside, with who runs it and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// What runs.
    pub command: InnerCommand,
    /// Who runs it; none is the container's own user.
    pub user: Option<String>,
    /// With all capabilities; application containers only.
    pub privileged: bool,
    /// Where it runs; none is the container's own directory.
    pub working_dir: Option<String>,
    /// Variables beside the container's own.
    pub environment: BTreeMap<String, String>,
}

/// Which commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookAt {
    /// After every start.
    PostStart,
    /// Before every stop that was asked for.
    PreStop,
}

/// How to tell that the system inside has come up: for an init that cannot be asked, or that says so too early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// A command that ends with 0 from then on.
    pub test: InnerCommand,
    /// How long after its start; one that takes longer has failed to start.
    pub within: Duration,
}

impl Ready {
    /// With as long as a system gets that can be asked.
    pub fn new(test: InnerCommand) -> Self {
        let within = COMES_UP;
        Self { test, within }
    }

    /// That it has not passed in its time; `state` is what it said last.
    pub fn failure(&self, state: &str) -> String {
        let within = self.within.as_secs_f64();
        format!("it did not become ready within {within} s: {state}")
    }
}

/// How long a system inside may take to come up where nobody says.
pub const COMES_UP: Duration = Duration::from_secs(120);

/// The commands of a container, each list in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// Passes before those after the start begin; system containers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// After every start; nothing waits for it before they have passed.
    pub post_start: Vec<Hook>,
    /// Before every stop that was asked for.
    pub pre_stop: Vec<Hook>,
}

impl Hooks {
    /// Those that run then.
    pub fn at(&self, at: HookAt) -> &[Hook] {
        match at {
            HookAt::PostStart => &self.post_start,
            HookAt::PreStop => &self.pre_stop,
        }
    }

    /// Whether a start is over only when something inside has passed.
    pub fn follow_start(&self) -> bool {
        self.ready.is_some() || !self.post_start.is_empty()
    }
}

/// The command as the container itself would run it.
impl From<InnerCommand> for Hook {
    fn from(command: InnerCommand) -> Self {
        Self {
            command,
            user: None,
            privileged: false,
            working_dir: None,
            environment: BTreeMap::new(),
        }
    }
}

/// The key in the file.
impl Hook {
    /// That it has failed, with the last line of what it printed.
    pub fn failure(&self, at: HookAt, code: i64, output: &str) -> String {
        let last = output.lines().rev().find(|line| !line.trim().is_empty());
        let last = last.map_or(String::new(), |line| format!(": {}", line.trim()));
        format!("the {at} command `{self}` ended with exit code {code}{last}")
    }
}

impl fmt::Display for HookAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PostStart => "post_start",
            Self::PreStop => "pre_stop",
        })
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.command.fmt(f)
    }
}
