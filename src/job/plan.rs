//! Saying what a change would do. Takes no lock and changes nothing.

use crate::file::diagnostic::Diagnostic;
use crate::model::Name;
use crate::plan::{Plan, Warning};

use super::images::join;
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

/// The plan that [`super::change`] would carry out now, images first.
pub async fn plan(setting: &Setting, request: &ChangeRequest) -> Result<Planned, JobError> {
    let mut opened = road::open(setting, request.command).await?;
    request.images.put_into(&mut opened.project);
    let looked = road::look(&opened, request).await?;
    request.images.check(&looked.plan, request)?;
    let first = road::first(&opened, &looked, request)?;
    let unknown = !first.steps.is_empty();
    let mut plan = join(first, looked.plan);
    if let Some(moved) = &opened.moved {
        plan.notices.insert(0, moved.told(&opened.project));
    }
    if unknown {
        plan.warnings.push(Warning {
            message:
                "images are fetched or built first; containers whose image is another one then \
                      are made anew as well"
                    .into(),
            place: None,
        });
    }
    Ok(Planned {
        project: opened.project.name,
        plan,
        warnings: opened.warnings,
    })
}
