//! Containers that are started by their first caller, and the ports that systemd holds for them.

use super::apps::{mixed, mixed_with, on};
use super::supervised::{systemd, unit, up_with_systemd};
use super::world::World;
use super::*;
use crate::observed::{State, StrayCard};

#[test]
fn nobody_waits_for_the_health_of_a_container_that_is_left_to_its_callers() {
    let check = || Healthcheck::new(InnerCommand::Shell("true".into()));
    let mut file = mixed_with("web", |c| {
        c.on_demand = true;
        c.healthcheck = Some(check());
    });
    let db = file.containers.get_mut("db").unwrap();
    db.depends_on = vec![on("web", Condition::Healthy)];
    let text = systemd().text(&file, &wish(Goal::Up));
    assert!(text.contains("+ start    db"), "{text}");
    assert!(!text.contains("await    web"), "{text}");
    // One that runs is waited for.
    let mut world = up_with_systemd(&file);
    world.container("web").state = crate::observed::State::Running;
    world.container("db").state = crate::observed::State::Stopped;
    let text = world.text(&file, &wish(Goal::Up));
    assert!(text.contains("await    web"), "{text}");
    // Its older self is stopped and its new one left to the next caller.
    file.containers
        .get_mut("web")
        .unwrap()
        .healthcheck
        .as_mut()
        .unwrap()
        .retries = 9;
    let text = world.text(&file, &wish(Goal::Up));
    assert!(
        text.contains("- stop     web") && !text.contains("await    web"),
        "{text}"
    );
}

#[test]
fn a_container_on_demand_is_started_by_its_first_caller() {
    let file = mixed_with("web", |c| {
        c.on_demand = true;
        c.idle = Some(Duration::from_secs(600));
    });
    let mut world = up_with_systemd(&file);
    let web = unit(&world, "web");
    assert_eq!(web.on_demand.len(), 1);
    assert_eq!(web.idle, Some(Duration::from_secs(600)));
    assert!(world.seen.firewall.rules.is_empty());
    assert_eq!(
        world.container("web").state,
        crate::observed::State::Stopped
    );
    world.container("web").state = crate::observed::State::Running;
    let text = world.text(&file, &wish(Goal::Up));
    assert!(
        !text.contains("stop") && !text.contains("publish"),
        "{text}"
    );
    for text in ["53:53/udp", "0:80"] {
        let file = mixed_with("web", |c| {
            c.on_demand = true;
            c.ports[0].0 = port(text);
        });
        assert!(
            plan(&file, &systemd().look(), &wish(Goal::Up)).is_err(),
            "{text}"
        );
    }
    assert!(plan(&file, &World::default().look(), &wish(Goal::Up)).is_err());
}

#[test]
fn what_is_set_up_first_does_not_wait_for_its_first_caller() {
    let file = mixed_with("web", |c| {
        c.on_demand = true;
        c.setup = vec![InnerCommand::Shell("true".into())];
    });
    let mut world = systemd();
    let text = world.run(&file, &wish(Goal::Up));
    let at = |word: &str| text.lines().position(|line| line.starts_with(word));
    assert!(at("+ start    web") < at("+ setup    web"), "{text}");
    assert!(at("+ start    web").is_some(), "{text}");
    world.container("web").state = crate::observed::State::Stopped;
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
}

#[test]
fn a_stop_closes_the_ports_that_are_held_and_a_start_opens_them() {
    use crate::model::Held;
    let file = mixed_with("web", |c| c.on_demand = true);
    let mut world = up_with_systemd(&file);
    assert_eq!(world.seen.units.held["web"], Held::Open);
    let enabled = world.seen.units.enabled.clone();
    // Of others nothing changes.
    world.run(&file, &chosen(Goal::Stop, &["db"]));
    assert_eq!(world.seen.units.held["web"], Held::Open);
    // It does not run, and yet the next who calls must not start it.
    let stop = chosen(Goal::Stop, &["web"]);
    let text = world.text(&file, &stop);
    assert_eq!(text, "~ units    shop  3 services  as asked");
    world.run(&file, &stop);
    assert_eq!(world.seen.units.held["web"], Held::Closed);
    assert_eq!(world.text(&file, &stop), "nothing to do");
    // What concerns others does not open them.
    world.run(&file, &chosen(Goal::Enable(true), &["db"]));
    world.run(&file, &chosen(Goal::Up, &["job"]));
    assert_eq!(world.seen.units.held["web"], Held::Closed);
    world.run(&file, &wish(Goal::Up));
    assert_eq!(world.seen.units.held["web"], Held::Open);
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    // While it runs they are closed before it is stopped, and opened before it is started.
    world.container("web").state = crate::observed::State::Running;
    let text = world.text(&file, &stop);
    assert!(
        text.find("~ units").unwrap() < text.find("- stop     web").unwrap(),
        "{text}"
    );
    world.run(&file, &stop);
    world.run(&file, &chosen(Goal::Start { restart: false }, &["web"]));
    assert_eq!(world.seen.units.held["web"], Held::Open);
    world.seen.units.enabled.remove(&name("db"));
    assert_eq!(world.seen.units.enabled, enabled);
}

#[test]
fn held_ports_that_are_not_open_are_opened_by_the_next_up() {
    use crate::model::Held;
    let file = mixed_with("web", |c| c.on_demand = true);
    for state in [Held::Closed, Held::Broken] {
        let mut world = up_with_systemd(&file);
        world.seen.units.held.insert(name("web"), state);
        assert_eq!(
            world.text(&file, &wish(Goal::Up)),
            "~ units    shop  3 services  the ports held for web are closed"
        );
        world.run(&file, &wish(Goal::Up));
        assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    }
}

#[test]
fn a_port_to_be_held_that_somebody_has_is_refused_with_who_has_it() {
    let file = mixed_with("web", |c| c.on_demand = true);
    let problem = |world: &World| {
        let problems = plan(&file, &world.look(), &wish(Goal::Up)).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].key, Some(Key::Ports));
        assert_eq!(
            problems[0].place,
            Some(file.containers["web"].ports[0].1.clone())
        );
        problems[0].message.clone()
    };
    let wanted = &file.containers["web"].ports[0].0;
    let said = |by: &str| format!("port `{wanted}` of container `web` is in use by {by}");
    let there = |owner: &str, held_for| Listener {
        protocol: Protocol::Tcp,
        address: "0.0.0.0".parse().unwrap(),
        port: wanted.host.first,
        owner: owner.into(),
        held_for,
    };
    let mut world = systemd();
    world.seen.listeners = vec![there("nginx (pid 812)", None)];
    assert_eq!(problem(&world), said("nginx (pid 812)"));
    let other = "container `front` of project `blog`";
    world.seen.listeners = vec![there(other, Some((name("blog"), name("front"))))];
    assert_eq!(problem(&world), said(other));
    // systemd holds `[::]` for IPv6 alone.
    world.seen.listeners[0].address = "::".parse().unwrap();
    assert_eq!(problem(&world), said(other));
    let four = mixed_with("web", |c| {
        c.on_demand = true;
        let port = format!("127.0.0.1:{}:80", wanted.host.first);
        c.ports[0].0 = port.parse().unwrap();
    });
    assert!(plan(&four, &world.look(), &wish(Goal::Up)).is_ok());
    world.seen.listeners.clear();
    let rule = PortRule {
        project: name("blog"),
        container: name("front"),
        port: format!("127.0.0.1:{}:80", wanted.host.first)
            .parse()
            .unwrap(),
        to4: "10.9.0.2".parse().unwrap(),
        to6: None,
    };
    world.seen.firewall.rules.insert(rule);
    assert_eq!(problem(&world), said(other));
    // Ports that stay closed are in nobody's way.
    let mut world = up_with_systemd(&file);
    world.run(&file, &chosen(Goal::Stop, &["web"]));
    world.seen.listeners = vec![there("nginx (pid 812)", None)];
    assert!(plan(&file, &world.look(), &chosen(Goal::Enable(true), &["db"])).is_ok());
    assert_eq!(problem(&world), said("nginx (pid 812)"));
}

#[test]
fn a_held_port_becomes_a_plain_one_while_systemd_still_listens_there() {
    let file = mixed_with("web", |c| c.on_demand = true);
    let mut world = up_with_systemd(&file);
    let listener = Listener {
        protocol: Protocol::Tcp,
        address: "0.0.0.0".parse().unwrap(),
        port: file.containers["web"].ports[0].0.host.first,
        owner: "container `web` of project `shop`".into(),
        held_for: Some((file.name.clone(), name("web"))),
    };
    world.seen.listeners = vec![listener];
    // Its own socket is no reason against holding it on.
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    let text = world.text(&mixed(), &wish(Goal::Up));
    assert!(
        text.contains("publish") && text.contains("~ units"),
        "{text}"
    );
    // A port that is added by hand would be taken from it.
    let host = file.containers["web"].ports[0].0.host;
    let more = Goal::PortAdd(format!("{host}:81").parse().unwrap());
    let problems = plan(&file, &world.look(), &chosen(more, &["db"])).unwrap_err();
    let said = "is in use by container `web` of project `shop`";
    assert!(problems[0].message.ends_with(said), "{problems:?}");
}

#[test]
fn one_that_is_about_to_rest_again_is_left_to_itself_and_nobody_waits_for_it() {
    let file = mixed_with("web", |c| {
        c.on_demand = true;
        c.idle = Some(Duration::from_secs(2));
        c.healthcheck = Some(Healthcheck::new(InnerCommand::Shell("true".into())));
    });
    let mut world = up_with_systemd(&file);
    world.container("web").state = State::Running;
    let state = UnitState {
        active: "deactivating".into(),
        ..UnitState::default()
    };
    world.seen.units.states.insert(name("web"), state);
    let nic = world
        .container("web")
        .mark
        .clone()
        .unwrap()
        .spec
        .nic
        .unwrap();
    for stopping in [false, true] {
        world.container("web").stopping = stopping;
        // Its card goes before its engine knows that it has ended.
        for strays in [
            Vec::new(),
            vec![StrayCard {
                container: name("web"),
                bridge: nic.bridge.clone(),
                card: None,
                misfit: false,
            }],
        ] {
            world.seen.network.strays = strays;
            assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
        }
    }
    // Who is to run is stopped to the end and started.
    let text = world.text(&file, &chosen(Goal::Start { restart: false }, &["web"]));
    assert!(
        text.contains("- stop     web") && text.contains("+ start    web"),
        "{text}"
    );
}

/// Who starts at boot stays as it was, and nobody is in the way of ports that are his own.
#[test]
fn services_of_which_only_the_unit_files_are_left_are_written_anew() {
    let file = mixed_with("web", |c| c.on_demand = true);
    let mut world = up_with_systemd(&file);
    let whole = world.seen.units.services.clone();
    let units = &mut world.seen.units;
    for unit in units.services.values_mut() {
        unit.properties.clear();
        unit.directory = "/".into();
        unit.at_boot = None;
    }
    units.lost = units.services.keys().cloned().collect();
    units.drifted = true;
    let text = world.text(&file, &wish(Goal::Up));
    assert!(
        text.contains("what was written down of its services is lost"),
        "{text}"
    );
    for goal in [Goal::Up, Goal::Ports, Goal::Limits, Goal::Stop] {
        let plan = plan(&file, &world.look(), &wish(goal.clone())).unwrap();
        let services = plan.steps.iter().find_map(|planned| match &planned.step {
            Step::WriteUnits(change) => Some(&change.units.services),
            _ => None,
        });
        let services = services.unwrap_or_else(|| panic!("{goal:?}: {plan}"));
        for (name, unit) in services {
            assert_eq!(unit.directory, whole[name].directory, "{goal:?}");
            assert_eq!(unit.properties, whole[name].properties, "{goal:?}");
        }
    }
}

#[test]
fn the_plan_names_the_key_that_changes_a_service() {
    let on_demand = |idle: u64| {
        mixed_with("web", |c| {
            c.on_demand = true;
            c.idle = Some(Duration::from_secs(idle));
        })
    };
    let world = up_with_systemd(&on_demand(60));
    let units = |file: &Project| {
        let text = world.text(file, &wish(Goal::Up));
        let line = text.lines().find(|line| line.contains("units"));
        line.unwrap_or_default().to_string()
    };
    let told = units(&on_demand(90));
    assert!(told.contains("`idle` changed"), "{told}");
    let told = units(&mixed());
    assert!(told.contains("`on_demand` changed"), "{told}");
    let mut file = on_demand(60);
    let db = file.containers.get_mut("db").unwrap();
    db.healthcheck = Some(Healthcheck::new(InnerCommand::Shell("true".into())));
    let told = units(&file);
    assert!(told.contains("`healthcheck` changed"), "{told}");
}
