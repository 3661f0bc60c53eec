//! How long planning takes, on request: `cargo test --release five_hundred -- --ignored --nocapture`.

use std::time::Instant;

use super::apps::{app, image};
use super::shop::{busybox, container, link, project};
use super::world::World;
use super::*;

#[test]
#[ignore = "a measurement; run it with --release"]
fn five_hundred_linked_containers_are_planned_fast() {
    measure(|word| container(word, 1, busybox()));
}

#[test]
#[ignore = "a measurement; run it with --release"]
fn five_hundred_applications_are_planned_fast() {
    measure(|word| app(word, 1, image("nginx:1")));
}

fn measure(make: impl Fn(&str) -> Container) {
    let one = |index: u16| {
        let mut one = make(&format!("c{index}"));
        let ports = [20_000, 21_000, 22_000].map(|base| port(&format!("{}:80", base + index)));
        one.ports = ports.map(|port| (port, place(1))).into();
        let target = link(&format!("c{}:peer", (index + 1) % 500));
        one.links.push((target, place(1)));
        one.idmap = (one.kind() == Kind::System).then_some(Idmap::Auto);
        one
    };
    let file = project((0..500).map(one).collect());
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
