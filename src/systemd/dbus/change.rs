//! What a change of unit files means for systemd: read anew, linked into the boot, the host's own service with
//! it, and nothing remembered of what is no more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Systemd, within};
use crate::model::{Name, UnitSpec, UnitsChange};
use crate::systemd::files::OnDisk;
use crate::systemd::{Job, Units, UnitsError, names, render};

impl Systemd {
    pub(super) async fn settle_files(
        &self,
        change: &UnitsChange,
        before: &OnDisk,
        changed: bool,
    ) -> Result<(), UnitsError> {
        if changed {
            let manager = self.manager().await?;
            within("reload", "systemd", manager.reload()).await?;
        }
        let program = change
            .units
            .services
            .values()
            .next()
            .map(|s| s.program.clone());
        if !change.units.services.is_empty() {
            self.link(change, before).await?;
        }
        self.keep_network(!change.units.services.is_empty(), program)
            .await?;
        self.open_sockets(change).await
    }

    pub(super) async fn forget_failure(&self, unit: &str) -> Result<(), UnitsError> {
        let manager = self.manager().await?;
        let _room = self.room().await;
        let forgotten = async {
            match manager.reset_failed_unit(unit).await {
                // It is not loaded, so there is nothing to forget.
                Err(zbus::Error::MethodError(name, _, _)) if name.ends_with("NoSuchUnit") => Ok(()),
                done => done,
            }
        };
        within("reset", unit, forgotten).await
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
        if services.is_empty() && !before.services.is_empty() {
            self.finish(&names::target(project), Job::Stop).await?;
            self.finish(&names::slice(project), Job::Stop).await?;
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
            let done = manager.disable_unit_files(&off, false);
            within("disable", off[0], done).await?;
        }
        if !on.is_empty() {
            let on: Vec<&str> = on.iter().map(String::as_str).collect();
            let done = manager.enable_unit_files(&on, false, false);
            within("enable", on[0], done).await?;
        }
        Ok(())
    }

    /// The host's network service: there and running while any project has units.
    async fn keep_network(&self, wanted: bool, program: Option<PathBuf>) -> Result<(), UnitsError> {
        let manager = self.manager().await?;
        if let Some(program) = program.filter(|_| wanted) {
            let text = render::network(&program, self.moved.as_deref())?;
            if self.files.write_network(&text)? {
                within("reload", "systemd", manager.reload()).await?;
            }
            // A run that was killed may have written the file and no more.
            if !self.files.network_enabled() {
                let on = manager.enable_unit_files(&[names::NETWORK], false, false);
                within("enable", names::NETWORK, on).await?;
            }
            return self.finish(names::NETWORK, Job::Start).await;
        }
        if !wanted && self.files.network_is_over()? {
            let off = manager.disable_unit_files(&[names::NETWORK], false);
            within("disable", names::NETWORK, off).await?;
            self.finish(names::NETWORK, Job::Stop).await?;
            self.finish(names::SLICE, Job::Stop).await?;
            // Last: without the file nothing shows that any of this is left to be done.
            self.files.remove_network()?;
            within("reload", "systemd", manager.reload()).await?;
        }
        Ok(())
    }
}
