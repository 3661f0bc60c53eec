//! Which port rules a project is to have now: those of containers with a service while that attends to them,
//! all others as the last change left them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Name, PortRule, UnitSpec};
use crate::store::Kept;

/// The services of a project, and which of them attend to their container now.
#[derive(Debug, Default)]
pub(super) struct Served {
    pub(super) specs: BTreeMap<Name, UnitSpec>,
    pub(super) attended: BTreeSet<Name>,
}

impl Served {
    /// Whether the rules of a container go with its service. What an older locker wrote does not say so.
    fn goes_with_service(&self, container: &Name) -> bool {
        let spec = self.specs.get(container);
        spec.is_some_and(|spec| spec.ports.is_some())
    }

    /// The rules that are to be in place.
    pub(super) fn wanted<'a>(&'a self, kept: &'a Kept) -> BTreeSet<&'a PortRule> {
        let others = kept.rules.iter();
        let others = others.filter(|rule| !self.goes_with_service(&rule.container));
        let running = self.specs.iter();
        let running = running.filter(|(name, _)| self.attended.contains(*name));
        let own = running.flat_map(|(_, spec)| spec.ports.iter().flatten());
        others.chain(own).collect()
    }

    /// Rules of `there` that lead to a container whose service does not attend to it.
    pub(super) fn stale<'a>(
        &self,
        project: &Name,
        there: impl Iterator<Item = &'a PortRule>,
    ) -> Vec<&'a PortRule> {
        let mine = there.filter(|rule| rule.project == *project);
        let stale = mine.filter(|rule| {
            self.goes_with_service(&rule.container) && !self.attended.contains(&rule.container)
        });
        stale.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FirewallChoice, Kind};
    use crate::store::KEPT_VERSION;

    fn name(word: &str) -> Name {
        Name::new(word).unwrap()
    }

    fn rule(container: &str, port: &str) -> PortRule {
        PortRule {
            project: name("shop"),
            container: name(container),
            port: port.parse().unwrap(),
            to4: [10, 77, 0, 4].into(),
            to6: None,
        }
    }

    fn served(ports: Option<Vec<PortRule>>, attended: bool) -> Served {
        let spec = UnitSpec {
            ports,
            ..crate::systemd::a_unit("web", Kind::System)
        };
        Served {
            specs: [(name("web"), spec)].into(),
            attended: attended.then(|| name("web")).into_iter().collect(),
        }
    }

    #[test]
    fn rules_come_and_go_with_the_service_and_those_of_others_stay() {
        let (web, old, own) = (
            rule("web", "80:80"),
            rule("web", "81:80"),
            rule("own", "90:80"),
        );
        let kept = Kept {
            version: KEPT_VERSION,
            firewall: FirewallChoice::Nftables,
            bridges: BTreeMap::new(),
            networks: Vec::new(),
            rules: vec![old.clone(), own.clone()],
            cards: Vec::new(),
        };
        let runs = served(Some(vec![web.clone()]), true);
        assert_eq!(runs.wanted(&kept), [&web, &own].into());
        let all = [&web, &own];
        assert!(runs.stale(&name("shop"), all.into_iter()).is_empty());
        let rests = served(Some(vec![web.clone()]), false);
        assert_eq!(rests.wanted(&kept), [&own].into());
        assert_eq!(rests.stale(&name("shop"), all.into_iter()), [&web]);
        assert!(rests.stale(&name("other"), all.into_iter()).is_empty());
        // Withdrawn by hand: none of its own, and what the last change left does not come back.
        let out = served(Some(Vec::new()), true);
        assert_eq!(out.wanted(&kept), [&own].into());
        let older = served(None, false);
        assert_eq!(older.wanted(&kept), [&old, &own].into());
        assert!(older.stale(&name("shop"), all.into_iter()).is_empty());
    }
}
