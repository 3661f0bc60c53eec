//! Checking a file without looking at the host. Needs no root.

use std::path::PathBuf;

use crate::file::diagnostic::Diagnostic;
use crate::model::Name;

use super::{JobError, Setting, located, road};

/// A file without errors.
#[derive(Debug)]
pub struct Valid {
    /// The file.
    pub file: PathBuf,
    /// The project's name.
    pub project: Name,
    /// How many containers it defines.
    pub containers: usize,
    /// What the user should know.
    pub warnings: Vec<Diagnostic>,
}

/// Reads the file; all its errors come at once.
pub fn validate(setting: &Setting) -> Result<Valid, JobError> {
    let (loaded, _) = located::load(setting, &road::paths(setting))?;
    Ok(Valid {
        file: loaded.project.file,
        project: loaded.project.name,
        containers: loaded.project.containers.len(),
        warnings: loaded.warnings,
    })
}
