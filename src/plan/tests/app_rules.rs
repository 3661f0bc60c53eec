//! Promises about application containers that no single plan shows.

use super::apps::{app, extra, image, mixed, mixed_with, on, put_on, settings, several};
use super::shop::{link, project};
use super::world::World;
use super::*;
use crate::observed::*;

fn refused(file: &Project, wish: &Wish) -> Vec<String> {
    let problems = plan(file, &Observed::default(), wish).unwrap_err();
    let told = |p: &Problem| {
        let line = p.place.as_ref().map_or(0, |place| place.line);
        format!("{line}: {}", p.message)
    };
    problems.iter().map(told).collect()
}

fn refused_web(change: impl FnOnce(&mut Container)) -> Vec<String> {
    refused(&mixed_with("web", change), &wish(Goal::Up))
}

fn warned(file: &Project) -> Vec<String> {
    let made = plan(file, &Observed::default(), &wish(Goal::Up)).unwrap();
    made.warnings.into_iter().map(|w| w.message).collect()
}

fn fixed(container: &mut Container, network: &str, v4: &str) {
    let mut at = Attachment::new(name(network));
    at.v4 = v4.parse().ok();
    settings(container).network = AppNetwork::Networks(vec![at]);
}

#[test]
fn while_a_new_self_takes_over_somebody_always_answers() {
    let file = mixed_with("web", |c| settings(c).command = Some(vec!["x".into()]));
    let mut world = World::of(&mixed());
    let whole = plan(&file, &world.look(), &wish(Goal::Up)).unwrap();
    for planned in &whole.steps {
        world.step(&planned.step);
        let used = world.addresses_in_use();
        for rule in &world.seen.firewall.rules {
            let answers = used.iter().any(|(_, v4)| *v4 == rule.to4);
            assert!(answers, "nobody answers after {:?}", planned.step);
        }
        let db = &world.seen.containers["db"];
        let lines = db.names.iter().flatten();
        let web = lines.filter(|line| line.names.contains(&"web".to_string()));
        for line in web.filter(|line| line.address.is_ipv4()) {
            let answers = used.iter().any(|(_, v4)| *v4 == line.address);
            assert!(answers, "db knows nobody after {:?}", planned.step);
        }
    }
    assert!(world.aside.is_empty());
}

#[test]
fn what_two_selves_would_quarrel_about_stops_the_old_one_first() {
    let quarrels: [fn(&mut Container); 5] = [
        |c| fixed(c, "default", "10.36.9.77"),
        |c| {
            c.volumes
                .push((super::shop::volume("/srv/x", "/x"), place(60)))
        },
        |c| settings(c).volumes_from.push(("other".into(), false)),
        |c| c.ports[0].0 = port("53:53/udp"),
        |c| {
            settings(c).engine_volumes.push(EngineMount {
                volume: EngineVolume::External("data".into()),
                target: "/data".into(),
                read_only: false,
                no_copy: false,
            });
        },
    ];
    for quarrel in quarrels {
        let mut world = World::default();
        let foreign = &mut world.seen.engine.foreign_volumes;
        foreign.insert("data".into(), ObservedVolume::default());
        let before = mixed_with("web", quarrel);
        world.run(&before, &wish(Goal::Up));
        let mut after = before.clone();
        let web = after.containers.get_mut("web").unwrap();
        settings(web).command = Some(vec!["x".into()]);
        let text = world.text(&after, &wish(Goal::Up));
        assert!(text.contains("- stop     web"), "{text}");
        world.run(&after, &wish(Goal::Up));
        assert_eq!(world.text(&after, &wish(Goal::Up)), "nothing to do");
    }
    let mut world = World::of(&mixed());
    world.container("web").unnamed = vec![UnnamedVolume {
        target: "/data".into(),
        name: "0a".repeat(32),
        path: None,
    }];
    let file = mixed_with("web", |c| settings(c).tty = true);
    let text = world.text(&file, &wish(Goal::Up));
    assert!(text.contains("- stop     web"), "{text}");
}

#[test]
fn a_run_killed_after_any_step_is_finished_by_the_next_one() {
    let mut new = several();
    let web = new.containers.get_mut("web").unwrap();
    settings(web).command = Some(vec!["x".into()]);
    let job = new.containers.get_mut("job").unwrap();
    settings(job).tty = true;
    let mut moved = several();
    moved
        .networks
        .insert(name("front"), extra(5, Some("10.81.0.0/24")));
    let mut system = mixed();
    let mut db = app("db", 10, image("sql:1"));
    db.ports.push((port("5432:5432"), place(11)));
    system.containers.insert(name("db"), db);
    for (file, from) in [
        (&several(), World::default()),
        (&several(), World::of(&mixed())),
        (&new, World::of(&several())),
        (&moved, World::of(&several())),
        (&mixed(), World::of(&several())),
        (&system, World::of(&mixed())),
        (&mixed(), World::of(&system)),
    ] {
        let whole = plan(file, &from.look(), &wish(Goal::Up)).unwrap();
        for end in 0..=whole.steps.len() {
            let mut world = from.clone();
            world.follow(&whole, end);
            world.run(file, &wish(Goal::Up));
            assert_eq!(world.text(file, &wish(Goal::Up)), "nothing to do", "{end}");
            assert!(world.aside.is_empty() && world.half.is_empty());
        }
    }
}

#[test]
fn a_killed_take_over_can_be_taken_back_and_taken_down() {
    let file = mixed_with("web", |c| settings(c).command = Some(vec!["x".into()]));
    let from = World::of(&mixed());
    let whole = plan(&file, &from.look(), &wish(Goal::Up)).unwrap();
    for end in 0..=whole.steps.len() {
        let mut back = from.clone();
        back.follow(&whole, end);
        back.run(&mixed(), &wish(Goal::Up));
        assert_eq!(back.text(&mixed(), &wish(Goal::Up)), "nothing to do");
        let mut down = from.clone();
        down.follow(&whole, end);
        down.run(&mixed(), &wish(DOWN));
        assert!(down.seen.containers.is_empty() && down.aside.is_empty());
        assert!(down.seen.engine.networks.is_empty() && down.seen.network.bridges.is_empty());
        let mut started = from.clone();
        started.follow(&whole, end);
        started.run(&mixed(), &wish(START));
        let text = started.text(&mixed(), &wish(START));
        assert_eq!(text, "nothing to do", "after {end}");
    }
}

#[test]
fn fixed_addresses_are_kept_apart_and_within_their_networks() {
    let mut file = several();
    fixed(
        file.containers.get_mut("web").unwrap(),
        "front",
        "10.80.0.7",
    );
    fixed(
        file.containers.get_mut("job").unwrap(),
        "front",
        "10.80.0.2",
    );
    let mut world = World::of(&file);
    let of = |world: &World, word: &str| {
        let spec = &world.seen.containers[word].mark.as_ref().unwrap().spec;
        spec.nic.as_ref().unwrap().addresses
    };
    assert_eq!(of(&world, "web").v4.to_string(), "10.80.0.7");
    assert_eq!(of(&world, "job").v4.to_string(), "10.80.0.2");
    assert_ne!(of(&world, "web").v6, of(&world, "job").v6);
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    world.seen.record = None;
    world.run(&file, &wish(Goal::Up));
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    fixed(
        file.containers.get_mut("web").unwrap(),
        "front",
        "10.80.0.2",
    );
    let of_job = "`job` has it";
    assert!(refused(&file, &wish(Goal::Up))[0].ends_with(of_job));
    for outside in ["10.80.0.1", "10.80.0.0", "10.80.0.255", "10.9.0.2"] {
        fixed(file.containers.get_mut("web").unwrap(), "front", outside);
        let told = refused(&file, &wish(Goal::Up));
        assert!(told[0].contains("cannot have the address"), "{told:?}");
    }
}

#[test]
fn what_an_application_cannot_have_is_refused_by_name_and_line() {
    let told = refused_web(|c| settings(c).network = AppNetwork::None);
    let text = "31: port `8080:80/tcp` of container `web` cannot be published: it has no network";
    assert_eq!(told, [text]);
    let told = refused_web(|c| put_on(c, &["nowhere"]));
    let text = "44: container `web` is to be on network `nowhere`, which the file does not define";
    assert!(told.contains(&text.to_string()), "{told:?}");
    let told = refused_web(|c| {
        c.ports.clear();
        settings(c).network = AppNetwork::Container(name("db"));
    });
    let text =
        "45: container `web` cannot share `network_mode` with `db`: that is a system container";
    assert_eq!(told, [text]);
    let told = refused_web(|c| {
        let limit = "memory.oom.group=1".parse().unwrap();
        c.cgroup.push((limit, place(38)));
    });
    let text = "38: `memory.oom.group` is no limit that a container made from an image can have";
    assert_eq!(told, [text]);
    let told = refused_web(|c| settings(c).pull = PullPolicy::Never);
    let text = "the image `nginx:1` of container `web` is not on the host";
    assert!(told[0].contains(text), "{told:?}");
    let mut file = mixed();
    let mut outer = extra(5, None);
    outer.external = Some("proxy".into());
    file.networks.insert(name("outer"), outer);
    put_on(
        file.containers.get_mut("web").unwrap(),
        &["default", "outer"],
    );
    let told = refused(&file, &wish(Goal::Up));
    assert_eq!(
        told,
        ["44: the external network `proxy` of container `web` is not there"]
    );
    let mut there = Observed::default();
    there.engine.foreign_networks.insert("proxy".into());
    assert!(plan(&file, &there, &wish(Goal::Up)).is_ok());
}

#[test]
fn what_does_nothing_is_said() {
    let hosted = mixed_with("web", |c| settings(c).network = AppNetwork::Host);
    let told = warned(&hosted);
    assert!(
        told[0].contains("ports are published as they are"),
        "{told:?}"
    );
    assert!(told[1].contains("`links` do nothing"), "{told:?}");
    let mut file = several();
    put_on(file.containers.get_mut("web").unwrap(), &["front"]);
    let told = warned(&file);
    assert!(
        told.iter().any(|w| w.contains("on no common network")),
        "{told:?}"
    );
    let file = mixed_with("web", |c| {
        let mut needs = on("gone", Condition::Started);
        needs.required = false;
        c.depends_on.push(needs);
    });
    let told = warned(&file);
    assert!(told[0].contains("starts without `gone`"), "{told:?}");
}

#[test]
fn a_link_to_a_service_leads_to_all_its_containers() {
    let mut file = mixed();
    for word in ["web", "web-2"] {
        let mut one = app(word, 70, image("nginx:1"));
        one.replica_of = Some(name("web"));
        file.containers.insert(name(word), one);
    }
    let mut shell = app("shell", 80, image("nginx:1"));
    shell.links.push((link("web:www"), place(81)));
    file.containers.insert(name("shell"), shell);
    let world = World::of(&file);
    let lines = world.seen.containers["shell"].names.clone().unwrap();
    let www = lines
        .iter()
        .filter(|l| l.names.contains(&"www".to_string()));
    let www: Vec<_> = www.filter(|l| l.address.is_ipv4()).collect();
    assert_eq!(www.len(), 2);
    assert_eq!(www[1].names, ["web-2", "web", "www"]);
}

#[test]
fn a_container_that_is_not_to_be_made_anew_stays_and_that_is_said() {
    let world = World::of(&mixed());
    let file = mixed_with("web", |c| settings(c).tty = true);
    let never = Wish {
        recreate: Recreate::Never,
        ..wish(Goal::Up)
    };
    let made = plan(&file, &world.look(), &never).unwrap();
    assert!(made.steps.is_empty());
    let told = &made.warnings[0].message;
    assert!(told.contains("stays as it is"), "{told}");
}

#[test]
fn the_ports_of_applications_change_without_a_new_container_whatever_they_are() {
    let mut file = several();
    let mut world = World::of(&file);
    let before = world.seen.containers.clone();
    let web = file.containers.get_mut("web").unwrap();
    web.ports = vec![(port("0:80"), place(31)), (port("8443:443"), place(32))];
    world.run(&file, &wish(Goal::Up));
    assert_eq!(world.seen.containers, before);
    assert_eq!(world.seen.firewall.rules.len(), 2);
}

#[test]
fn an_engine_without_need_is_left_alone() {
    let file = project(vec![super::shop::container(
        "db",
        10,
        super::shop::busybox(),
    )]);
    let mut world = World::of(&file);
    let record = world.seen.record.clone().unwrap();
    assert!(!record.applications);
    world.run(&mixed(), &wish(Goal::Up));
    let record = world.seen.record.clone().unwrap();
    assert!(record.applications);
}
