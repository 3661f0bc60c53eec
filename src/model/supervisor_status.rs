//! What the supervisor of a container says of it to systemd: `STATUS=` of sd_notify(3), one line for people.
//!
//! The words are written and read here only. They outlive an upgrade, since a supervisor runs as long as its container:
//! words that were said once are always understood.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Condition, Name};

/// How far a supervisor is with its container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SupervisorStatus {
    /// It has not said anything.
    Silent,
    /// The engine does not answer yet.
    AwaitsEngine,
    /// Another container is not as far as this one needs it.
    Awaits {
        /// The other one.
        other: Name,
        /// What is awaited.
        until: Condition,
    },
    /// It has failed, and is not tried again at once.
    Pauses {
        /// How often it has failed in a row.
        failures: u32,
        /// How long it waits, as it was said.
        pause: String,
    },
    /// Nothing keeps the container from starting.
    Begins,
    /// The container runs, and the system inside comes up.
    ComesUp,
    /// The container runs, and its `post_start` commands do.
    PostStart,
    /// Its check has not passed yet, for this reason.
    Pending(String),
    /// It runs, and has no check.
    Runs,
    /// Its check has passed.
    Healthy,
    /// It is healthy still, though its last check failed for this reason.
    Fails(String),
    /// It is unhealthy for this reason.
    Unhealthy(String),
    /// Anything else, which is why the supervisor could not do its work.
    Other(String),
}

impl SupervisorStatus {
    /// That it waits before the next try.
    pub fn pauses(failures: u32, pause: Duration) -> Self {
        let pause = format!("{pause:?}");
        Self::Pauses { failures, pause }
    }

    /// Whether the container has run, and what follows its start is over.
    pub fn is_past_post_start(&self) -> bool {
        match self {
            Self::Pending(_) | Self::Runs | Self::Healthy | Self::Fails(_) | Self::Unhealthy(_) => {
                true
            }
            Self::Silent
            | Self::AwaitsEngine
            | Self::Awaits { .. }
            | Self::Pauses { .. }
            | Self::Begins
            | Self::ComesUp
            | Self::PostStart
            | Self::Other(_) => false,
        }
    }

    /// Whether what follows the start of its container is under way.
    pub fn is_at_post_start(&self) -> bool {
        match self {
            Self::ComesUp | Self::PostStart => true,
            Self::Silent
            | Self::AwaitsEngine
            | Self::Awaits { .. }
            | Self::Pauses { .. }
            | Self::Begins
            | Self::Pending(_)
            | Self::Runs
            | Self::Healthy
            | Self::Fails(_)
            | Self::Unhealthy(_)
            | Self::Other(_) => false,
        }
    }

    /// Whether a start that takes long is told to have a reason.
    pub fn has_reason(&self) -> bool {
        match self {
            Self::Silent | Self::Begins => false,
            Self::AwaitsEngine
            | Self::Awaits { .. }
            | Self::Pauses { .. }
            | Self::ComesUp
            | Self::PostStart
            | Self::Pending(_)
            | Self::Runs
            | Self::Healthy
            | Self::Fails(_)
            | Self::Unhealthy(_)
            | Self::Other(_) => true,
        }
    }

    /// Whether the start waits for something: for systemd, for another container, or for the next try.
    pub fn waits(&self) -> bool {
        match self {
            Self::Silent | Self::AwaitsEngine | Self::Awaits { .. } | Self::Pauses { .. } => true,
            // Supervisors of earlier versions wait for more (`until … is ready`, `for its turn to start`).
            Self::Other(text) => text.starts_with("waiting "),
            Self::Begins
            | Self::ComesUp
            | Self::PostStart
            | Self::Pending(_)
            | Self::Runs
            | Self::Healthy
            | Self::Fails(_)
            | Self::Unhealthy(_) => false,
        }
    }
}

const ENGINE: &str = "waiting for the engine";
const WAITING: &str = "waiting until `";
const FAILED: &str = "failed ";
const IN_A_ROW: &str = " times in a row; waits ";
const BEGINS: &str = "starting";
const COMES_UP: &str = "its system comes up";
const POST_START: &str = "its post_start commands run";
const PENDING: &str = "not ready yet: ";
const RUNS: &str = "running";
const HEALTHY: &str = "healthy";
const FAILS: &str = "healthy, but the last check failed: ";
const UNHEALTHY: &str = "unhealthy: ";

/// The conditions with what is said while they are awaited.
const CONDITIONS: [(Condition, &str); 3] = [
    (Condition::Started, "is started"),
    (Condition::Healthy, "is healthy"),
    (Condition::Completed, "has ended with 0"),
];

impl fmt::Display for SupervisorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => Ok(()),
            Self::AwaitsEngine => f.write_str(ENGINE),
            Self::Awaits { other, until } => write!(f, "{WAITING}{other}` {}", awaited(*until)),
            Self::Pauses { failures, pause } => write!(f, "{FAILED}{failures}{IN_A_ROW}{pause}"),
            Self::Begins => f.write_str(BEGINS),
            Self::ComesUp => f.write_str(COMES_UP),
            Self::PostStart => f.write_str(POST_START),
            Self::Pending(reason) => write!(f, "{PENDING}{reason}"),
            Self::Runs => f.write_str(RUNS),
            Self::Healthy => f.write_str(HEALTHY),
            Self::Fails(reason) => write!(f, "{FAILS}{reason}"),
            Self::Unhealthy(reason) => write!(f, "{UNHEALTHY}{reason}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

fn awaited(condition: Condition) -> &'static str {
    let words = CONDITIONS.iter().find(|(it, _)| *it == condition);
    words.map_or("", |(_, words)| words)
}

impl FromStr for SupervisorStatus {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let plain = match text {
            "" => Some(Self::Silent),
            ENGINE => Some(Self::AwaitsEngine),
            BEGINS => Some(Self::Begins),
            COMES_UP => Some(Self::ComesUp),
            POST_START => Some(Self::PostStart),
            RUNS => Some(Self::Runs),
            HEALTHY => Some(Self::Healthy),
            _ => None,
        };
        let reasoned = || {
            let reason = |words: &str| text.strip_prefix(words).map(str::to_owned);
            let pending = reason(PENDING).map(Self::Pending);
            pending
                .or_else(|| reason(FAILS).map(Self::Fails))
                .or_else(|| reason(UNHEALTHY).map(Self::Unhealthy))
        };
        let known = plain
            .or_else(reasoned)
            .or_else(|| awaits(text))
            .or_else(|| pauses(text));
        Ok(known.unwrap_or_else(|| Self::Other(text.into())))
    }
}

fn awaits(text: &str) -> Option<SupervisorStatus> {
    let (other, words) = text.strip_prefix(WAITING)?.split_once("` ")?;
    let (until, _) = CONDITIONS.iter().find(|(_, said)| *said == words)?;
    Some(SupervisorStatus::Awaits {
        other: Name::new(other).ok()?,
        until: *until,
    })
}

fn pauses(text: &str) -> Option<SupervisorStatus> {
    let (failures, pause) = text.strip_prefix(FAILED)?.split_once(IN_A_ROW)?;
    Some(SupervisorStatus::Pauses {
        failures: failures.parse().ok()?,
        pause: pause.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<SupervisorStatus> {
        use SupervisorStatus as S;
        let other = Name::new("db").unwrap();
        let awaits = |until| S::Awaits {
            other: other.clone(),
            until,
        };
        vec![
            S::Silent,
            S::AwaitsEngine,
            awaits(Condition::Started),
            awaits(Condition::Healthy),
            awaits(Condition::Completed),
            S::pauses(4, Duration::from_millis(400)),
            S::Begins,
            S::ComesUp,
            S::PostStart,
            S::Pending("exit code 1".into()),
            S::Runs,
            S::Healthy,
            S::Fails("exit code 1: waits".into()),
            S::Unhealthy("no answer".into()),
            S::Other("cannot start container `shop_web`: no such image".into()),
        ]
    }

    #[test]
    fn what_a_supervisor_says_is_read_as_it_was_meant() {
        for said in all() {
            let text = said.to_string();
            assert_eq!(text.parse(), Ok(said), "{text}");
        }
    }

    #[test]
    fn the_words_stay_as_running_supervisors_have_said_them() {
        let texts: Vec<String> = all().iter().map(ToString::to_string).collect();
        let words = [
            "",
            "waiting for the engine",
            "waiting until `db` is started",
            "waiting until `db` is healthy",
            "waiting until `db` has ended with 0",
            "failed 4 times in a row; waits 400ms",
            "starting",
            "its system comes up",
            "its post_start commands run",
            "not ready yet: exit code 1",
            "running",
            "healthy",
            "healthy, but the last check failed: exit code 1: waits",
            "unhealthy: no answer",
            "cannot start container `shop_web`: no such image",
        ];
        assert_eq!(texts, words);
    }

    #[test]
    fn a_start_that_waits_is_told_from_one_under_way_and_from_what_follows_it() {
        use SupervisorStatus as S;
        let of = |is: fn(&S) -> bool| all().into_iter().filter(&is).count();
        assert_eq!(
            (
                of(S::waits),
                of(S::is_at_post_start),
                of(S::is_past_post_start)
            ),
            (6, 2, 5)
        );
        assert!(S::Other("waiting for its turn to start".into()).waits());
        assert!(all().iter().all(|said| {
            let is = [
                said.waits(),
                said.is_at_post_start(),
                said.is_past_post_start(),
            ];
            is.iter().filter(|is| **is).count() <= 1
        }));
    }
}
