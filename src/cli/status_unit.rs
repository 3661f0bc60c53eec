//! What `status` says about the service of a container, in words.

use std::time::{Duration, SystemTime};

use crate::job::{State, StatusRow, UnitRow};
use crate::model::SupervisorStatus;

/// The word for a container whose service failed, or that is between two of its runs; none where the
/// state of the container says all.
pub fn state_word(row: &StatusRow) -> Option<&'static str> {
    let stops = |unit: &UnitRow| unit.active == "deactivating";
    if runs(row) && row.unit.as_ref().is_some_and(stops) {
        return Some("stopping");
    }
    let unit = row.unit.as_ref().filter(|_| !runs(row));
    match unit.map(|unit| (unit.active.as_str(), unit)) {
        // As long as its port is held for it the next caller starts it, whatever its last run came to.
        Some(("failed", _)) if row.waiting => Some("waiting"),
        Some(("failed", _)) => Some("failed"),
        Some(("activating", unit)) if unit.restarts > 0 || unit.sub.starts_with("auto-restart") => {
            Some("restarting")
        }
        Some(("activating", _)) => Some("starting"),
        // Nothing keeps it from starting any more, and it does not run yet.
        Some(("active", unit)) if said(unit) == SupervisorStatus::Begins => match unit.restarts {
            0 => Some("starting"),
            _ => Some("restarting"),
        },
        // It has just ended once more, and its supervisor is about to say so.
        Some(("active", unit))
            if unit.sub == "running" && unit.restarts > 0 && row.state == State::Stopped =>
        {
            Some("restarting")
        }
        _ if row.waiting => Some("waiting"),
        _ => None,
    }
}

/// What is wrong with it and what can be done.
pub fn warning(row: &StatusRow) -> Option<String> {
    let (unit, name) = (row.unit.as_ref()?, &row.name);
    let says = match unit.status.as_str() {
        "" => String::new(),
        status => format!(": {status}"),
    };
    match (unit.active.as_str(), state_word(row)) {
        ("failed", Some("waiting")) => Some(format!(
            "its last run failed ({}); the next caller starts it again; see `locker logs {name}`",
            unit.result
        )),
        ("failed", _) => {
            let tries = match unit.restarts {
                0 => "and is not started again".to_string(),
                count => format!("after it was started again {}", times(count)),
            };
            Some(match trouble(unit) {
                Some(why) => {
                    format!("its service failed {tries}: {why}; then `locker start {name}`")
                }
                None => format!(
                    "its service failed ({}) {tries}; see `locker logs {name}`, then `locker start {name}`",
                    unit.result
                ),
            })
        }
        (_, Some("restarting")) => {
            let ended = match &unit.unwell {
                Some(why) => format!("it was ended because {why}"),
                None => "it ended".into(),
            };
            Some(format!(
                "{ended} and is started again, {} so far{says}; see `locker logs {name}`",
                times(unit.restarts)
            ))
        }
        (_, Some("starting")) if said(unit).has_reason() => {
            Some(format!("is not started yet{says}"))
        }
        _ => None,
    }
}

fn said(unit: &UnitRow) -> SupervisorStatus {
    let Ok(said) = unit.status.parse();
    said
}

/// Why a supervisor ended by itself that is not through with a start; of one whose container ran the output tells more.
fn trouble(unit: &UnitRow) -> Option<&str> {
    let said = said(unit);
    let began = said.is_at_post_start() || said.is_past_post_start();
    let told = said.has_reason() && !said.waits() && !began;
    (told && unit.result == "exit-code").then_some(unit.status.as_str())
}

fn runs(row: &StatusRow) -> bool {
    matches!(row.state, State::Running | State::Frozen)
}

fn times(count: u32) -> String {
    match count {
        1 => "once".into(),
        count => format!("{count} times"),
    }
}

/// The service's state, and why where it is not active.
pub fn unit(unit: &UnitRow) -> String {
    match unit.active.as_str() {
        "failed" => format!("failed ({})", unit.result),
        "activating" | "deactivating" => format!("{} ({})", unit.active, unit.sub),
        active => active.into(),
    }
}

/// How long ago, in the greatest unit: `3m`.
pub fn ago(at: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(at).unwrap_or(Duration::ZERO).as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status_table::tests::row;

    fn with(state: State, active: &str, sub: &str, restarts: u32) -> StatusRow {
        let mut row = row("web", state);
        row.unit = Some(UnitRow {
            name: "locker-shop-web.service".into(),
            active: active.into(),
            sub: sub.into(),
            result: "exit-code".into(),
            restarts,
            since: None,
            status: "waits 3s".into(),
            unwell: None,
        });
        row
    }

    #[test]
    fn trouble_is_told_with_what_to_do() {
        let told = |row: &StatusRow| (state_word(row), warning(row).unwrap_or_default());
        let saying = |status: &str| {
            let mut row = with(State::Stopped, "failed", "failed", 3);
            if let Some(unit) = &mut row.unit {
                unit.status = status.into();
            }
            row
        };
        let kept = saying("`web` needs `db`; see `locker logs db`");
        let words = "its service failed after it was started again 3 times: `web` needs `db`; see `locker logs db`; then `locker start web`";
        assert_eq!(told(&kept), (Some("failed"), words.into()));
        let failed = saying("unhealthy: refused");
        let words = "its service failed (exit-code) after it was started again 3 times; see `locker logs web`, then `locker start web`";
        assert_eq!(told(&failed), (Some("failed"), words.into()));
        let again = with(State::Stopped, "activating", "auto-restart", 1);
        let words = "it ended and is started again, once so far: waits 3s; see `locker logs web`";
        assert_eq!(told(&again), (Some("restarting"), words.into()));
        let mut sick = again.clone();
        let why = "its health check failed 2 times (last: exit code 1)";
        if let Some(unit) = &mut sick.unit {
            unit.unwell = Some(why.into());
        }
        let sickly = format!(
            "it was ended because {why} and is started again, once so far: waits 3s; see `locker logs web`"
        );
        assert_eq!(told(&sick), (Some("restarting"), sickly));
        let stops = with(State::Running, "deactivating", "stop", 0);
        assert_eq!(told(&stops), (Some("stopping"), String::new()));
        let between = with(State::Stopped, "active", "running", 1);
        assert_eq!(told(&between), (Some("restarting"), words.into()));
        let first = with(State::Stopped, "activating", "start", 0);
        let words = "is not started yet: waits 3s";
        assert_eq!(told(&first), (Some("starting"), words.into()));
        let runs = with(State::Running, "activating", "start", 2);
        assert_eq!(told(&runs), (None, String::new()));
        let well = with(State::Running, "active", "running", 2);
        assert_eq!(told(&well), (None, String::new()));
    }

    #[test]
    fn one_that_is_left_to_its_callers_waits() {
        let mut web = row("web", State::Stopped);
        web.waiting = true;
        assert_eq!(state_word(&web), Some("waiting"));
        let mut failed = with(State::Stopped, "failed", "failed", 0);
        failed.waiting = true;
        assert_eq!(state_word(&failed), Some("waiting"));
        let words = "its last run failed (exit-code); the next caller starts it again; see `locker logs web`";
        assert_eq!(warning(&failed), Some(words.into()));
    }

    #[test]
    fn times_are_short() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let told = |seconds| ago(now - Duration::from_secs(seconds), now);
        let all = [0, 59, 60, 3599, 3600, 86_399, 86_400].map(told);
        assert_eq!(all, ["0s", "59s", "1m", "59m", "1h", "23h", "1d"]);
        assert_eq!(ago(now + Duration::from_secs(9), now), "0s");
    }
}
