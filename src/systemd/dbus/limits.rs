//! The limits of services that run. A changed unit file is enough for the next start only: systemd 257 reads it
//! anew and leaves the cgroup as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use zbus::{OwnedVariant, Variant};

use super::Systemd;
use super::states::{number, service_names};
use crate::model::{Kind, Name, UnitSpec, UnitState};
use crate::observed::Overruled;
use crate::store::write_atomic;
use crate::sys::Hierarchies;
use crate::systemd::kept::{self, Told};
use crate::systemd::{UnitsError, drop_ins, names};

/// Limits to tell systemd of, by their properties.
type Limits = BTreeSet<&'static str>;

impl Systemd {
    /// The limits of services that somebody else's drop-ins set.
    pub(super) fn overruled(
        &self,
        project: &Name,
        services: &BTreeMap<Name, UnitSpec>,
    ) -> Vec<Overruled> {
        let limited = services.values().filter(|unit| unit.kind == Kind::System);
        drop_ins::overruled(&self.paths, limited, &self.left_over_drop_ins(project))
    }

    /// Running services whose limits, others than `but`, the kernel does not keep.
    pub(super) fn unkept(
        services: &BTreeMap<Name, UnitSpec>,
        states: &BTreeMap<Name, UnitState>,
        but: &[Overruled],
    ) -> BTreeMap<Name, Limits> {
        let runs = |name: &Name| {
            states
                .get(name)
                .is_some_and(|state| state.active == "active")
        };
        let mut running = services
            .iter()
            .filter(|(name, unit)| unit.kind == Kind::System && runs(name))
            .peekable();
        if running.peek().is_none() {
            return BTreeMap::new();
        }
        let hierarchies = Hierarchies::here();
        let unkept = |unit: &UnitSpec| {
            let all = kept::unkept(unit, &hierarchies).into_iter();
            all.filter(|property| !is_overruled(but, &unit.name, property))
                .collect::<Limits>()
        };
        let all = running.map(|(name, unit)| (name.clone(), unkept(unit)));
        all.filter(|(_, limits)| !limits.is_empty()).collect()
    }

    /// Gives the services that run the limits of their units, where those differ from `before` or the kernel
    /// has others; whether any was told. systemd must read its files once more then.
    pub(super) async fn limit(
        &self,
        project: &Name,
        before: &BTreeMap<Name, UnitSpec>,
        services: &BTreeMap<Name, UnitSpec>,
    ) -> Result<bool, UnitsError> {
        // A killed run's, which would win over what is written now.
        self.remove_drop_ins(project);
        let known = services
            .iter()
            .filter(|(name, unit)| unit.kind == Kind::System && before.contains_key(*name));
        let known: BTreeMap<Name, UnitSpec> = known.map(|(n, u)| (n.clone(), u.clone())).collect();
        if known.is_empty() {
            return Ok(false);
        }
        let states = self
            .brief_states(service_names(project, known.keys()))
            .await?;
        let overruled = self.overruled(project, &known);
        let mut due = Self::unkept(&known, &states, &overruled);
        for (name, unit) in &known {
            let state = states.get(name).map_or("", |state| state.active.as_str());
            let changed = kept::differing(before.get(name), unit)
                .filter(|property| !is_overruled(&overruled, name, property));
            let changed: Limits = changed.collect();
            if !changed.is_empty() && !matches!(state, "" | "inactive" | "failed") {
                due.entry(name.clone()).or_default().extend(changed);
            }
        }
        for (name, limits) in &due {
            if let Some(unit) = known.get(name) {
                self.tell_limits(unit, limits).await?;
            }
        }
        Ok(!due.is_empty())
    }

    /// Sets properties of a running unit. What systemd writes down of that is taken away again: it would win
    /// over the unit's own file for the next change.
    async fn tell_limits(&self, unit: &UnitSpec, limits: &Limits) -> Result<(), UnitsError> {
        let service = names::service(&unit.project, &unit.name);
        let usual = match limits.contains("TasksMax") {
            true => self.usual_tasks().await?,
            false => u64::MAX,
        };
        let values = limits.iter().filter_map(|name| {
            let wanted = unit.properties.get(*name).map(String::as_str);
            let (on_bus, value) = kept::told(name, wanted, usual)?;
            let value = match value {
                Told::Number(number) => Variant::from(number),
                Told::Bits(bits) => Variant::from(bits),
            };
            Some((on_bus, value))
        });
        let values: Vec<(&str, Variant<'_>)> = values.collect();
        let dir = self.paths.set_properties().join(format!("{service}.d"));
        let files = limits
            .iter()
            .map(|name| dir.join(format!("50-{name}.conf")));
        self.note_drop_ins(&unit.project, &files.collect::<Vec<_>>())?;
        let manager = self.manager().await?;
        let set = || manager.set_unit_properties(&service, true, &values);
        let set = self.within("limit", &service, set).await;
        self.remove_drop_ins(&unit.project);
        set
    }

    async fn usual_tasks(&self) -> Result<u64, UnitsError> {
        let connection = self.connection().await?;
        let asked = async || {
            let answer = connection.call_method(
                Some("org.freedesktop.systemd1"),
                "/org/freedesktop/systemd1",
                Some("org.freedesktop.DBus.Properties"),
                "Get",
                &("org.freedesktop.systemd1.Manager", "DefaultTasksMax"),
            );
            answer.await?.body().deserialize::<OwnedVariant>()
        };
        let usual = self.within("read", "systemd", &asked).await?;
        Ok(number(&usual))
    }

    /// Notes which files systemd is about to write for this run, so that one that is killed leaves none that
    /// would be taken for an administrator's.
    fn note_drop_ins(&self, project: &Name, files: &[PathBuf]) -> Result<(), UnitsError> {
        self.remove_drop_ins(project);
        let lines: Vec<String> = files
            .iter()
            .filter(|file| !file.exists())
            .map(|file| format!("{}\n", file.display()))
            .collect();
        let note = self.paths.limits_due(project);
        write_atomic(&note, lines.concat().as_bytes(), 0o600)?;
        Ok(())
    }

    fn left_over_drop_ins(&self, project: &Name) -> Vec<PathBuf> {
        let note = fs::read_to_string(self.paths.limits_due(project)).unwrap_or_default();
        note.lines().map(PathBuf::from).collect()
    }

    /// Removes what systemd has written for this run, or for one that was killed.
    fn remove_drop_ins(&self, project: &Name) {
        for file in self.left_over_drop_ins(project) {
            let _ = fs::remove_file(&file); // Not there is what is wanted.
            // Another drop-in may be in it.
            let _ = file.parent().map(fs::remove_dir);
        }
        let _ = fs::remove_file(self.paths.limits_due(project)); // Not there is what is wanted.
    }
}

fn is_overruled(all: &[Overruled], name: &Name, property: &str) -> bool {
    all.iter()
        .any(|overruled| overruled.name == *name && overruled.property == property)
}
