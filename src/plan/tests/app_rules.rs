//! Promises about application containers that no single plan shows.

use super::apps::{app, extra, image, mixed, mixed_with, on, put_on, settings, several};
use super::shop::{link, project};
use super::world::World;
use super::*;
use crate::observed::*;

pub(super) fn refused(file: &Project, wish: &Wish) -> Vec<String> {
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

#[test]
fn what_an_application_cannot_have_is_refused_by_name_and_line() {
    let told = refused_web(|c| settings(c).network = AppNetwork::None);
    let text = "31: port `8080:80/tcp` of container `web` cannot be published: it has no network";
    assert_eq!(told, [text]);
    let told = refused_web(|c| settings(c).network = AppNetwork::Bridge);
    assert!(
        told[0].contains("it is on the engine's own bridge"),
        "{told:?}"
    );
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
fn a_port_that_is_told_makes_no_new_container_and_one_that_is_exposed_does() {
    let file = mixed();
    let world = World::of(&file);
    let web = world.seen.containers["web"].mark.clone().unwrap().spec;
    assert_eq!(web.app.unwrap().exposed, ["80/tcp"]);
    let more = mixed_with("web", |c| settings(c).expose = vec!["3000/tcp".into()]);
    let made = plan(&more, &world.look(), &wish(Goal::Up)).unwrap();
    assert!(!made.steps.is_empty());
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
    // The file's own, and the one that the file's stage adds for the second container.
    shell.links.push((link("web:www"), place(81)));
    shell.links.push((link("web-2:www"), place(81)));
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

/// `mixed` with so many containers of the service `web`, none being the number 0.
fn scaled(count: usize) -> Project {
    let mut file = mixed();
    file.containers.retain(|word, _| word.as_str() == "web");
    let web = file.containers.get_mut("web").unwrap();
    web.depends_on.clear();
    web.links.clear();
    web.ports.clear();
    let first = web.clone();
    for number in 1..=count {
        let mut one = first.clone();
        if number > 1 {
            one.name = name(&format!("web-{number}"));
        }
        one.replica_of = (count > 1).then(|| name("web"));
        file.containers.insert(one.name.clone(), one);
    }
    if count == 0 {
        file.containers.clear();
        file.none.insert(name("web"));
    }
    file
}

fn running(world: &World) -> Vec<&str> {
    let all = world.seen.containers.iter();
    let run = all.filter(|(_, found)| found.state == State::Running);
    run.map(|(name, _)| name.as_str()).collect()
}

#[test]
fn fewer_of_a_service_are_made_so_and_those_that_stop_stopped_start_again() {
    let mut world = World::of(&scaled(3));
    let two = world.seen.containers["web-2"].mark.clone().unwrap().spec;
    assert_eq!(two.app.unwrap().attached[0].aliases, ["web"]);
    // The number was one of the command line: `stop` and `start` do not know it.
    let alone = scaled(1);
    world.run(&alone, &wish(Goal::Stop));
    assert_eq!(running(&world), [""; 0]);
    world.run(&alone, &wish(START));
    assert_eq!(running(&world), ["web", "web-2", "web-3"]);
    // Who is not asked about stays.
    assert!(
        plan(&alone, &world.look(), &chosen(Goal::Up, &["web"]))
            .unwrap()
            .warnings
            .is_empty()
    );
    let made = plan(&alone, &world.look(), &wish(Goal::Up)).unwrap();
    assert!(
        made.warnings.is_empty() && made.losses.is_empty(),
        "{made:?}"
    );
    world.run(&alone, &wish(Goal::Up));
    assert_eq!(running(&world), ["web"]);
    assert_eq!(world.text(&alone, &wish(Goal::Up)), "nothing to do");
    world.run(&scaled(0), &wish(Goal::Up));
    assert!(world.seen.containers.is_empty());
    // What only happens to be called so is a leftover as any other.
    let mut file = scaled(1);
    file.containers
        .insert(name("web-2"), app("web-2", 70, image("nginx:1")));
    let world = World::of(&file);
    let made = plan(&alone, &world.look(), &wish(Goal::Up)).unwrap();
    assert_eq!((made.steps.len(), made.warnings.len()), (0, 1), "{made:?}");
}

#[test]
fn a_system_container_that_is_one_too_many_is_a_loss_that_is_asked_about() {
    let of = |count: usize| {
        let mut file = project(Vec::new());
        for number in 1..=count {
            let word = if number == 1 {
                "db".into()
            } else {
                format!("db-{number}")
            };
            let mut one = super::shop::container(&word, 10, super::shop::busybox());
            one.replica_of = (count > 1).then(|| name("db"));
            file.containers.insert(one.name.clone(), one);
        }
        file
    };
    let world = World::of(&of(2));
    let made = plan(&of(1), &world.look(), &wish(Goal::Up)).unwrap();
    assert_eq!(made.losses.len(), 1);
    assert_eq!(made.losses[0].container, Some(name("db-2")));
}

#[test]
fn a_variable_of_a_secret_is_needed_to_make_a_container_and_for_nothing_else() {
    let file = |digest: &str| {
        mixed_with("web", |c| {
            settings(c).files.push(InnerFile {
                target: "/run/secrets/key".into(),
                uid: 0,
                gid: 0,
                mode: 0o400,
                digest: digest.into(),
                origin: FileOrigin {
                    secret: true,
                    name: "key".into(),
                    content: FileContent::Variable("KEY".into()),
                },
                content: Secret::default(),
            });
        })
    };
    let (set, unset) = (file("abc"), file(""));
    let told = refused(&unset, &wish(Goal::Up));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("the variable `KEY`, which holds the secret `key`"),
        "{told:?}"
    );
    let mut world = World::of(&set);
    assert!(plan(&unset, &world.look(), &wish(Goal::Up)).is_err());
    for goal in [Goal::Stop, START, Goal::Restart, Goal::Ports, DOWN] {
        let done = plan(&unset, &world.look(), &wish(goal.clone()));
        assert!(done.is_ok(), "{goal:?}");
    }
    world.run(&unset, &wish(Goal::Stop));
    world.run(&unset, &wish(START));
    assert!(plan(&unset, &world.look(), &chosen(Goal::Up, &["db"])).is_ok());
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

#[test]
fn rules_that_another_firewall_driver_has_left_go_and_those_of_others_stay() {
    for goal in [Goal::Up, Goal::Ports, DOWN, Goal::Unports] {
        let mut world = World::of(&mixed());
        let mine = world.seen.firewall.rules.first().unwrap().clone();
        let mut foreign = mine.clone();
        foreign.project = name("other");
        world.seen.firewall.left = vec![Leftover {
            driver: "iptables-nft".into(),
            networks: world.seen.firewall.networks.values().cloned().collect(),
            rules: vec![mine, foreign.clone()],
        }];
        let text = world.text(&mixed(), &wish(goal.clone()));
        assert!(text.contains("another firewall driver made them"), "{text}");
        world.run(&mixed(), &wish(goal.clone()));
        let left = &world.seen.firewall.left[0];
        assert_eq!((&left.rules[..], left.networks.len()), (&[foreign][..], 0));
        assert_eq!(world.text(&mixed(), &wish(goal)), "nothing to do");
    }
}
