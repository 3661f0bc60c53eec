//! What systemd says of containers' services, as far as it was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use crate::apply::ObserveError;
use crate::model::{Name, Restart, UnitState, service_of};
use crate::observed::Observed;

use super::JobError;
use super::road::Opened;

/// A container's service. The names of the keys of its JSON form are a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnitRow {
    /// The unit.
    pub name: String,
    /// `active`, `activating`, `deactivating`, `inactive`, `failed`.
    pub active: String,
    /// `running`, `start`, `auto-restart`, `dead`, …
    pub sub: String,
    /// How its last run ended: `success`, `exit-code`, `signal`, `start-limit-hit`, `timeout`, …
    pub result: String,
    /// How often systemd has started it again by itself since it was last started by hand.
    pub restarts: u32,
    /// Since when it is in this state, RFC 3339; none when it never was in another.
    #[serde(serialize_with = "rfc3339")]
    pub since: Option<SystemTime>,
    /// What its supervisor says.
    pub status: String,
    /// Why its supervisor has ended the container, if the last run ended so.
    #[serde(skip)]
    pub unwell: Option<String>,
}

fn rfc3339<S: Serializer>(at: &Option<SystemTime>, to: S) -> Result<S::Ok, S::Error> {
    let at = at.and_then(|at| jiff::Timestamp::try_from(at).ok());
    at.map(|at| at.to_string()).serialize(to)
}

impl UnitRow {
    fn new(project: &Name, name: &Name, state: UnitState) -> Self {
        let since = (state.since > 0).then(|| UNIX_EPOCH + Duration::from_micros(state.since));
        Self {
            name: service_of(project, name),
            active: state.active,
            sub: state.sub,
            result: state.result,
            restarts: state.restarts,
            since,
            status: state.status,
            unwell: None,
        }
    }
}

/// The services of the project: `all`, or those only that neither run nor rest, since each costs a few
/// questions more.
pub(super) async fn units(
    opened: &Opened,
    observed: &Observed,
    all: bool,
) -> Result<BTreeMap<Name, UnitRow>, JobError> {
    let states = observed.units.states.iter();
    let asked: BTreeSet<Name> = states
        .filter(|(_, state)| all || is_restless(state))
        .map(|(name, _)| name.clone())
        .collect();
    if asked.is_empty() {
        return Ok(BTreeMap::new());
    }
    let project = &opened.project.name;
    let states = opened.host.units.states(project, &asked).await;
    let states = states.map_err(ObserveError::from)?.into_iter();
    let watch = opened.host.backend.watch();
    let row = |(name, state)| {
        let mut row = UnitRow::new(project, &name, state);
        row.unwell = watch.unwell(&name);
        let file = opened.project.containers.get(&name);
        if let Some(most) = file.and_then(|file| most_restarts(&file.restart)) {
            // systemd counts the one that it refuses as well.
            row.restarts = row.restarts.min(most);
        }
        (name, row)
    };
    Ok(states.map(row).collect())
}

/// How often it is started again at most, where that is limited.
fn most_restarts(restart: &Restart) -> Option<u32> {
    match restart {
        Restart::OnFailure { most } => *most,
        Restart::No | Restart::Always | Restart::UnlessStopped | Restart::OnUnhealthy => None,
    }
}

/// Between running and not running, or failed.
fn is_restless(state: &UnitState) -> bool {
    !matches!(state.active.as_str(), "active" | "inactive" | "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_form_is_as_published() {
        let name = |word| Name::new(word).unwrap();
        let state = UnitState {
            active: "failed".into(),
            sub: "failed".into(),
            result: "exit-code".into(),
            restarts: 3,
            since: 1_500_000,
            status: "running".into(),
        };
        assert!(is_restless(&state));
        let row = UnitRow::new(&name("shop"), &name("web"), state);
        let json = r#"{"name":"locker-shop-web.service","active":"failed","sub":"failed","result":"exit-code","restarts":3,"since":"1970-01-01T00:00:01.5Z","status":"running"}"#;
        assert_eq!(serde_json::to_string(&row).unwrap(), json);
    }
}
