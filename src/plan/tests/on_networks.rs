//! System containers on networks of the file, with addresses of their own.

use super::apps::{extra, mixed, put_on};
use super::world::World;
use super::*;
use crate::observed::Observed;

/// The mixed project with a network `back` that has no way out, and `db` on it at this address.
fn with_back(v4: Option<&str>) -> Project {
    let mut file = mixed();
    let mut back = extra(5, Some("10.80.0.0/24"));
    back.internal = true;
    file.networks.insert(name("back"), back);
    let db = file.containers.get_mut("db").unwrap();
    let mut at = Attachment::new(name("back"));
    at.v4 = v4.map(|text| text.parse().unwrap());
    db.network = Some(at);
    db.places.insert(Key::Networks, place(19));
    put_on(
        file.containers.get_mut("web").unwrap(),
        &["default", "back"],
    );
    file
}

fn nic<'a>(world: &'a World, word: &str) -> &'a Nic {
    let mark = world.seen.containers[word].mark.as_ref().unwrap();
    mark.spec.nic.as_ref().unwrap()
}

#[test]
fn it_lives_on_the_bridge_of_its_network_at_its_address() {
    let file = with_back(Some("10.80.0.7"));
    let mut world = World::default();
    world.run(&file, &wish(Goal::Up));
    let card = nic(&world, "db");
    assert_eq!(card.bridge, bridge_of_network(&name("shop"), &name("back")));
    assert_eq!(card.addresses.v4.to_string(), "10.80.0.7");
    assert!(world.seen.firewall.networks[&card.bridge].internal);
    let record = world.seen.record.as_ref().unwrap();
    assert!(record.networks.contains_key("back"), "{record:?}");
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    // Nobody else gets its address, and it stays for one that is not chosen.
    let text = world.text(&file, &chosen(Goal::Up, &["web"]));
    assert_eq!(text, "nothing to do");
}

#[test]
fn a_change_of_it_is_applied_with_a_restart_and_told_with_its_line() {
    let mut world = World::default();
    world.run(&mixed(), &wish(Goal::Up));
    for file in [with_back(None), with_back(Some("10.80.0.9")), mixed()] {
        let text = world.text(&file, &wish(Goal::Up));
        let of_db: Vec<&str> = text.lines().filter(|line| line.contains(" db ")).collect();
        let verbs: Vec<&str> = of_db
            .iter()
            .map(|line| line.split_whitespace().nth(1).unwrap())
            .collect();
        assert!(
            verbs.contains(&"stop") && verbs.contains(&"start"),
            "{text}"
        );
        assert!(
            !verbs.contains(&"create") && !verbs.contains(&"destroy"),
            "{text}"
        );
        world.run(&file, &wish(Goal::Up));
        assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    }
    world.run(&with_back(None), &wish(Goal::Up));
    let text = world.text(&with_back(Some("10.80.0.9")), &wish(Goal::Up));
    assert!(text.contains("`networks` changed (line 19)"), "{text}");
}

#[test]
fn an_address_that_it_cannot_have_is_refused() {
    let told = |file: &Project| {
        let problems = plan(file, &Observed::default(), &wish(Goal::Up)).unwrap_err();
        let line = |p: &Problem| p.place.as_ref().map_or(0, |place| place.line);
        let all = problems
            .iter()
            .map(|p| format!("{}: {}", line(p), p.message));
        all.collect::<Vec<_>>()
    };
    assert_eq!(
        told(&with_back(Some("10.81.0.7"))),
        [
            "19: container `db` cannot have the address `10.81.0.7`: network `back` is `10.80.0.0/24` and `fd16:bda2:3d3c::/64`, where the bridge has `10.80.0.1`"
        ]
    );
    let mut twice = with_back(Some("10.80.0.7"));
    let mut at = Attachment::new(name("back"));
    at.v4 = "10.80.0.7".parse().ok();
    let web = twice.containers.get_mut("web").unwrap();
    super::apps::settings(web).network = AppNetwork::Networks(vec![at]);
    assert_eq!(
        told(&twice),
        ["44: container `web` cannot have the address `10.80.0.7`: `db` has it".to_string()]
    );
}
