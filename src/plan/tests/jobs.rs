//! Commands in containers of their own: what becomes of them, and that they are no leftovers.

use super::apps::{image, mixed, settings};

use super::world::World;
use super::*;
use crate::observed::{ObservedJob, State};

type Scenario = (&'static str, String);

fn job(word: &str) -> ObservedJob {
    ObservedJob {
        record: JobRecord {
            version: 1,
            name: name(word),
            of: name("web"),
            argv: vec!["sleep".into(), "9".into()],
            begun: "2026-01-31T12:00:00Z".into(),
            remove: true,
            unit: true,
            runner: None,
        },
        unit: Some(JobState {
            active: "active".into(),
            sub: "running".into(),
            code: None,
            ended: None,
        }),
        attended: false,
    }
}

/// A host on which `long` runs and `over` has ended and left nothing but its exit code.
fn world() -> World {
    let mut file = mixed();
    let mut long = file.containers["web"].clone();
    (long.name, long.ports) = (name("long"), Vec::new());
    long.source = image("nginx:1");
    settings(&mut long).command = Some(vec!["sleep".into(), "9".into()]);
    file.containers.insert(name("long"), long);
    let mut world = World::of(&file);
    world.container("long").state = State::Running;
    let mut over = job("over");
    over.unit = Some(JobState {
        active: "failed".into(),
        sub: "failed".into(),
        code: Some(7),
        ended: Some(1),
    });
    world.seen.jobs = [(name("long"), job("long")), (name("over"), over)].into();
    world
}

/// Nobody is left who would remove the container of `long`.
fn killed() -> World {
    let mut world = world();
    world.seen.jobs.get_mut(&name("long")).unwrap().unit = None;
    world
}

#[test]
fn a_job_is_no_leftover() {
    let wish = Wish {
        remove_orphans: true,
        ..wish(Goal::Up)
    };
    let made = plan(&mixed(), &world().look(), &wish).unwrap();
    let about = |p: &PlannedStep| matches!(&p.step, Step::EndJob { .. } | Step::Destroy { .. });
    assert!(!made.steps.iter().any(about), "{made}");
    let made = plan(&mixed(), &world().look(), &super::wish(Goal::Up)).unwrap();
    assert!(made.warnings.is_empty(), "{:?}", made.warnings);
}

/// A network that changed takes nobody along whom `--remove-orphans` leaves.
#[test]
fn one_that_stays_on_a_changed_network_stands_in_the_way_with_remove_orphans_too() {
    let mut file = mixed();
    file.network.subnet = Some("10.99.0.0/24".parse().unwrap());
    let wish = Wish {
        remove_orphans: true,
        ..wish(Goal::Up)
    };
    let told = |file: &Project, world: &World| match plan(file, &world.look(), &wish) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|p| p.message).collect(),
    };
    let problems = told(&file, &world());
    let of = |word: &str| format!("container `{word}`, which is not in the file, runs on it");
    assert!(
        problems.iter().any(|p| p.contains(&of("long"))),
        "{problems:?}"
    );
    let mut orphan = mixed();
    let mut plain = orphan.containers["web"].clone();
    (plain.name, plain.ports) = (name("plain"), Vec::new());
    orphan.containers.insert(name("plain"), plain);
    let problems = told(&file, &World::of(&orphan));
    assert!(
        !problems.iter().any(|p| p.contains(&of("plain"))),
        "{problems:?}"
    );
}

#[test]
fn what_ended_jobs_does_nothing_more() {
    for goal in [DOWN, Goal::Cleanup, Goal::Remove] {
        let mut world = world();
        world.run(&mixed(), &wish(goal));
        assert!(world.seen.jobs.is_empty() && !world.seen.containers.contains_key("long"));
    }
    let mut world = killed();
    world.run(&mixed(), &wish(Goal::Up));
    assert!(!world.seen.containers.contains_key("long"));
    assert!(
        world.seen.jobs.contains_key("over"),
        "its exit code is kept"
    );
}

/// All of them.
pub(super) fn all() -> Vec<Scenario> {
    let rm = |names: &[&str]| world().text(&mixed(), &chosen(Goal::Remove, names));
    vec![
        ("down with jobs", world().text(&mixed(), &wish(DOWN))),
        ("rm of a job that is over", rm(&["over"])),
        ("rm of a job that runs", rm(&["long"])),
        (
            "up after a run that was killed",
            killed().text(&mixed(), &wish(Goal::Up)),
        ),
        ("start leaves jobs", world().text(&mixed(), &wish(START))),
    ]
}
