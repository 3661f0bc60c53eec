//! How services are: one question for all of them, and a few for each where all is to be known.

use std::collections::BTreeMap;

use zbus::{OwnedObjectPath, OwnedVariant, Variant};

use super::Systemd;
use crate::model::{Name, UnitState};
use crate::systemd::{UnitsError, names};

/// Containers by the names of their services.
pub(super) type Services = BTreeMap<String, Name>;

/// A unit as systemd lists it: name, description, load, active and sub state, whom it follows, its path,
/// the id of its job, the job's kind and path.
pub(super) type ListedUnit = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

/// What is needed of it.
pub(super) struct Listed {
    pub(super) unit: String,
    /// Whether systemd knows more of it than its name.
    pub(super) loaded: bool,
    pub(super) active: String,
    pub(super) sub: String,
    path: OwnedObjectPath,
}

impl Systemd {
    /// What systemd lists of these units; it loads those that are not loaded.
    pub(super) async fn list(&self, units: &[&str]) -> Result<Vec<Listed>, UnitsError> {
        let manager = self.manager().await?;
        let _room = self.room().await;
        let listed = self
            .within("list", "units", || manager.list_units_by_names(units))
            .await?;
        let read = |unit: ListedUnit| Listed {
            active: with_job(&unit.3, &unit.8).into(),
            unit: unit.0,
            loaded: unit.2 == "loaded",
            sub: unit.4,
            path: unit.6,
        };
        Ok(listed.into_iter().map(read).collect())
    }

    /// A property of it by its interface's last word: `Unit`, `Service`.
    pub(super) async fn property(
        &self,
        listed: &Listed,
        interface: &str,
        key: &str,
    ) -> Result<OwnedVariant, UnitsError> {
        let arguments = (format!("org.freedesktop.systemd1.{interface}"), key);
        let connection = self.connection().await?;
        let _room = self.room().await;
        let asked = async || {
            let answer = connection.call_method(
                Some("org.freedesktop.systemd1"),
                &*listed.path,
                Some("org.freedesktop.DBus.Properties"),
                "Get",
                &arguments,
            );
            answer.await?.body().deserialize::<OwnedVariant>()
        };
        self.within("read", &listed.unit, &asked).await
    }

    /// Of hundreds of properties those few alone: all of them cost systemd a millisecond for each unit.
    async fn state_of_listed(&self, listed: &Listed) -> Result<UnitState, UnitsError> {
        let get = async |interface, key| self.property(listed, interface, key).await;
        let (since, result, restarts, status) = tokio::try_join!(
            get("Unit", "StateChangeTimestamp"),
            get("Service", "Result"),
            get("Service", "NRestarts"),
            get("Service", "StatusText"),
        )?;
        Ok(UnitState {
            active: listed.active.clone(),
            sub: listed.sub.clone(),
            result: text(&result),
            restarts: u32::try_from(number(&restarts)).unwrap_or(u32::MAX),
            since: number(&since),
            status: text(&status),
        })
    }

    pub(super) async fn state_of(&self, unit: &str) -> Result<UnitState, UnitsError> {
        match self.list(&[unit]).await?.first() {
            Some(listed) if unit.ends_with(".service") => self.state_of_listed(listed).await,
            Some(listed) => Ok(UnitState {
                active: listed.active.clone(),
                sub: listed.sub.clone(),
                ..UnitState::default()
            }),
            None => Ok(UnitState::default()),
        }
    }

    /// Whether each service runs; one question for all.
    pub(super) async fn brief_states(
        &self,
        mut services: Services,
    ) -> Result<BTreeMap<Name, UnitState>, UnitsError> {
        let units: Vec<&str> = services.keys().map(String::as_str).collect();
        let listed = self.list(&units).await?;
        let mut states = BTreeMap::new();
        for listed in listed {
            let state = UnitState {
                active: listed.active,
                sub: listed.sub,
                ..UnitState::default()
            };
            states.extend(services.remove(&listed.unit).map(|name| (name, state)));
        }
        let unknown = services.into_values();
        states.extend(unknown.map(|name| (name, UnitState::default())));
        Ok(states)
    }

    /// The same in full: some small questions for each, all on their way at once.
    pub(super) async fn full_states(
        &self,
        services: &Services,
    ) -> Result<BTreeMap<Name, UnitState>, UnitsError> {
        let units: Vec<&str> = services.keys().map(String::as_str).collect();
        let listed = self.list(&units).await?;
        let states = listed.iter().map(|listed| self.state_of_listed(listed));
        let states = futures_util::future::try_join_all(states).await?;
        let named = listed
            .iter()
            .map(|listed| services.get(&listed.unit).cloned());
        let named = named.zip(states);
        Ok(named
            .filter_map(|(name, state)| Some((name?, state)))
            .collect())
    }
}

/// The active state of a unit with the job that waits or runs for it (`stop`, `start`, `restart`, …; empty without
/// one): what is to be stopped is stopping, though its turn may not have come yet.
fn with_job<'a>(active: &'a str, job: &str) -> &'a str {
    match (active, job) {
        ("active" | "activating" | "reloading", "stop" | "restart" | "try-restart") => {
            "deactivating"
        }
        ("inactive" | "failed", "" | "stop" | "nop") => active,
        // One whose turn has not come yet: what it needs is not ready.
        ("inactive" | "failed", _) => "activating",
        _ => active,
    }
}

/// The containers by the names of their services.
pub(super) fn service_names<'a>(
    project: &Name,
    names: impl IntoIterator<Item = &'a Name>,
) -> Services {
    let names = names.into_iter();
    names
        .map(|name| (names::service(project, name), name.clone()))
        .collect()
}

fn text(value: &OwnedVariant) -> String {
    match &**value {
        Variant::Str(text) => text.to_string(),
        _ => String::new(),
    }
}

pub(super) fn number(value: &OwnedVariant) -> u64 {
    match &**value {
        Variant::U32(number) => u64::from(*number),
        Variant::U64(number) => *number,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_what_its_job_makes_of_it() {
        assert_eq!(with_job("active", ""), "active");
        assert_eq!(with_job("active", "start"), "active");
        assert_eq!(with_job("active", "stop"), "deactivating");
        assert_eq!(with_job("active", "restart"), "deactivating");
        assert_eq!(with_job("activating", "stop"), "deactivating");
        assert_eq!(with_job("activating", "start"), "activating");
        assert_eq!(with_job("deactivating", "start"), "deactivating");
        assert_eq!(with_job("inactive", "start"), "activating");
        assert_eq!(with_job("inactive", "restart"), "activating");
        assert_eq!(with_job("failed", ""), "failed");
        assert_eq!(with_job("inactive", "stop"), "inactive");
    }
}
