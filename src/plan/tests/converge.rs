//! A second run has nothing to do, and a run that was killed anywhere is finished by the next one.

use super::shop::{shop, with};
use super::world::World;
use super::*;

fn nothing(world: &World, project: &Project, goal: Goal) {
    let text = world.text(project, &wish(goal.clone()));
    assert_eq!(text, "nothing to do", "{goal:?}");
}

#[test]
fn a_second_run_of_each_goal_has_nothing_to_do() {
    let keep = Goal::Down {
        keep: true,
        volumes: false,
    };
    let all = Goal::Down {
        keep: false,
        volumes: true,
    };
    let quiet = [Goal::Freeze, Goal::Unports, Goal::Unlinks, Goal::Remove];
    let ends = [Goal::Up, Goal::Stop, START, Goal::Cleanup, keep, DOWN, all];
    for goal in quiet.into_iter().chain(ends) {
        let mut world = World::of(&shop());
        world.run(&shop(), &wish(goal.clone()));
        nothing(&world, &shop(), goal);
        world.run(&shop(), &wish(Goal::Up));
        nothing(&world, &shop(), Goal::Up);
    }
}

#[test]
fn a_run_killed_after_any_step_is_finished_by_the_next() {
    let remade = with("web", |web| {
        web.source = Source::Rootfs("/srv/web.tar".into())
    });
    let mut moved = shop();
    moved.network.subnet = "10.250.0.0/24".parse().ok();
    for (file, from) in [
        (&shop(), World::default()),
        (&remade, World::of(&shop())),
        (&moved, World::of(&shop())),
    ] {
        let whole = plan(file, &from.look(), &wish(Goal::Up)).unwrap();
        for end in 0..=whole.steps.len() {
            let mut world = from.clone();
            world.follow(&whole, end);
            world.run(file, &wish(Goal::Up));
            nothing(&world, file, Goal::Up);
            assert!(world.aside.is_empty() && world.half.is_empty());
        }
    }
}

#[test]
fn a_recreation_killed_before_the_new_self_is_whole_can_be_taken_back() {
    let remade = with("web", |web| {
        web.source = Source::Rootfs("/srv/web.tar".into())
    });
    let from = World::of(&shop());
    let old = from.seen.containers["web"].mark.clone();
    let whole = plan(&remade, &from.look(), &wish(Goal::Up)).unwrap();
    let aside = |p: &PlannedStep| matches!(p.step, Step::SetAside { .. });
    let aside = whole.steps.iter().position(aside).unwrap();
    for end in [aside, aside + 1] {
        let mut world = from.clone();
        world.follow(&whole, end);
        world.run(&shop(), &wish(START));
        assert_eq!(world.seen.containers["web"].mark, old);
        nothing(&world, &shop(), Goal::Up);
    }
}

#[test]
fn a_taking_down_killed_after_any_step_is_finished_by_the_next() {
    let all = Goal::Down {
        keep: false,
        volumes: true,
    };
    let from = World::of(&shop());
    let whole = plan(&shop(), &from.look(), &wish(all.clone())).unwrap();
    for end in 0..=whole.steps.len() {
        let mut world = from.clone();
        world.follow(&whole, end);
        world.run(&shop(), &wish(all.clone()));
        assert!(world.seen.containers.is_empty());
        assert_eq!(world.seen.record, None);
        assert_eq!(world.seen.network.bridge, None);
        nothing(&world, &shop(), all.clone());
    }
}
