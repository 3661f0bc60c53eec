//! A plan while an engine or the keeper of a container does not answer: what needs it is refused with the reason, and the rest is planned as
//! if its containers were nobody's business. Nothing of theirs is changed: rules, services, addresses stay.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Name, PortRule, Project, UnitSpec};
use crate::observed::{Down, Observed, Silent};

use super::{Goal, Plan, Problem, Step, Wish, make, needs};

/// Plans for the containers whose engines answer.
pub(super) fn plan(
    project: &Project,
    observed: &Observed,
    wish: &Wish,
) -> Result<Plan, Vec<Problem>> {
    let unknown = unknown(project, observed);
    let wanted = scope(project, wish);
    let of_all = wish.selection.is_none();
    let missed: Vec<&Name> = unknown
        .iter()
        .filter(|name| wanted.contains(*name))
        .collect();
    // What is left of an earlier file is not known either, and these are about all of it.
    let of_whole = of_all && matches!(wish.goal, Goal::Down { .. } | Goal::Cleanup);
    if !missed.is_empty() || of_whole {
        let known = project
            .containers
            .keys()
            .filter(|name| !unknown.contains(*name));
        return Err(refusals(observed, &missed, known, of_whole));
    }
    let (known, seen) = (
        without(project, &unknown),
        masked(project, observed, &unknown),
    );
    let wish = Wish {
        // A link to one that cannot be seen would be taken out.
        no_links: true,
        ..wish.clone()
    };
    let mut plan = make::of_known(&known, &seen, &wish)?;
    for planned in &mut plan.steps {
        if let Step::WriteUnits(change) = &mut planned.step {
            let units = &observed.units;
            for (name, unit) in &mut change.units.services {
                if let Some(before) = units.services.get(name) {
                    restore(unit, before, &unknown);
                }
            }
            for name in &unknown {
                if let Some(unit) = units.services.get(name) {
                    change.units.services.insert(name.clone(), unit.clone());
                }
            }
            let kept =
                |all: &BTreeSet<Name>| all.intersection(&unknown).cloned().collect::<Vec<_>>();
            change.enabled.extend(kept(&units.enabled));
            change.open.extend(kept(&units.open()));
        }
    }
    Ok(plan)
}

/// The containers that cannot be looked at: those of the file by their kind, and all that something is left of.
pub(super) fn unknown(project: &Project, observed: &Observed) -> BTreeSet<Name> {
    let file = project.containers.iter();
    let by_kind = file.filter(|(_, container)| observed.down.contains_key(&container.kind()));
    let mut unknown: BTreeSet<Name> = by_kind.map(|(name, _)| name.clone()).collect();
    unknown.extend(observed.silent.keys().cloned());
    if observed.down.is_empty() {
        return unknown; // all others are known, and so is what is left of those that are no more
    }
    let rules = observed.firewall.rules.iter();
    let ours = rules.filter(|rule| rule.project == project.name);
    let traces = ours
        .map(|rule| &rule.container)
        .chain(observed.units.services.keys())
        .chain(
            observed
                .record
                .iter()
                .flat_map(|record| record.addresses.keys()),
        );
    let nobody = |name: &&Name| {
        !project.containers.contains_key(*name) && !observed.containers.contains_key(*name)
    };
    unknown.extend(traces.filter(nobody).cloned());
    unknown
}

/// What the wish is about, with what that needs.
fn scope(project: &Project, wish: &Wish) -> BTreeSet<Name> {
    let Some(chosen) = &wish.selection else {
        return project.containers.keys().cloned().collect();
    };
    let mut found = BTreeSet::new();
    let mut open: Vec<Name> = chosen.iter().cloned().collect();
    let starts = matches!(
        wish.goal,
        Goal::Up | Goal::Create | Goal::Start { .. } | Goal::Restart
    );
    while let Some(name) = open.pop() {
        if !found.insert(name.clone()) || !starts || wish.no_deps {
            continue;
        }
        if let Some(file) = project.containers.get(&name) {
            open.extend(needs::of(file).into_iter().map(|needed| needed.on.clone()));
        }
    }
    found
}

fn refusals<'a>(
    observed: &Observed,
    missed: &[&Name],
    known: impl Iterator<Item = &'a Name>,
    of_whole: bool,
) -> Vec<Problem> {
    let (names, known) = (list(missed.iter().copied()), list(known));
    let each = observed.down.values().map(|down| {
        let Down {
            engine,
            reason,
            help,
        } = down;
        let message = match missed.is_empty() {
            true => format!(
                "{engine} is not available: {reason}; what it has of this project is not known"
            ),
            false => format!("{engine} is not available: {reason}; it is needed for: {names}"),
        };
        let others = match (known.is_empty(), of_whole) {
            (true, _) => String::new(),
            (false, false) => format!("; the others can be named: {known}"),
            // Such a command takes no names.
            (false, true) => format!("; meanwhile `locker rm {known}` takes the others out"),
        };
        Problem {
            message,
            container: None,
            key: None,
            place: None,
            help: Some(format!("{help}{others}")),
        }
    });
    let silent = observed.silent.iter();
    let silent = silent.filter(|(name, _)| missed.is_empty() || missed.contains(name));
    let silent = silent.map(|(name, Silent { reason, help })| Problem {
        message: format!("nothing is known of container `{name}`: {reason}"),
        container: Some(name.clone()),
        key: None,
        place: None,
        help: Some(help.clone()),
    });
    each.chain(silent).collect()
}

fn list<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    let texts: Vec<String> = names.map(ToString::to_string).collect();
    texts.join(" ")
}

/// The file without them.
fn without(project: &Project, unknown: &BTreeSet<Name>) -> Project {
    let mut known = project.clone();
    known.containers.retain(|name, _| !unknown.contains(name));
    for container in known.containers.values_mut() {
        container
            .depends_on
            .retain(|needed| !unknown.contains(&needed.on));
        container
            .links
            .retain(|(link, _)| !unknown.contains(&link.target));
    }
    known
}

/// A service without what it has of them: its file waits for them, and is written as it was.
fn stripped(unit: &UnitSpec, unknown: &BTreeSet<Name>) -> UnitSpec {
    let mut known = unit.clone();
    known.requires.retain(|name| !unknown.contains(name));
    known.conditions.retain(|name, _| !unknown.contains(name));
    known.after.retain(|name| !unknown.contains(name));
    known.binds.retain(|name| !unknown.contains(name));
    known
}

/// Gives back what [`stripped`] left out of the service that is there.
fn restore(unit: &mut UnitSpec, before: &UnitSpec, unknown: &BTreeSet<Name>) {
    let of = |names: &BTreeSet<Name>| names.intersection(unknown).cloned().collect::<Vec<_>>();
    unit.requires.extend(of(&before.requires));
    unit.after.extend(of(&before.after));
    unit.binds.extend(of(&before.binds));
    let conditions = before.conditions.iter();
    let conditions = conditions.filter(|(name, _)| unknown.contains(*name));
    unit.conditions
        .extend(conditions.map(|(name, condition)| (name.clone(), *condition)));
    if !of(&before.requires).is_empty() {
        // It is waited for as long as all of these together may take.
        unit.start_timeout = before.start_timeout;
    }
}

/// What is without them, but for the addresses that stay theirs.
fn masked(project: &Project, observed: &Observed, unknown: &BTreeSet<Name>) -> Observed {
    let mut seen = observed.clone();
    let known =
        |rule: &PortRule| rule.project != project.name || !unknown.contains(&rule.container);
    seen.firewall.rules.retain(known);
    seen.firewall.torn.rules.retain(known);
    fn forget<T>(map: &mut BTreeMap<Name, T>, unknown: &BTreeSet<Name>) {
        map.retain(|name, _| !unknown.contains(name));
    }
    forget(&mut seen.units.services, unknown);
    for unit in seen.units.services.values_mut() {
        *unit = stripped(unit, unknown);
    }
    forget(&mut seen.units.states, unknown);
    forget(&mut seen.units.held, unknown);
    seen.units.enabled.retain(|name| !unknown.contains(name));
    seen.unknown = unknown.clone();
    seen.down.clear();
    seen.silent.clear();
    seen
}
