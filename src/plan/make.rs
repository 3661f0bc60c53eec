//! The planner's one road: check, intend, build, order.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Name, Project};
use crate::observed::Observed;

use super::addresses;
use super::build::Builder;
use super::graph::{Draft, Slot};
use super::intent::intents;
use super::{Goal, Plan, Problem, Warning, Wish, desire};

/// Works out what to do, so that `wish` comes true on a host that is as `observed`.
///
/// Pure. Errors: every reason why there can be no plan, all of one run.
pub fn plan(project: &Project, observed: &Observed, wish: &Wish) -> Result<Plan, Vec<Problem>> {
    let mut problems = identity(project, observed);
    if !problems.is_empty() {
        // What is of another directory's project would be told once more for each container.
        return Err(problems);
    }
    let (mut warnings, mut desired, mut net) = (Vec::new(), BTreeMap::new(), None);
    let intents = intents(project, observed, wish, &mut problems);
    match addresses::choose(project, observed) {
        Ok(chosen) => {
            match desire::specs(project, observed, &chosen, &mut warnings) {
                Ok(specs) => desired = specs,
                Err(more) if needs_file(&wish.goal) => problems.extend(more),
                Err(_) => {}
            }
            net = Some(chosen);
        }
        Err(more) if needs_file(&wish.goal) => problems.extend(more),
        Err(_) => {}
    }
    if !needs_file(&wish.goal) {
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
        problems,
        warnings,
        losses: Vec::new(),
    };
    build(&mut builder);
    finish(builder)
}

fn build(builder: &mut Builder<'_>) {
    let record = builder.new_record();
    builder.containers();
    builder.check_starts();
    builder.names();
    builder.ports(record.as_ref());
    builder.network_up();
    builder.host_names();
    builder.teardown();
    builder.volumes();
    rows(builder);
    builder.save_record(record.as_ref());
    orphans(builder);
}

/// The steps of one container in their row, and links where they close no cycle.
fn rows(builder: &mut Builder<'_>) {
    let names: Vec<Name> = builder.intents.keys().cloned().collect();
    for name in &names {
        let made = [
            Slot::Stop,
            Slot::Clear,
            Slot::Aside,
            Slot::Create,
            Slot::Seed,
            Slot::Configure,
            Slot::Thaw,
            Slot::Names,
            Slot::Start,
            Slot::Setup,
        ];
        builder.draft.row(name, &made);
        builder.draft.row(name, &[Slot::Start, Slot::Healthy]);
        builder.origin_before_clone(name);
    }
    for name in &names {
        builder.origin_before_clone(name);
    }
    for name in &names {
        let file = builder.project.containers.get(name);
        for (link, _) in file.iter().flat_map(|c| &c.links) {
            let mine = builder.draft.find(Slot::Start, name);
            let theirs = builder.draft.find(Slot::Start, &link.target);
            if let (Some(mine), Some(theirs)) = (mine, theirs) {
                builder.draft.after_if_free(mine, theirs);
            }
        }
    }
}

fn finish(builder: Builder<'_>) -> Result<Plan, Vec<Problem>> {
    let mut problems = builder.problems;
    match builder.draft.finish() {
        Ok(steps) if problems.is_empty() => Ok(Plan {
            steps,
            losses: builder.losses,
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
    let reports = matches!(builder.wish.goal, Goal::Up | Goal::Cleanup);
    if !reports || builder.wish.remove_orphans {
        return;
    }
    let all = builder.observed.containers.keys();
    let orphans = all.filter(|name| !builder.project.containers.contains_key(*name));
    builder.warnings.extend(orphans.map(|name| Warning {
        message: format!(
            "container `{name}` is of this project and not in the file; `--remove-orphans` removes it"
        ),
        place: None,
    }));
}

/// Whether what the file says must be sound for this goal; taking things down must work without.
fn needs_file(goal: &Goal) -> bool {
    match goal {
        Goal::Up
        | Goal::Create
        | Goal::Start { .. }
        | Goal::Restart
        | Goal::Limits
        | Goal::Ports
        | Goal::PortAdd(_) => true,
        Goal::Stop
        | Goal::Remove
        | Goal::Down { .. }
        | Goal::Unports
        | Goal::PortRemove(_)
        | Goal::Links
        | Goal::Unlinks
        | Goal::Freeze
        | Goal::Unfreeze
        | Goal::Cleanup => false,
    }
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
    let others: BTreeSet<_> = recorded
        .chain(marks.map(|mark| &mark.directory))
        .filter(|directory| **directory != project.directory)
        .collect();
    let tell = |directory: &std::path::PathBuf| {
        problem(
            format!(
                "project `{}` belongs to `{}`, not to `{}`",
                project.name,
                directory.display(),
                project.directory.display()
            ),
            "go to that directory, or give this project another name with `name:` or `-p`",
        )
    };
    others.into_iter().map(tell).collect()
}
