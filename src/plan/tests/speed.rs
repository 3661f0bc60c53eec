//! How long planning takes, on request: `cargo test --release planned_fast -- --ignored --nocapture`, and how the
//! work of it grows, always.

use std::time::Instant;

use super::super::indexes::Indexes;
use super::super::waits::Waits;
use super::apps::{app, image, on, put_on};
use super::shop::{busybox, container, link, project};
use super::world::World;
use super::*;

#[test]
#[ignore = "a measurement; run it with --release"]
fn five_hundred_linked_containers_are_planned_fast() {
    measure(500, |word| container(word, 1, busybox()));
}

#[test]
#[ignore = "a measurement; run it with --release"]
fn five_hundred_applications_are_planned_fast() {
    measure(500, |word| app(word, 1, image("nginx:1")));
}

#[test]
#[ignore = "a measurement; run it with --release"]
fn five_thousand_containers_are_planned_fast() {
    measure(5_000, |word| container(word, 1, busybox()));
}

#[test]
#[ignore = "a measurement; run it with --release"]
fn five_thousand_containers_in_a_chain_are_planned_fast() {
    let mut file = chain(5_000);
    file.network.subnet = Some("10.64.0.0/16".parse().unwrap());
    let mut world = World::default();
    world.seen.units.available = true;
    let look = world.look();
    let begun = Instant::now();
    let made = plan(&file, &look, &wish(Goal::Up)).unwrap();
    eprintln!("{} steps in {:?}", made.steps.len(), begun.elapsed());
}

/// Each waits for the health of the one before and is restarted with it.
fn chain(count: u16) -> Project {
    let one = |index: u16| {
        let mut one = app(&format!("c{index}"), 1, image("nginx:1"));
        one.healthcheck = Some(Healthcheck::new(InnerCommand::Shell("true".into())));
        if let Some(before) = index.checked_sub(1) {
            one.depends_on.push(Dependency {
                restart: true,
                ..on(&format!("c{before}"), Condition::Healthy)
            });
        }
        one
    };
    project((0..count).map(one).collect())
}

#[test]
fn the_waits_of_a_long_chain_grow_with_its_length() {
    let looks = |count| Waits::of(&chain(count)).looks;
    let (few, many) = (looks(300), looks(1_200));
    // Four times as many, of which each has a few parts more to look at.
    assert!(many < few * 16, "{few} looks for 300, {many} for 1200");
    assert!(many < 1_200 * 25, "{many} looks for 1200");
}

/// How many indexes are looked at until each of `count` containers has one, and the last of them.
fn looks(count: u16, networks_of: impl Fn(u16) -> Vec<String>) -> (u64, u32) {
    let mut subnets = BTreeMap::new();
    let one = |index: u16| {
        let mut one = app(&format!("c{index}"), 1, image("nginx:1"));
        let words = networks_of(index);
        put_on(
            &mut one,
            &words.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        one
    };
    let file = project((0..count).map(one).collect());
    for network in (0..count).flat_map(&networks_of) {
        let v4 = "10.64.0.0/16".parse().unwrap();
        let wide = Subnets {
            v4,
            v6: None,
            at4: None,
            at6: None,
        };
        subnets.insert(name(&network), wide);
    }
    let mut problems = Vec::new();
    let look = World::default().look();
    let chosen = Indexes::choose(&file, &look, &subnets, true, &mut problems);
    assert!(problems.is_empty() && chosen.all().len() == usize::from(count));
    (chosen.looks, chosen.all().values().copied().max().unwrap())
}

#[test]
fn addresses_of_many_containers_cost_no_more_each_than_of_a_few() {
    let together = |_| vec!["default".to_string()];
    let with_own = |index| vec!["default".to_string(), format!("own{index}")];
    for networks_of in [&together as &dyn Fn(u16) -> Vec<String>, &with_own] {
        let (few, last) = looks(50, networks_of);
        assert_eq!(last, 51, "each has the next one");
        let (many, last) = looks(500, networks_of);
        assert_eq!(last, 501);
        assert!(many < few * 11, "{few} looks for 50, {many} for 500");
    }
}

fn measure(count: u16, make: impl Fn(&str) -> Container) {
    let one = |index: u16| {
        let mut one = make(&format!("c{index}"));
        let ports = [20_000, 26_000, 32_000].map(|base| port(&format!("{}:80", base + index)));
        one.ports = ports.map(|port| (port, place(1))).into();
        let target = link(&format!("c{}:peer", (index + 1) % count));
        one.links.push((target, place(1)));
        one.idmap = (one.kind() == Kind::System).then_some(Idmap::Auto);
        one
    };
    let mut file = project((0..count).map(one).collect());
    file.network.subnet = Some("10.64.0.0/16".parse().unwrap());
    let mut world = World::default();
    let begun = Instant::now();
    let made = plan(&file, &world.look(), &wish(Goal::Up)).unwrap();
    eprintln!("{} steps in {:?}", made.steps.len(), begun.elapsed());
    world.follow(&made, made.steps.len());
    let look = world.look();
    let begun = Instant::now();
    let again = plan(&file, &look, &wish(Goal::Up)).unwrap();
    eprintln!("nothing to do in {:?}", begun.elapsed());
    assert!(again.steps.is_empty());
}
