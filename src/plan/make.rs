//! The planner's one road: check, intend, build, order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::model::{Name, Project};
use crate::observed::Observed;

use super::addresses;
use super::build::Builder;
use super::graph::Draft;
use super::intent::intents;
use super::{Goal, Plan, Problem, Warning, Wish, desire, down, needs, volumes};

/// Works out what to do, so that `wish` comes true on a host that is as `observed`.
///
/// Pure. Errors: every reason why there can be no plan, all of one run.
pub fn plan(project: &Project, observed: &Observed, wish: &Wish) -> Result<Plan, Vec<Problem>> {
    match observed.down.is_empty() && observed.silent.is_empty() {
        true => of_known(project, observed, wish),
        false => down::plan(project, observed, wish),
    }
}

/// The plan where all that the project has can be seen.
pub(super) fn of_known(
    project: &Project,
    observed: &Observed,
    wish: &Wish,
) -> Result<Plan, Vec<Problem>> {
    let mut problems = identity(project, observed);
    if !problems.is_empty() {
        // What is of another directory's project would be told once more for each container.
        return Err(problems);
    }
    problems.extend(volumes::unknown(observed, wish));
    let (mut warnings, mut desired, mut net) = (Vec::new(), BTreeMap::new(), None);
    let intents = intents(project, observed, wish, &mut problems, &mut warnings);
    let strict = wish.goal.scope().needs_file;
    problems.extend(subnet_moves_for_all(project, observed, wish));
    match addresses::choose(project, observed, moves(wish), makes(wish)) {
        Ok((chosen, doubts)) => {
            warnings.extend(doubts);
            match desire::specs(project, observed, &chosen, &mut warnings) {
                Ok(specs) => desired = specs,
                Err(more) if strict => problems.extend(more),
                Err(_) => {}
            }
            net = Some(chosen);
        }
        Err(more) if strict => problems.extend(more),
        Err(_) => {}
    }
    if !strict {
        warnings.clear();
    }
    let mut builder = Builder {
        project,
        observed,
        wish,
        net,
        desired,
        intents,
        draft: Draft::default(),
        specs: BTreeMap::new(),
        running: BTreeSet::new(),
        beside: BTreeMap::new(),
        remade: BTreeSet::new(),
        awaited: needs::awaited_ends(project),
        published: None,
        problems,
        in_the_way: Vec::new(),
        warnings,
        notices: Vec::new(),
        losses: Vec::new(),
    };
    build(&mut builder);
    finish(builder)
}

fn build(builder: &mut Builder<'_>) {
    builder.find_remade(moves(builder.wish));
    builder.containers();
    let record = builder.new_record();
    builder.waits();
    builder.images();
    builder.networks_up();
    builder.stale_networks();
    builder.forget_ended();
    builder.units(record.as_ref());
    builder.names();
    builder.ports(record.as_ref());
    builder.sweep();
    builder.host_names();
    builder.teardown();
    builder.volumes();
    builder.check_volumes();
    builder.check_places();
    builder.check_owners();
    builder.tell_compose();
    builder.order();
    builder.save_record(record.as_ref());
    orphans(builder);
}

/// Only what makes the whole project true may move it to another subnet.
fn moves(wish: &Wish) -> bool {
    wish.goal == Goal::Up && wish.selection.is_none()
}

/// Whether containers that are missing are made.
fn makes(wish: &Wish) -> bool {
    matches!(wish.goal, Goal::Up | Goal::Create)
}

/// A part of the project cannot move to another subnet alone.
fn subnet_moves_for_all(project: &Project, observed: &Observed, wish: &Wish) -> Option<Problem> {
    let mut marks = observed.containers.values().filter_map(|c| c.mark.as_ref());
    let has = marks.find_map(|mark| Some(mark.spec.nic.as_ref()?.subnets))?;
    let network = &project.network;
    let moved = network.subnet.is_some_and(|net| net != has.v4)
        || network.ipv6 != has.v6.is_some()
        || network.subnet6.is_some_and(|net| Some(net) != has.v6);
    let part = wish.goal == Goal::Up && wish.selection.is_some();
    (moved && part).then(|| Problem {
        place: Some(network.place.clone()),
        ..problem(
            format!(
                "`network` of project `{}` changed, which moves all containers",
                project.name
            ),
            "run `locker up` without names",
        )
    })
}

fn finish(builder: Builder<'_>) -> Result<Plan, Vec<Problem>> {
    let mut problems = builder.problems;
    match builder.draft.finish() {
        Ok(steps) if problems.is_empty() => Ok(Plan {
            steps,
            losses: builder.losses,
            notices: builder.notices,
            warnings: builder.warnings,
        }),
        Ok(_) => Err(problems),
        Err(stuck) => {
            let names: BTreeSet<&str> = stuck
                .iter()
                .filter_map(|step| step.container().map(Name::as_str))
                .collect();
            let names: Vec<&str> = names.into_iter().collect();
            problems.push(problem(
                format!("these containers wait for each other: {}", names.join(", ")),
                "break the circle of `depends_on` and `clone`",
            ));
            Err(problems)
        }
    }
}

fn orphans(builder: &mut Builder<'_>) {
    let whole = builder.wish.selection.is_none();
    let reports = matches!(builder.wish.goal, Goal::Up | Goal::Cleanup) && whole;
    if !reports || builder.wish.remove_orphans {
        return;
    }
    let all = builder.observed.containers.iter();
    let whole = all.filter(|(_, found)| !found.wreck || found.set_aside);
    let names = whole.map(|(name, _)| name);
    let project = builder.project;
    let known =
        |name: &Name| project.containers.contains_key(name) || project.disabled.contains_key(name);
    let jobs = &builder.observed.jobs;
    let goes = |name: &Name| {
        builder
            .intents
            .get(name)
            .is_some_and(|intent| intent.destroy)
    };
    let orphans = names.filter(|name| !known(name) && !jobs.contains_key(*name) && !goes(name));
    builder.warnings.extend(orphans.map(|name| Warning {
        message: format!(
            "container `{name}` is of this project and not in the file; `--remove-orphans` removes it"
        ),
        place: None,
    }));
}

fn problem(message: String, help: &str) -> Problem {
    Problem {
        message,
        container: None,
        key: None,
        place: None,
        help: Some(help.into()),
    }
}

/// A project is its name and its directory.
fn identity(project: &Project, observed: &Observed) -> Vec<Problem> {
    let recorded = observed.record.iter().map(|record| &record.directory);
    let marks = observed.containers.values().filter_map(|c| c.mark.as_ref());
    let lost = &observed.units.lost;
    let services = observed.units.services.iter();
    // A unit file alone shows a directory only for people.
    let services = services.filter(|(name, _)| !lost.contains(*name));
    let services = services.map(|(_, unit)| &unit.directory);
    let others: BTreeSet<_> = recorded
        .chain(marks.map(|mark| &mark.directory))
        .chain(services)
        .filter(|directory| **directory != project.directory)
        .collect();
    let tell = |there: &PathBuf| belongs(&project.name, there, &project.directory);
    others.into_iter().map(tell).collect()
}

/// That a project is elsewhere than here.
pub fn belongs(project: &Name, there: &Path, here: &Path) -> Problem {
    let (there, here) = (there.display(), here.display());
    let help = format!(
        "run this in `{there}` to change that one, or give this one another name with `name:` or `-p`; if the project was moved \
         here, take its file out of `{there}` and run this again"
    );
    problem(
        format!("project `{project}` belongs to `{there}`, not to `{here}`"),
        &help,
    )
}
