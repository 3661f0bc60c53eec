//! The resolved file: defaults merged, variables put in. Needs no root.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::file::{self, diagnostic::Diagnostic};
use crate::model::{EngineVolume, Name, Project, VolumeSource, stable_hash};
use crate::observed::Observed;

use super::select::one;
use super::{JobError, Setting, located, road};

/// What the file says in the end.
#[derive(Debug)]
pub struct Resolved {
    /// The project.
    pub project: Project,
    /// What the user should know.
    pub warnings: Vec<Diagnostic>,
}

impl Resolved {
    /// As YAML that can be read as a project file again.
    pub fn to_yaml(&self) -> String {
        file::config::to_yaml(&self.project)
    }

    /// As JSON text of the same shape.
    pub fn to_json(&self) -> String {
        file::config::to_json(&self.project)
    }
}

/// The lists of [`Resolved`]; each is sorted and names nothing twice.
impl Resolved {
    /// The containers, one for all of a scaled service.
    pub fn services(&self) -> Vec<String> {
        let containers = self.project.containers.values();
        sorted(containers.map(|container| {
            let name = container.replica_of.as_ref().unwrap_or(&container.name);
            name.to_string()
        }))
    }

    /// The images of application containers, as the file names them.
    pub fn images(&self) -> Vec<String> {
        let containers = self.project.containers.values();
        sorted(containers.filter_map(|container| container.source.image().map(str::to_string)))
    }

    /// The volumes with a name.
    pub fn volumes(&self) -> Vec<String> {
        let mut names = Vec::new();
        for container in self.project.containers.values() {
            for (volume, _) in &container.volumes {
                if let VolumeSource::Named(name) = &volume.source {
                    names.push(name.to_string());
                }
            }
            for mount in container.app.iter().flat_map(|app| &app.engine_volumes) {
                match &mount.volume {
                    EngineVolume::Anonymous => {}
                    EngineVolume::External(name) | EngineVolume::Driver { name, .. } => {
                        names.push(name.clone());
                    }
                }
            }
        }
        sorted(names.into_iter())
    }

    /// The networks by their keys; `default` is the project's own.
    pub fn networks(&self) -> Vec<String> {
        let further = self.project.networks.keys().map(ToString::to_string);
        sorted(further.chain(["default".to_string()]))
    }

    /// The groups.
    pub fn groups(&self) -> Vec<String> {
        sorted(self.project.groups.keys().map(ToString::to_string))
    }

    /// `NAME HASH` of a container, or of each with `*`. The same file gives the same hash everywhere.
    ///
    /// # Errors
    /// [`JobError::Selection`] when there is no such container.
    pub fn hashes(&self, name: &str) -> Result<Vec<String>, JobError> {
        let shape: Value = serde_json::from_str(&self.to_json()).unwrap_or_default();
        let hash = |name: &Name| {
            let text = shape["containers"][name.as_str()].to_string();
            format!("{name} {:016x}", stable_hash(&text))
        };
        if name == "*" {
            return Ok(self.project.containers.keys().map(hash).collect());
        }
        let nothing = Observed::default();
        Ok(vec![hash(&one(&self.project, &nothing, name, None)?)])
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let names: BTreeSet<String> = names.collect();
    names.into_iter().collect()
}

/// Reads the file and resolves it.
pub fn config(setting: &Setting) -> Result<Resolved, JobError> {
    let (loaded, _) = located::load(setting, &road::paths(setting))?;
    Ok(Resolved {
        project: loaded.project,
        warnings: loaded.warnings,
    })
}

/// The JSON Schema of the project file, for editors.
pub fn schema() -> serde_json::Value {
    file::schema()
}
