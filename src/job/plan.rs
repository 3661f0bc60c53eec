//! Saying what a change would do. Takes no lock and changes nothing.

use crate::file::diagnostic::Diagnostic;
use crate::model::Name;
use crate::plan::{Plan, Step, Warning};

use super::images::join;
use super::road::{self, Looked, Opened};
use super::unseen::Unseen;
use super::{ChangeRequest, JobError, Setting};

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
    let is_known = |step: &Step| looked.plan.steps.iter().any(|known| known.step == *step);
    let unknown = first.steps.iter().any(|planned| !is_known(&planned.step));
    let unseen = unseen(&opened, &looked);
    let mut plan = join(first, looked.plan);
    plan.warnings.extend(unseen);
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

/// That images which are not there yet decide whether a missing path becomes a directory.
fn unseen(opened: &Opened, looked: &Looked) -> Option<Warning> {
    let unseen = Unseen::of(&opened.project, &looked.observed, &looked.plan);
    let images: Vec<String> = unseen.absent.iter().map(|i| format!("`{i}`")).collect();
    (!images.is_empty()).then(|| Warning {
        message: format!(
            "a path of the host that is missing becomes a directory, and is refused where it is mounted on a file: {} is \
             looked into once it is there, before any container is touched",
            images.join(", ")
        ),
        place: None,
    })
}
