//! The processes of running containers.

use serde::Serialize;

use crate::backend::Process;
use crate::model::Name;
use crate::observed::State;

use super::absence::{Absence, Remarks};
use super::exec::all_speak;
use super::select::select;
use super::{JobError, Setting, road};

/// The processes of one container. Its JSON form is the published one.
#[derive(Clone, Debug, Serialize)]
pub struct Processes {
    /// Short name.
    pub name: Name,
    /// Its processes, by their id on the host.
    pub processes: Vec<Process>,
}

/// The processes of the selected containers that run, by name. Engines that do not answer are remarked.
pub async fn processes(
    setting: &Setting,
    names: &[String],
    remarks: Remarks<'_>,
) -> Result<Vec<Processes>, JobError> {
    let opened = road::open(setting, "top").await?;
    let observed = opened.host.observe(&opened.project, None).await?;
    let selection = select(&opened.project, &observed, names)?;
    all_speak(&opened.project, &observed, selection.iter().flatten())?;
    let mut absence = Absence::new(&opened.project, &observed, &selection, remarks);
    absence.check(&observed)?;
    absence.looked(&observed);
    let watch = opened.host.backend.watch();
    let mut all = Vec::new();
    for (name, found) in &observed.containers {
        let runs = matches!(found.state, State::Running | State::Frozen);
        if !runs || selection.as_ref().is_some_and(|some| !some.contains(name)) {
            continue;
        }
        let mut processes = watch.processes(name).await?;
        processes.sort_by_key(|process| process.pid);
        all.push(Processes {
            name: name.clone(),
            processes,
        });
    }
    Ok(all)
}
