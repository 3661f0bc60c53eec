//! What docker compose has of the same project: told in one piece, since one command takes it all away.

use crate::model::{Listener, Place, PortRule};

use super::build::Builder;
use super::{Problem, ports};

/// Something of docker compose's that is in the way.
pub(super) struct InTheWay {
    /// ``network `shop_default` ``.
    pub(super) what: String,
    /// What is said of it where it is alone.
    pub(super) alone: Problem,
}

impl Builder<'_> {
    /// Whether a socket is that of a port which docker compose's containers have; its rules are told by
    /// [`Self::compose_ports`].
    pub(super) fn is_of_compose(&self, listener: &Listener) -> bool {
        self.observed.engine.compose.holds(listener)
    }

    /// Notes the ports that are wanted and that docker compose's containers have.
    pub(super) fn compose_ports(&mut self, wanted: &[(PortRule, Place)]) {
        for (rule, place) in wanted {
            let theirs = self.observed.engine.compose.ports.iter();
            let mut theirs = theirs.filter(|theirs| ports::is_taken_by(rule, theirs));
            let Some(owner) = theirs.next().map(|theirs| theirs.owner.clone()) else {
                continue;
            };
            let owner = format!("docker compose's container `{owner}`");
            self.in_the_way.push(InTheWay {
                what: format!("port `{}` of container `{}`", rule.port, rule.container),
                alone: ports::in_use(rule, place, &owner),
            });
        }
    }

    /// Says what of docker compose's is in the way: all of it at once where it is more than one thing.
    pub(super) fn tell_compose(&mut self) {
        let mut beside = std::mem::take(&mut self.in_the_way);
        let compose = &self.observed.engine.compose;
        if beside.len() < 2 && compose.containers.is_empty() {
            return self
                .problems
                .extend(beside.into_iter().map(|way| way.alone));
        }
        if beside.is_empty() {
            return;
        }
        let containers = compose.containers.iter().map(|(name, runs)| {
            let runs = if *runs { " (runs)" } else { "" };
            format!("container `{name}`{runs}")
        });
        let things = beside.iter().map(|way| way.what.clone());
        let all: Vec<String> = containers.chain(things).collect();
        let project = &self.project.name;
        let first = beside.swap_remove(0).alone;
        self.problems.push(Problem {
            message: format!(
                "docker compose runs project `{project}` from this directory and has what this file needs: {}",
                all.join(", ")
            ),
            container: None,
            key: None,
            place: first.place.filter(Place::is_somewhere),
            help: Some(
                "`locker adopt` takes it over with the data of its volumes: it lists all of it and asks first; or `docker compose down`, \
                 and `external: true` and `name:` for each volume that is to be used as it is"
                    .into(),
            ),
        });
    }
}
