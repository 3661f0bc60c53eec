//! Who cannot come to its end once a step has failed: its container and all that needs it. All others go on.

use std::collections::BTreeSet;

use crate::model::{ContainerSpec, Name, Nic};
use crate::plan::{Plan, Step, StepId};

/// The containers that a failure of `failed` takes along, those of `known` and what they take along
/// included; `done` steps need nobody any more. None when it is a step that all stand on, such as one that fetches
/// an image.
pub(super) fn affected(
    plan: &Plan,
    failed: StepId,
    known: &BTreeSet<Name>,
    done: impl Fn(StepId) -> bool,
) -> Option<BTreeSet<Name>> {
    let mut names = known.clone();
    let mut lost = vec![false; plan.steps.len()];
    // A project without all its images is not begun, as with Compose.
    if matches!(plan.steps[failed].step, Step::Pull { .. } | Step::Build(_)) {
        return None;
    }
    names.insert(plan.steps[failed].step.container()?.clone());
    lost[failed] = true;
    loop {
        let before = (names.len(), lost.iter().filter(|lost| **lost).count());
        let made = plan.steps.iter().filter_map(|planned| match &planned.step {
            Step::Create(spec) => Some(&**spec),
            _ => None,
        });
        // Who lives in a namespace of a lost one does not outlive it.
        let inside = made.filter(|spec| lives_with(spec, &names));
        let inside: Vec<Name> = inside.map(|spec| spec.name.clone()).collect();
        names.extend(inside);
        for (id, planned) in plan.steps.iter().enumerate() {
            let Some(name) = planned.step.container().filter(|_| !done(id)) else {
                // What is the project's is done by the next pass; it makes nobody depend on another.
                continue;
            };
            if names.contains(name) || planned.after.iter().any(|earlier| lost[*earlier]) {
                lost[id] = true;
                // Who only learns a name goes on without it.
                if !matches!(planned.step, Step::WriteNames { .. }) {
                    names.insert(name.clone());
                }
            }
        }
        if (names.len(), lost.iter().filter(|lost| **lost).count()) == before {
            return (!names.is_empty()).then_some(names);
        }
    }
}

/// Whether one that comes back as `spec` would stand on a network that is not there as it was: made anew in the
/// engine, or with other subnets on its bridge.
pub(super) fn strands(plan: &Plan, spec: &ContainerSpec) -> bool {
    let places = spec.app.iter().flat_map(|app| &app.attached);
    let cards = spec
        .nic
        .iter()
        .chain(places.filter_map(|at| at.nic.as_ref()));
    let cards: Vec<&Nic> = cards.collect();
    let on = |bridge: &str| cards.iter().any(|nic| nic.bridge == bridge);
    let again = |bridge: &str| {
        let mut steps = plan.steps.iter();
        steps.any(|planned| match &planned.step {
            Step::EnsureNetwork(network) => network.bridge == bridge,
            _ => false,
        })
    };
    plan.steps.iter().any(|planned| match &planned.step {
        Step::RemoveNetwork(old) => on(&old.bridge) && again(&old.bridge),
        Step::EnsureBridge {
            bridge, subnets, ..
        } => {
            let moved = |nic: &&Nic| nic.bridge == *bridge && nic.subnets != *subnets;
            cards.iter().any(moved)
        }
        _ => false,
    })
}

/// Whether a container shares a namespace with one of `names`.
fn lives_with(spec: &ContainerSpec, names: &BTreeSet<Name>) -> bool {
    let shared = spec.app.iter().flat_map(|app| app.settings.shared());
    shared.into_iter().any(|(_, owner)| names.contains(&owner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Cause, PlannedStep};

    fn name(word: &str) -> Name {
        Name::new(word).unwrap()
    }

    fn plan(steps: Vec<(Step, &[StepId])>) -> Plan {
        let steps = steps.into_iter().map(|(step, after)| PlannedStep {
            step,
            causes: vec![Cause::Asked],
            after: after.to_vec(),
        });
        Plan {
            steps: steps.collect(),
            ..Plan::default()
        }
    }

    fn start(word: &str) -> Step {
        Step::Start {
            container: name(word),
        }
    }

    fn names(words: &[&str]) -> Option<BTreeSet<Name>> {
        Some(words.iter().map(|word| name(word)).collect())
    }

    #[test]
    fn a_failure_takes_along_what_needs_it_to_the_last_and_nobody_else() {
        let ports = Step::Publish {
            add: Vec::new(),
            remove: Vec::new(),
        };
        let plan = plan(vec![
            (start("db"), &[]),
            (start("web"), &[0]),
            (start("proxy"), &[1]),
            (start("alone"), &[]),
            (ports, &[0, 3]),
            (start("behind"), &[4]),
        ]);
        let none = BTreeSet::new();
        let of = |id| affected(&plan, id, &none, |_| false);
        assert_eq!(of(0), names(&["db", "web", "proxy"]));
        assert_eq!(of(2), names(&["proxy"]));
        // The project's own steps are for all.
        assert_eq!(of(4), None);
        let known = names(&["alone"]).unwrap();
        assert_eq!(
            affected(&plan, 2, &known, |_| false),
            names(&["alone", "proxy"])
        );
        assert_eq!(affected(&plan, 0, &none, |id| id == 1), names(&["db"]));
    }

    #[test]
    fn who_lives_in_a_namespace_of_a_lost_one_is_lost_although_it_is_made() {
        let mut inside = super::super::tests::stage::spec("side", "side");
        let mut app = crate::model::AppSpec::default();
        app.settings.network = crate::model::AppNetwork::Container(name("web"));
        inside.app = Some(Box::new(app));
        let plan = plan(vec![
            (start("web"), &[]),
            (Step::Create(Box::new(inside)), &[]),
            (start("side"), &[0, 1]),
        ]);
        let none = BTreeSet::new();
        assert_eq!(
            affected(&plan, 0, &none, |id| id > 0),
            names(&["web", "side"])
        );
    }

    #[test]
    fn who_comes_back_strands_where_its_network_is_made_anew_and_nowhere_else() {
        use super::super::tests::stage::{app, engine_network, spec};
        let network = engine_network();
        let remove = || Step::RemoveNetwork(Box::new(engine_network()));
        let ensure = |bridge: &str| {
            let bridge = bridge.into();
            let network = network.clone();
            Step::EnsureNetwork(Box::new(crate::model::EngineNetwork { bridge, ..network }))
        };
        let anew = plan(vec![(remove(), &[]), (ensure("lk-shop"), &[0])]);
        let gone = plan(vec![(remove(), &[]), (ensure("lk-other"), &[])]);
        let mut elsewhere = spec("lx", "lx");
        elsewhere.nic.as_mut().unwrap().bridge = "lk-other".into();
        assert!(strands(&anew, &app("web")));
        assert!(!strands(&anew, &elsewhere) && !strands(&gone, &app("web")));
    }

    #[test]
    fn who_only_learns_the_name_of_a_failed_one_is_not_taken_along() {
        let learns = Step::WriteNames {
            container: name("lx"),
            hosts: Vec::new(),
            dns: Vec::new(),
        };
        let plan = plan(vec![(start("db"), &[]), (learns, &[0])]);
        let none = BTreeSet::new();
        assert_eq!(affected(&plan, 0, &none, |_| false), names(&["db"]));
    }
}
