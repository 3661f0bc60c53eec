//! What a change of unit files means for systemd: read anew, linked into the boot, the host's own service with
//! it, and nothing remembered of what is no more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Systemd;
use super::states::ListedUnit;
use super::work::is_unknown;
use crate::model::{Name, ProjectUnits, UnitSpec, UnitsChange};
use crate::systemd::files::{OnDisk, Undo};
use crate::systemd::{Job, Units, UnitsError, names, render};

impl Systemd {
    pub(super) async fn settle_files(
        &self,
        change: &UnitsChange,
        before: &OnDisk,
        changed: bool,
    ) -> Result<(), UnitsError> {
        if changed || self.files.is_reload_due() {
            self.reload().await?;
        }
        self.end_groups(change, before).await?;
        let program = change
            .units
            .services
            .values()
            .next()
            .map(|s| s.program.clone());
        if !change.units.services.is_empty() {
            self.link(change, before).await?;
        }
        match program {
            Some(program) => self.keep_network(&program, change.renewed).await?,
            None => self.end_network().await?,
        }
        Ok(())
    }

    /// Lets systemd read its files, and notes that it has.
    async fn reload(&self) -> Result<(), UnitsError> {
        let manager = self.manager().await?;
        self.within("reload", "systemd", || manager.reload())
            .await?;
        self.files.reload_done();
        Ok(())
    }

    /// Brings files, links and the host's network service back, as far as that goes: another error is told.
    pub(super) async fn back(
        &self,
        change: &UnitsChange,
        (before, (enabled, project_enabled)): (&OnDisk, (BTreeSet<Name>, bool)),
        undo: Undo,
    ) {
        let units = ProjectUnits {
            services: before.services.clone(),
            ..change.units.clone()
        };
        let old = UnitsChange {
            units,
            enabled,
            project_enabled,
            ..change.clone()
        };
        let now = OnDisk {
            services: change.units.services.clone(),
            ..OnDisk::default()
        };
        // The links first: without its file a unit cannot be disabled.
        let _ = self.link(&old, &now).await;
        undo.back();
        let (project, now) = (&change.units.project, &change.units.services);
        let _ = self.limit(project, now, &before.services).await;
        let _ = self.reload().await;
        let _ = self.end_network().await;
    }

    pub(super) async fn forget_failure(&self, unit: &str) -> Result<(), UnitsError> {
        let manager = self.manager().await?;
        let _room = self.room().await;
        let forgotten = async || match manager.reset_failed_unit(unit).await {
            Err(error) if is_unknown(&error) => Ok(()),
            done => done,
        };
        self.within("reset", unit, &forgotten).await
    }

    /// Ends what systemd still knows of services that are to be no more, while their units are there: a
    /// failure that is remembered, a container that is done, the slice of a project that goes.
    pub(super) async fn let_go(
        &self,
        change: &UnitsChange,
        before: &OnDisk,
    ) -> Result<(), UnitsError> {
        let project = &change.units.project;
        let services = &change.units.services;
        for name in before
            .services
            .keys()
            .filter(|name| !services.contains_key(*name))
        {
            let unit = names::service(project, name);
            // One that is to be started again in a moment would fail then, for want of its unit.
            if !matches!(
                self.state_of(&unit).await?.active.as_str(),
                "inactive" | "failed"
            ) {
                self.finish(&unit, Job::Stop).await?;
            }
            self.reset(project, name).await?;
        }
        if services.is_empty() && !(before.services.is_empty() && before.files.is_empty()) {
            let targets = before.files.keys().filter(|file| file.ends_with(".target"));
            for target in targets {
                self.finish(target, Job::Stop).await?;
            }
            self.finish(&names::target(project), Job::Stop).await?;
            self.finish(&names::slice(project), Job::Stop).await?;
        }
        Ok(())
    }

    /// Units of the project that systemd still has and whose files are gone.
    pub(super) async fn unfounded(&self, project: &Name) -> Result<Vec<String>, UnitsError> {
        // A backslash of a name would take the meaning of the letter behind it, glob(7).
        let patterns = names::stems(project).map(|stem| format!("{}*", stem.replace('\\', "\\\\")));
        let patterns = patterns.each_ref().map(String::as_str);
        let manager = self.manager().await?;
        let listed = || manager.list_units_by_patterns(&[], &patterns);
        let listed = self.within("list", "units", listed).await?;
        let gone = |unit: &ListedUnit| unit.2 == "not-found" && unit.3 != "inactive";
        let gone = listed.into_iter().filter(gone);
        Ok(gone.map(|unit| unit.0).collect())
    }

    /// Ends them, and the links at boot that lead to nothing: nothing of the project's units is left then.
    pub(super) async fn end_unfounded(&self, project: &Name) -> Result<(), UnitsError> {
        self.files.unlink(project)?;
        let mut units = self.unfounded(project).await?;
        // What a caller wakes goes after what wakes it.
        units.sort_by_key(|unit| !unit.ends_with(".socket"));
        for unit in units {
            self.finish(&unit, Job::Stop).await?;
            self.forget_failure(&unit).await?;
        }
        Ok(())
    }

    /// Ends the targets of groups that are no more. After the reload: by then no service that stays is a
    /// part of one.
    async fn end_groups(&self, change: &UnitsChange, before: &OnDisk) -> Result<(), UnitsError> {
        let groups = |services: &BTreeMap<Name, UnitSpec>| {
            let all = services
                .values()
                .flat_map(|unit| unit.groups.iter().cloned());
            all.collect::<BTreeSet<Name>>()
        };
        let (was, is) = (groups(&before.services), groups(&change.units.services));
        for group in was.difference(&is) {
            let target = names::group(&change.units.project, group);
            if self.state_of(&target).await?.active == "active" {
                self.finish(&target, Job::Stop).await?;
            }
        }
        Ok(())
    }

    /// Makes the boot links what `change` says.
    pub(super) async fn link(
        &self,
        change: &UnitsChange,
        before: &OnDisk,
    ) -> Result<(), UnitsError> {
        let project = &change.units.project;
        let manager = self.manager().await?;
        let (was, was_project) = self.files.enabled(project, before);
        let units = |names: &BTreeSet<Name>, of: &BTreeMap<Name, UnitSpec>| {
            let specs = names.iter().filter_map(|name| of.get(name));
            specs.flat_map(names::at_boot).collect::<BTreeSet<String>>()
        };
        let wanted = units(&change.enabled, &change.units.services);
        let linked = units(&was, &before.services);
        let mut on: Vec<String> = wanted.difference(&linked).cloned().collect();
        let mut off: Vec<String> = linked.difference(&wanted).cloned().collect();
        match (change.project_enabled, was_project) {
            (true, false) => on.push(names::target(project)),
            (false, true) => off.push(names::target(project)),
            (true, true) | (false, false) => {}
        }
        if !off.is_empty() {
            let off: Vec<&str> = off.iter().map(String::as_str).collect();
            let done = || manager.disable_unit_files(&off, false);
            self.within("disable", off[0], done).await?;
        }
        if !on.is_empty() {
            let on: Vec<&str> = on.iter().map(String::as_str).collect();
            let done = || manager.enable_unit_files(&on, false, false);
            self.within("enable", on[0], done).await?;
        }
        Ok(())
    }

    /// The host's network service: there and running while any project has units.
    async fn keep_network(&self, program: &Path, renewed: bool) -> Result<(), UnitsError> {
        let text = render::network(program, self.moved.as_deref())?;
        let before = self.files.network()?;
        let written = self.files.write_network(&text)?;
        if written {
            self.reload().await?;
        }
        // A run that was killed may have written the file and no more.
        if !self.files.network_enabled() {
            let manager = self.manager().await?;
            let on = || manager.enable_unit_files(&[names::NETWORK], false, false);
            self.within("enable", names::NETWORK, on).await?;
        }
        let job = match written || renewed {
            true => Job::Restart,
            false => Job::Start,
        };
        let done = self.finish(names::NETWORK, job).await;
        if let (Err(_), Some(before)) = (&done, before.filter(|_| written)) {
            // Other projects depend on the one that was there.
            let _ = self.files.write_network(&before);
            let _ = self.reload().await;
            let _ = self.finish(names::NETWORK, Job::Restart).await;
        }
        done
    }

    /// What is wrong with the host's network service, which this project needs.
    pub(super) async fn network_fault(&self) -> Result<Option<&'static str>, UnitsError> {
        let Some(there) = self.files.network()? else {
            return Ok(Some("locker-network.service is not there"));
        };
        let Some(program) = render::program_of(&there).filter(|program| program.exists()) else {
            return Ok(Some("the program of locker-network.service is gone"));
        };
        if there != render::network(&program, self.moved.as_deref())? {
            return Ok(Some("locker-network.service differs"));
        }
        if !self.files.network_enabled() {
            return Ok(Some("locker-network.service is not enabled"));
        }
        let state = self.list(&[names::NETWORK]).await?;
        let runs = state
            .first()
            .is_some_and(|listed| listed.active == "active");
        Ok((!runs).then_some("locker-network.service does not run"))
    }

    /// Ends what all projects share when none has a unit any more.
    async fn end_network(&self) -> Result<(), UnitsError> {
        if !self.files.network_is_over()? {
            return Ok(());
        }
        if self.files.network()?.is_some() {
            let manager = self.manager().await?;
            let off = || manager.disable_unit_files(&[names::NETWORK], false);
            self.within("disable", names::NETWORK, off).await?;
        }
        self.finish(names::NETWORK, Job::Stop).await?;
        self.forget_failure(names::NETWORK).await?;
        self.finish(names::SLICE, Job::Stop).await?;
        self.files.remove_program()?;
        // Last: without the file nothing shows that any of this is left to be done.
        self.files.remove_network()?;
        self.reload().await
    }
}
