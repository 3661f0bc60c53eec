//! The resolved file: defaults merged, variables put in. Needs no root.

use crate::file::{self, diagnostic::Diagnostic};
use crate::model::Project;

use super::{JobError, Setting};

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

/// Reads the file and resolves it.
pub fn config(setting: &Setting) -> Result<Resolved, JobError> {
    let loaded = file::load(&setting.load)?;
    Ok(Resolved {
        project: loaded.project,
        warnings: loaded.warnings,
    })
}

/// The JSON Schema of the project file, for editors.
pub fn schema() -> serde_json::Value {
    file::schema()
}
