//! What a system container is granted: how far a change of it reaches.

use super::apps::{mixed, settings};
use super::world::World;
use super::*;
use crate::observed::State;

/// The mixed project with this change of what `db` is granted, written in line 23.
fn with(key: Key, change: fn(&mut System)) -> Project {
    let mut file = mixed();
    let db = file.containers.get_mut("db").unwrap();
    change(&mut db.system);
    db.places.insert(key, place(23));
    file
}

type Case = (Key, fn(&mut System));

#[test]
fn a_grant_is_applied_with_a_restart_and_told_with_its_line() {
    let cases: [Case; 6] = [
        (Key::Devices, |s| {
            s.granted.devices = vec![Device::parse("/dev/fuse").unwrap()]
        }),
        (Key::CapDrop, |s| {
            s.granted.cap_drop = vec!["NET_RAW".into()]
        }),
        (Key::Sysctls, |s| {
            drop(
                s.granted
                    .sysctls
                    .insert("net.core.somaxconn".into(), "9".into()),
            )
        }),
        (Key::ShmSize, |s| s.granted.shm_size = Some(1)),
        (Key::Tmpfs, |s| {
            drop(s.granted.tmpfs.insert("/x".into(), String::new()))
        }),
        (Key::Nesting, |s| s.nesting = true),
    ];
    for (key, change) in cases {
        let mut world = World::default();
        world.run(&mixed(), &wish(Goal::Up));
        let file = with(key, change);
        let text = world.text(&file, &wish(Goal::Up));
        let restarts = ["- stop", "+ start"].iter().all(|verb| {
            text.lines()
                .any(|line| line.starts_with(verb) && line.contains(" db "))
        });
        assert!(restarts && !text.contains("create"), "{text}");
        assert!(
            text.contains(&format!("`{key}` changed (line 23)")),
            "{text}"
        );
        world.run(&file, &wish(Goal::Up));
        assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    }
}

#[test]
fn further_hosts_are_written_while_it_runs() {
    let mut world = World::default();
    world.run(&mixed(), &wish(Goal::Up));
    let file = with(Key::ExtraHosts, |s| {
        s.extra_hosts = vec![
            ("one".into(), "192.0.2.1".into()),
            ("host".into(), "host-gateway".into()),
        ];
    });
    let text = world.text(&file, &wish(Goal::Up));
    assert!(text.contains("`extra_hosts` changed (line 23)"), "{text}");
    assert!(!text.contains("stop"), "{text}");
    world.run(&file, &wish(Goal::Up));
    let names = world.seen.containers["db"].names.clone().unwrap();
    let lines: Vec<String> = names
        .iter()
        .map(|line| format!("{} {}", line.address, line.names.join(" ")))
        .collect();
    let gateway = nic_gateway(&world);
    assert!(lines.contains(&"192.0.2.1 one".into()), "{lines:?}");
    assert!(lines.contains(&format!("{gateway} host")), "{lines:?}");
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
}

fn nic_gateway(world: &World) -> String {
    let mark = world.seen.containers["db"].mark.as_ref().unwrap();
    mark.spec
        .nic
        .as_ref()
        .unwrap()
        .subnets
        .gateway4()
        .to_string()
}

#[test]
fn what_it_is_furnished_with_is_done_after_the_first_start_and_again_when_it_changes() {
    let mut file = mixed();
    let packages =
        |names: &[&str]| Provision::Packages(names.iter().map(|n| (*n).into()).collect());
    let keys = Provision::SshKeys {
        user: "root".into(),
        keys: vec!["k".into()],
    };
    let furnish = |file: &mut Project, wishes: &[Provision]| {
        let db = file.containers.get_mut("db").unwrap();
        db.system.provisions = wishes.to_vec();
        db.places.insert(Key::Packages, place(23));
        db.places.insert(Key::SshKeys, place(24));
    };
    let line = |world: &World, file: &Project| {
        let text = world.text(file, &wish(Goal::Up));
        let found = text
            .lines()
            .find(|line| line.contains("setup ") && line.contains(" db "));
        found
            .unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut world = World::default();
    furnish(&mut file, &[packages(&["curl"]), keys]);
    file.containers.get_mut("db").unwrap().setup = vec![InnerCommand::Shell("true".into())];
    assert_eq!(
        line(&world, &file),
        "+ setup db packages curl, ssh_keys of root, 1 command not there yet (line 10)"
    );
    world.run(&file, &wish(Goal::Up));
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    // What has run is not run again; keys that are gone are taken away.
    furnish(&mut file, &[packages(&["curl", "git"])]);
    assert_eq!(
        line(&world, &file),
        "+ setup db packages curl git, ssh_keys of root `packages` changed (line 23), `ssh_keys` changed (line 24)"
    );
    world.run(&file, &wish(Goal::Up));
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    furnish(&mut file, &[]);
    assert_eq!(line(&world, &file), "");
    world.run(&file, &wish(Goal::Up));
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
}

#[test]
fn what_follows_a_start_comes_after_what_it_is_furnished_with_and_its_setup() {
    let mut file = mixed();
    let db = file.containers.get_mut("db").unwrap();
    db.hooks.post_start = vec![InnerCommand::Shell("serve".into()).into()];
    db.setup = vec![InnerCommand::Shell("true".into())];
    let packages = |names: &[&str]| {
        vec![Provision::Packages(
            names.iter().map(|n| (*n).into()).collect(),
        )]
    };
    let setup = |world: &World, file: &Project, goal| {
        let text = world.text(file, &wish(goal));
        let found = text.lines().find(|line| line.contains("setup "));
        let words = found.unwrap_or_default().split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    };
    db.system.provisions = packages(&["curl"]);
    let mut world = World::default();
    let first = setup(&world, &file, Goal::Up);
    assert!(
        first.starts_with("+ setup db packages curl, 1 command, post_start "),
        "{first}"
    );
    world.run(&file, &wish(Goal::Up));
    // While it runs, nothing has started that something follows.
    let db = file.containers.get_mut("db").unwrap();
    db.system.provisions = packages(&["git"]);
    let later = setup(&world, &file, Goal::Up);
    assert!(
        later.contains("packages git") && !later.contains("post_start"),
        "{later}"
    );
    world.run(&file, &wish(Goal::Up));
    world.run(&file, &wish(Goal::Stop));
    let db = file.containers.get_mut("db").unwrap();
    db.system.provisions = packages(&["vim"]);
    let restarted = setup(&world, &file, Goal::Up);
    assert!(
        restarted.starts_with("+ setup db packages vim, post_start"),
        "{restarted}"
    );
    // A run that was cut off in its setup has left both out.
    world.run(&file, &wish(Goal::Up));
    let mark = world.seen.containers.get_mut("db").unwrap().mark.as_mut();
    mark.unwrap().setup_done = false;
    let again = setup(&world, &file, Goal::Up);
    assert!(again.contains("1 command, post_start"), "{again}");
}

#[test]
fn what_the_host_lacks_of_a_changed_grant_is_told_before_anything_stops() {
    let mut world = World::default();
    world.run(&mixed(), &wish(Goal::Up));
    let lacking = [(
        "net.core.nosuch".to_string(),
        "there is no such one".to_string(),
    )];
    world.seen.host.sysctls = lacking.into();
    world.seen.host.nr_open = Some(1000);
    for (key, change, message) in [
        (
            Key::Sysctls,
            (|s| {
                drop(
                    s.granted
                        .sysctls
                        .insert("net.core.nosuch".into(), "1".into()),
                )
            }) as fn(&mut System),
            "cannot set the kernel parameter `net.core.nosuch`",
        ),
        (
            Key::Ulimits,
            |s| {
                let limit = Ulimit {
                    soft: 2000,
                    hard: 2000,
                };
                s.granted.ulimits.insert("nofile".into(), limit);
            },
            "at most 1000 open files",
        ),
    ] {
        let problems = plan(&with(key, change), &world.look(), &wish(Goal::Up)).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.contains(message), "{problems:?}");
        assert_eq!(problems[0].key, Some(key));
    }
}

#[test]
fn a_limit_without_a_word_for_none_goes_with_a_restart_and_any_other_at_once() {
    let limits = |all: &[&str]| {
        let mut file = mixed();
        let db = file.containers.get_mut("db").unwrap();
        let all = all.iter().map(|limit| (limit.parse().unwrap(), place(24)));
        db.cgroup = all.collect();
        file
    };
    let both = [
        "io.max=8:0 rbps=1000",
        "io.max=8:16 rbps=1000",
        "memory.max=64M",
    ];
    for (before, after, restarts) in [
        (&["cpuset.cpus=0"][..], &[][..], true),
        (&both, &both[..2], false),
        (&both, &both[1..], true),
        (&["cpuset.cpus=0"], &["cpuset.cpus=1"], false),
        (&["io.max=8:0 rbps=1000"], &["io.max=8:0 rbps=2000"], false),
    ] {
        let mut world = World::default();
        for controller in ["cpuset", "io", "memory"] {
            let controllers = &mut world.seen.host.controllers;
            controllers.insert(controller.into(), CgroupVersion::V2);
        }
        world.run(&limits(before), &wish(Goal::Up));
        let text = world.run(&limits(after), &wish(Goal::Up));
        let stops = text
            .lines()
            .any(|line| line.starts_with("- stop") && line.contains(" db "));
        assert_eq!(stops, restarts, "{before:?} {after:?}: {text}");
        assert_eq!(world.text(&limits(after), &wish(Goal::Up)), "nothing to do");
    }
}

#[test]
fn limits_that_others_have_changed_in_a_running_container_are_put_right_while_it_runs() {
    let mut file = mixed();
    let db = file.containers.get_mut("db").unwrap();
    db.places.insert(Key::PidsLimit, place(24));
    db.cgroup = vec![("pids.max=9".parse().unwrap(), place(24))];
    let web = file.containers.get_mut("web").unwrap();
    web.places.insert(Key::MemLimit, place(51));
    web.places.insert(Key::Cpus, place(52));
    settings(web).limits.memory = Some(64 << 20);
    settings(web).limits.nano_cpus = Some(500_000_000);
    let mut world = World::default();
    let controllers = &mut world.seen.host.controllers;
    controllers.insert("pids".into(), CgroupVersion::V2);
    world.run(&file, &wish(Goal::Up));
    let live = |world: &mut World, word: &str, all: &[(&str, &str)]| {
        let all = all
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()));
        world.container(word).limits = all.collect();
    };
    live(&mut world, "db", &[("pids.max", "9")]);
    live(
        &mut world,
        "web",
        &[("memory.max", "67108864"), ("cpu.max", "50000 100000")],
    );
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    live(&mut world, "db", &[("pids.max", "max")]);
    live(
        &mut world,
        "web",
        &[("memory.max", "max"), ("cpu.max", "100000 100000")],
    );
    for goal in [Goal::Up, Goal::Limits] {
        let text = world.text(&file, &wish(goal));
        assert!(
            text.contains("~ change   db") && text.contains("`pids_limit` not in place (line 24)"),
            "{text}"
        );
        assert!(text.contains("~ change   web"), "{text}");
        assert!(
            text.contains("`mem_limit` not in place") && text.contains("`cpus` not in place"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 2, "nothing stops: {text}");
    }
    // Nobody asked about limits, and one that rests gets them when it starts.
    assert!(!world.text(&file, &wish(Goal::Stop)).contains("change"));
    world.container("web").state = State::Stopped;
    let text = world.text(&file, &wish(Goal::Up));
    assert!(!text.contains("~ change   web"), "{text}");
}

#[test]
fn what_follows_the_start_is_made_up_for_where_it_failed_after_the_setup() {
    let mut file = mixed();
    let db = file.containers.get_mut("db").unwrap();
    db.setup = vec![InnerCommand::Shell("true".into())];
    let serve = InnerCommand::Shell("serve".into());
    db.hooks.post_start = vec![crate::model::Hook::from(serve)];
    let mut world = World::default();
    world.run(&file, &wish(Goal::Up));
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    let mark = world.seen.containers.get_mut("db").unwrap().mark.as_mut();
    mark.unwrap().setup_failed = Some("post_start command `serve` ended with 3".into());
    let text = world.text(&file, &wish(Goal::Up));
    assert!(text.contains("`post_start` has not run"), "{text}");
    assert!(!text.contains("1 command"), "{text}");
}
