//! A new self that takes the place of an older one, and what a kill leaves of that.

use super::app_networks::fixed;
use super::apps::{app, extra, image, mixed, mixed_with, settings, several};
use super::world::World;
use super::*;
use crate::observed::*;

#[test]
fn while_a_new_self_takes_over_somebody_always_answers() {
    let file = mixed_with("web", |c| settings(c).command = Some(vec!["x".into()]));
    let mut world = World::of(&mixed());
    let whole = plan(&file, &world.look(), &wish(Goal::Up)).unwrap();
    for planned in &whole.steps {
        world.step(&planned.step);
        let used = world.addresses_in_use();
        for rule in &world.seen.firewall.rules {
            let answers = used.iter().any(|(_, v4)| *v4 == rule.to4);
            assert!(answers, "nobody answers after {:?}", planned.step);
        }
        let db = &world.seen.containers["db"];
        let lines = db.names.iter().flatten();
        let web = lines.filter(|line| line.names.contains(&"web".to_string()));
        for line in web.filter(|line| line.address.is_ipv4()) {
            let answers = used.iter().any(|(_, v4)| *v4 == line.address);
            assert!(answers, "db knows nobody after {:?}", planned.step);
        }
    }
    assert!(world.aside.is_empty());
}

#[test]
fn what_two_selves_would_quarrel_about_stops_the_old_one_first() {
    let quarrels: [fn(&mut Container); 5] = [
        |c| fixed(c, "default", "10.36.9.77"),
        |c| {
            c.volumes
                .push((super::shop::volume("/srv/x", "/x"), place(60)))
        },
        |c| settings(c).volumes_from.push(("other".into(), false)),
        |c| c.ports[0].0 = port("53:53/udp"),
        |c| {
            settings(c).engine_volumes.push(EngineMount {
                volume: EngineVolume::External("data".into()),
                target: "/data".into(),
                read_only: false,
                no_copy: false,
            });
        },
    ];
    for quarrel in quarrels {
        let mut world = World::default();
        let foreign = &mut world.seen.engine.foreign_volumes;
        foreign.insert("data".into(), ObservedVolume::default());
        let others = world.seen.foreign.entry(Kind::Application).or_default();
        others.insert("other".into());
        let before = mixed_with("web", quarrel);
        world.run(&before, &wish(Goal::Up));
        let mut after = before.clone();
        let web = after.containers.get_mut("web").unwrap();
        settings(web).command = Some(vec!["x".into()]);
        let text = world.text(&after, &wish(Goal::Up));
        assert!(text.contains("- stop     web"), "{text}");
        world.run(&after, &wish(Goal::Up));
        assert_eq!(world.text(&after, &wish(Goal::Up)), "nothing to do");
    }
    let mut world = World::of(&mixed());
    world.container("web").unnamed = vec![UnnamedVolume {
        target: "/data".into(),
        name: "0a".repeat(32),
        path: None,
    }];
    let file = mixed_with("web", |c| settings(c).tty = true);
    let text = world.text(&file, &wish(Goal::Up));
    assert!(text.contains("- stop     web"), "{text}");
}

#[test]
fn a_run_killed_after_any_step_is_finished_by_the_next_one() {
    let mut new = several();
    let web = new.containers.get_mut("web").unwrap();
    settings(web).command = Some(vec!["x".into()]);
    let job = new.containers.get_mut("job").unwrap();
    settings(job).tty = true;
    let mut moved = several();
    moved
        .networks
        .insert(name("front"), extra(5, Some("10.81.0.0/24")));
    let mut system = mixed();
    let mut db = app("db", 10, image("sql:1"));
    db.ports.push((port("5432:5432"), place(11)));
    system.containers.insert(name("db"), db);
    for (file, from) in [
        (&several(), World::default()),
        (&several(), World::of(&mixed())),
        (&new, World::of(&several())),
        (&moved, World::of(&several())),
        (&mixed(), World::of(&several())),
        (&system, World::of(&mixed())),
        (&mixed(), World::of(&system)),
    ] {
        let whole = plan(file, &from.look(), &wish(Goal::Up)).unwrap();
        for end in 0..=whole.steps.len() {
            let mut world = from.clone();
            world.follow(&whole, end);
            world.run(file, &wish(Goal::Up));
            assert_eq!(world.text(file, &wish(Goal::Up)), "nothing to do", "{end}");
            assert!(world.aside.is_empty() && world.half.is_empty());
        }
    }
}

#[test]
fn a_killed_take_over_can_be_taken_back_and_taken_down() {
    let file = mixed_with("web", |c| settings(c).command = Some(vec!["x".into()]));
    let from = World::of(&mixed());
    let whole = plan(&file, &from.look(), &wish(Goal::Up)).unwrap();
    for end in 0..=whole.steps.len() {
        let mut back = from.clone();
        back.follow(&whole, end);
        back.run(&mixed(), &wish(Goal::Up));
        assert_eq!(back.text(&mixed(), &wish(Goal::Up)), "nothing to do");
        let mut down = from.clone();
        down.follow(&whole, end);
        down.run(&mixed(), &wish(DOWN));
        assert!(down.seen.containers.is_empty() && down.aside.is_empty());
        assert!(down.seen.engine.networks.is_empty() && down.seen.network.bridges.is_empty());
        let mut started = from.clone();
        started.follow(&whole, end);
        started.run(&mixed(), &wish(START));
        let text = started.text(&mixed(), &wish(START));
        assert_eq!(text, "nothing to do", "after {end}");
    }
}

#[test]
fn a_container_that_is_not_to_be_made_anew_stays_and_that_is_said() {
    let world = World::of(&mixed());
    let file = mixed_with("web", |c| settings(c).tty = true);
    let never = Wish {
        recreate: Recreate::Never,
        ..wish(Goal::Up)
    };
    let made = plan(&file, &world.look(), &never).unwrap();
    assert!(made.steps.is_empty());
    let told = &made.warnings[0].message;
    assert!(told.contains("stays as it is"), "{told}");
}

#[test]
fn a_new_self_is_watched_before_the_older_one_goes_and_a_first_one_is_not() {
    let settle = Duration::from_secs(5);
    let watched = Wish {
        settle,
        ..wish(Goal::Up)
    };
    let settles = |world: &World, file: &Project| {
        let plan = plan(file, &world.look(), &watched).unwrap();
        let steps = plan.steps.into_iter().map(|planned| planned.step);
        let waits = steps.filter_map(|step| match step {
            Step::AwaitHealthy {
                container, settle, ..
            } => Some((container, settle)),
            _ => None,
        });
        waits.collect::<Vec<_>>()
    };
    let changed = mixed_with("web", |c| settings(c).tty = true);
    let world = World::of(&mixed());
    let told = settles(&world, &changed);
    assert!(told.contains(&(name("web"), Some(settle))), "{told:?}");
    let first = settles(&World::default(), &changed);
    assert!(
        first.iter().all(|(_, settle)| settle.is_none()),
        "{first:?}"
    );
}
