//! Containers that somebody took off a network of theirs.

use super::apps::mixed;
use super::world::World;
use super::*;
use crate::observed::StrayCard;

const CAUSE: &str = "somebody took it off a network";

/// `web` is not on the project's network any more, and so has no card there.
fn taken_off() -> World {
    let mut world = World::of(&mixed());
    let web = world.seen.containers.get_mut(&name("web")).unwrap();
    web.unplugged.insert("shop_default".into());
    let nic = web.mark.as_ref().unwrap().spec.nic.clone().unwrap();
    world.seen.network.strays = vec![StrayCard {
        container: name("web"),
        bridge: nic.bridge,
        card: None,
        misfit: false,
    }];
    world
}

fn verbs(text: &str) -> Vec<String> {
    let own = text.lines().filter(|line| line.contains("web"));
    own.map(|line| line[..9].trim_end().to_owned()).collect()
}

#[test]
fn one_that_runs_is_joined_again_while_it_runs() {
    let mut world = taken_off();
    let text = world.text(&mixed(), &wish(Goal::Up));
    assert_eq!(verbs(&text), ["~ change"], "{text}");
    assert!(text.contains(CAUSE), "{text}");
    world.run(&mixed(), &wish(Goal::Up));
    assert_eq!(world.text(&mixed(), &wish(Goal::Up)), "nothing to do");
}

#[test]
fn one_that_rests_is_joined_before_it_starts_whichever_command_starts_it() {
    for goal in [Goal::Up, Goal::Start { restart: false }] {
        let mut world = taken_off();
        world.seen.network.strays.clear();
        world.run(&mixed(), &wish(Goal::Stop));
        let text = world.text(&mixed(), &wish(goal.clone()));
        assert_eq!(&verbs(&text)[..2], ["~ change", "+ start"], "{text}");
        world.run(&mixed(), &wish(goal.clone()));
        assert_eq!(world.text(&mixed(), &wish(goal)), "nothing to do");
    }
    let text = taken_off().text(&mixed(), &wish(Goal::Restart));
    assert!(text.contains(CAUSE), "{text}");
}

#[test]
fn what_starts_nothing_leaves_it_as_it_is() {
    for goal in [Goal::Stop, Goal::Ports] {
        let text = taken_off().text(&mixed(), &wish(goal));
        assert!(!text.contains(CAUSE), "{text}");
    }
}
