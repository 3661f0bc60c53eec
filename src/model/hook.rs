//! Commands around the life of a container: `post_start` and `pre_stop`, as in the Compose Specification.

use std::collections::BTreeMap;
use std::fmt;

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

/// The commands of a container, each list in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
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
