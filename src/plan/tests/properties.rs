//! Random projects on random hosts: every plan is sound, and what it does leaves nothing to do.

use proptest::prelude::*;

use super::shop::{busybox, container, project, volume};
use super::world::World;
use super::*;
use crate::observed::State;

/// One container as a few small numbers, so that a failure shrinks to a small project.
#[derive(Clone, Debug)]
struct Draw {
    source: u8,
    ports: u8,
    links: u8,
    depends: u8,
    keys: u8,
    value: u8,
}

fn draw() -> impl Strategy<Value = Draw> {
    let numbers = (
        0..4_u8,
        0..3_u8,
        any::<u8>(),
        any::<u8>(),
        any::<u8>(),
        0..3_u8,
    );
    numbers.prop_map(|(source, ports, links, depends, keys, value)| Draw {
        source,
        ports,
        links,
        depends,
        keys,
        value,
    })
}

fn file(draws: &[Draw]) -> Project {
    let all = draws.iter().enumerate();
    project(
        all.map(|(index, draw)| one(index, draws.len(), draw))
            .collect(),
    )
}

fn one(index: usize, count: usize, draw: &Draw) -> Container {
    let called = |index: usize| name(&format!("c{index}"));
    let source = match draw.source {
        0 => Source::Rootfs(format!("/srv/{}.tar", draw.value).into()),
        1 if index > 0 => Source::CloneSibling(called(usize::from(draw.value) % index)),
        _ => busybox(),
    };
    let mut one = container(called(index).as_str(), 1, source);
    for number in 0..draw.ports {
        let host = match number {
            0 => 20_000 + index * 10 + usize::from(draw.value),
            _ => 0,
        };
        let text = format!("{host}:{}", 80 + number);
        one.ports.push((port(&text), place(2)));
    }
    for other in (0..count).filter(|other| *other != index && bit(draw.links, *other)) {
        let target = called(other);
        let link = Link {
            target,
            alias: None,
        };
        one.links.push((link, place(3)));
    }
    for other in (0..index).filter(|other| bit(draw.depends, *other)) {
        let condition = match draw.value {
            0 => Condition::Healthy,
            _ => Condition::Started,
        };
        let on = called(other);
        one.depends_on.push(Dependency {
            on,
            condition,
            restart: bit(draw.keys, 2),
            required: true,
        });
    }
    give_keys(&mut one, draw);
    one
}

fn bit(bits: u8, at: usize) -> bool {
    bits & (1 << at) != 0
}

fn give_keys(one: &mut Container, draw: &Draw) {
    let text = format!("v{}", draw.value);
    let command = InnerCommand::Shell(text.clone());
    let keys = draw.keys;
    let fqdn = Fqdn::new(&format!("{text}.example.net")).ok();
    one.fqdn = fqdn.filter(|_| bit(keys, 0));
    one.idmap = bit(keys, 1).then_some(Idmap::Auto);
    one.setup = bit(keys, 2).then(|| command.clone()).into_iter().collect();
    one.healthcheck = bit(keys, 3).then(|| Healthcheck::new(command));
    one.dns = bit(keys, 4).then_some(Dns::Bridge).into_iter().collect();
    if bit(keys, 5) {
        one.environment.insert("A".into(), text.clone());
    }
    if bit(keys, 6) {
        one.volumes.push((volume(&text, "/named"), place(4)));
    }
    if bit(keys, 7) {
        let path = format!("/srv/{text}");
        one.volumes.push((volume(&path, "/bound"), place(4)));
    }
}

/// What happens to a host between two runs.
fn accident(world: &mut World, what: u8, whom: usize) {
    let found = world.seen.containers.values_mut().nth(whom);
    match (what, found) {
        (0, Some(found)) => found.state = State::Stopped,
        (1, Some(found)) if found.state == State::Running => found.state = State::Frozen,
        (2, Some(found)) => found.names = None,
        (3, Some(found)) => {
            let name = found.mark.as_ref().unwrap().spec.name.clone();
            world.seen.containers.remove(&name);
        }
        (4, _) => world.seen.network.bridges.clear(),
        (5, _) => world.seen.firewall.rules.clear(),
        (6, _) => world.seen.firewall.networks.clear(),
        (7, _) => world.seen.record = None,
        (8, _) => world.paths.clear(),
        _ => {}
    }
}

fn sound(plan: &Plan) {
    let mut finals = false;
    for (id, planned) in plan.steps.iter().enumerate() {
        assert!(planned.after.iter().all(|earlier| *earlier < id), "{plan}");
        assert!(!planned.causes.is_empty(), "{plan}");
        assert!(!finals || planned.step.is_final(), "{plan}");
        finals = planned.step.is_final();
    }
    let destroys = plan.steps.iter().filter(|p| p.step.is_final()).count();
    assert_eq!(plan.losses.len(), destroys, "{plan}");
}

/// Does `goal`, killed after `cut` steps, then again to its end. False when it is rightly refused.
fn reach(world: &mut World, file: &Project, goal: &Goal, cut: usize) -> bool {
    for cut in [cut, usize::MAX] {
        match plan(file, &world.look(), &wish(goal.clone())) {
            Ok(made) => {
                sound(&made);
                world.follow(&made, cut.min(made.steps.len()));
            }
            Err(problems) => {
                let known = ["still set aside", "not made yet"];
                let text = &problems[0].message;
                assert!(known.iter().any(|part| text.contains(part)), "{text}");
                return false;
            }
        }
    }
    let rest = world.text(file, &wish(goal.clone()));
    assert_eq!(rest, "nothing to do", "{goal:?}");
    true
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn up_converges_from_any_host(
        before in prop::collection::vec(draw(), 1..5),
        after in prop::collection::vec(draw(), 1..5),
        begun in 0..40_usize,
        accidents in prop::collection::vec((0..9_u8, 0..4_usize), 0..4),
        cut in 0..40_usize,
    ) {
        let (before, after) = (file(&before), file(&after));
        let mut world = World::default();
        let first = plan(&before, &world.look(), &wish(Goal::Up)).unwrap();
        sound(&first);
        world.follow(&first, begun.min(first.steps.len()));
        for (what, whom) in accidents {
            accident(&mut world, what, whom);
        }
        if reach(&mut world, &after, &Goal::Up, cut) {
            let running = |c: &Name| world.seen.containers[c.as_str()].state == State::Running;
            prop_assert!(after.containers.keys().all(running));
            prop_assert!(world.aside.is_empty() && world.half.is_empty());
        }
    }

    #[test]
    fn every_goal_that_is_a_state_is_reached_and_stays(
        draws in prop::collection::vec(draw(), 1..5),
        accidents in prop::collection::vec((0..9_u8, 0..4_usize), 0..4),
        goal in 0..7_usize,
        cut in 0..40_usize,
    ) {
        let keep = Goal::Down { keep: true, volumes: false };
        let all = Goal::Down { keep: false, volumes: true };
        let goals = [Goal::Stop, START, Goal::Create, Goal::Remove, DOWN, keep, all];
        let file = file(&draws);
        let mut world = World::of(&file);
        for (what, whom) in accidents {
            accident(&mut world, what, whom);
        }
        reach(&mut world, &file, &goals[goal], cut);
        reach(&mut world, &file, &Goal::Up, cut);
        prop_assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    }
}
