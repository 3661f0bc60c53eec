//! Saying what a change would do. Takes no lock and changes nothing.

use crate::file::diagnostic::Diagnostic;
use crate::model::Name;
use crate::plan::Plan;

use super::{ChangeRequest, JobError, Setting, road};

/// What a change would do.
#[derive(Debug)]
pub struct Planned {
    /// The project.
    pub project: Name,
    /// The steps, losses and warnings.
    pub plan: Plan,
    /// Of the file.
    pub warnings: Vec<Diagnostic>,
}

/// The plan that [`super::change`] would carry out now.
pub async fn plan(setting: &Setting, request: &ChangeRequest) -> Result<Planned, JobError> {
    let opened = road::open(setting, request.command)?;
    let looked = road::look(&opened, request).await?;
    Ok(Planned {
        project: opened.project.name,
        plan: looked.plan,
        warnings: opened.warnings,
    })
}
