//! The longest packet of a network: as the file says, else as the host's way out.

use super::apps::{extra, mixed, several};
use super::shop::shop;
use super::world::World;
use super::*;
use crate::observed::*;

fn with_uplink(mtu: u32) -> World {
    let mut world = World::default();
    world.seen.network.uplink_mtu = Some(mtu);
    world
}

/// The lines of a plan that tell of bridges.
fn bridges(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| line.contains("bridge"));
    lines.map(str::trim_end).collect()
}

#[test]
fn a_bridge_follows_the_way_out_and_the_file_wins() {
    let mut file = shop();
    let text = with_uplink(1400).text(&file, &wish(Goal::Up));
    assert!(bridges(&text)[0].contains(" mtu 1400"), "{text}");
    for usual in [with_uplink(1500), World::default()] {
        let text = usual.text(&file, &wish(Goal::Up));
        assert!(!text.contains("mtu"), "{text}");
    }
    file.network.mtu = Some(9000);
    let text = with_uplink(1400).text(&file, &wish(Goal::Up));
    assert!(bridges(&text)[0].contains(" mtu 9000"), "{text}");
    // IPv6 would not work below.
    file.network.mtu = None;
    let text = with_uplink(576).text(&file, &wish(Goal::Up));
    assert!(bridges(&text)[0].contains(" mtu 1280"), "{text}");
    file.network.ipv6 = false;
    let text = with_uplink(576).text(&file, &wish(Goal::Up));
    assert!(bridges(&text)[0].contains(" mtu 576"), "{text}");
}

#[test]
fn a_changed_mtu_touches_no_container() {
    let mut world = with_uplink(1500);
    world.run(&mixed(), &wish(Goal::Up));
    assert_eq!(world.text(&mixed(), &wish(Goal::Up)), "nothing to do");
    world.seen.network.uplink_mtu = Some(1400);
    let drift = "its MTU is not that of the host's default route";
    let text = world.text(&mixed(), &wish(Goal::Up));
    assert_eq!(
        text,
        format!("+ bridge   lk-shop  10.36.9.0/24 fd46:dc5e:18e2::/64 mtu 1400  {drift}")
    );
    world.run(&mixed(), &wish(Goal::Up));
    assert_eq!(world.text(&mixed(), &wish(Goal::Up)), "nothing to do");
    let mut file = mixed();
    file.network.mtu = Some(1300);
    let text = world.text(&file, &wish(Goal::Up));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("its MTU is not that of the file"), "{text}");
    world.run(&file, &wish(Goal::Up));
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    // Without a way out nothing is said against what is there.
    world.seen.network.uplink_mtu = None;
    file.network.mtu = None;
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
}

#[test]
fn somebodys_change_of_a_bridge_or_a_card_is_drift() {
    let mut world = with_uplink(1500);
    world.run(&shop(), &wish(Goal::Up));
    let bridge = world.seen.network.bridges.get_mut("lk-shop").unwrap();
    bridge.mtu = 1280;
    let text = world.text(&shop(), &wish(Goal::Up));
    assert!(text.contains("its MTU is not that of"), "{text}");
    world.run(&shop(), &wish(Goal::Up));
    world.seen.network.strays = vec![StrayCard {
        container: name("web"),
        bridge: "lk-shop".into(),
        card: Some("lkv1".into()),
        misfit: true,
    }];
    let text = world.text(&shop(), &wish(Goal::Up));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains("running containers have another MTU"),
        "{text}"
    );
}

#[test]
fn the_engine_is_told_when_its_network_is_made_and_not_later() {
    let mut file = several();
    let mut front = extra(5, Some("10.80.0.0/24"));
    front.wish.mtu = Some(1400);
    file.networks.insert(name("front"), front);
    let mut world = with_uplink(1500);
    world.run(&file, &wish(Goal::Up));
    let mtu = |world: &World, word: &str| world.seen.engine.networks[word].mtu;
    assert_eq!(
        (mtu(&world, "front"), mtu(&world, "default")),
        (Some(1400), None)
    );
    file.networks.get_mut("front").unwrap().wish.mtu = Some(1350);
    let text = world.text(&file, &wish(Goal::Up));
    assert_eq!(text.lines().count(), 1, "{text}");
    world.run(&file, &wish(Goal::Up));
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
}
