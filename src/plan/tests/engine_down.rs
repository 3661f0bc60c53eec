//! Plans while the engine of application containers does not answer.

use super::apps::{mixed, mixed_with};
use super::world::World;
use super::*;
use crate::model::Kind;
use crate::observed::{Down, Observed, Silent};

/// What is seen of the mixed project, which is up, while Docker does not answer.
fn seen() -> Observed {
    let mut seen = World::of(&mixed()).look();
    seen.containers
        .retain(|_, found| found.kind == Kind::System);
    seen.engine = Default::default();
    let down = Down {
        engine: "Docker",
        reason: "nothing answers on its socket".into(),
        help: "start it: systemctl start docker".into(),
    };
    seen.down = [(Kind::Application, down)].into();
    seen
}

#[test]
fn what_needs_the_engine_is_refused_once_with_the_reason_and_who_can_still_be_named() {
    for wish in [wish(Goal::Up), wish(Goal::Stop), chosen(Goal::Up, &["web"])] {
        let problems = plan(&mixed(), &seen(), &wish).unwrap_err();
        let [problem] = &problems[..] else {
            panic!("{problems:?}")
        };
        let text = format!("{problem} {:?}", problem.help);
        for word in [
            "Docker is not available: nothing answers",
            "web",
            "systemctl start",
            "db",
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    // Nobody knows what it has of the project.
    let down = wish(Goal::Down {
        keep: false,
        volumes: false,
    });
    let [problem] = &plan(&mixed(), &seen(), &down).unwrap_err()[..] else {
        panic!("one problem")
    };
    // `down` takes no names.
    let help = problem.help.as_deref().unwrap_or_default();
    assert!(
        help.ends_with("meanwhile `locker rm db` takes the others out"),
        "{help}"
    );
}

#[test]
fn the_other_engines_containers_are_changed_and_nothing_of_the_unknown_ones_is() {
    let seen = seen();
    let idle = plan(&mixed(), &seen, &chosen(Goal::Up, &["db"])).unwrap();
    assert!(idle.steps.is_empty(), "{idle}");
    let stop = plan(&mixed(), &seen, &chosen(Goal::Stop, &["db"])).unwrap();
    let unknown = down::unknown(&mixed(), &seen);
    assert!(unknown.contains(&name("web")) && !unknown.contains(&name("db")));
    let mut stops = false;
    for planned in &stop.steps {
        stops |= matches!(planned.step, Step::Stop { .. });
        assert!(
            planned
                .step
                .container()
                .is_none_or(|name| !unknown.contains(name))
        );
        if let Step::Publish { remove, .. } = &planned.step {
            assert!(remove.iter().all(|rule| !unknown.contains(&rule.container)));
        }
        if let Step::SaveRecord(record) = &planned.step {
            let before = &seen.record.as_ref().unwrap().addresses;
            let web = name("web");
            assert_eq!(record.addresses.get(&web), before.get(&web));
        }
    }
    assert!(stops, "{stop}");
}

/// The mixed project, which is up, while the keeper of `db` does not answer.
fn silent() -> Observed {
    let mut seen = World::of(&mixed()).look();
    seen.containers.remove(&name("db"));
    let silent = Silent {
        reason: "its LXC monitor (pid 7) did not answer within 10 s".into(),
        help: "let it go on: kill -CONT 7".into(),
    };
    seen.silent = [(name("db"), silent)].into();
    seen
}

#[test]
fn a_container_that_does_not_answer_is_named_with_what_mends_it_and_the_others_are_changed() {
    let all = plan(&mixed(), &silent(), &wish(Goal::Stop)).unwrap_err();
    let told: Vec<String> = all.iter().map(|p| format!("{p} {:?}", p.help)).collect();
    assert_eq!(
        told,
        [
            "nothing is known of container `db`: its LXC monitor (pid 7) did not answer within 10 s \
             Some(\"let it go on: kill -CONT 7\")"
        ]
    );
    let seen = silent();
    assert_eq!(down::unknown(&mixed(), &seen), [name("db")].into());
    let web = plan(&mixed(), &seen, &chosen(Goal::Stop, &["web"])).unwrap();
    let touched: Vec<&Name> = web
        .steps
        .iter()
        .filter_map(|s| s.step.container())
        .collect();
    assert!(
        touched.iter().all(|touched| **touched == name("web")),
        "{web}"
    );
    assert!(!touched.is_empty(), "{web}");
    let down = wish(Goal::Down {
        keep: false,
        volumes: false,
    });
    assert!(plan(&mixed(), &seen, &down).is_err());
}

#[test]
fn a_service_keeps_what_it_has_of_a_container_that_cannot_be_seen() {
    let file = mixed_with("web", |web| web.links.clear());
    let mut world = World::default();
    world.seen.units.available = true;
    world.run(&file, &wish(Goal::Up));
    let before = world.seen.units.services.clone();
    assert!(before["db"].after.contains(&name("web")), "{before:?}");
    world.run(&file, &chosen(Goal::Stop, &["db"]));
    let mut seen = world.look();
    seen.containers
        .retain(|_, found| found.kind == Kind::System);
    let down = Down {
        engine: "Docker",
        reason: "nothing answers on its socket".into(),
        help: "start it: systemctl start docker".into(),
    };
    seen.down = [(Kind::Application, down)].into();
    let start = Wish {
        no_deps: true,
        ..chosen(Goal::Start { restart: false }, &["db"])
    };
    let planned = plan(&file, &seen, &start).unwrap();
    let writes = |planned: &&PlannedStep| matches!(planned.step, Step::WriteUnits(_));
    assert_eq!(planned.steps.iter().filter(writes).count(), 0, "{planned}");
    assert!(!planned.steps.is_empty());
    // Where they are written for another reason, nothing of it is lost.
    seen.units.drifted = true;
    let planned = plan(&file, &seen, &start).unwrap();
    let written = planned
        .steps
        .iter()
        .find_map(|planned| match &planned.step {
            Step::WriteUnits(change) => Some(&change.units.services),
            _ => None,
        });
    assert_eq!(written, Some(&before), "{planned}");
}
