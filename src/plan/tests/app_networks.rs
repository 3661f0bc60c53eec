//! Networks of application containers: what is joined, refused, made anew and left to others.

use super::app_rules::refused;
use super::apps::{extra, mixed, mixed_with, put_on, settings, several};
use super::world::World;
use super::*;
use crate::observed::*;

pub(super) fn fixed(container: &mut Container, network: &str, v4: &str) {
    let mut at = Attachment::new(name(network));
    at.v4 = v4.parse().ok();
    settings(container).network = AppNetwork::Networks(vec![at]);
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
fn an_external_network_is_joined_with_the_addresses_of_the_file() {
    let mut file = mixed();
    let mut outer = extra(5, None);
    outer.external = Some("br78".into());
    file.networks.insert(name("outer"), outer);
    let web = file.containers.get_mut("web").unwrap();
    let mut at = Attachment::new(name("outer"));
    at.v4 = "192.168.78.50".parse().ok();
    at.mac = Some("02:42:ac:11:00:35".into());
    let all = vec![Attachment::new(default_network()), at];
    settings(web).network = AppNetwork::Networks(all);
    let mut there = Observed::default();
    there.engine.foreign_networks.insert("br78".into());
    let made = plan(&file, &there, &wish(Goal::Up)).unwrap();
    let fixed = made.steps.iter().find_map(|planned| match &planned.step {
        Step::Create(spec) if spec.name == name("web") => spec.app.clone(),
        _ => None,
    });
    let attached = fixed.unwrap().attached;
    assert_eq!(attached[0].fixed, Fixed::default());
    assert_eq!(attached[1].network, "br78");
    assert_eq!(attached[1].fixed.v4, "192.168.78.50".parse().ok());
    assert_eq!(attached[1].fixed.mac.as_deref(), Some("02:42:ac:11:00:35"));
}

#[test]
fn a_network_has_the_name_and_the_gateway_of_the_file() {
    let mut file = several();
    let front = file.networks.get_mut("front").unwrap();
    front.name = Some("proxynet".into());
    front.wish.gateway = "10.80.0.2".parse().ok();
    let mut world = World::of(&file);
    let made = &world.seen.engine.networks["front"];
    assert_eq!(made.host_name(), "proxynet");
    assert_eq!(made.subnets.gateway4().to_string(), "10.80.0.2");
    // The bridge's address is nobody else's, and the first is free now.
    let cards = |world: &World| {
        let web = world.seen.containers["web"].mark.clone().unwrap().spec;
        let app = web.app.unwrap();
        let front = app.attached.into_iter().find(|at| at.network == "proxynet");
        front.unwrap().nic.unwrap().addresses.v4.to_string()
    };
    assert_ne!(cards(&world), "10.80.0.2");
    assert!(
        plan(&file, &world.look(), &wish(Goal::Up))
            .unwrap()
            .steps
            .is_empty()
    );
    // Another name makes the network, and who is on it, anew; down takes it away.
    file.networks.get_mut("front").unwrap().name = Some("other".into());
    world.run(&file, &wish(Goal::Up));
    assert_eq!(world.seen.engine.networks["front"].host_name(), "other");
    let mut foreign = Observed::default();
    foreign.engine.foreign_networks.insert("other".into());
    let told = match plan(&file, &foreign, &wish(Goal::Up)) {
        Err(problems) => problems,
        Ok(_) => panic!("a foreign network was taken"),
    };
    assert!(
        told[0].message.contains("a network `other` is on the host"),
        "{}",
        told[0].message
    );
    assert!(told[0].help.as_ref().unwrap().contains("external: true"));
}

#[test]
fn a_network_of_another_project_of_locker_is_told_as_that_and_not_to_be_removed() {
    let told = |owner: Option<&str>| {
        let mut world = World::default();
        let engine = &mut world.seen.engine;
        engine.foreign_networks.insert("shop_default".into());
        engine.network_owners.extend(owner.map(|project| {
            let owner = Owner {
                project: project.into(),
                directory: "/srv/there".into(),
            };
            ("shop_default".to_owned(), owner)
        }));
        let mut told = plan(&mixed(), &world.look(), &wish(Goal::Up)).unwrap_err();
        let told = told.remove(0);
        (told.message, told.help.unwrap())
    };
    let (said, cure) = told(Some("shop_a"));
    assert!(
        said.ends_with("of locker's project `shop_a` in `/srv/there`"),
        "{said}"
    );
    assert!(cure.contains("rename the network or the project"), "{cure}");
    assert!(!cure.contains("rm"), "{cure}");
    for owner in [None, Some("shop")] {
        let (_, cure) = told(owner);
        assert!(cure.contains("docker network rm shop_default"), "{cure}");
    }
}

#[test]
fn an_external_network_that_becomes_the_projects_own_is_not_taken_from_others() {
    let mut file = mixed();
    let mut outer = extra(5, None);
    outer.external = Some("proxynet".into());
    file.networks.insert(name("outer"), outer);
    put_on(
        file.containers.get_mut("web").unwrap(),
        &["default", "outer"],
    );
    let mut world = World::default();
    world.seen.engine.foreign_networks.insert("proxynet".into());
    world.run(&file, &wish(Goal::Up));
    let own = file.networks.get_mut("outer").unwrap();
    own.external = None;
    own.name = Some("proxynet".into());
    let told = plan(&file, &world.look(), &wish(Goal::Up)).unwrap_err();
    assert!(
        told.iter()
            .any(|p| p.message.contains("is not of this project")),
        "{told:?}"
    );
}

#[test]
fn who_shares_a_network_follows_the_one_that_has_it_whoever_started_that_one() {
    let file = mixed_with("job", |c| {
        settings(c).network = AppNetwork::Container(name("web"));
    });
    let mut world = World::of(&file);
    // Killed or stopped past us: what shares with it runs on in a network that is dead.
    world.container("web").state = State::Stopped;
    let up = world.text(&file, &wish(Goal::Up));
    let start = world.text(&file, &chosen(START, &["web"]));
    for text in [&up, &start] {
        let lines: Vec<&str> = text.lines().collect();
        let job: Vec<&&str> = lines.iter().filter(|line| line.contains("job")).collect();
        assert!(job.iter().any(|line| line.contains("stop")), "{text}");
        assert!(job.iter().any(|line| line.contains("start")), "{text}");
    }
    // Started again past us: both run, and no longer share.
    world.container("web").state = State::Running;
    world.container("job").left_behind = true;
    let text = world.text(&file, &wish(Goal::Up));
    assert!(
        text.contains("earlier run") && !text.contains("web  "),
        "{text}"
    );
    // Whom nobody asked about is left alone.
    assert_eq!(world.text(&file, &chosen(START, &["web"])), "nothing to do");
    assert_eq!(
        world.text(&file, &chosen(Goal::Up, &["db"])),
        "nothing to do"
    );
}

#[test]
fn a_network_on_which_a_container_of_others_runs_is_left_and_all_else_is_done() {
    let mut world = World::of(&mixed());
    let guests = [(name("default"), ["foreign".to_string()].into())];
    world.seen.engine.guests = guests.into();
    let made = plan(&mixed(), &world.look(), &wish(DOWN)).unwrap();
    assert_eq!(made.notices.len(), 1, "{:?}", made.notices);
    let said = &made.notices[0];
    assert!(
        said.contains("container `foreign`") && said.contains("docker network disconnect"),
        "{said}"
    );
    world.run(&mixed(), &wish(DOWN));
    assert!(world.seen.containers.is_empty());
    assert!(world.seen.network.bridges.contains_key("lk-shop"));
    assert!(
        world.seen.record.is_some(),
        "the subnet stays the project's"
    );
    assert_eq!(world.text(&mixed(), &wish(DOWN)), "nothing to do");
    world.seen.engine.guests.clear();
    world.run(&mixed(), &wish(DOWN));
    assert!(world.seen.network.bridges.is_empty() && world.seen.record.is_none());
}

#[test]
fn a_bridge_whose_mark_somebody_took_is_made_whole_by_up_and_goes_with_the_project() {
    let lost = |world: &mut World| {
        world.seen.network.bridges.remove("lk-shop");
        world.seen.network.half_made.insert("lk-shop".into());
    };
    let mut world = World::of(&mixed());
    lost(&mut world);
    assert!(world.text(&mixed(), &wish(Goal::Up)).contains("lk-shop"));
    world.run(&mixed(), &wish(Goal::Up));
    assert!(world.seen.network.half_made.is_empty());
    lost(&mut world);
    world.run(&mixed(), &wish(DOWN));
    assert!(world.seen.network.half_made.is_empty() && world.seen.record.is_none());
}

#[test]
fn cleanup_leaves_a_network_on_which_a_container_of_others_runs_as_well() {
    let mut world = World::of(&mixed());
    let guests = [(name("default"), ["foreign".to_string()].into())];
    world.seen.engine.guests = guests.into();
    let made = plan(&mixed(), &world.look(), &wish(Goal::Cleanup)).unwrap();
    assert_eq!(made.notices.len(), 1, "{:?}", made.notices);
    world.run(&mixed(), &wish(Goal::Cleanup));
    assert!(!world.seen.containers.is_empty(), "they rest");
    assert!(world.seen.network.bridges.contains_key("lk-shop"));
    assert!(world.seen.record.is_some());
    assert_eq!(world.text(&mixed(), &wish(Goal::Cleanup)), "nothing to do");
}

#[test]
fn a_changed_network_is_refused_while_a_container_of_others_runs_on_it() {
    let mut file = mixed();
    file.network.subnet = "10.250.0.0/24".parse().ok();
    let mut world = World::of(&mixed());
    let guests = [(name("default"), ["foreign".to_string()].into())];
    world.seen.engine.guests = guests.into();
    let problems = plan(&file, &world.look(), &wish(Goal::Up)).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].message.contains("container `foreign`"));
}

#[test]
fn a_resting_container_that_knows_a_removed_network_is_joined_to_the_new_one() {
    let mut world = World::of(&mixed());
    world.run(&mixed(), &wish(Goal::Stop));
    for found in world.seen.containers.values_mut() {
        if found.kind == Kind::Application {
            found.estranged.insert("shop_default".into());
        }
    }
    let text = world.text(&mixed(), &wish(Goal::Up));
    let network = text.lines().find(|line| line.starts_with("+ network"));
    let network = network.unwrap_or_else(|| panic!("{text}"));
    assert!(
        network.ends_with("containers know one that was removed"),
        "{network}"
    );
    world.run(&mixed(), &wish(Goal::Up));
    assert_eq!(world.text(&mixed(), &wish(Goal::Up)), "nothing to do");
}
