//! How long planning takes, on request: `cargo test --release planned_fast -- --ignored --nocapture`.

use std::time::Instant;

use super::apps::{app, image};
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
