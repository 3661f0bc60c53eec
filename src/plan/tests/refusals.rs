//! What stands in the way is named, all of it in one run.

use super::shop::{busybox, shop, with};
use super::world::World;
use super::*;
use crate::observed::*;

/// Every problem: message, line, help.
fn refused(project: &Project, observed: &Observed, wish: &Wish) -> Vec<String> {
    let problems = plan(project, observed, wish).unwrap_err();
    let line = |p: &Problem| p.place.as_ref().map_or(0, |place| place.line);
    let all = problems.iter();
    all.map(|p| {
        format!(
            "{}: {} [{}]",
            line(p),
            p.message,
            p.help.as_deref().unwrap_or("")
        )
    })
    .collect()
}

fn up(observed: &Observed) -> Vec<String> {
    refused(&shop(), observed, &wish(Goal::Up))
}

fn listener(address: &str, port: u16) -> Listener {
    Listener {
        held_for: None,
        protocol: Protocol::Tcp,
        address: address.parse().unwrap(),
        port,
        owner: "nginx (pid 812)".into(),
    }
}

#[test]
fn a_port_that_another_project_or_process_has_is_refused_by_name_and_line() {
    let mut observed = Observed::default();
    let other = PortRule {
        project: name("blog"),
        container: name("front"),
        port: port("8080:80"),
        to4: "10.0.0.2".parse().unwrap(),
        to6: "fd00::2".parse().ok(),
    };
    observed.firewall.rules.insert(other);
    let help = "[publish another port, or free this one]";
    let mine = "31: port `8080:80/tcp` of container `web` is in use by";
    let by = format!("{mine} container `front` of project `blog` {help}");
    assert_eq!(up(&observed), [by]);
    let by = format!("{mine} nginx (pid 812) {help}");
    for address in ["0.0.0.0", "::", "127.0.0.1"] {
        let observed = Observed {
            listeners: vec![listener(address, 8080)],
            ..Observed::default()
        };
        assert_eq!(up(&observed), std::slice::from_ref(&by), "{address}");
    }
    let elsewhere = with("web", |web| web.ports[0].0 = port("10.1.2.3:8080:80"));
    let observed = Observed {
        listeners: vec![listener("127.0.0.1", 8080)],
        ..Observed::default()
    };
    assert!(plan(&elsewhere, &observed, &wish(Goal::Up)).is_ok());
}

#[test]
fn a_rule_that_is_in_place_already_is_in_nobodys_way() {
    let mut world = World::of(&shop());
    world.seen.listeners = vec![listener("0.0.0.0", 8080)];
    assert_eq!(world.text(&shop(), &wish(Goal::Up)), "nothing to do");
}

#[test]
fn foreign_containers_and_bridges_are_never_taken() {
    let mut observed = Observed::default();
    observed
        .foreign
        .insert(Kind::System, BTreeSet::from(["shop_db".to_string()]));
    let bridge = shop().bridge();
    let foreign = ObservedBridge {
        mark: None,
        up: true,
        addresses: Vec::new(),
        mtu: USUAL_MTU,
    };
    observed.network.bridges.insert(bridge.clone(), foreign);
    assert_eq!(
        up(&observed),
        [
            "10: a container `shop_db` is on the host and is not of this project [rename the container or the project]".to_string(),
            format!("0: interface `{bridge}` is there and is not of this project [remove it (`ip link del {bridge}`) or rename the project]"),
        ]
    );
}

#[test]
fn a_project_of_another_directory_is_refused_by_its_directory() {
    let mut world = World::of(&shop());
    world.seen.record.as_mut().unwrap().directory = "/home/ada/shop".into();
    let expected = "0: project `shop` belongs to `/home/ada/shop`, not to `/srv/shop` [run this in `/home/ada/shop` to change that one, or give this one another name with `name:` or `-p`; if the project was moved here, take its file out of `/home/ada/shop` and run this again]";
    assert_eq!(up(&world.look()), [expected]);
    world.seen.record = None;
    world.container("web").mark.as_mut().unwrap().directory = "/home/ada/shop".into();
    assert_eq!(up(&world.look()), [expected]);
}

#[test]
fn a_subnet_of_the_file_that_is_taken_or_too_small_is_refused() {
    let mut file = shop();
    file.network.subnet = "10.9.0.0/30".parse().ok();
    let mut observed = Observed::default();
    observed.network.taken.push(TakenNet {
        net: "10.9.0.0/16".parse().unwrap(),
        by: "route via tun0".into(),
    });
    assert_eq!(
        refused(&file, &observed, &wish(Goal::Up)),
        [
            "2: the subnet `10.9.0.0/30` overlaps `10.9.0.0/16` of route via tun0 [choose another subnet, or leave it out and locker picks a free one]",
            "2: the subnet `10.9.0.0/30` has room for 1 containers and 3 are needed [choose a larger subnet]",
        ]
    );
}

#[test]
fn a_picked_subnet_avoids_what_is_taken_and_warns_when_it_is_taken_later() {
    let first = World::of(&shop()).seen.record.unwrap().subnets;
    let mut observed = Observed::default();
    observed.network.taken.push(TakenNet {
        net: first.v4.into(),
        by: "interface eth0".into(),
    });
    let (second, _) = addresses::choose(&shop(), &observed, true, true).unwrap();
    assert_ne!(first.v4, second.subnets.v4);
    observed.network.taken.push(TakenNet {
        net: "10.0.0.0/8".parse().unwrap(),
        by: "route via vpn0".into(),
    });
    let (third, _) = addresses::choose(&shop(), &observed, true, true).unwrap();
    assert!(third.subnets.v4.to_string().starts_with("172."));
    observed.network.taken.pop();
    let mut world = World::of(&shop());
    world.seen.network = ObservedNetwork {
        taken: observed.network.taken,
        ..world.seen.network
    };
    let made = plan(&shop(), &world.look(), &wish(Goal::Up)).unwrap();
    assert_eq!(made.to_string(), "nothing to do");
    let said = &made.warnings[0].message;
    assert!(
        said.contains("now overlaps") && said.contains("eth0"),
        "{said}"
    );
}

#[test]
fn a_part_of_a_project_cannot_move_to_another_subnet_alone() {
    let world = World::of(&shop());
    let mut file = shop();
    file.network.subnet = "10.250.0.0/24".parse().ok();
    assert_eq!(
        refused(&file, &world.look(), &chosen(Goal::Up, &["web"])),
        [
            "2: `network` of project `shop` changed, which moves all containers [run `locker up` without names]"
        ]
    );
    let mut stopped = world.clone();
    stopped.run(&file, &wish(Goal::Stop));
    let started = stopped.run(&file, &wish(START));
    assert!(!started.contains("10.250"), "{started}");
}

#[test]
fn a_picked_port_stays_while_its_container_is_left_out_and_goes_with_its_rule() {
    let file = with("web", |web| web.ports[0].0 = port("0:80"));
    let mut world = World::of(&file);
    let picked = |world: &World| world.look().record.unwrap().picked_ports;
    let before = picked(&world);
    assert_eq!(before.len(), 1);
    let mut off = file.clone();
    off.containers.remove("web");
    for other in off.containers.values_mut() {
        other
            .depends_on
            .retain(|needed| needed.on.as_str() != "web");
        other
            .links
            .retain(|(link, _)| link.target.as_str() != "web");
    }
    off.disabled.insert(name("web"), vec!["debug".into()]);
    // Something that writes the record.
    off.containers.get_mut("db").unwrap().ports = vec![(port("0:53/udp"), place(21))];
    world.run(&off, &wish(Goal::Up));
    assert_eq!(picked(&world).len(), 2);
    world.run(&file, &wish(Goal::Up));
    assert_eq!(picked(&world), before);
    world.run(&shop(), &wish(Goal::Up));
    assert_eq!(picked(&world).len(), 0);
}

#[test]
fn a_picked_port_is_picked_anew_when_somebody_else_has_it_while_its_container_rests() {
    let file = with("web", |web| web.ports[0].0 = port("0:80"));
    let port_of = |world: &World| {
        *world
            .look()
            .record
            .unwrap()
            .picked_ports
            .values()
            .next()
            .unwrap()
    };
    let mut other = file.clone();
    other.name = name("other");
    assert_ne!(port_of(&World::of(&file)), port_of(&World::of(&other)));
    let mut world = World::of(&file);
    let before = port_of(&world);
    world.run(&file, &wish(Goal::Stop));
    world.run(&file, &wish(Goal::Up));
    assert_eq!(port_of(&world), before);
    world.run(&file, &wish(Goal::Stop));
    world.seen.listeners = vec![listener("0.0.0.0", before)];
    world.run(&file, &wish(Goal::Up));
    let after = port_of(&world);
    assert_ne!(after, before);
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
}

#[test]
fn a_random_port_is_refused_when_none_is_free() {
    let file = with("web", |web| web.ports[0].0 = port("0:80"));
    let all = (10_000..=u16::MAX).map(|port| listener("0.0.0.0", port));
    let observed = Observed {
        listeners: all.collect(),
        ..Observed::default()
    };
    assert_eq!(
        refused(&file, &observed, &wish(Goal::Up)),
        ["31: no port from 10000 on is free for `0:80/tcp` [name a host port instead of 0]"]
    );
}

#[test]
fn what_is_not_made_cannot_be_started_or_changed() {
    let file = shop();
    let none = Observed::default();
    for goal in [
        START,
        Goal::Restart,
        Goal::Stop,
        Goal::Freeze,
        Goal::Unfreeze,
    ]
    .into_iter()
    .chain([Goal::Links, Goal::Unlinks, Goal::Limits, Goal::Ports])
    {
        assert_eq!(
            refused(&file, &none, &chosen(goal.clone(), &["web"])),
            ["0: container `web` is not made yet [run `locker create`]"],
            "{goal:?}"
        );
    }
    let mut world = World::of(&file);
    world.seen.containers.remove("db");
    let needs = with("web", |web| {
        web.depends_on.push(Dependency {
            on: name("db"),
            condition: Condition::Started,
            restart: false,
            required: true,
        });
    });
    world.container("web").state = State::Stopped;
    assert_eq!(
        refused(&needs, &world.look(), &chosen(START, &["web"])),
        ["0: container `db` is not made yet [run `locker create`]"]
    );
}

#[test]
fn a_port_added_to_a_container_that_is_not_made_is_kept_for_it() {
    let file = shop();
    let mut world = World::default();
    let add = chosen(Goal::PortAdd(port("9000:90")), &["cache"]);
    let made = plan(&file, &world.look(), &add).unwrap();
    let said: Vec<&str> = made.warnings.iter().map(|w| w.message.as_str()).collect();
    assert_eq!(
        said,
        ["container `cache` does not run; `9000:90/tcp` is published when it starts"]
    );
    world.follow(&made, made.steps.len());
    world.run(&file, &wish(Goal::Up));
    let mut rules = world.seen.firewall.rules.iter();
    assert!(rules.any(|rule| rule.port == port("9000:90")));
}

#[test]
fn a_host_port_of_the_file_that_is_taken_out_is_not_given_away_by_hand() {
    let file = shop();
    let mut world = World::of(&file);
    let out = chosen(Goal::PortRemove(port("8080:8080")), &["web"]);
    let made = plan(&file, &world.look(), &out).unwrap();
    let said: Vec<&str> = made.warnings.iter().map(|w| w.message.as_str()).collect();
    assert_eq!(
        said,
        ["the file has `8080:80/tcp` of `web`; the next `up` puts it back"]
    );
    world.follow(&made, made.steps.len());
    for owner in ["web", "cache"] {
        let add = chosen(Goal::PortAdd(port("8080:81")), &[owner]);
        let said = refused(&file, &world.look(), &add);
        assert!(
            said[0].contains("the file has `8080:80/tcp` of container `web`"),
            "{said:?}"
        );
    }
    // One of an earlier program is taken out without a word about the file's.
    let record = world.seen.record.as_mut().unwrap();
    record
        .added_ports
        .insert(name("web"), vec![port("8080:81")]);
    let out = chosen(Goal::PortRemove(port("8080:81")), &["web"]);
    let made = plan(&file, &world.look(), &out).unwrap();
    assert!(made.warnings.is_empty(), "{:?}", made.warnings);
}

#[test]
fn a_subnet_that_is_full_grows_only_where_all_containers_may_move() {
    let world = World::of(&shop());
    let mut file = shop();
    let busy = (0..254).map(|index| super::shop::container(&format!("c{index}"), 1, busybox()));
    file.containers.extend(busy.map(|c| (c.name.clone(), c)));
    let said = refused(&file, &world.look(), &wish(Goal::Create));
    assert!(
        said[0].contains("has room for 253 containers and 257 are needed"),
        "{said:?}"
    );
    let moved = plan(&file, &world.look(), &wish(Goal::Up)).unwrap();
    let stops = moved
        .steps
        .iter()
        .filter(|p| matches!(p.step, Step::Stop { .. }));
    assert_eq!(stops.count(), 3);
}

#[test]
fn ports_and_links_of_what_does_not_run_come_with_the_start() {
    let mut world = World::of(&shop());
    world.run(&shop(), &wish(Goal::Stop));
    let made = plan(&shop(), &world.look(), &chosen(Goal::Ports, &["web"])).unwrap();
    assert_eq!(made.to_string(), "nothing to do");
    assert_eq!(
        made.warnings[0].message,
        "container `web` does not run; its ports are published when it starts"
    );
}

#[test]
fn a_name_that_nobody_has_gets_the_nearest_one() {
    assert_eq!(
        refused(&shop(), &Observed::default(), &chosen(Goal::Up, &["wbe"])),
        ["0: there is no container `wbe` in the project or on the host [did you mean `web`?]"]
    );
}

#[test]
fn a_clone_needs_its_origin() {
    let file = with("cache", |cache| {
        cache.source = Source::CloneHost("base".into())
    });
    let mut observed = Observed::default();
    observed
        .foreign
        .insert(Kind::System, BTreeSet::from(["bass".to_string()]));
    assert_eq!(
        refused(&file, &observed, &wish(Goal::Up)),
        ["51: there is no container `base` to clone for `cache` [did you mean `bass`?]"]
    );
}

#[test]
fn a_second_recreation_waits_for_the_end_of_the_first() {
    let mut world = World::of(&shop());
    let archive = with("web", |web| {
        web.source = Source::Rootfs("/srv/web.tar".into())
    });
    let made = plan(&archive, &world.look(), &wish(Goal::Up)).unwrap();
    world.follow(&made, made.steps.len() - 1);
    let third = with("web", |web| {
        web.source = Source::Rootfs("/srv/other.tar".into())
    });
    let said = refused(&third, &world.look(), &wish(Goal::Up));
    assert!(said[0].contains("still set aside"), "{said:?}");
    assert_eq!(with("web", |web| web.source = busybox()), shop());
}

#[test]
fn volumes_cannot_go_while_their_containers_stay() {
    let goal = Goal::Down {
        keep: true,
        volumes: true,
    };
    let world = World::of(&shop());
    assert_eq!(
        refused(&shop(), &world.look(), &wish(goal)),
        ["0: containers that are kept need their volumes [leave out `--keep` or `--volumes`]"]
    );
}

#[test]
fn all_problems_come_in_one_run() {
    let mut file = shop();
    file.network.subnet = "10.9.0.0/24".parse().ok();
    file.containers.get_mut("web").unwrap().ports[0].0 = port("8080:80");
    let mut observed = Observed {
        listeners: vec![listener("0.0.0.0", 8080)],
        ..Observed::default()
    };
    observed
        .foreign
        .insert(Kind::System, BTreeSet::from(["shop_db".to_string()]));
    let taken = TakenNet {
        net: "10.8.0.0/24".parse().unwrap(),
        by: "interface eth0".into(),
    };
    observed.network.taken.push(taken);
    let mut asked = wish(Goal::Up);
    asked.selection = Some(BTreeSet::from([name("db"), name("web"), name("x")]));
    let all = refused(&file, &observed, &asked);
    assert_eq!(all.len(), 3, "{all:?}");
}

#[test]
fn what_could_not_start_again_is_not_stopped_for_that() {
    let mut world = World::of(&shop());
    let web = world.seen.containers.get_mut(&name("web")).unwrap();
    web.broken = Some("/var/lib/lxc/shop_web/config".into());
    let said = refused(&shop(), &world.look(), &wish(Goal::Restart));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("`/var/lib/lxc/shop_web/config` is damaged"),
        "{said:?}"
    );
    // It runs on, and can be stopped and removed.
    for goal in [Goal::Up, Goal::Stop, DOWN] {
        assert!(plan(&shop(), &world.look(), &wish(goal)).is_ok());
    }
    world.run(&shop(), &wish(Goal::Stop));
    assert!(plan(&shop(), &world.look(), &wish(Goal::Up)).is_err());
    world.run(&shop(), &wish(DOWN));
    assert!(plan(&shop(), &world.look(), &wish(Goal::Up)).is_ok());
}
