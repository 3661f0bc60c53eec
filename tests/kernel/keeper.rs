//! The service that keeps the network, as a process, against a real kernel.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use locker::firewall::FirewallChange;
use locker::model::Protocol::Tcp;
use locker::model::{FirewallChoice, Name, PortRule, Seat};
use locker::store::{KEPT_VERSION, Kept, KeptBridge, acquire, save_kept};

use super::ready;
use super::values::{network, rule};
use super::world::{DRIVERS, Driver, World};

/// What the issue promises.
const PROMISED: Duration = Duration::from_secs(2);

/// The service in the world's host, ended with the test.
struct Service(Child);

impl Service {
    fn start(world: &World) -> Self {
        let dir = world.paths.moved().unwrap();
        let child = world.host.run(move || {
            Command::new(env!("CARGO_BIN_EXE_locker"))
                .arg("__network")
                .arg(dir)
                .spawn()
        });
        Self(child.unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn rules() -> Vec<PortRule> {
    (0..3)
        .map(|i| rule("", (80 + i, 80 + i), (8080, 8080), Tcp))
        .collect()
}

fn keep(world: &World, rules: Vec<PortRule>) {
    let net = network("shop", false);
    let bridge = KeptBridge {
        subnets: net.subnets,
        adopt: false,
        mtu: None,
    };
    // As of an application container: the name of its card on the host is not known.
    let hardware = world
        .web
        .sh("ip -o link show eth0 | sed 's/.*ether \\([^ ]*\\).*/\\1/'");
    let kept = Kept {
        version: KEPT_VERSION,
        firewall: match world.driver {
            Driver::Nft => FirewallChoice::Nftables,
            Driver::Iptables => FirewallChoice::Iptables,
        },
        bridges: [(net.bridge.clone(), bridge)].into(),
        networks: vec![net.clone()],
        rules,
        cards: vec![Seat {
            container: Name::new("web").unwrap(),
            bridge: net.bridge.clone(),
            veth: String::new(),
            hardware: [hardware.trim().to_owned()].into(),
        }],
    };
    save_kept(&world.paths, &net.project, &kept).unwrap();
}

fn is_whole(world: &World) -> bool {
    let seen = world.observe();
    seen.networks.contains_key("lk-shop") && seen.rules == rules().into_iter().collect()
}

fn comes_back(world: &World, after: &str) {
    let begin = Instant::now();
    while !is_whole(world) {
        assert!(
            begin.elapsed() < 2 * PROMISED,
            "{:?}: not back {after}",
            world.driver
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = begin.elapsed();
    eprintln!("{:?}: back {took:?} {after}", world.driver);
    assert!(took < PROMISED, "{:?}: {took:?} {after}", world.driver);
}

#[test]
fn rules_and_bridges_are_back_within_two_seconds_whoever_takes_them_out() {
    if !ready() {
        return;
    }
    for driver in DRIVERS {
        let world = World::new(driver);
        keep(&world, rules());
        let _service = Service::start(&world);
        comes_back(&world, "at boot, when there was nothing");
        assert!(world.client.ask(Tcp, "10.9.0.1", 80).is_some());
        std::thread::sleep(Duration::from_millis(1200));
        for (what, script) in [
            ("after a flush", "nft flush ruleset"),
            (
                "when one rule is gone",
                match driver {
                    Driver::Nft => "nft delete element inet locker any4 '{ tcp . 81 }'",
                    Driver::Iptables => "iptables -t nat -D LOCKER-PUBLISH 2",
                },
            ),
            (
                "when the gate is shut",
                "iptables -P FORWARD DROP; ip6tables -P FORWARD DROP",
            ),
        ] {
            world.host.sh(script);
            assert!(!is_whole(&world), "{driver:?} {what}");
            comes_back(&world, what);
        }
        let begin = Instant::now();
        world.host.sh("ip link del lk-shop");
        while !world
            .host
            .sh("ip -o addr; ip -o link")
            .contains("alias locker:shop")
            || !world.host.sh("ip -o addr").contains("10.77.0.1/24")
        {
            assert!(
                begin.elapsed() < PROMISED,
                "{driver:?}: the bridge stays away"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        for (what, script) in [
            ("after its bridge was deleted", "true"),
            ("after it was taken off", "ip link set v-web nomaster"),
            ("after it was set down", "ip link set v-web down"),
        ] {
            world.host.sh(script);
            let begin = Instant::now();
            let is_on = || {
                let on = world.host.sh("ip -o link show master lk-shop up");
                on.contains("v-web")
            };
            while !is_on() {
                assert!(begin.elapsed() < 2 * PROMISED, "{driver:?}: no card {what}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        assert!(world.client.ask(Tcp, "10.9.0.1", 80).is_some());
    }
}

#[test]
fn nothing_is_put_back_while_a_run_changes_the_project_nor_what_it_took_out() {
    if !ready() {
        return;
    }
    let world = World::new(Driver::Nft);
    keep(&world, rules());
    let _service = Service::start(&world);
    comes_back(&world, "at boot");
    let shop = Name::new("shop").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let lock = acquire(&world.paths, &shop, "up", Duration::from_secs(5), |_| {});
    let lock = runtime.block_on(lock).unwrap();
    let gone = rules().split_off(1);
    world.apply(FirewallChange {
        remove: gone.clone(),
        ..FirewallChange::default()
    });
    std::thread::sleep(PROMISED);
    assert_eq!(world.observe().rules.len(), 1, "it must wait for the run");
    keep(&world, rules()[..1].to_vec());
    drop(lock);
    std::thread::sleep(PROMISED);
    assert_eq!(world.observe().rules.len(), 1, "the run took them out");
    keep(&world, rules());
    world.host.sh("ip link add nudge type veth peer name other");
    comes_back(&world, "when they are kept again");
}
