//! Whole plan texts: each scenario beside its section of `plans.txt`.

use std::collections::BTreeMap;

use super::shop::{container, link, shop, volume, with, without};
use super::world::World;
use super::*;
use crate::observed::*;

const EXPECTED: &str = include_str!("plans.txt");

/// The sections of `plans.txt`: `# name`, then the plan.
fn expected() -> BTreeMap<&'static str, &'static str> {
    let sections = EXPECTED.split("# ").filter(|section| !section.is_empty());
    let parts = sections.map(|section| section.split_once('\n').unwrap());
    parts.map(|(name, plan)| (name, plan.trim_end())).collect()
}

/// What `goal` does to the shop when the file has become `file`.
fn changed(file: &Project) -> String {
    World::of(&shop()).text(file, &wish(Goal::Up))
}

/// What `up` does after something happened to the host.
fn hurt(hurt: impl FnOnce(&mut World)) -> String {
    let mut world = World::of(&shop());
    hurt(&mut world);
    world.text(&shop(), &wish(Goal::Up))
}

/// What a wish does to the shop that is up.
fn asked(wish: &Wish) -> String {
    World::of(&shop()).text(&shop(), wish)
}

fn first_runs() -> Vec<(&'static str, String)> {
    let fresh = World::default();
    let select = chosen(Goal::Up, &["web"]);
    let mut needs = with("web", |web| {
        web.depends_on.push(Dependency {
            on: name("db"),
            condition: Condition::Healthy,
            restart: false,
            required: true,
        });
        web.setup = vec![InnerCommand::Shell("true".into())];
    });
    let db = needs.containers.get_mut("db").unwrap();
    db.healthcheck = Some(Healthcheck::new(InnerCommand::Shell("pg_isready".into())));
    let hosts = Wish {
        host_names: true,
        ..wish(Goal::Up)
    };
    let bare = Wish {
        no_ports: true,
        no_links: true,
        ..wish(Goal::Up)
    };
    let random = with("web", |web| web.ports[0].0 = port("0:80"));
    vec![
        ("first up", fresh.text(&shop(), &wish(Goal::Up))),
        ("create", fresh.text(&shop(), &wish(Goal::Create))),
        ("up of one", fresh.text(&shop(), &select)),
        (
            "up of one and what it depends on",
            fresh.text(&needs, &select),
        ),
        ("up with host names", fresh.text(&shop(), &hosts)),
        ("up without ports and links", fresh.text(&shop(), &bare)),
        ("random port", fresh.text(&random, &select)),
    ]
}

fn live_changes() -> Vec<(&'static str, String)> {
    let web = |change: fn(&mut Container)| changed(&with("web", change));
    vec![
        ("nothing changed", changed(&shop())),
        ("port changed", web(|c| c.ports[0].0 = port("9090:80"))),
        (
            "port added",
            web(|c| c.ports.push((port("9090:90"), place(39)))),
        ),
        ("port removed", web(|c| c.ports.clear())),
        (
            "link changed",
            web(|c| c.links.push((link("cache"), place(39)))),
        ),
        (
            "fqdn changed",
            changed(&with("db", |c| c.fqdn = Fqdn::new("sql.example.net").ok())),
        ),
        ("dns changed", web(|c| c.dns.push(Dns::Bridge))),
        (
            "labels changed",
            web(|c| drop(c.labels.insert("a".into(), "b".into()))),
        ),
    ]
}

fn deep_changes() -> Vec<(&'static str, String)> {
    let web = |change: fn(&mut Container)| changed(&with("web", change));
    let mut moved = shop();
    moved.network.subnet = "10.250.0.0/24".parse().ok();
    vec![
        (
            "environment changed",
            web(|c| drop(c.environment.insert("A".into(), "b".into()))),
        ),
        (
            "volume added",
            web(|c| c.volumes.push((volume("logs", "/var/log"), place(39)))),
        ),
        (
            "template changed",
            web(|c| c.source = Source::Rootfs("/srv/web.tar".into())),
        ),
        ("idmap changed", web(|c| c.idmap = Some(Idmap::Auto))),
        ("clone of a running container added", {
            let mut file = shop();
            let more = container("more", 70, Source::CloneSibling(name("db")));
            file.containers.insert(name("more"), more);
            changed(&file)
        }),
        ("container no longer in the file", changed(&without("web"))),
        ("subnet changed", changed(&moved)),
    ]
}

fn limits() -> String {
    let mut world = World::default();
    let controllers = &mut world.seen.host.controllers;
    controllers.insert("memory".into(), CgroupVersion::V2);
    world.run(&shop(), &wish(Goal::Up));
    let limited = with("web", |web| {
        web.cgroup
            .push(("memory.max=512M".parse().unwrap(), place(36)));
    });
    world.text(&limited, &wish(Goal::Up))
}

/// Of three limits that change at once each is named, in the settings and in the service.
fn several_limits() -> String {
    let limited = |limits: [&str; 3]| {
        with("web", |web| {
            let keys = [Key::MemLimit, Key::Cpus, Key::PidsLimit];
            for ((key, limit), line) in keys.into_iter().zip(limits).zip(37..) {
                web.places.insert(key, place(line));
                web.cgroup.push((limit.parse().unwrap(), place(line)));
            }
        })
    };
    let mut world = World::default();
    world.seen.units.available = true;
    for controller in ["memory", "cpu", "pids"] {
        let controllers = &mut world.seen.host.controllers;
        controllers.insert(controller.into(), CgroupVersion::V2);
    }
    let before = limited(["memory.max=512M", "cpu.max=50000 100000", "pids.max=9"]);
    world.run(&before, &wish(Goal::Up));
    let after = limited(["memory.max=1G", "cpu.max=60000 100000", "pids.max=8"]);
    world.text(&after, &wish(Goal::Up))
}

fn accidents_to_containers() -> Vec<(&'static str, String)> {
    vec![
        (
            "container deleted by hand",
            hurt(|w| drop(w.seen.containers.remove("db"))),
        ),
        (
            "container stopped by hand",
            hurt(|w| w.container("web").state = State::Stopped),
        ),
        (
            "asked to stop by a killed run",
            hurt(|w| w.container("web").stopping = true),
        ),
        (
            "container frozen",
            hurt(|w| w.container("web").state = State::Frozen),
        ),
    ]
}

fn accidents_to_the_host() -> Vec<(&'static str, String)> {
    vec![
        (
            "bridge deleted by hand",
            hurt(|w| {
                w.seen.network.bridges.clear();
                w.seen.network.strays = vec![StrayCard {
                    container: name("db"),
                    bridge: "lk-shop".into(),
                    card: Some(veth_of(&name("shop"), &name("db"))),
                    misfit: false,
                }];
            }),
        ),
        (
            "firewall flushed",
            hurt(|w| {
                w.seen.firewall.networks.clear();
                w.seen.firewall.rules.clear();
            }),
        ),
        ("firewall torn", hurt(World::tear)),
        ("record lost", hurt(|w| w.seen.record = None)),
        (
            "host directory deleted",
            hurt(|w| {
                w.paths.clear();
                w.container("db").state = State::Stopped;
            }),
        ),
        (
            "hosts file overwritten",
            hurt(|w| w.container("web").names = None),
        ),
        (
            "host name changed inside",
            hurt(|w| w.container("web").touched = Some(Touched::HostName("other".into()))),
        ),
        (
            "half made",
            hurt(|w| {
                w.seen.containers.remove("web");
                w.half.insert(name("web"), Kind::System);
            }),
        ),
    ]
}

fn killed_runs() -> Vec<(&'static str, String)> {
    let remade = with("web", |web| {
        web.source = Source::Rootfs("/srv/web.tar".into())
    });
    let killed = |left: usize, file: &Project, wish: &Wish| {
        let mut world = World::of(&shop());
        let made = plan(&remade, &world.look(), &self::wish(Goal::Up)).unwrap();
        let create = made.steps.iter();
        let mut create = create.map(|p| matches!(p.step, Step::Create(_)));
        let create = create.position(|is| is).unwrap();
        world.follow(&made, create + left);
        world.text(file, wish)
    };
    vec![
        (
            "killed while making anew",
            killed(0, &remade, &wish(Goal::Up)),
        ),
        (
            "killed while making anew, then start",
            killed(0, &shop(), &wish(START)),
        ),
        (
            "killed after making anew",
            killed(1, &remade, &wish(Goal::Up)),
        ),
    ]
}

fn goals() -> Vec<(&'static str, String)> {
    let mut stopped = World::of(&shop());
    stopped.run(&shop(), &wish(Goal::Stop));
    let mut frozen = World::of(&shop());
    frozen.run(&shop(), &wish(Goal::Freeze));
    let keep = Goal::Down {
        keep: true,
        volumes: false,
    };
    let orphans = Wish {
        remove_orphans: true,
        ..wish(Goal::Cleanup)
    };
    vec![
        ("stop", asked(&wish(Goal::Stop))),
        (
            "stop of one that others are linked to",
            asked(&chosen(Goal::Stop, &["db"])),
        ),
        ("start", stopped.text(&shop(), &wish(START))),
        ("restart of one", asked(&chosen(Goal::Restart, &["web"]))),
        ("freeze", asked(&wish(Goal::Freeze))),
        ("unfreeze", frozen.text(&shop(), &wish(Goal::Unfreeze))),
        ("up of frozen ones", frozen.text(&shop(), &wish(Goal::Up))),
        ("rm of one", asked(&chosen(Goal::Remove, &["db"]))),
        ("down", asked(&wish(DOWN))),
        ("down --keep", asked(&wish(keep))),
        ("down with torn rules", {
            let mut world = World::of(&shop());
            world.tear();
            world.text(&shop(), &wish(DOWN))
        }),
        ("cleanup", asked(&wish(Goal::Cleanup))),
        (
            "cleanup --remove-orphans",
            World::of(&shop()).text(&without("web"), &orphans),
        ),
    ]
}

fn port_goals() -> Vec<(&'static str, String)> {
    let mut flushed = World::of(&shop());
    flushed.seen.firewall.rules.clear();
    let add = chosen(Goal::PortAdd(port("9000:90/udp")), &["web"]);
    let remove = chosen(Goal::PortRemove(port("8080:80")), &["web"]);
    vec![
        (
            "ports",
            flushed.text(&shop(), &chosen(Goal::Ports, &["web"])),
        ),
        ("rmports", asked(&wish(Goal::Unports))),
        ("port add", asked(&add)),
        ("port rm", asked(&remove)),
        ("rmlinks", asked(&chosen(Goal::Unlinks, &["web"]))),
    ]
}

fn volumes() -> Vec<(&'static str, String)> {
    let file = with("web", |web| {
        web.volumes.push((volume("logs", "/var/log"), place(39)))
    });
    let all = Goal::Down {
        keep: false,
        volumes: true,
    };
    let mut world = World::of(&file);
    let first = world.text(&file, &wish(all.clone()));
    world.run(&file, &wish(DOWN));
    let later = world.text(&shop(), &wish(all));
    vec![
        ("down --volumes", first),
        ("down --volumes after down", later),
    ]
}

#[test]
fn every_scenario_has_exactly_the_plan_that_is_written_down() {
    let mut all: Vec<(&str, String)> = Vec::new();
    all.extend(first_runs());
    all.extend(live_changes());
    all.extend(deep_changes());
    all.push(("limit added", limits()));
    all.push(("several limits changed", several_limits()));
    all.extend(accidents_to_containers());
    all.extend(accidents_to_the_host());
    all.extend(killed_runs());
    all.extend(goals());
    all.extend(port_goals());
    all.extend(volumes());
    all.extend(super::app_plans::all());
    all.extend(super::jobs::all());
    let mut expected = expected();
    let mut others = String::new();
    for (name, plan) in &all {
        if expected.remove(name) != Some(plan.as_str()) {
            others += &format!("# {name}\n{plan}\n\n");
        }
    }
    assert!(others.is_empty(), "{others}");
    assert!(expected.is_empty(), "no scenario for {:?}", expected.keys());
}

#[test]
fn what_is_lost_is_listed_and_what_is_odd_is_said() {
    let world = World::of(&shop());
    let look = world.look();
    let lost = |file: &Project, wish: &Wish| -> Vec<String> {
        let losses = plan(file, &look, wish).unwrap().losses;
        losses.into_iter().map(|loss| loss.what).collect()
    };
    let root = |word: &str| format!("the root file system of container {word}");
    assert_eq!(
        lost(&shop(), &wish(DOWN)),
        [root("cache"), root("db"), root("web")]
    );
    assert_eq!(lost(&shop(), &chosen(Goal::Remove, &["db"])), [root("db")]);
    assert!(lost(&without("web"), &wish(Goal::Up)).is_empty());
    let said = plan(&without("web"), &look, &wish(Goal::Up))
        .unwrap()
        .warnings;
    assert!(said[0].message.contains("`--remove-orphans`"), "{said:?}");
    let remade = with("web", |web| {
        web.source = Source::Rootfs("/srv/web.tar".into())
    });
    let older = "the older root file system of container web";
    assert_eq!(lost(&remade, &wish(Goal::Up)), [older]);
}

#[test]
fn the_json_form_names_steps_causes_and_order() {
    let world = World::of(&shop());
    let file = with("web", |web| web.ports[0].0 = port("9090:80"));
    let made = plan(&file, &world.look(), &wish(Goal::Up)).unwrap();
    assert_eq!(
        made.to_json(),
        serde_json::json!({
            "version": 1,
            "steps": [{
                "id": 0,
                "action": "publish",
                "container": null,
                "subject": "ports",
                "detail": "web +9090:80/tcp -8080:80/tcp",
                "causes": [{"text": "`ports` changed (line 31)", "key": "ports", "line": 31}],
                "after": [],
                "destroys": false,
            }],
            "losses": [],
            "warnings": [],
        })
    );
}
