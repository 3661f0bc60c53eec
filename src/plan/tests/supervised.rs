//! Units of a project's containers: written once, before anything starts, and only when they differ.

use crate::model::{ProgramCopy, Supervisor};
use crate::observed::{EngineAt, Overruled};

use super::apps::{app, image, mixed, mixed_with, on, settings};
use super::shop::{project, shop, volume, with};
use super::world::World;
use super::*;

pub(super) fn systemd() -> World {
    let mut world = World::default();
    world.seen.units.available = true;
    world
}

pub(super) fn up_with_systemd(file: &Project) -> World {
    let mut world = systemd();
    world.run(file, &wish(Goal::Up));
    assert_eq!(world.text(file, &wish(Goal::Up)), "nothing to do");
    world
}

pub(super) fn unit(world: &World, word: &str) -> UnitSpec {
    world.seen.units.services[word].clone()
}

#[test]
fn units_are_written_once_before_anything_starts_and_after_all_is_made() {
    let text = systemd().text(&mixed(), &wish(Goal::Up));
    let verbs: Vec<&str> = text.lines().map(|line| line[2..10].trim()).collect();
    let at = |verb: &str| verbs.iter().position(|v| *v == verb).unwrap();
    let last = |verb: &str| verbs.iter().rposition(|v| *v == verb).unwrap();
    assert!(
        last("create") < at("units") && at("units") < at("start"),
        "{text}"
    );
    let mut world = up_with_systemd(&mixed());
    assert_eq!(world.seen.units.services.len(), 3);
    world.seen.units.drifted = true;
    let text = world.text(&mixed(), &wish(Goal::Up));
    assert_eq!(text, "~ units    shop  3 services  its files differ");
    world.run(&mixed(), &chosen(Goal::Remove, &["job"]));
    assert_eq!(world.seen.units.services.len(), 2);
    world.run(&mixed(), &wish(DOWN));
    assert!(world.seen.units.services.is_empty());
}

#[test]
fn a_container_without_a_service_is_made_anew_beside_one_that_has_one() {
    let file = |tag: &str| {
        let mut alone = app("alone", 1, image(tag));
        alone.supervisor = Some(Supervisor::None);
        project(vec![app("web", 20, image(tag)), alone])
    };
    let mut world = up_with_systemd(&file("busybox:1"));
    world.seen.units.drifted = true;
    let text = world.text(&file("busybox:2"), &wish(Goal::Up));
    assert!(text.contains("~ units "), "{text}");
    world.run(&file("busybox:2"), &wish(Goal::Up));
}

#[test]
fn what_up_promises_for_boot_is_mended_whatever_a_killed_run_has_left() {
    let mut file = shop();
    file.containers.get_mut("db").unwrap().autostart = true;
    let mut world = up_with_systemd(&file);
    let up = wish(Goal::Up);
    // Killed between the files and the links: nobody has disabled it.
    world.seen.units.enabled.clear();
    world.seen.units.project_enabled = false;
    let text = world.text(&file, &up);
    let rest = "3 services, at boot db  what starts at boot differs";
    assert_eq!(text, format!("~ units    shop  {rest}"));
    world.run(&file, &up);
    assert_eq!(world.seen.units.enabled, [name("db")].into());
    for fault in [
        "locker-network.service does not run",
        "locker-network.service is not there",
    ] {
        world.seen.units.network_fault = Some(fault);
        let text = world.text(&file, &up);
        assert!(
            text.starts_with("~ units    shop") && text.ends_with(fault),
            "{text}"
        );
    }
    world.seen.units.network_fault = None;
    assert_eq!(world.text(&file, &up), "nothing to do");
}

#[test]
fn a_service_knows_its_ports_and_what_was_taken_out_by_hand_stays_out_until_ports_or_up() {
    let mut world = up_with_systemd(&shop());
    let ports = |world: &World| {
        let ports = unit(world, "web").ports.expect("a service knows its ports");
        ports
            .iter()
            .map(|rule| rule.port.to_string())
            .collect::<Vec<_>>()
    };
    let rules = |world: &World| {
        let rules = world.seen.firewall.rules.iter();
        rules.filter(|rule| rule.container == name("web")).count()
    };
    assert_eq!(ports(&world), ["8080:80/tcp"]);
    for again in [Goal::Ports, Goal::Up] {
        world.run(&shop(), &chosen(Goal::Unports, &["web"]));
        assert!(ports(&world).is_empty() && rules(&world) == 0);
        for goal in [Goal::Restart, Goal::Stop, Goal::Start { restart: false }] {
            world.run(&shop(), &chosen(goal, &["web"]));
            assert!(ports(&world).is_empty() && rules(&world) == 0);
        }
        world.run(&shop(), &wish(again));
        assert_eq!((ports(&world).len(), rules(&world)), (1, 1));
    }
    world.run(&shop(), &chosen(Goal::PortAdd(port("9000:90")), &["web"]));
    assert_eq!(ports(&world), ["8080:80/tcp", "9000:90/tcp"]);
    world.run(
        &shop(),
        &chosen(Goal::PortRemove(port("8080:80")), &["web"]),
    );
    world.run(&shop(), &chosen(Goal::Restart, &["web"]));
    assert_eq!(ports(&world), ["9000:90/tcp"]);
    assert_eq!(rules(&world), 1);
    // A stop takes the rules out and forgets none.
    world.run(&shop(), &wish(Goal::Stop));
    assert_eq!((ports(&world).len(), rules(&world)), (1, 0));
    // Ports that are left alone are not published behind one's back either.
    let mut bare = systemd();
    let mut without = wish(Goal::Up);
    without.no_ports = true;
    bare.run(&shop(), &without);
    assert!(ports(&bare).is_empty() && rules(&bare) == 0);
    // Nor of one that had some before it was stopped; of one that runs they stay.
    let mut start = chosen(Goal::Start { restart: false }, &["web"]);
    start.no_ports = true;
    world.run(&shop(), &start);
    assert!(ports(&world).is_empty() && rules(&world) == 0);
    assert_eq!(world.text(&shop(), &start), "nothing to do");
    world.run(&shop(), &wish(Goal::Up));
    assert_eq!((ports(&world).len(), rules(&world)), (2, 2));
    for goal in [start.goal, Goal::Up] {
        let again = Wish {
            goal,
            ..without.clone()
        };
        world.run(&shop(), &again);
        assert_eq!((ports(&world).len(), rules(&world)), (2, 2));
    }
}

#[test]
fn a_container_whose_file_system_is_not_mounted_does_not_start() {
    let file = with("web", |web| {
        web.volumes
            .push((volume("/mnt/nas/sub", "/data"), place(39)))
    });
    let mut world = World::of(&file);
    let path = world.seen.containers["web"]
        .mark
        .as_ref()
        .unwrap()
        .spec
        .mounts[0]
        .host
        .clone();
    let gone = [(path, PathBuf::from("/mnt/nas"))];
    world.seen.host.unmounted = [(name("web"), gone.into())].into();
    // What runs is left alone.
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    world.run(&file, &wish(Goal::Stop));
    for goal in [Goal::Up, Goal::Start { restart: false }, Goal::Restart] {
        let problems = plan(&file, &world.look(), &wish(goal)).unwrap_err();
        let told = &problems[0];
        assert!(
            told.message
                .ends_with("at `/mnt/nas`, which is not mounted"),
            "{told}"
        );
        assert!(told.help.as_ref().unwrap().starts_with("mount it"));
    }
    assert!(plan(&file, &world.look(), &wish(DOWN)).is_ok());
    world.seen.host.unmounted.clear();
    assert!(plan(&file, &world.look(), &wish(Goal::Up)).is_ok());
}

#[test]
fn nobody_of_the_project_gets_what_another_one_has_from_a_file_system_that_is_not_mounted() {
    let on_nas = |path: &'static str| {
        move |container: &mut Container| container.volumes.push((volume(path, "/data"), place(39)))
    };
    let file = with("web", on_nas("/mnt/nas/sub"));
    let mut world = World::of(&file);
    let mut more = file.clone();
    // One more for a command is planned as one that the file has.
    let mut copy = file.containers["web"].clone();
    copy.name = name("web-run-1");
    copy.ports.clear();
    more.containers.insert(copy.name.clone(), copy);
    let moved = with("web", on_nas("/mnt/nas/other"));
    let up = chosen(Goal::Up, &["web-run-1"]);
    assert!(plan(&more, &world.look(), &up).is_ok());
    let gone = [("/mnt/nas/sub".into(), PathBuf::from("/mnt/nas"))];
    world.seen.host.unmounted = [(name("web"), gone.into())].into();
    let create = chosen(Goal::Create, &["web-run-1"]);
    for (file, wish) in [(&more, up), (&more, create), (&moved, wish(Goal::Up))] {
        let problems = plan(file, &world.look(), &wish).unwrap_err();
        let told = &problems[0].message;
        assert!(
            told.contains("at `/mnt/nas`, which is not mounted"),
            "{told}"
        );
    }
}

#[test]
fn what_all_projects_share_goes_when_nobody_needs_it_any_more() {
    let mut world = systemd();
    world.seen.units.left_over = true;
    for goal in [DOWN, Goal::Cleanup] {
        let text = world.text(&shop(), &wish(goal));
        assert_eq!(text, "- units    shop  0 services  as asked");
    }
}

#[test]
fn the_program_of_the_units_is_installed_and_replaced_by_a_step_with_its_digest() {
    let mut world = up_with_systemd(&shop());
    let copy = |before: Option<&str>| Wish {
        program: "/var/lib/locker/bin/locker".into(),
        copy: Some(ProgramCopy {
            source: "/root/.cargo/bin/locker".into(),
            path: "/var/lib/locker/bin/locker".into(),
            before: before.map(|digest| digest.repeat(32)),
            digest: "b2".repeat(32),
            doubt: None,
            obstacle: None,
        }),
        ..wish(Goal::Up)
    };
    let line = |wish: &Wish| {
        let text = world.text(&shop(), wish);
        let mut lines = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        let (program, units) = (lines.next().unwrap(), lines.next().unwrap());
        assert!(units.starts_with("~ units shop 3 services"), "{text}");
        program
    };
    assert_eq!(
        line(&copy(None)),
        "+ program /var/lib/locker/bin/locker sha256 b2b2b2b2b2b2 for the project"
    );
    assert_eq!(
        line(&copy(Some("a1"))),
        "~ program /var/lib/locker/bin/locker sha256 a1a1a1a1a1a1 → b2b2b2b2b2b2 the units run another program"
    );
    let mut doubted = copy(None);
    let wanted = doubted.copy.as_mut().unwrap();
    wanted.doubt = Some("user 1000 owns `/home/me`".into());
    let made = plan(&shop(), &world.look(), &doubted).unwrap();
    assert!(made.warnings[0].message.starts_with("user 1000 owns"));
    let wanted = doubted.copy.as_mut().unwrap();
    wanted.obstacle = Some("`/var` is mounted with `noexec`".into());
    let problems = plan(&shop(), &world.look(), &doubted).unwrap_err();
    assert!(problems[0].message.ends_with("mounted with `noexec`"));
    // What starts nothing through a unit needs no copy.
    let mut down = doubted.clone();
    down.goal = DOWN;
    assert!(plan(&shop(), &world.look(), &down).is_ok());
    world.run(&shop(), &copy(None));
    assert_eq!(unit(&world, "web").program, copy(None).program);
}

#[test]
fn a_unit_waits_for_what_its_container_needs() {
    let mut file = mixed_with("web", |c| {
        c.depends_on.push(on("job", Condition::Completed));
        let mut maybe = on("db", Condition::Healthy);
        maybe.required = false;
        c.depends_on.push(maybe);
        c.stop_grace = Some(Duration::from_secs(7));
    });
    file.groups.insert(name("front"), vec![name("web")]);
    file.containers.get_mut("web").unwrap().groups = vec![name("front")];
    let world = up_with_systemd(&file);
    let web = unit(&world, "web");
    assert_eq!(web.requires, [name("job")].into());
    // `db` is linked to `web` and `web` depends on `db`: only the link gives way.
    assert_eq!(web.after, [name("db")].into());
    assert_eq!(unit(&world, "db").after, BTreeSet::new());
    assert_eq!(web.stop_timeout, Duration::from_secs(7));
    assert_eq!(web.groups, [name("front")].into());
    assert_eq!(web.conditions[&name("job")], Condition::Completed);
    let job = unit(&world, "job");
    assert!(job.oneshot && job.start_timeout == Some(Duration::from_secs(300)));
    let shares = mixed_with("job", |c| {
        settings(c).network = AppNetwork::Container(name("web"));
    });
    let world = up_with_systemd(&shares);
    assert_eq!(unit(&world, "job").binds, [name("web")].into());
}

#[test]
fn changed_limits_reach_the_unit_and_nothing_else_of_it_changes() {
    let mut world = systemd();
    let controllers = &mut world.seen.host.controllers;
    controllers.insert("memory".into(), CgroupVersion::V2);
    world.run(&shop(), &wish(Goal::Up));
    let before = unit(&world, "web");
    let changed = with("web", |web| {
        web.cgroup
            .push(("memory.max=512M".parse().unwrap(), place(36)));
        web.restart = Restart::Always;
    });
    world.run(&changed, &wish(Goal::Limits));
    let limited = UnitSpec {
        properties: [("MemoryMax".into(), "603979776".into())].into(),
        ..before.clone()
    };
    assert_eq!(unit(&world, "web"), limited);
    assert_eq!(world.text(&changed, &wish(Goal::Limits)), "nothing to do");
    world.run(&shop(), &wish(Goal::Limits));
    assert_eq!(unit(&world, "web"), before);
}

#[test]
fn what_the_kernel_does_not_keep_is_mended_and_what_a_drop_in_says_is_told() {
    let mut world = systemd();
    let controllers = &mut world.seen.host.controllers;
    controllers.insert("memory".into(), CgroupVersion::V2);
    let limited = with("web", |web| {
        web.cgroup
            .push(("memory.max=512M".parse().unwrap(), place(36)));
    });
    world.run(&limited, &wish(Goal::Up));
    for goal in [Goal::Up, Goal::Limits] {
        world.seen.units.unkept = [name("web")].into();
        let text = world.text(&limited, &wish(goal.clone()));
        assert!(text.starts_with("~ units    shop"), "{text}");
        world.run(&limited, &wish(goal.clone()));
        assert_eq!(world.text(&limited, &wish(goal)), "nothing to do");
    }
    let drop_in = |property: &str| Overruled {
        name: name("web"),
        property: property.into(),
        value: "1G".into(),
        path: "/etc/systemd/system/x.d/own.conf".into(),
    };
    world.seen.units.overruled = vec![drop_in("MemoryMax"), drop_in("MemoryHigh")];
    let made = plan(&limited, &world.look(), &wish(Goal::Up)).unwrap();
    let told: Vec<&str> = made.warnings.iter().map(|w| w.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "`/etc/systemd/system/x.d/own.conf` says `MemoryMax=1G` for locker-shop-web.service: it wins over \
             `603979776`, which the file's limit needs"
        ]
    );
    assert!(made.steps.is_empty());
}

#[test]
fn the_users_choice_at_boot_stays() {
    let mut file = shop();
    file.containers.get_mut("db").unwrap().autostart = true;
    let mut world = up_with_systemd(&file);
    assert_eq!(world.seen.units.enabled, [name("db")].into());
    assert!(world.seen.units.project_enabled);
    world.run(&file, &chosen(Goal::Enable(false), &["db"]));
    assert!(world.seen.units.enabled.is_empty() && !world.seen.units.project_enabled);
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    world.run(&file, &chosen(Goal::Enable(true), &["web"]));
    file.containers.get_mut("cache").unwrap().autostart = true;
    world.run(&file, &wish(Goal::Up));
    assert_eq!(world.seen.units.enabled, [name("web")].into());
    world.run(&file, &wish(Goal::Stop));
    assert_eq!(world.seen.units.enabled, [name("web")].into());
}

#[test]
fn without_systemd_nothing_is_supervised_and_that_is_said_once() {
    let mut file = shop();
    for container in file.containers.values_mut() {
        container.restart = Restart::Always;
    }
    let world = World::of(&file);
    assert!(world.seen.units.services.is_empty());
    let made = plan(&file, &world.look(), &wish(Goal::Up)).unwrap();
    assert_eq!(made.warnings.len(), 1);
    assert!(made.warnings[0].message.ends_with("cache, db, web"));
    file.supervisor = Supervisor::Systemd;
    let problems = plan(&file, &world.look(), &wish(Goal::Up)).unwrap_err();
    assert_eq!(problems.len(), 3);
    file.supervisor = Supervisor::None;
    let mut world = systemd();
    world.run(&file, &wish(Goal::Up));
    assert!(world.seen.units.services.is_empty());
}

#[test]
fn a_supervisor_has_the_socket_of_the_engine_and_no_engine_without_one_is_supervised() {
    let mut world = systemd();
    for (path, noted) in [
        ("/var/run/docker.sock", None),
        ("/run/docker.sock", None),
        ("/run/other.sock", Some("/run/other.sock")),
    ] {
        world.seen.engine.at = Some(EngineAt::Socket(path.into()));
        world.run(&mixed(), &wish(Goal::Up));
        assert_eq!(unit(&world, "web").engine, noted.map(Into::into));
        assert_eq!(unit(&world, "db").engine, None, "LXC has no engine");
    }
    let mut world = systemd();
    let mut file = mixed();
    world.seen.engine.at = Some(EngineAt::Network("tcp://127.0.0.1:2375".into()));
    let made = plan(&file, &world.look(), &wish(Goal::Up)).unwrap();
    let told: Vec<&str> = made.warnings.iter().map(|w| w.message.as_str()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("tcp://127.0.0.1:2375") && told[0].ends_with("job, web"),
        "{told:?}"
    );
    world.run(&file, &wish(Goal::Up));
    let services: Vec<&Name> = world.seen.units.services.keys().collect();
    assert_eq!(services, [&name("db")]);
    file.supervisor = Supervisor::Systemd;
    let problems = plan(&file, &world.look(), &wish(Goal::Up)).unwrap_err();
    assert_eq!(problems.len(), 2);
    assert!(
        problems[0].message.contains("needs the engine's socket"),
        "{}",
        problems[0].message
    );
}

#[test]
fn a_supervisor_that_comes_later_starts_both_kinds_by_their_services() {
    let mut world = World::of(&mixed());
    world.seen.units.available = true;
    let text = world.run(&mixed(), &wish(Goal::Up));
    for step in [
        "- stop     db",
        "- stop     web",
        "+ create   web",
        "+ start    web",
    ] {
        assert!(text.contains(step), "{step}: {text}");
    }
    assert!(!text.contains("+ create   db"), "{text}");
    assert_eq!(world.text(&mixed(), &wish(Goal::Up)), "nothing to do");
}

#[test]
fn a_container_whose_supervisor_goes_is_made_anew_outside_its_slice() {
    let mut world = up_with_systemd(&mixed());
    let mut file = mixed();
    file.supervisor = Supervisor::None;
    let text = world.run(&file, &wish(Goal::Up));
    let at = |word: &str| {
        let mut lines = text.lines();
        lines
            .position(|line| line.starts_with(word))
            .unwrap_or_else(|| panic!("{word}: {text}"))
    };
    assert!(at("- stop     web") < at("+ create   web"), "{text}");
    assert!(at("- units") < at("+ start    web"), "{text}");
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
}

#[test]
fn nobody_waits_for_the_health_of_what_is_not_set_up_yet() {
    let mut file = mixed_with("db", |c| {
        c.healthcheck = Some(Healthcheck::new(InnerCommand::Shell("ready".into())));
        c.setup = vec![InnerCommand::Shell("install".into())];
    });
    let web = file.containers.get_mut("web").unwrap();
    web.depends_on = vec![on("db", Condition::Healthy)];
    let plan = plan(&file, &systemd().look(), &wish(Goal::Up)).unwrap();
    let at = |found: fn(&Step) -> bool| {
        let mut steps = plan.steps.iter();
        steps.position(|planned| found(&planned.step)).unwrap()
    };
    let setup = at(|step| matches!(step, Step::Setup { .. }));
    let healthy = at(|step| matches!(step, Step::AwaitHealthy { .. }));
    assert!(plan.steps[healthy].after.contains(&setup), "{plan}");
}

#[test]
fn a_container_waits_for_what_it_needs_as_long_as_all_checks_on_the_way_may_take() {
    let slow = |c: &mut Container| {
        c.healthcheck = Some(Healthcheck {
            test: Test::Command(InnerCommand::Shell("true".into())),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            retries: 3,
            start_period: Duration::from_secs(60),
            start_interval: None,
        });
    };
    let mut file = mixed_with("db", slow);
    let web = file.containers.get_mut("web").unwrap();
    web.links.clear();
    web.depends_on = vec![on("db", Condition::Healthy)];
    let world = up_with_systemd(&file);
    assert_eq!(
        unit(&world, "db").start_timeout,
        Some(Duration::from_secs(300))
    );
    assert_eq!(
        unit(&world, "web").start_timeout,
        Some(Duration::from_secs(600))
    );
}
