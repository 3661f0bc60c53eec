//! What is beside a project's unit files: links at boot that lead nowhere, and projects of another state directory.

use std::fs;
use std::path::PathBuf;

use super::files::{Files, is_network, list};
use super::{UnitsError, names};
use crate::model::Name;
use crate::store::{self, Paths, StoreError};

impl Files {
    /// Links at boot to units of the project that are not there.
    fn dangling(&self, project: &Name) -> Result<Vec<PathBuf>, UnitsError> {
        let dir = self.paths.units();
        let own = dir.join(format!("{}.wants", names::target(project)));
        let boot = dir.join("multi-user.target.wants");
        let stems = names::stems(project);
        let mut found = Vec::new();
        for dir in [own, boot] {
            for name in list(&dir)? {
                let link = dir.join(&name);
                let ours = stems.iter().any(|stem| name.starts_with(stem));
                if ours && fs::symlink_metadata(&link).is_ok() && fs::metadata(&link).is_err() {
                    found.push(link);
                }
            }
        }
        Ok(found)
    }

    /// Whether links at boot are left without their units.
    pub(super) fn is_linked(&self, project: &Name) -> Result<bool, UnitsError> {
        Ok(!self.dangling(project)?.is_empty())
    }

    /// Removes the links at boot that lead to no unit of the project any more.
    pub(super) fn unlink(&self, project: &Name) -> Result<(), UnitsError> {
        for link in self.dangling(project)? {
            fs::remove_file(&link).map_err(StoreError::io("remove", &link))?;
        }
        let wants = format!("{}.wants", names::target(project));
        let _ = fs::remove_dir(self.paths.units().join(wants)); // Not there, or something foreign is in it.
        Ok(())
    }

    /// The state directory that the host's network service serves, when that is another one and has services.
    pub(super) fn other_state(&self) -> Result<Option<Paths>, UnitsError> {
        let text = self.network()?.filter(|text| is_network(text));
        let mut command = text.iter().flat_map(|text| store::command_of(text));
        if command.next().is_none() {
            return Ok(None);
        }
        let there = command.nth(1).map(PathBuf::from);
        let paths = there.as_deref().map_or_else(Paths::system, Paths::under);
        let differs = paths.state() != self.paths.state();
        Ok(match differs && store::have_units(&paths)? {
            true => Some(paths),
            false => None,
        })
    }
}
