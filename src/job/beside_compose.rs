//! Nothing is started on volumes that were taken over while containers of docker compose are still there.

use crate::observed::Observed;
use crate::plan::Goal;

use super::JobError;
use super::adopt::refused;
use super::road::Opened;

/// Refuses to start what would work on volumes beside containers of docker compose: its volumes were taken over, and
/// the run that did so was killed before those were gone, or somebody has brought them up again.
pub(super) fn is_settled(
    opened: &Opened,
    goal: &Goal,
    observed: &Observed,
) -> Result<(), JobError> {
    if observed.adopted.is_empty() || !begins(goal) {
        return Ok(());
    }
    let former = observed.engine.compose.containers.keys().next();
    former.map_or(Ok(()), |container| {
        Err(refused(
            format!(
                "nothing is started: volumes of docker compose's project `{}` were taken over, its container `{container}` is still there, and both \
                 would write to the same data",
                opened.project.name
            ),
            "`locker adopt` stops and removes it, and goes on; `docker compose down` removes it as well",
        ))
    })
}

/// Whether containers begin to run, or are made, that did not before.
fn begins(goal: &Goal) -> bool {
    match goal {
        Goal::Up | Goal::Create | Goal::Start { .. } | Goal::Restart => true,
        Goal::Stop
        | Goal::Remove
        | Goal::Down { .. }
        | Goal::Ports
        | Goal::Unports
        | Goal::PortAdd(_)
        | Goal::PortRemove(_)
        | Goal::Links
        | Goal::Unlinks
        | Goal::Limits
        | Goal::Freeze
        | Goal::Unfreeze
        | Goal::Enable(_)
        | Goal::Pull
        | Goal::Build
        | Goal::Cleanup => false,
    }
}
