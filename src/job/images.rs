//! What a command does about images before anything else.

use crate::model::{Project, PullPolicy, Source};

/// What a command says about images, over what the file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageWish {
    /// Wins over `pull_policy` of containers that are not built here.
    pub pull: Option<PullPolicy>,
    /// Build all that can be built, also when the image is there.
    pub build: bool,
    /// Build nothing; a missing image is an error.
    pub no_build: bool,
    /// Do not show the progress of fetching.
    pub quiet_pull: bool,
}

/// Writes the wish into the project, so that the planner sees one policy.
pub(super) fn apply_wish(project: &mut Project, wish: ImageWish) {
    for container in project.containers.values_mut() {
        let Some(app) = container.app.as_mut() else {
            continue;
        };
        match (&container.source, wish.pull) {
            (Source::Image(_), Some(policy)) => app.pull = policy,
            (Source::Build(_), _) if wish.build => app.pull = PullPolicy::Build,
            (
                Source::Image(_)
                | Source::Build(_)
                | Source::Template { .. }
                | Source::CloneSibling(_)
                | Source::CloneHost(_)
                | Source::Download { .. }
                | Source::Rootfs(_),
                _,
            ) => {}
        }
    }
}
