//! The bridge driver against a real kernel.

use std::time::Instant;

use locker::model::{FirewallChoice, Name, Seat};
use locker::network::{
    BridgeRemoval, BridgeWish, KernelNetwork, Network, NetworkError, NetworkView,
};
use locker::observed::ProjectRecord;
use locker::store::{Paths, save_record};

use super::ready;
use super::values::network;
use super::world::Space;

fn ensure(host: &Space, paths: &Paths) -> Result<bool, NetworkError> {
    ensure_with(host, paths, Vec::new(), false)
}

fn ensure_with(
    host: &Space,
    paths: &Paths,
    cards: Vec<String>,
    adopt: bool,
) -> Result<bool, NetworkError> {
    let (paths, net) = (paths.clone(), network("shop", false));
    host.wait(move || async move {
        let kernel = KernelNetwork::new(&paths, FirewallChoice::Auto);
        let begin = Instant::now();
        let wish = BridgeWish {
            bridge: &net.bridge,
            subnets: &net.subnets,
            cards: &cards,
            adopt,
            mtu: None,
        };
        let made = kernel.ensure(&net.project, &wish).await;
        eprintln!("bridge, addresses and settings in {:?}", begin.elapsed());
        made
    })
}

fn remove(host: &Space, paths: &Paths, last: bool) -> Result<(), NetworkError> {
    remove_or_adopt(host, paths, last, false)
}

fn remove_or_adopt(
    host: &Space,
    paths: &Paths,
    last: bool,
    adopt: bool,
) -> Result<(), NetworkError> {
    let (paths, net) = (paths.clone(), network("shop", false));
    host.wait(move || async move {
        let kernel = KernelNetwork::new(&paths, FirewallChoice::Auto);
        let wish = BridgeRemoval {
            bridge: &net.bridge,
            last,
            adopt,
        };
        kernel.remove(&net.project, &wish).await
    })
}

fn observe(host: &Space, paths: &Paths) -> NetworkView {
    let paths = paths.clone();
    let view = host.wait(move || async move {
        let project = Name::new("shop").unwrap();
        let bridges = ["lk-shop".to_string()].into();
        KernelNetwork::new(&paths, FirewallChoice::Auto)
            .observe(&project, &bridges)
            .await
    });
    view.unwrap()
}

fn place() -> (tempfile::TempDir, Paths, Space) {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::under(dir.path());
    (dir, paths, Space::new())
}

#[test]
fn a_bridge_is_made_once_mended_and_removed() {
    if !ready() {
        return;
    }
    let (_dir, paths, host) = place();
    assert!(ensure(&host, &paths).unwrap());
    assert!(!ensure(&host, &paths).unwrap());
    let whole = observe(&host, &paths).network;
    let bridge = whole.bridges["lk-shop"].clone();
    assert_eq!(bridge.mark.as_deref(), Some("locker:shop"));
    assert!(bridge.up && whole.forwarding);
    let addresses: Vec<String> = bridge.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.77.0.1/24", "fd77::1/64"]);
    host.sh(
        "ip link set lk-shop down; ip addr del 10.77.0.1/24 dev lk-shop
             ip addr add 10.5.5.5/24 dev lk-shop; echo 0 > /proc/sys/net/ipv4/ip_forward",
    );
    assert!(!observe(&host, &paths).network.forwarding);
    assert!(!ensure(&host, &paths).unwrap());
    assert_eq!(observe(&host, &paths).network, whole);
    remove(&host, &paths, true).unwrap();
    remove(&host, &paths, true).unwrap();
    assert!(observe(&host, &paths).network.bridges.is_empty());
}

#[test]
fn the_way_of_the_hosts_loopback_is_open_only_where_rules_guard_it() {
    if !ready() {
        return;
    }
    let (_dir, paths, host) = place();
    let localnet = || host.sh("cat /proc/sys/net/ipv4/conf/lk-shop/route_localnet");
    let with = |choice: FirewallChoice| {
        let (paths, net) = (paths.clone(), network("shop", false));
        host.wait(move || async move {
            let kernel = KernelNetwork::new(&paths, choice);
            let bridges = [net.bridge.clone()].into();
            let before = kernel.observe(&net.project, &bridges).await.unwrap();
            let wish = BridgeWish::plain(&net.bridge, &net.subnets);
            kernel.ensure(&net.project, &wish).await.unwrap();
            before.network.forwarding
        })
    };
    with(FirewallChoice::None);
    assert_eq!(localnet().trim(), "0");
    assert!(!with(FirewallChoice::Nftables), "the change is not seen");
    assert_eq!(localnet().trim(), "1");
    assert!(!with(FirewallChoice::None), "the change is not seen");
    assert_eq!(localnet().trim(), "0");
    assert!(with(FirewallChoice::None));
}

/// The cards of `seats` that are not in their places.
fn strays(host: &Space, paths: &Paths, seats: &[Seat]) -> Vec<(String, Option<String>)> {
    let (paths, seats) = (paths.clone(), seats.to_vec());
    let found = host.wait(move || async move {
        KernelNetwork::new(&paths, FirewallChoice::Auto)
            .cards(&seats)
            .await
    });
    let found = found.unwrap().into_iter();
    found
        .map(|stray| (stray.container.to_string(), stray.card))
        .collect()
}

#[test]
fn a_card_that_is_not_on_its_bridge_is_seen_whoever_made_it_and_put_back() {
    if !ready() {
        return;
    }
    let (_dir, paths, host) = place();
    ensure(&host, &paths).unwrap();
    let seat = |container: &str, veth: &str, hardware: &str| Seat {
        container: Name::new(container).unwrap(),
        bridge: "lk-shop".into(),
        veth: veth.into(),
        hardware: [hardware.to_string()].into(),
    };
    // One whose name is locker's, and one of which only the hardware address inside is known.
    let seats = [
        seat("web", "lkvweb", "02:00:00:00:00:01"),
        seat("app", "", "02:00:00:00:00:02"),
    ];
    let spaces = [Space::new(), Space::new()];
    for (space, veth) in spaces.iter().zip(["lkvweb", "veth77"]) {
        host.plug(veth, space, &[], &[]);
    }
    spaces[1].sh("ip link set eth0 address 02:00:00:00:00:02");
    host.sh("ip link set lkvweb master lk-shop; ip link set veth77 master lk-shop");
    assert_eq!(strays(&host, &paths, &seats), []);
    let at = |who: &str, card: &str| (who.to_string(), Some(card.to_string()));
    let both = vec![at("web", "lkvweb"), at("app", "veth77")];
    for (script, found) in [
        ("ip link del lk-shop", both),
        ("ip link set veth77 nomaster", vec![at("app", "veth77")]),
        ("ip link set veth77 down", vec![at("app", "veth77")]),
        (
            "ip link add other type bridge; ip link set lkvweb master other",
            vec![at("web", "lkvweb")],
        ),
    ] {
        host.sh(script);
        let mut seen = strays(&host, &paths, &seats);
        seen.sort_by(|one, two| two.cmp(one));
        assert_eq!(seen, found, "{script}");
        let mut cards: Vec<String> = seen.into_iter().filter_map(|(_, card)| card).collect();
        cards.push("lkvgone".into());
        ensure_with(&host, &paths, cards, false).unwrap();
        assert_eq!(strays(&host, &paths, &seats), [], "{script}");
        let on = host.sh("ip link show master lk-shop");
        assert!(on.contains("lkvweb") && on.contains("veth77"), "{on}");
    }
    host.sh("ip link del veth77");
    let gone = vec![("app".to_string(), None)];
    assert_eq!(strays(&host, &paths, &seats), gone);
}

#[test]
fn bridge_and_cards_have_one_mtu_inside_too_and_what_others_change_is_seen() {
    if !ready() {
        return;
    }
    let (_dir, paths, host) = place();
    let ensure_mtu = |mtu: Option<u32>| {
        let (paths, net) = (paths.clone(), network("shop", false));
        let done = host.wait(move || async move {
            let wish = BridgeWish {
                mtu,
                ..BridgeWish::plain(&net.bridge, &net.subnets)
            };
            KernelNetwork::new(&paths, FirewallChoice::Auto)
                .ensure(&net.project, &wish)
                .await
        });
        done.unwrap();
    };
    host.sh(
        "ip link add up0 type bridge; ip link set up0 mtu 1450 up; ip addr add 192.0.2.2/24 dev up0",
    );
    assert_eq!(observe(&host, &paths).network.uplink_mtu, None);
    host.sh("ip route add default via 192.0.2.1 dev up0");
    assert_eq!(observe(&host, &paths).network.uplink_mtu, Some(1450));
    host.sh(
        "ip link add up1 type bridge; ip link set up1 mtu 1420 up; ip -6 route add default dev up1",
    );
    assert_eq!(observe(&host, &paths).network.uplink_mtu, Some(1420));
    ensure_mtu(Some(1400));
    let spaces = [Space::new(), Space::new()];
    for (space, veth) in spaces.iter().zip(["lkvweb", "veth77"]) {
        host.plug(veth, space, &[], &[]);
        host.sh(&format!("ip link set {veth} master lk-shop"));
        // A container's namespace has a process.
        space.sh("sleep 20 >/dev/null 2>&1 &");
    }
    let mtu_of = |space: &Space, name: &str| {
        let link = space.sh(&format!("ip -o link show {name}"));
        let mut words = link.split_whitespace().skip_while(|word| *word != "mtu");
        words.nth(1).unwrap_or_default().to_owned()
    };
    let mtus = || {
        let outside = ["lk-shop", "lkvweb", "veth77"].map(|name| mtu_of(&host, name));
        let inside = spaces.each_ref().map(|space| mtu_of(space, "eth0"));
        [&outside[..], &inside[..]].concat()
    };
    let seats = [Seat {
        container: Name::new("web").unwrap(),
        bridge: "lk-shop".into(),
        veth: "lkvweb".into(),
        hardware: ["02:00:00:00:00:01".to_string()].into(),
    }];
    assert_eq!(observe(&host, &paths).network.bridges["lk-shop"].mtu, 1400);
    // The other one is nobody's that is asked about.
    let misfit = vec![("web".to_string(), Some("lkvweb".to_string()))];
    assert_eq!(strays(&host, &paths, &seats), misfit);
    ensure_mtu(Some(1400));
    assert_eq!(mtus(), ["1400"; 5]);
    assert_eq!(strays(&host, &paths, &seats), []);
    host.sh("ip link set lk-shop mtu 1300");
    assert_eq!(observe(&host, &paths).network.bridges["lk-shop"].mtu, 1300);
    ensure_mtu(Some(9000));
    assert_eq!(mtus(), ["9000"; 5]);
    ensure_mtu(None);
    assert_eq!(mtus(), ["9000"; 5]);
}

#[test]
fn a_foreign_interface_is_never_touched() {
    if !ready() {
        return;
    }
    let (_dir, paths, host) = place();
    host.sh("ip link add lk-shop type bridge; ip addr add 10.1.1.1/24 dev lk-shop");
    let before = host.sh("ip -o addr; ip -o link");
    let tried = [
        ensure(&host, &paths).map(|_| ()),
        remove(&host, &paths, true),
    ];
    for done in tried {
        assert!(
            matches!(done, Err(NetworkError::Foreign { .. })),
            "{done:?}"
        );
    }
    assert_eq!(host.sh("ip -o addr; ip -o link"), before);
    assert_eq!(observe(&host, &paths).network.bridges["lk-shop"].mark, None);
}

#[test]
fn a_bridge_that_the_engine_made_again_at_boot_is_taken_over_when_asked() {
    if !ready() {
        return;
    }
    let (_dir, paths, host) = place();
    host.sh("ip link add lk-shop type bridge; ip addr add 10.77.0.1/24 dev lk-shop");
    assert!(ensure(&host, &paths).is_err());
    assert!(!ensure_with(&host, &paths, Vec::new(), true).unwrap());
    let seen = observe(&host, &paths).network;
    let bridge = &seen.bridges["lk-shop"];
    assert_eq!(bridge.mark.as_deref(), Some("locker:shop"));
    assert!(bridge.up && bridge.addresses.len() == 2 && seen.forwarding);
    remove(&host, &paths, true).unwrap();
    // It goes the same way when nothing took it over before.
    host.sh("ip link add lk-shop type bridge");
    assert!(remove(&host, &paths, true).is_err());
    remove_or_adopt(&host, &paths, true, true).unwrap();
    assert!(
        !observe(&host, &paths)
            .network
            .bridges
            .contains_key("lk-shop")
    );
    // Neither a bridge with another mark nor what is no bridge is taken over.
    for foreign in [
        "ip link add lk-shop type bridge; ip link set lk-shop alias mine",
        "ip link add lk-shop type veth peer name other",
    ] {
        host.sh(foreign);
        let done = ensure_with(&host, &paths, Vec::new(), true);
        assert!(
            matches!(done, Err(NetworkError::Foreign { .. })),
            "{foreign}"
        );
        let done = remove_or_adopt(&host, &paths, true, true);
        assert!(
            matches!(done, Err(NetworkError::Foreign { .. })),
            "{foreign}"
        );
        host.sh("ip link del lk-shop");
    }
}

#[test]
fn every_bridge_of_the_project_is_seen_and_its_subnet_is_not_taken() {
    if !ready() {
        return;
    }
    let (_dir, paths, host) = place();
    ensure(&host, &paths).unwrap();
    // One that no file and no record names any more, and one of another project.
    host.sh(
        "ip link add lk-old-aaaaaa type bridge; ip link set lk-old-aaaaaa alias locker:shop up
         ip addr add 10.79.0.1/24 dev lk-old-aaaaaa
         ip link add lk-other type bridge; ip link set lk-other alias locker:other up
         ip addr add 10.78.0.1/24 dev lk-other",
    );
    let seen = observe(&host, &paths).network;
    let names: Vec<&str> = seen.bridges.keys().map(String::as_str).collect();
    assert_eq!(names, ["lk-old-aaaaaa", "lk-shop"]);
    let taken: Vec<String> = seen.taken.iter().map(|t| t.net.to_string()).collect();
    assert!(taken.contains(&"10.78.0.0/24".into()) && !taken.contains(&"10.79.0.0/24".into()));
    assert!(!seen.forwarding, "the old one leads no 127.0.0.1");
}

#[test]
fn what_a_killed_run_left_of_a_bridge_is_taken_up_again() {
    if !ready() {
        return;
    }
    let (_dir, paths, host) = place();
    ensure(&host, &paths).unwrap();
    let link = host.sh("ip -o link show lk-shop");
    let mac = link.split("link/ether ").nth(1).unwrap();
    let mac = mac.split(' ').next().unwrap();
    host.sh(&format!(
        "ip link del lk-shop; ip link add lk-shop address {mac} type bridge"
    ));
    assert!(observe(&host, &paths).network.bridges.is_empty());
    assert!(!ensure(&host, &paths).unwrap());
    let bridge = observe(&host, &paths).network.bridges["lk-shop"].clone();
    assert_eq!(bridge.mark.as_deref(), Some("locker:shop"));
}

#[test]
fn kernel_settings_come_back_as_they_were() {
    if !ready() {
        return;
    }
    let (_dir, paths, host) = place();
    let read = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding \
                /proc/sys/net/ipv6/conf/up0/accept_ra";
    host.sh("ip link add up0 type bridge; ip link set up0 up
             echo 0 > /proc/sys/net/ipv4/ip_forward
             echo 0 > /proc/sys/net/ipv6/conf/all/forwarding
             echo 1 > /proc/sys/net/ipv6/conf/up0/accept_ra");
    ensure(&host, &paths).unwrap();
    assert_eq!(host.sh(read), "1\n1\n2\n");
    remove(&host, &paths, false).unwrap();
    assert_eq!(host.sh(read), "1\n1\n2\n");
    // A project under another state directory still needs them.
    host.sh("ip link add lk-other type bridge; ip link set lk-other alias locker:other");
    remove(&host, &paths, true).unwrap();
    assert_eq!(host.sh(read), "1\n1\n2\n");
    host.sh("ip link del lk-other");
    remove(&host, &paths, true).unwrap();
    assert_eq!(host.sh(read), "0\n0\n1\n");
}

#[test]
fn every_subnet_in_use_is_seen_with_its_user() {
    if !ready() {
        return;
    }
    let (_dir, paths, host) = place();
    let other = network("other", false);
    let record = ProjectRecord {
        version: 1,
        name: other.project.clone(),
        directory: "/srv/other".into(),
        moved: None,
        lxcpath: "/var/lib/lxc".into(),
        subnets: other.subnets,
        networks: Default::default(),
        applications: false,
        leaving: Default::default(),
        addresses: Default::default(),
        added_ports: Default::default(),
        withdrawn: Default::default(),
        ids: Default::default(),
        picked_ports: Default::default(),
    };
    save_record(&paths, &record).unwrap();
    host.sh("ip link add up0 type bridge; ip link set up0 up
             ip addr add 10.4.0.9/16 dev up0; ip -6 addr add fd04::9/64 dev up0 nodad
             ip route add 10.1.1.0/24 dev up0; ip route add default dev up0
             ip route add 0.0.0.0/1 dev up0; ip route add blackhole 10.2.0.0/16");
    ensure(&host, &paths).unwrap();
    let view = observe(&host, &paths);
    let taken = view.network.taken.iter();
    let mut taken: Vec<String> = taken.map(|t| format!("{} {}", t.net, t.by)).collect();
    taken.sort();
    let expected = [
        "10.1.1.0/24 route via up0",
        "10.2.0.0/16 route to 10.2.0.0/16",
        "10.4.0.0/16 interface up0",
        "10.78.0.0/24 locker project other",
        "127.0.0.0/8 interface lo",
        "::1/128 interface lo",
        "fd04::/64 interface up0",
        "fd78::/64 locker project other",
    ];
    assert_eq!(taken, expected);
    assert!(view.addresses.contains(&"10.4.0.9".parse().unwrap()));
}
