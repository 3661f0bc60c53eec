//! Which name servers a system container gets that asks for none, and when.

use super::shop::{shop, with};
use super::world::World;
use super::*;
use crate::observed::State;

const NOTHING: &str = "nothing to do";

fn servers(words: &[&str]) -> Vec<std::net::IpAddr> {
    words.iter().map(|word| word.parse().unwrap()).collect()
}

/// A host that asks these, on which the shop came up while it asked `before`.
fn world(before: &[&str], now: &[&str]) -> World {
    let mut world = World::default();
    world.seen.host.name_servers = servers(before);
    world.run(&shop(), &wish(Goal::Up));
    world.seen.host.name_servers = servers(now);
    world
}

fn lines_of(text: &str, container: &str) -> Vec<String> {
    let subject = |line: &str| line.split_whitespace().nth(2) == Some(container);
    text.lines()
        .filter(|line| subject(line))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_new_container_has_those_of_the_host_and_the_plan_is_empty_then() {
    let mut world = world(&["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"], &[]);
    let three = servers(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    assert_eq!(world.container("web").dns, three, "more are not looked at");
    world.seen.host.name_servers = servers(&["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]);
    assert_eq!(world.text(&shop(), &wish(Goal::Up)).trim(), NOTHING);
}

#[test]
fn what_was_written_inside_stays_and_locker_s_own_follows_the_host() {
    let mut world = world(&["192.0.2.1"], &["192.0.2.9"]);
    world.container("web").dns = servers(&["9.9.9.9"]);
    let text = world.run(&shop(), &wish(Goal::Up));
    assert_eq!(lines_of(&text, "web"), [""; 0], "{text}");
    let why = "without `dns` it has the name servers of the host";
    let of_db = lines_of(&text, "db");
    assert!(
        of_db.len() == 2 && of_db.iter().all(|line| line.ends_with(why)),
        "{text}"
    );
    assert_eq!(world.container("db").dns, servers(&["192.0.2.9"]));
    assert_eq!(world.text(&shop(), &wish(Goal::Up)).trim(), NOTHING);
    // Other changes of its names leave it alone, too.
    world.container("web").names = None;
    world.run(&shop(), &wish(Goal::Up));
    assert_eq!(world.container("web").dns, servers(&["9.9.9.9"]));
}

#[test]
fn one_of_before_gets_them_with_a_start_and_only_where_it_has_none() {
    let mut world = world(&[], &["192.0.2.1"]);
    assert_eq!(
        world.text(&shop(), &wish(Goal::Up)).trim(),
        NOTHING,
        "none is changed while it runs"
    );
    for word in ["web", "db"] {
        world.container(word).state = State::Stopped;
    }
    world.container("db").dns = servers(&["9.9.9.9"]);
    let text = world.run(&shop(), &wish(Goal::Up));
    assert!(
        text.contains("without `dns` it has the name servers of the host"),
        "{text}"
    );
    assert_eq!(world.container("web").dns, servers(&["192.0.2.1"]));
    assert_eq!(world.container("db").dns, servers(&["9.9.9.9"]));
    assert_eq!(world.text(&shop(), &wish(Goal::Up)).trim(), NOTHING);
}

#[test]
fn none_is_a_way_to_have_none() {
    let mut world = World::default();
    world.seen.host.name_servers = servers(&["192.0.2.1"]);
    let file = with("web", |web| web.dns = vec![Dns::None]);
    world.run(&file, &wish(Goal::Up));
    assert!(world.container("web").dns.is_empty());
    assert_eq!(world.container("db").dns, servers(&["192.0.2.1"]));
    assert_eq!(world.text(&file, &wish(Goal::Up)).trim(), NOTHING);
}

#[test]
fn search_domains_that_were_changed_inside_are_set_back_while_it_runs() {
    let mut world = world(&["192.0.2.1"], &["192.0.2.1"]);
    world.container("web").touched = Some(crate::observed::Touched::Resolver);
    let text = world.run(&shop(), &wish(Goal::Up));
    let why = "its search domains or resolver options were changed inside";
    let lines = lines_of(&text, "web");
    assert!(
        lines.len() == 1 && lines[0].contains("names") && lines[0].ends_with(why),
        "{text}"
    );
    assert_eq!(world.text(&shop(), &wish(Goal::Up)).trim(), NOTHING);
}

#[test]
fn those_of_the_host_are_copied_where_the_file_asks_and_their_absence_is_told() {
    let file = with("web", |web| web.dns = vec![Dns::Copy]);
    let mut world = World::default();
    world.seen.host.name_servers = servers(&["192.0.2.1", "192.0.2.2"]);
    world.run(&file, &wish(Goal::Up));
    let both = servers(&["192.0.2.1", "192.0.2.2"]);
    assert_eq!(world.container("web").dns, both);
    assert_eq!(world.text(&file, &wish(Goal::Up)).trim(), NOTHING);
    // It follows the host, and one that has only itself to ask is told of.
    world.seen.host.name_servers = servers(&["192.0.2.9"]);
    world.run(&file, &wish(Goal::Up));
    assert_eq!(world.container("web").dns, servers(&["192.0.2.9"]));
    world.seen.host.name_servers.clear();
    let made = plan(&file, &world.look(), &wish(Goal::Up)).unwrap();
    let told: Vec<_> = made
        .warnings
        .iter()
        .filter(|warning| warning.message.contains("none but loopback ones"))
        .collect();
    assert_eq!(told.len(), 1, "{:?}", made.warnings);
}
