//! Services that systemd is about to start, tries again, or is stopping: what a container then is.

use crate::model::UnitState;

use super::apps::mixed;
use super::supervised::up_with_systemd;
use super::world::World;
use super::*;

#[test]
fn what_systemd_tries_again_and_again_is_stopped_too() {
    let file = mixed();
    let mut world = up_with_systemd(&file);
    world.container("web").state = crate::observed::State::Stopped;
    let stop = chosen(Goal::Stop, &["web"]);
    let text = world.text(&file, &stop);
    assert!(!text.contains("- stop"), "{text}");
    let state = UnitState {
        active: "activating".into(),
        sub: "auto-restart".into(),
        ..UnitState::default()
    };
    world.seen.units.states.insert(name("web"), state);
    let text = world.text(&file, &stop);
    assert!(text.contains("- stop     web"), "{text}");
    let text = world.text(&file, &wish(DOWN));
    assert!(text.contains("- stop     web"), "{text}");
}

#[test]
fn a_container_that_runs_past_its_service_is_given_back_to_it() {
    let file = mixed();
    let mut world = up_with_systemd(&file);
    let state = |active: &str| UnitState {
        active: active.into(),
        ..UnitState::default()
    };
    for active in ["active", "activating"] {
        world.seen.units.states.insert(name("web"), state(active));
        assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    }
    for active in ["inactive", "failed"] {
        world.seen.units.states.insert(name("web"), state(active));
        let text = world.text(&file, &wish(Goal::Up));
        assert_eq!(text, "+ start    web    its service does not attend to it");
    }
    world.seen.units.states.clear();
    world
        .seen
        .units
        .states
        .insert(name("db"), state("inactive"));
    let text = world.text(&file, &wish(Goal::Up));
    let verbs: Vec<&str> = text.lines().map(|line| line[..13].trim_end()).collect();
    assert_eq!(verbs, ["- stop     db", "+ start    db"], "{text}");
}

#[test]
fn what_systemd_is_stopping_is_no_container_that_runs() {
    let file = mixed();
    let mut world = up_with_systemd(&file);
    let state = UnitState {
        active: "deactivating".into(),
        ..UnitState::default()
    };
    world.seen.units.states.insert(name("web"), state);
    let verbs = |world: &World, wish: &Wish| -> Vec<String> {
        let text = world.text(&file, wish);
        text.lines()
            .map(|line| line[..14].trim_end().to_owned())
            .collect()
    };
    let text = world.text(&file, &wish(Goal::Up));
    assert!(text.contains("its service is being stopped"), "{text}");
    assert_eq!(
        verbs(&world, &wish(Goal::Up)),
        ["- stop     web", "+ start    web"]
    );
    // Nobody asked to start it again.
    let limits = chosen(Goal::Limits, &["web"]);
    assert_eq!(world.text(&file, &limits), "nothing to do");
    // The container has ended, its service has not yet.
    world.container("web").state = crate::observed::State::Stopped;
    for wish in [chosen(Goal::Stop, &["web"]), wish(DOWN)] {
        assert!(verbs(&world, &wish).contains(&"- stop     web".to_owned()));
    }
}

#[test]
fn a_service_that_attends_to_an_older_self_is_stopped_before_that() {
    let file = mixed();
    let mut world = up_with_systemd(&file);
    let state = UnitState {
        active: "active".into(),
        ..UnitState::default()
    };
    world.seen.units.states.insert(name("web"), state);
    let web = world.container("web");
    (web.set_aside, web.aside_runs) = (true, true);
    web.state = crate::observed::State::Stopped;
    let made = plan(&file, &world.look(), &wish(DOWN)).unwrap();
    let stop = |wanted: bool| {
        let is = |step: &Step| matches!(step, Step::Stop { container, aside, .. } if *container == name("web") && *aside == wanted);
        made.steps
            .iter()
            .position(|planned| is(&planned.step))
            .unwrap()
    };
    assert!(made.steps[stop(true)].after.contains(&stop(false)));
}

#[test]
fn what_is_between_two_of_its_runs_is_stopped_and_a_job_that_is_done_is_not() {
    let file = mixed();
    let mut world = up_with_systemd(&file);
    world.container("web").state = crate::observed::State::Stopped;
    let stop = "- stop     web";
    for (sub, stops) in [("running", true), ("exited", false)] {
        let state = UnitState {
            active: "active".into(),
            sub: sub.into(),
            ..UnitState::default()
        };
        world.seen.units.states.insert(name("web"), state);
        for wish in [chosen(Goal::Stop, &["web"]), wish(DOWN)] {
            let text = world.text(&file, &wish);
            let mut verbs = text.lines().filter_map(|line| line.get(..14));
            let found = verbs.any(|verb| verb.trim_end() == stop);
            assert_eq!(found, stops, "{sub}:\n{text}");
        }
    }
}
