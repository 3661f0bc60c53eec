//! The numbers of published ports, as ratios within one run. Measurements, not tests of a ring:
//!
//! ```text
//! cargo test --release --test kernel numbers -- --ignored --nocapture --test-threads=1
//! ```

use std::time::{Duration, Instant};

use locker::firewall::FirewallChange;
use locker::model::PortRule;
use locker::model::Protocol::Tcp;

use super::ready;
use super::values::{network, rule};
use super::world::{Driver, Space, World};

const ROUNDS: usize = 15;

fn ports(count: u16) -> Vec<PortRule> {
    let one = |port| rule("", (port, port), (8080, 8080), Tcp);
    (0..count).map(|i| one(20_000 + i)).collect()
}

fn add(add: Vec<PortRule>) -> FirewallChange {
    FirewallChange {
        add,
        ..FirewallChange::default()
    }
}

fn took(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

/// The middle one of several times, in seconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

fn world(driver: Driver) -> World {
    let world = World::new(driver);
    world.apply(FirewallChange {
        open: vec![network("shop", false)],
        ..FirewallChange::default()
    });
    world
}

#[test]
#[ignore = "a measurement; run it with --release"]
fn ten_thousand_ports_are_one_change_hardly_slower_than_raw_nft() {
    if !ready() {
        return;
    }
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let world = world(Driver::Nft);
        ours.push(took(|| world.apply(add(ports(10_000)))));
        assert_eq!(world.observe().rules.len(), 10_000);
        let map = |family: &str, kind: &str, to: &str| {
            let element = |port: u16| format!("tcp . {port} : {to} . 8080");
            let all: Vec<String> = (20_000..30_000).map(element).collect();
            format!(
                "add map inet raw any{family} {{ type inet_proto . inet_service : {kind} . inet_service; }}\n\
                 add element inet raw any{family} {{ {} }}\n",
                all.join(", ")
            )
        };
        let script = "add table inet raw\n".to_string()
            + &map("4", "ipv4_addr", "10.77.0.2")
            + &map("6", "ipv6_addr", "fd77::2");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), script).unwrap();
        let command = format!("nft -f {}", file.path().display());
        let space = Space::new();
        raw.push(took(|| drop(space.sh(&command))));
    }
    let (ours, raw) = (median(ours), median(raw));
    println!(
        "10,000 ports: {ours:.3} s, raw {raw:.3} s, {:.2} x",
        ours / raw
    );
    assert!(ours < 1.5 * raw && ours < 0.3, "{ours} s, raw {raw} s");
}

#[test]
#[ignore = "a measurement; run it with --release"]
fn one_more_port_costs_the_same_beside_ten_thousand_as_beside_ten() {
    if !ready() {
        return;
    }
    let (few, many) = (world(Driver::Nft), world(Driver::Nft));
    few.apply(add(ports(10)));
    many.apply(add(ports(10_000)));
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..3 * ROUNDS {
        let port = 1000 + u16::try_from(round).unwrap();
        for (world, times) in [&few, &many].into_iter().zip(&mut times) {
            let change = add(vec![rule("", (port, port), (8080, 8080), Tcp)]);
            times.push(took(|| world.apply(change)));
        }
    }
    let [few, many] = times.map(median);
    println!(
        "one port beside 10: {few:.4} s, beside 10,000: {many:.4} s, {:.2} x",
        many / few
    );
    assert!((0.8..=1.2).contains(&(many / few)), "{few} s, {many} s");
}

#[test]
#[ignore = "a measurement; run it with --release"]
fn a_new_connection_does_not_feel_ten_thousand_rules() {
    if !ready() {
        return;
    }
    let (one, many) = (world(Driver::Nft), world(Driver::Nft));
    one.apply(add(ports(1)));
    many.apply(add(ports(10_000)));
    let mut times = [Vec::new(), Vec::new()];
    let ask = |world: &World| {
        let connect = || {
            let to = std::net::SocketAddr::from(([10, 9, 0, 1], 20_000));
            let begin = Instant::now();
            drop(std::net::TcpStream::connect(to).unwrap());
            begin.elapsed()
        };
        world
            .client
            .run(move || (0..40).map(|_| connect()).collect::<Vec<_>>())
    };
    for _ in 0..3 * ROUNDS {
        for (world, times) in [&one, &many].into_iter().zip(&mut times) {
            times.extend(ask(world));
        }
    }
    let [one, many] = times.map(median);
    let (one, many) = (one * 1e6, many * 1e6);
    println!(
        "a connection with 1 rule: {one:.1} us, with 10,000: {many:.1} us, {:.2} x",
        many / one
    );
    assert!(many <= 1.1 * one, "{one} us, {many} us");
}

#[test]
#[ignore = "a measurement; run it with --release"]
fn a_thousand_ports_of_iptables_are_hardly_slower_than_the_raw_restore() {
    if !ready() {
        return;
    }
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let world = world(Driver::Iptables);
        ours.push(took(|| world.apply(add(ports(1000)))));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display();
        world.host.sh(&format!(
            "iptables-save > {path}/4; ip6tables-save > {path}/6"
        ));
        let command = format!("iptables-restore < {path}/4; ip6tables-restore < {path}/6");
        let space = Space::new();
        raw.push(took(|| drop(space.sh(&command))));
    }
    let (ours, raw) = (median(ours), median(raw));
    println!(
        "iptables, 1,000 ports: {ours:.3} s, raw {raw:.3} s, {:.2} x",
        ours / raw
    );
    assert!(ours <= 1.3 * raw, "{ours} s, raw {raw} s");
}
