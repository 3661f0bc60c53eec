//! Health checks: what says whether a container is ready for others.

use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{InnerCommand, Name};

/// The key `healthcheck`, as in the Compose Specification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    /// What is tried.
    pub test: Test,
    /// Time between two tries.
    pub interval: Duration,
    /// A try that takes longer has failed.
    pub timeout: Duration,
    /// How many failures in a row mean unhealthy.
    pub retries: u32,
    /// Failures within this time after the start do not count.
    pub start_period: Duration,
    /// Time between two tries within that time; none is [`Self::interval`].
    #[serde(default)]
    pub start_interval: Option<Duration>,
}

/// What says that a container is healthy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Test {
    /// A TCP connection from the host to the container's own address is taken. Nothing is needed inside.
    Port {
        /// The container's port, not the published one.
        port: NonZeroU16,
    },
    /// A command in the container ends with 0.
    Command(InnerCommand),
}

impl From<InnerCommand> for Test {
    fn from(command: InnerCommand) -> Self {
        Self::Command(command)
    }
}

/// The times and numbers of a check that the file itself says. An application container has the others
/// from its image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthTimes {
    /// As [`Healthcheck::interval`].
    pub interval: Option<Duration>,
    /// As [`Healthcheck::timeout`].
    pub timeout: Option<Duration>,
    /// As [`Healthcheck::retries`].
    pub retries: Option<u32>,
    /// As [`Healthcheck::start_period`].
    pub start_period: Option<Duration>,
    /// As [`Healthcheck::start_interval`].
    pub start_interval: Option<Duration>,
}

impl HealthTimes {
    /// All that a check has.
    pub fn of(check: &Healthcheck) -> Self {
        Self {
            interval: Some(check.interval),
            timeout: Some(check.timeout),
            retries: Some(check.retries),
            start_period: Some(check.start_period),
            start_interval: check.start_interval,
        }
    }
}

/// When a dependency counts as there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It has been started.
    Started,
    /// Its health check has passed.
    Healthy,
    /// It has ended with exit code 0.
    Completed,
}

/// One entry of `depends_on`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The container that must be there first.
    pub on: Name,
    /// When it counts as there.
    pub condition: Condition,
    /// When the other one is made anew or restarted by a command, so is this one.
    pub restart: bool,
    /// Without the other one this one does not start; else it is only a preference.
    pub required: bool,
}

impl Healthcheck {
    /// A check with Compose's defaults: every 30 s, 30 s each, 3 tries, no time to warm up.
    pub fn new(test: impl Into<Test>) -> Self {
        Self {
            test: test.into(),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            retries: 3,
            start_period: Duration::ZERO,
            start_interval: None,
        }
    }

    /// The same with what the file says of its times.
    pub fn timed(mut self, said: &HealthTimes) -> Self {
        self.interval = said.interval.unwrap_or(self.interval);
        self.timeout = said.timeout.unwrap_or(self.timeout);
        self.retries = said.retries.unwrap_or(self.retries);
        self.start_period = said.start_period.unwrap_or(self.start_period);
        self.start_interval = said.start_interval.or(self.start_interval);
        self
    }
}

/// Why a word is not a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// Any other word.
    #[error("`{0}` is not a condition; it is `started`, `healthy` or `completed_successfully`")]
    Unknown(String),
}

/// `started`, `healthy`, `completed_successfully`, and Compose's words for them.
impl FromStr for Condition {
    type Err = ConditionError;
    fn from_str(word: &str) -> Result<Self, ConditionError> {
        match word {
            "started" | "service_started" => Ok(Self::Started),
            "healthy" | "service_healthy" => Ok(Self::Healthy),
            "completed_successfully" | "completed" | "service_completed_successfully" => {
                Ok(Self::Completed)
            }
            other => Err(ConditionError::Unknown(other.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_written_down_as_it_always_was() {
        let old = r#"{"exec":["pg_isready"]}"#;
        let command: Test = InnerCommand::Exec(vec!["pg_isready".into()]).into();
        assert_eq!(serde_json::to_string(&command).unwrap(), old);
        let port = Test::Port {
            port: NonZeroU16::new(80).unwrap(),
        };
        for test in [command, port] {
            let text = serde_json::to_string(&test).unwrap();
            assert_eq!(serde_json::from_str::<Test>(&text).unwrap(), test);
        }
    }

    #[test]
    fn conditions_have_two_names_each() {
        for (word, expected) in [
            ("started", Condition::Started),
            ("service_started", Condition::Started),
            ("healthy", Condition::Healthy),
            ("service_healthy", Condition::Healthy),
            ("completed_successfully", Condition::Completed),
            ("service_completed_successfully", Condition::Completed),
        ] {
            assert_eq!(word.parse(), Ok(expected));
        }
        assert!("".parse::<Condition>().is_err());
    }
}
