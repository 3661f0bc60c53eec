//! A container of docker compose beside one of the same service: both would work on the same data.

use super::apps::mixed;
use super::world::World;
use super::*;
use crate::observed::{ComposeContainer, ObservedCompose, ObservedVolume, State};

/// docker compose's container of `web`.
fn theirs(runs: bool) -> ObservedCompose {
    let container = ComposeContainer {
        service: Some("web".into()),
        runs,
        from: None,
    };
    ObservedCompose {
        containers: [("shop-web-1".to_string(), container)].into(),
        ..ObservedCompose::default()
    }
}

fn told(world: &World, wish: &Wish) -> Vec<Problem> {
    let planned = plan(&mixed(), &world.look(), wish);
    planned.err().unwrap_or_default()
}

#[test]
fn what_begins_beside_one_of_docker_compose_that_runs_is_refused_and_all_else_goes_on() {
    let mut world = World::default();
    world.seen.engine.compose = theirs(true);
    for wish in [
        wish(Goal::Up),
        wish(Goal::Create),
        chosen(Goal::Up, &["web"]),
    ] {
        let problems = told(&world, &wish);
        let [problem] = &problems[..] else {
            panic!("{problems:?}")
        };
        for word in [
            "project `shop` from this directory",
            "same service as `web`",
            "`shop-web-1` (runs)",
        ] {
            assert!(problem.message.contains(word), "{problem}");
        }
        let help = problem.help.as_deref().unwrap_or_default();
        assert!(help.contains("`locker adopt`"), "{help}");
        assert!(problem.place.is_some());
    }
    // What is not begun has nobody beside it.
    assert_eq!(told(&world, &chosen(Goal::Up, &["db"])), []);
    // It was started in a directory that was moved.
    let compose = &mut world.seen.engine.compose;
    for container in compose.containers.values_mut() {
        container.from = Some("/srv/old".into());
    }
    let message = told(&world, &wish(Goal::Up)).remove(0).message;
    assert!(message.contains("from `/srv/old`, where no"), "{message}");
    // One at rest, and one for a command (it has no service here).
    world.seen.engine.compose = theirs(false);
    assert_eq!(told(&world, &wish(Goal::Up)), []);
    let mut command = theirs(true);
    for container in command.containers.values_mut() {
        container.service = None;
    }
    world.seen.engine.compose = command;
    assert_eq!(told(&world, &wish(Goal::Up)), []);
    // Both are there already.
    let mut world = World::of(&mixed());
    world.seen.engine.compose = theirs(true);
    for goal in [Goal::Up, Goal::Stop, DOWN, Goal::Ports] {
        assert_eq!(told(&world, &wish(goal)), []);
    }
    assert_eq!(told(&world, &wish(Goal::Restart)).len(), 1);
    world.container("web").state = State::Stopped;
    assert_eq!(told(&world, &wish(Goal::Start { restart: false })).len(), 1);
}

#[test]
fn a_project_that_docker_compose_calls_otherwise_is_told_with_that_name() {
    let mut world = World::default();
    let engine = &mut world.seen.engine;
    engine.compose_else.insert("other".into(), theirs(true));
    let problems = told(&world, &wish(Goal::Up));
    let [problem] = &problems[..] else {
        panic!("{problems:?}")
    };
    for word in ["runs project `other`", "this is project `shop`"] {
        assert!(problem.message.contains(word), "{problem}");
    }
    let help = problem.help.as_deref().unwrap_or_default();
    for word in [
        "`locker -p other adopt`",
        "`name: other`",
        "`locker -p shop up`",
    ] {
        assert!(help.contains(word), "{help}");
    }
    // At rest it is told before anything is touched, and stops nothing.
    let engine = &mut world.seen.engine;
    engine.compose_else.insert("other".into(), theirs(false));
    let notices = |world: &World| {
        let planned = plan(&mixed(), &world.look(), &wish(Goal::Up));
        planned.unwrap().notices
    };
    let said = notices(&world);
    assert!(said[0].contains("`locker -p other adopt`"), "{said:?}");
    // One that is known here was begun beside it.
    let mut known = World::of(&mixed());
    known.container("web").state = State::Stopped;
    let engine = &mut known.seen.engine;
    engine.compose_else.insert("other".into(), theirs(true));
    assert_eq!(told(&known, &wish(Goal::Up)), []);
    assert!(notices(&known).is_empty());
}

#[test]
fn volumes_that_docker_compose_has_under_a_name_in_lower_case_are_told_before_new_ones_are_made() {
    let notices = |directory: &str, name: &str, of: &str| {
        let mut file = super::apps::mixed_with("web", |web| {
            web.volumes
                .push((super::shop::volume("data", "/data"), place(33)))
        });
        file.name = super::name(name);
        file.directory = directory.into();
        let mut world = World::default();
        let labels = [("project", of), ("volume", "data")];
        let labels = labels.map(|(key, value)| (format!("com.docker.compose.{key}"), value.into()));
        let volume = ObservedVolume {
            labels: labels.into(),
            ..ObservedVolume::default()
        };
        let volumes = &mut world.seen.engine.foreign_volumes;
        volumes.insert(format!("{of}_data"), volume);
        plan(&file, &world.look(), &wish(Goal::Up)).unwrap().notices
    };
    for (directory, name, of) in [
        ("/srv/Shop", "Shop", "shop"),
        ("/srv/My Shop", "My-Shop", "myshop"),
    ] {
        let said = notices(directory, name, of);
        assert!(
            said[0].contains(&format!("`{of}_data`"))
                && said[0].contains(&format!("`locker -p {of} adopt`")),
            "{said:?}"
        );
    }
    assert!(notices("/srv/Shop", "Shop", "other").is_empty());
}
