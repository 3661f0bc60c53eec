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
        let others = world.seen.foreign.entry(Kind::Application).or_default();
        others.insert("other".into());
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

#[test]
fn a_new_self_is_watched_before_the_older_one_goes_and_a_first_one_is_not() {
    let settle = Duration::from_secs(5);
    let watched = Wish {
        settle,
        ..wish(Goal::Up)
    };
    let settles = |world: &World, file: &Project| {
        let plan = plan(file, &world.look(), &watched).unwrap();
        let steps = plan.steps.into_iter().map(|planned| planned.step);
        let waits = steps.filter_map(|step| match step {
            Step::AwaitHealthy {
                container, settle, ..
            } => Some((container, settle)),
            _ => None,
        });
        waits.collect::<Vec<_>>()
    };
    let changed = mixed_with("web", |c| settings(c).tty = true);
    let world = World::of(&mixed());
    let told = settles(&world, &changed);
    assert!(told.contains(&(name("web"), Some(settle))), "{told:?}");
    let first = settles(&World::default(), &changed);
    assert!(
        first.iter().all(|(_, settle)| settle.is_none()),
        "{first:?}"
    );
}
