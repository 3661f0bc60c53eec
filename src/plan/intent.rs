//! What a wish means for each container, before anything is compared.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Container, Key, Kind, Name, Project, Source};
use crate::observed::{Observed, ObservedContainer, ObservedJob, State};

use super::goal::Existence;
use super::{Goal, Problem, Warning, Wish, needs};

/// What is to become of a container's processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Power {
    /// As they are.
    #[default]
    Keep,
    On,
    Off,
    /// Stopped and started.
    Cycle,
    Freeze,
    Thaw,
}

/// Which settings are compared with the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Settings {
    #[default]
    Keep,
    Limits,
    All,
}

/// What a wish means for one container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Intent {
    pub(super) make: bool,
    pub(super) settings: Settings,
    pub(super) power: Power,
    pub(super) destroy: bool,
    /// The user (or the whole project) means it, not only another container's need.
    pub(super) chosen: bool,
}

/// Whether it holds addresses and processes.
pub(super) fn runs(container: Option<&ObservedContainer>) -> bool {
    container.is_some_and(|c| match c.state {
        State::Starting | State::Running | State::Frozen => true,
        State::Absent | State::Stopped | State::Unknown => false,
    })
}

/// The intents of all containers of the file and of the host.
pub(super) fn intents(
    project: &Project,
    observed: &Observed,
    wish: &Wish,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Warning>,
) -> BTreeMap<Name, Intent> {
    let defined = || project.containers.keys();
    let all = || {
        let there = observed.containers.keys().chain(observed.jobs.keys());
        defined().chain(there)
    };
    let mut found: BTreeMap<Name, Intent> = all().map(|n| (n.clone(), Intent::default())).collect();
    let chosen: Vec<Name> = match &wish.selection {
        None => found.keys().cloned().collect(),
        Some(names) => names.iter().cloned().collect(),
    };
    for name in chosen {
        if !found.contains_key(&name) {
            problems.push(unknown(project, &name));
            continue;
        }
        let defined = project.containers.contains_key(&name);
        let there = observed.containers.get(&name);
        let explicit = wish.selection.is_some();
        let job = observed.jobs.get(&name).filter(|_| !defined);
        let rest = Rest {
            orphan: !defined && !project.disabled.contains_key(&name),
            surplus: is_surplus(project, &name, there),
        };
        let intent = match job {
            Some(job) if ends(&wish.goal, job, there.is_some()) => Intent {
                destroy: true,
                power: Power::Off,
                chosen: true,
                ..Intent::default()
            },
            // A command that runs is no leftover.
            Some(_) => intent_of(wish, defined, Rest::default(), there, explicit),
            None => intent_of(wish, defined, rest, there, explicit),
        };
        let must_exist = match wish.goal.must_exist() {
            Existence::All => defined || explicit,
            Existence::Named => explicit,
            Existence::Any => false,
        };
        if must_exist && there.is_none_or(|c| c.wreck && !c.set_aside) {
            problems.push(not_made(&name));
        }
        if let Some(slot) = found.get_mut(&name) {
            *slot = intent;
        }
    }
    close(project, observed, wish, &mut found, warnings);
    found
}

/// Whether a command in a container of its own is ended: with the project, when it is named, and when
/// its container should have gone and nobody is left who would see to that.
fn ends(goal: &Goal, job: &ObservedJob, there: bool) -> bool {
    match goal {
        Goal::Down { .. } | Goal::Cleanup | Goal::Remove => true,
        Goal::Up => job.is_lost(there),
        Goal::Create
        | Goal::Start { .. }
        | Goal::Stop
        | Goal::Restart
        | Goal::Ports
        | Goal::Unports
        | Goal::PortAdd(_)
        | Goal::PortRemove(_)
        | Goal::Links
        | Goal::Unlinks
        | Goal::Limits
        | Goal::Freeze
        | Goal::Unfreeze
        | Goal::Pull
        | Goal::Build
        | Goal::Enable(_) => false,
    }
}

/// What a container is that the file does not have.
#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    /// Left of what the file had once.
    orphan: bool,
    /// One of several of a container of the file that is to have fewer now.
    surplus: bool,
}

/// Whether a container is one too many of those that the file has of its service.
pub(super) fn is_surplus(
    project: &Project,
    name: &Name,
    found: Option<&ObservedContainer>,
) -> bool {
    let mark = found.and_then(|found| found.mark.as_ref());
    let service = mark.and_then(|mark| mark.spec.replica_of.as_ref());
    let has = |name: &Name| project.containers.contains_key(name) || project.none.contains(name);
    let of_service = service.is_some_and(has);
    !project.containers.contains_key(name) && (project.none.contains(name) || of_service)
}

fn intent_of(
    wish: &Wish,
    defined: bool,
    rest: Rest,
    there: Option<&ObservedContainer>,
    explicit: bool,
) -> Intent {
    // What was stopped as one of several is started as one.
    let meant = defined || explicit || rest.surplus;
    let chosen = Intent {
        chosen: true,
        ..Intent::default()
    };
    let power = |power| Intent { power, ..chosen };
    let destroy = |destroy| Intent {
        destroy,
        power: Power::Off,
        ..chosen
    };
    match &wish.goal {
        Goal::Up if defined => Intent {
            make: true,
            settings: Settings::All,
            ..power(Power::On)
        },
        Goal::Up if rest.surplus => destroy(true),
        Goal::Up if wish.remove_orphans && rest.orphan && !explicit => destroy(true),
        Goal::Create if defined => Intent {
            make: true,
            ..chosen
        },
        Goal::Start { restart: false } if meant => power(Power::On),
        Goal::Start { restart: true } | Goal::Restart if meant => power(Power::Cycle),
        Goal::Stop => power(Power::Off),
        Goal::Remove => destroy(there.is_some()),
        // Keeping is about root file systems; what comes from an image comes from it again.
        Goal::Down { keep, .. } => {
            let application = there.is_some_and(|c| c.kind == Kind::Application);
            destroy((!keep || application) && there.is_some())
        }
        Goal::Cleanup => destroy(wish.remove_orphans && rest.orphan),
        Goal::Limits => Intent {
            settings: Settings::Limits,
            ..chosen
        },
        Goal::Freeze => power(Power::Freeze),
        Goal::Unfreeze => power(Power::Thaw),
        Goal::Up | Goal::Create | Goal::Start { .. } | Goal::Restart => chosen,
        Goal::Ports | Goal::Unports | Goal::PortAdd(_) | Goal::PortRemove(_) => chosen,
        Goal::Links | Goal::Unlinks | Goal::Pull | Goal::Build | Goal::Enable(_) => chosen,
    }
}

/// Adds what the chosen ones need: what they depend on, and the origins of clones to be made.
fn close(
    project: &Project,
    observed: &Observed,
    wish: &Wish,
    found: &mut BTreeMap<Name, Intent>,
    warnings: &mut Vec<Warning>,
) {
    let mut open: Vec<Name> = found.keys().cloned().collect();
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        let intent = found.get(&name).copied().unwrap_or_default();
        let Some(container) = project.containers.get(&name) else {
            continue;
        };
        if intent == Intent::default() || !seen.insert(name.clone()) {
            continue;
        }
        let absent = |name: &Name| observed.containers.get(name).is_none_or(|c| c.wreck);
        if let Source::CloneSibling(origin) = &container.source
            && intent.make
            && absent(origin)
            && let Some(need) = found.get_mut(origin).filter(|need| !need.make)
        {
            need.make = true;
            seen.remove(origin);
            open.push(origin.clone());
        }
        let on = matches!(intent.power, Power::On | Power::Cycle);
        let starts = on && wish.goal.scope().starts && !wish.no_deps;
        for dependency in needs::of(container).into_iter().filter(|_| starts) {
            let made = wish.goal == Goal::Up || !absent(&dependency.on);
            let known = project.containers.contains_key(&dependency.on);
            if !(dependency.required || known && made) {
                warnings.push(goes_without(container, &dependency.on));
                continue;
            }
            if need(&dependency.on, &wish.goal, found) {
                seen.remove(&dependency.on);
                open.push(dependency.on.clone());
            }
        }
    }
}

/// `name` is needed by one that starts. Whether that changes anything.
fn need(name: &Name, goal: &Goal, found: &mut BTreeMap<Name, Intent>) -> bool {
    let Some(need) = found.get_mut(name) else {
        return false;
    };
    if need.power != Power::Keep {
        return false;
    }
    need.power = Power::On;
    if *goal == Goal::Up {
        need.make = true;
        need.settings = Settings::All;
    }
    true
}

fn goes_without(container: &Container, on: &Name) -> Warning {
    Warning {
        message: format!(
            "container `{}` starts without `{on}`, which is not there and not required",
            container.name
        ),
        place: Some(container.place_of(Key::DependsOn).clone()),
    }
}

fn unknown(project: &Project, name: &Name) -> Problem {
    let near = project.containers.keys().map(|known| {
        let far = strsim::damerau_levenshtein(known.as_str(), name.as_str());
        (far, known)
    });
    let near = near.min().filter(|(far, _)| *far <= 2);
    Problem {
        message: format!("there is no container `{name}` in the project or on the host"),
        container: Some(name.clone()),
        key: None,
        place: None,
        help: near.map(|(_, known)| format!("did you mean `{known}`?")),
    }
}

/// The refusal to start or change what is not there.
pub(super) fn not_made(name: &Name) -> Problem {
    Problem {
        message: format!("container `{name}` is not made yet"),
        container: Some(name.clone()),
        key: None,
        place: None,
        help: Some("run `locker create`".into()),
    }
}
