//! Random projects on random hosts: every plan is sound, and what it does leaves nothing to do.

use proptest::prelude::*;

use super::apps::{app, build, extra, image, put_on, settings};
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
        0..7_u8,
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
    let mut file = project(
        all.map(|(index, draw)| one(index, draws.len(), draw))
            .collect(),
    );
    let value = draws.first().map_or(0, |draw| draw.value);
    let subnet = format!("10.88.{value}.0/24");
    let mut front = extra(5, (value > 0).then_some(subnet.as_str()));
    front.internal = value == 2;
    file.networks.insert(name("front"), front);
    for (index, draw) in draws.iter().enumerate().skip(1) {
        share(&mut file, index, draw);
    }
    file
}

/// Some application containers use the network of the one before them.
fn share(file: &mut Project, index: usize, draw: &Draw) {
    let before = called(index - 1);
    let is_app = |c: &Container| c.kind() == Kind::Application;
    let fits = file.containers.get(&before).is_some_and(is_app);
    let Some(one) = file.containers.get_mut(&called(index)) else {
        return;
    };
    if draw.source == 6 && fits && is_app(one) {
        settings(one).network = AppNetwork::Container(before.clone());
        one.ports.clear();
        // Whose network is used must go on.
        let all = file.containers.values_mut().flat_map(|c| &mut c.depends_on);
        for dependency in all.filter(|dependency| dependency.on == before) {
            dependency.condition = Condition::Started;
        }
    }
}

fn called(index: usize) -> Name {
    name(&format!("c{index}"))
}

fn one(index: usize, count: usize, draw: &Draw) -> Container {
    let source = match draw.source {
        0 => Source::Rootfs(format!("/srv/{}.tar", draw.value).into()),
        1 if index > 0 => Source::CloneSibling(called(usize::from(draw.value) % index)),
        3 | 4 => image(&format!("image:{}", draw.value)),
        5 | 6 => build(&format!("built_{}", draw.value % 2)),
        _ => busybox(),
    };
    let mut one = match source.kind() {
        Kind::System => container(called(index).as_str(), 1, source),
        Kind::Application => app(called(index).as_str(), 1, source),
    };
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
            1 => Condition::Completed,
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
    if one.kind() == Kind::Application {
        give_app_keys(&mut one, draw);
    }
    one
}

fn give_app_keys(one: &mut Container, draw: &Draw) {
    one.idmap = None;
    one.stop_grace = bit(draw.links, 5).then_some(Duration::from_secs(3));
    let on: &[&str] = match draw.links % 3 {
        0 => &["default"],
        1 => &["front", "default"],
        _ => &["front"],
    };
    put_on(one, on);
    let settings = settings(one);
    settings.limits.memory = bit(draw.links, 6).then_some(u64::from(draw.value) + 1);
    settings.command = bit(draw.links, 7).then(|| vec![draw.value.to_string()]);
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
        (9, _) => {
            let images = world.seen.engine.images.values_mut();
            images.for_each(|id| id.push('x'));
        }
        (11, _) => world.tear(),
        (10, Some(found)) => (found.state, found.exit) = (State::Stopped, Some(1)),
        _ => {}
    }
}

fn sound(plan: &Plan, files: &[&Project]) {
    let mut finals = false;
    for (id, planned) in plan.steps.iter().enumerate() {
        assert!(planned.after.iter().all(|earlier| *earlier < id), "{plan}");
        assert!(!planned.causes.is_empty(), "{plan}");
        assert!(!finals || planned.step.is_final(), "{plan}");
        finals = planned.step.is_final();
    }
    let destroys = plan.steps.iter().filter(|p| p.step.is_final()).count();
    assert!(plan.losses.len() <= destroys, "{plan}");
    let mut all = files.iter().flat_map(|file| file.containers.values());
    let applications = all.any(|c| c.kind() == Kind::Application);
    assert!(applications || plan.losses.len() == destroys, "{plan}");
}

/// Does `goal`, killed after `cut` steps, then again to its end. False when it is rightly refused.
fn reach(world: &mut World, file: &Project, before: &Project, goal: &Goal, cut: usize) -> bool {
    for cut in [cut, usize::MAX] {
        match plan(file, &world.look(), &wish(goal.clone())) {
            Ok(made) => {
                sound(&made, &[file, before]);
                world.follow(&made, cut.min(made.steps.len()));
            }
            Err(problems) => {
                let known = ["still set aside", "not made yet", "not in the file, runs"];
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

/// Every port rule leads to its container as it is now.
fn rules_lead_home(world: &World) -> bool {
    let rules = &world.seen.firewall.rules;
    rules.iter().all(|rule| {
        let found = world.seen.containers.get(&rule.container);
        let nic = found.and_then(|c| c.mark.as_ref()?.spec.nic.clone());
        nic.is_some_and(|nic| nic.addresses.v4 == rule.to4)
    })
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
        accidents in prop::collection::vec((0..12_u8, 0..4_usize), 0..4),
        cut in 0..40_usize,
    ) {
        let (before, after) = (file(&before), file(&after));
        let mut world = World::default();
        let first = plan(&before, &world.look(), &wish(Goal::Up)).unwrap();
        sound(&first, &[&before]);
        world.follow(&first, begun.min(first.steps.len()));
        for (what, whom) in accidents {
            accident(&mut world, what, whom);
        }
        if reach(&mut world, &after, &before, &Goal::Up, cut) {
            let ends = needs::awaited_ends(&after);
            let running = |c: &Name| {
                let found = &world.seen.containers[c.as_str()];
                found.state == State::Running || (ends.contains(c) && found.exit == Some(0))
            };
            prop_assert!(after.containers.keys().all(running));
            prop_assert!(world.aside.is_empty() && world.half.is_empty());
            prop_assert!(rules_lead_home(&world));
        }
    }

    #[test]
    fn every_goal_that_is_a_state_is_reached_and_stays(
        draws in prop::collection::vec(draw(), 1..5),
        accidents in prop::collection::vec((0..12_u8, 0..4_usize), 0..4),
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
        reach(&mut world, &file, &file, &goals[goal], cut);
        reach(&mut world, &file, &file, &Goal::Up, cut);
        prop_assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    }
}
