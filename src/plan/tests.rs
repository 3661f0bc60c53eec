//! Plans are empty once they were carried out: a pure simulator applies the steps, then plans again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::model::*;
use crate::observed::*;

fn name(word: &str) -> Name {
    Name::new(word).unwrap()
}

fn project(count: usize) -> Project {
    let mut containers = BTreeMap::new();
    for index in 0..count {
        let mut one = Container::bare(name(&format!("c{index}")));
        one.source = Source::Template {
            name: "busybox".into(),
            args: Vec::new(),
        };
        let first = 20_000 + u16::try_from(index).unwrap();
        let port = Port {
            host_ip: None,
            host: PortRange::single(first),
            container: PortRange::single(80),
            protocol: Protocol::Tcp,
            allow: Vec::new(),
        };
        one.ports.push((
            port,
            Place::new(std::path::Path::new("locker.yaml").into(), 7, 5),
        ));
        if index > 0 {
            let target = name(&format!("c{}", index - 1));
            one.links.push((
                Link {
                    target,
                    alias: None,
                },
                Place::nowhere(),
            ));
        }
        containers.insert(one.name.clone(), one);
    }
    Project {
        name: name("shop"),
        directory: PathBuf::from("/srv/shop"),
        file: PathBuf::from("/srv/shop/locker.yaml"),
        network: NetworkWish::default(),
        firewall: FirewallChoice::Auto,
        groups: BTreeMap::new(),
        containers,
    }
}

fn wish(goal: Goal) -> Wish {
    Wish {
        goal,
        selection: None,
        no_ports: false,
        no_links: false,
        host_names: false,
        no_copy: false,
        timeout: Duration::from_secs(1),
        lxcpath: PathBuf::from("/var/lib/lxc"),
        remove_orphans: false,
    }
}

/// Applies every step to a snapshot, as the drivers would.
fn execute(mut o: Observed, plan: &Plan) -> Observed {
    for planned in &plan.steps {
        match &planned.step {
            Step::SaveRecord(record) => o.record = Some((**record).clone()),
            Step::ForgetProject(_) => o.record = None,
            Step::RemoveWreck { container } => match o.containers.get_mut(container) {
                Some(c) if c.set_aside => c.mark = None,
                _ => drop(o.containers.remove(container)),
            },
            Step::BringBack { container } | Step::SetAside { container } => {
                let c = o.containers.get_mut(container).unwrap();
                c.set_aside = !c.set_aside;
            }
            Step::EnsureBridge { subnets, .. } => {
                let v4 = format!("{}/{}", subnets.gateway4(), subnets.v4.prefix_len());
                let v6 = format!("{}/{}", subnets.gateway6(), subnets.v6.prefix_len());
                o.network.bridge = Some(ObservedBridge {
                    mark: Some("locker:shop".into()),
                    up: true,
                    addresses: vec![v4.parse().unwrap(), v6.parse().unwrap()],
                });
                o.network.forwarding = true;
                o.network.loose.clear();
            }
            Step::RemoveBridge { .. } => o.network.bridge = None,
            Step::OpenNetwork(rules) => {
                o.firewall.networks.insert(name("shop"), rules.clone());
            }
            Step::CloseNetwork(_) => drop(o.firewall.networks.remove("shop")),
            Step::Create(spec) => {
                let aside = o.containers.get(&spec.name).is_some_and(|c| c.set_aside);
                let made = ObservedContainer {
                    host_name: spec.host_name(),
                    state: State::Stopped,
                    mark: Some(Mark {
                        seeded: false,
                        ..mark(spec)
                    }),
                    wreck: false,
                    set_aside: aside,
                    stopping: false,
                    pid: None,
                    names: None,
                    dns: Vec::new(),
                };
                o.containers.insert(spec.name.clone(), made);
            }
            Step::Configure(spec) => {
                let c = o.containers.get_mut(&spec.name).unwrap();
                let seeded = c.mark.as_ref().unwrap().seeded;
                c.mark = Some(Mark {
                    seeded,
                    ..mark(spec)
                });
            }
            Step::WriteNames {
                container,
                hosts,
                dns,
            } => {
                let c = o.containers.get_mut(container).unwrap();
                c.names = Some(hosts.clone());
                c.dns = dns.clone();
            }
            Step::Start { container } | Step::Unfreeze { container } => {
                o.containers.get_mut(container).unwrap().state = State::Running;
            }
            Step::Stop { container, .. } => {
                o.containers.get_mut(container).unwrap().state = State::Stopped;
            }
            Step::Freeze { container } => {
                o.containers.get_mut(container).unwrap().state = State::Frozen;
            }
            Step::Publish { add, remove } => {
                o.firewall.rules.retain(|rule| !remove.contains(rule));
                o.firewall.rules.extend(add.iter().cloned());
            }
            Step::WriteHostNames { hosts } => {
                o.host_names = (!hosts.is_empty()).then(|| hosts.clone());
            }
            Step::Destroy {
                container,
                aside: true,
            } => {
                o.containers.get_mut(container).unwrap().set_aside = false;
            }
            Step::Destroy {
                container,
                aside: false,
            } => drop(o.containers.remove(container)),
            Step::Seed { container, .. } => {
                let c = o.containers.get_mut(container).unwrap();
                c.mark.as_mut().unwrap().seeded = true;
            }
            Step::AwaitHealthy { .. } | Step::Setup { .. } | Step::RemoveVolume { .. } => {}
        }
    }
    o
}

fn mark(spec: &ContainerSpec) -> Mark {
    Mark {
        version: 1,
        directory: "/srv/shop".into(),
        spec: spec.clone(),
        setup_done: true,
        seeded: true,
    }
}

fn up(project: &Project, observed: Observed) -> Observed {
    let made = plan(project, &observed, &wish(Goal::Up)).unwrap();
    execute(observed, &made)
}

fn text(project: &Project, observed: &Observed, goal: Goal) -> String {
    plan(project, observed, &wish(goal)).unwrap().to_string()
}

#[test]
fn a_second_run_of_each_goal_has_nothing_to_do() {
    let file = project(4);
    let there = up(&file, Observed::default());
    assert!(there.containers.values().all(|c| c.state == State::Running));
    assert_eq!(there.firewall.rules.len(), 4);
    for goal in [
        Goal::Up,
        Goal::Stop,
        Goal::Start { restart: false },
        Goal::Freeze,
        Goal::Unports,
        Goal::Unlinks,
        Goal::Remove,
        Goal::Cleanup,
        Goal::Down {
            keep: true,
            volumes: false,
        },
        Goal::Down {
            keep: false,
            volumes: false,
        },
    ] {
        let first = plan(&file, &there, &wish(goal.clone())).unwrap();
        let after = execute(there.clone(), &first);
        assert_eq!(
            text(&file, &after, goal.clone()),
            "nothing to do",
            "{goal:?}"
        );
        let again = up(&file, after);
        assert_eq!(text(&file, &again, Goal::Up), "nothing to do", "{goal:?}");
    }
}

#[test]
fn a_run_killed_after_any_step_converges() {
    let mut file = project(3);
    file.containers.get_mut("c1").unwrap().volumes.push((
        Volume::parse("/opt/db:/srv", "/".as_ref()).unwrap(),
        Place::nowhere(),
    ));
    let mut other = file.clone();
    for one in other.containers.values_mut() {
        one.source = Source::Rootfs("/srv/root".into());
    }
    let there = up(&file, Observed::default());
    for (target, from) in [(&file, Observed::default()), (&other, there)] {
        let whole = plan(target, &from, &wish(Goal::Up)).unwrap();
        for end in 0..=whole.steps.len() {
            let mut part = whole.clone();
            part.steps.truncate(end);
            let mut half = execute(from.clone(), &part);
            // What is set aside and not made anew has no whole self, as the driver reports it.
            for planned in &part.steps {
                let Step::SetAside { container } = &planned.step else {
                    continue;
                };
                let remade = part
                    .steps
                    .iter()
                    .any(|p| matches!(&p.step, Step::Create(spec) if spec.name == *container));
                let c = half.containers.get_mut(container).unwrap();
                if !remade {
                    (c.wreck, c.mark) = (true, None);
                }
            }
            let after = up(target, half);
            assert_eq!(
                text(target, &after, Goal::Up),
                "nothing to do",
                "after {end}"
            );
            assert!(after.containers.values().all(|c| !c.set_aside && !c.wreck));
            let filled = after.containers["c1"].mark.as_ref().unwrap().seeded;
            assert!(filled, "the volume was never filled after {end}");
        }
    }
}

#[test]
fn a_changed_port_changes_the_rules_and_nothing_else() {
    let mut file = project(1);
    let there = up(&file, Observed::default());
    file.containers.get_mut("c0").unwrap().ports[0].0.host = PortRange::single(9000);
    let made = plan(&file, &there, &wish(Goal::Up)).unwrap();
    assert_eq!(
        made.to_string(),
        "~ publish  ports  c0 +9000:80/tcp -20000:80/tcp  `ports` changed (line 7)"
    );
}

#[test]
fn ports_puts_back_what_somebody_flushed_the_network_included() {
    let file = project(2);
    let whole = up(&file, Observed::default());
    let mut flushed = whole.clone();
    flushed.firewall.rules.clear();
    flushed.firewall.networks.clear();
    flushed.network.forwarding = false;
    let made = plan(&file, &flushed, &wish(Goal::Ports)).unwrap();
    assert_eq!(made.steps.len(), 3, "{made}");
    assert_eq!(execute(flushed, &made), whole);
    assert_eq!(text(&file, &whole, Goal::Ports), "nothing to do");
}

#[test]
fn a_changed_source_makes_anew_and_destroys_last_and_lists_the_loss() {
    let mut file = project(1);
    let there = up(&file, Observed::default());
    file.containers.get_mut("c0").unwrap().source = Source::Rootfs("/srv/root".into());
    let made = plan(&file, &there, &wish(Goal::Up)).unwrap();
    let verbs: Vec<String> = made
        .to_string()
        .lines()
        .map(|l| l[2..10].trim().into())
        .collect();
    assert_eq!(
        verbs,
        ["stop", "aside", "create", "names", "start", "destroy"]
    );
    assert_eq!(made.losses.len(), 1);
}

#[test]
fn a_port_that_another_has_is_refused_by_name() {
    let file = project(1);
    let observed = Observed {
        listeners: vec![Listener {
            protocol: Protocol::Tcp,
            address: "0.0.0.0".parse().unwrap(),
            port: 20_000,
            owner: "nginx (pid 812)".into(),
        }],
        ..Observed::default()
    };
    let problems = plan(&file, &observed, &wish(Goal::Up)).unwrap_err();
    assert_eq!(
        problems[0].message,
        "port `20000:80/tcp` of container `c0` is in use by nginx (pid 812)"
    );
}

#[test]
fn a_name_that_nobody_has_and_a_start_of_what_is_not_made_are_refused() {
    let mut asked = wish(Goal::Start { restart: false });
    asked.selection = Some(BTreeSet::from([name("c9"), name("c0")]));
    let problems = plan(&project(1), &Observed::default(), &asked).unwrap_err();
    let all: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
    assert!(all.contains(&"container `c0` is not made yet"), "{all:?}");
    assert_eq!(
        problems[1].help.as_deref(),
        Some("did you mean `c0`?"),
        "{all:?}"
    );
}

#[test]
fn a_taken_subnet_is_avoided_and_one_of_the_file_refused() {
    let mut file = project(1);
    let first = addresses::choose(&file, &Observed::default(), true)
        .unwrap()
        .0
        .subnets;
    let mut observed = Observed::default();
    observed.network.taken.push(TakenNet {
        net: first.v4.into(),
        by: "interface eth0".into(),
    });
    let second = addresses::choose(&file, &observed, true).unwrap().0.subnets;
    assert_ne!(first.v4, second.v4);
    observed.network.taken.push(TakenNet {
        net: "10.0.0.0/8".parse().unwrap(),
        by: "route via vpn0".into(),
    });
    let third = addresses::choose(&file, &observed, true).unwrap().0.subnets;
    assert!(third.v4.to_string().starts_with("172."), "{third:?}");
    file.network.subnet = Some(first.v4);
    let problems = plan(&file, &observed, &wish(Goal::Up)).unwrap_err();
    assert!(problems[0].message.ends_with("of interface eth0"));
}

#[test]
fn cards_of_running_containers_are_put_back_on_a_bridge_that_was_deleted() {
    let file = project(1);
    let mut there = up(&file, Observed::default());
    let bridge = there.network.bridge.take();
    let mine = veth_of(&name("shop"), &name("c0"));
    there.network.loose = [mine.clone(), "lkvanother".to_string()].into();
    let cards = |there: &Observed| {
        let made = plan(&file, there, &wish(Goal::Up)).unwrap();
        let [step] = &made.steps[..] else {
            panic!("{made}")
        };
        let Step::EnsureBridge { cards, .. } = &step.step else {
            panic!("{made}")
        };
        (cards.clone(), step.causes[0].to_string())
    };
    assert_eq!(cards(&there), (vec![mine.clone()], "it is gone".into()));
    // A run that was killed between making the bridge and putting the cards on it.
    there.network.bridge = bridge;
    let cause = "running containers are not on it".into();
    assert_eq!(cards(&there), (vec![mine], cause));
}

#[test]
fn a_clone_is_copied_between_its_origins_creation_and_start() {
    let mut file = project(2);
    file.containers.get_mut("c0").unwrap().source = Source::CloneSibling(name("c1"));
    let made = plan(&file, &Observed::default(), &wish(Goal::Up)).unwrap();
    let at = |wanted: &str| {
        let text = made.to_string();
        text.lines().position(|l| l.starts_with(wanted)).unwrap()
    };
    assert!(at("+ create   c1") < at("+ create   c0"));
    assert!(at("+ create   c0") < at("+ start    c1"));
    let id = |wanted: fn(&Step) -> bool| made.steps.iter().position(|s| wanted(&s.step)).unwrap();
    let copy = id(|step| matches!(step, Step::Create(spec) if spec.name.as_str() == "c0"));
    let names =
        id(|step| matches!(step, Step::WriteNames { container, .. } if container.as_str() == "c1"));
    assert!(
        made.steps[names].after.contains(&copy),
        "names are written while they are copied"
    );
    assert!(
        made.steps
            .iter()
            .enumerate()
            .all(|(id, s)| s.after.iter().all(|a| *a < id))
    );
}

#[test]
fn a_container_that_a_killed_run_has_asked_to_stop_is_started_again() {
    let file = project(1);
    let mut there = up(&file, Observed::default());
    there.containers.get_mut("c0").unwrap().stopping = true;
    let again = text(&file, &there, Goal::Up);
    let stop = again.find("stop     c0").unwrap();
    assert!(stop < again.find("start    c0").unwrap(), "{again}");
    let stopped = text(&file, &there, Goal::Stop);
    assert!(!stopped.contains("start "), "{stopped}");
}

#[test]
fn what_others_depend_on_starts_first_and_stops_last() {
    let mut file = project(2);
    let on = Dependency {
        on: name("c1"),
        condition: Condition::Started,
    };
    file.containers.get_mut("c1").unwrap().links.clear();
    file.containers.get_mut("c0").unwrap().depends_on.push(on);
    let there = up(&file, Observed::default());
    let first = text(&file, &Observed::default(), Goal::Up);
    assert!(first.find("start    c1") < first.find("start    c0"));
    let last = text(&file, &there, Goal::Stop);
    assert!(last.find("stop     c0") < last.find("stop     c1"));
}

#[test]
#[ignore = "a measurement; run it with --release"]
fn five_hundred_containers_are_planned_fast() {
    let file = project(500);
    let begun = std::time::Instant::now();
    let made = plan(&file, &Observed::default(), &wish(Goal::Up)).unwrap();
    eprintln!("{} steps in {:?}", made.steps.len(), begun.elapsed());
    let there = execute(Observed::default(), &made);
    let begun = std::time::Instant::now();
    assert_eq!(text(&file, &there, Goal::Up), "nothing to do");
    eprintln!("nothing to do in {:?}", begun.elapsed());
}
