//! Volumes of the engine: whose they are, what they must be, and what goes with `down --volumes`.

use std::collections::BTreeMap;

use super::apps::{mixed, mixed_with, settings};
use super::shop::volume;
use super::world::World;
use super::*;
use crate::model::{Listener, Protocol};
use crate::observed::{ComposeContainer, Observed, ObservedVolume, State, UnnamedVolume};

const DOWN_ALL: Goal = Goal::Down {
    keep: false,
    volumes: true,
};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

fn of_compose(project: &str) -> ObservedVolume {
    ObservedVolume {
        driver: "local".into(),
        labels: map(&[
            ("com.docker.compose.project", project),
            ("com.docker.compose.volume", "data"),
        ]),
        path: Some("/var/lib/docker/volumes/shop_data/_data".into()),
        ..ObservedVolume::default()
    }
}

/// `web` and the system container `db` share the volume `data`.
fn sharing() -> Project {
    let mut file = mixed_with("web", |web| {
        web.volumes.push((volume("data", "/data"), place(33)))
    });
    let db = file.containers.get_mut("db").unwrap();
    db.volumes.push((volume("data", "/srv"), place(14)));
    file
}

fn driven(size: &str) -> Project {
    mixed_with("web", |web| {
        settings(web).engine_volumes.push(EngineMount {
            volume: EngineVolume::Driver {
                name: "shop_v".into(),
                driver: "local".into(),
                options: map(&[("type", "tmpfs"), ("o", size)]),
                labels: map(&[("own", "1")]),
            },
            target: "/v".into(),
            read_only: false,
            no_copy: false,
        });
    })
}

fn refusals(world: &World, file: &Project, goal: Goal) -> Vec<(String, String)> {
    let problems = plan(file, &world.look(), &wish(goal))
        .err()
        .unwrap_or_default();
    let told = problems
        .into_iter()
        .map(|p| (p.message, p.help.unwrap_or_default()));
    told.collect()
}

#[test]
fn volumes_without_a_name_are_listed_before_down_takes_them() {
    let file = mixed();
    let mut world = World::of(&file);
    world.container("web").unnamed = vec![UnnamedVolume {
        target: "/data".into(),
        name: "0a".repeat(32),
        path: Some("/var/lib/docker/volumes/x/_data".into()),
    }];
    let losses = |goal| {
        let plan = plan(&file, &world.look(), &wish(goal)).unwrap();
        let what = plan
            .losses
            .into_iter()
            .map(|loss| (loss.what, loss.path.is_some()));
        what.filter(|(what, _)| what.contains("volume"))
            .collect::<Vec<_>>()
    };
    let told = (
        "the volume without a name at /data of container web".to_string(),
        true,
    );
    assert_eq!(losses(DOWN_ALL), [told]);
    assert_eq!(losses(DOWN), [], "they stay");
}

#[test]
fn a_changed_definition_of_a_volume_is_refused_while_the_volume_is_there() {
    let mut world = World::of(&driven("size=1m"));
    let there = ObservedVolume {
        driver: "local".into(),
        options: map(&[("type", "tmpfs"), ("o", "size=1m")]),
        labels: map(&[("own", "1"), ("locker.project", "shop")]),
        path: None,
    };
    world
        .seen
        .engine
        .volumes
        .insert("shop_v".into(), there.clone());
    assert_eq!(refusals(&world, &driven("size=1m"), Goal::Up), []);
    for (change, word) in [
        ("option", "option `o`"),
        ("label", "label `own`"),
        ("label that moves it", "label `own`"),
        ("driver", "driver is `nfs`"),
        ("plain", "kept elsewhere"),
    ] {
        let mut found = there.clone();
        let mut file = driven("size=1m");
        match change {
            "option" => file = driven("size=2m"),
            "label" => drop(found.labels.remove("own")),
            "label that moves it" => {
                found.labels.remove("own");
                found.options = map(&[("device", "/var/lib/locker/volumes/shop/v")]);
            }
            "driver" => found.driver = "nfs".into(),
            _ => {
                file = mixed_with("web", |web| {
                    web.volumes.push((volume("v", "/v"), place(33)))
                })
            }
        }
        world.seen.engine.volumes.insert("shop_v".into(), found);
        for goal in [Goal::Up, Goal::Create] {
            let told = refusals(&world, &file, goal);
            let [(message, help)] = &told[..] else {
                panic!("{change}: {told:?}")
            };
            assert!(
                message.contains("`shop_v`") && message.contains(word),
                "{message}"
            );
            assert!(help.contains("docker volume rm shop_v"), "{help}");
        }
        assert_eq!(refusals(&world, &file, Goal::Stop), [], "{change}");
    }
}

#[test]
fn a_volume_of_somebody_else_is_told_by_the_plan_and_never_to_be_removed() {
    for (found, message, help) in [
        (
            of_compose("shop"),
            "docker compose for this project",
            "locker adopt",
        ),
        (
            of_compose("other"),
            "docker compose for project `other`",
            "external: true",
        ),
        (
            ObservedVolume::default(),
            "locker did not make",
            "external: true",
        ),
    ] {
        let mut world = World::default();
        world
            .seen
            .engine
            .foreign_volumes
            .insert("shop_data".into(), found);
        let told = refusals(&world, &sharing(), Goal::Up);
        let [(said, cure)] = &told[..] else {
            panic!("{told:?}")
        };
        assert!(
            said.contains("`shop_data`") && said.contains(message),
            "{said}"
        );
        assert!(
            cure.contains(help) && cure.contains("external: true"),
            "{cure}"
        );
        assert!(!cure.contains("rm"), "{cure}");
    }
}

#[test]
fn a_volume_of_another_project_of_locker_is_told_as_that_and_never_to_be_used() {
    let of = |project: &str| ObservedVolume {
        labels: map(&[
            ("locker.project", project),
            ("locker.directory", "/srv/there"),
        ]),
        ..ObservedVolume::default()
    };
    let told = |project: &str| {
        let mut world = World::default();
        let volumes = &mut world.seen.engine.foreign_volumes;
        volumes.insert("shop_data".into(), of(project));
        refusals(&world, &sharing(), Goal::Up)
    };
    let [(said, cure)] = &told("shop_a")[..] else {
        panic!("it was taken")
    };
    assert_eq!(
        said,
        "the volume `shop_data` is of locker's project `shop_a` in `/srv/there`"
    );
    assert!(cure.contains("rename the volume or the project"), "{cure}");
    assert!(
        cure.contains("`name`") && !cure.contains("external"),
        "{cure}"
    );
    // This project may have been there.
    let [(_, cure)] = &told("shop")[..] else {
        panic!("it was taken")
    };
    assert!(cure.contains("if this project was there") && cure.contains("external: true"));
}

#[test]
fn what_was_taken_over_is_mounted_by_both_kinds_and_goes_only_when_asked_for() {
    let mut world = World::default();
    let unnamed = "0a".repeat(32);
    for volume in ["shop_data", &unnamed] {
        let foreign = &mut world.seen.engine.foreign_volumes;
        foreign.insert(volume.into(), of_compose("shop"));
    }
    world.seen.adopted.volumes.insert("shop_data".into());
    let held = world.seen.adopted.unnamed.entry(name("web")).or_default();
    held.insert("/cache".into(), unnamed.clone());
    let file = sharing();
    world.run(&file, &wish(Goal::Up));
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    let spec = |word: &str| world.seen.containers[word].mark.clone().unwrap().spec;
    let web = spec("web");
    let kept = |target: &str| {
        let mounts = &web.app.as_ref().unwrap().settings.engine_volumes;
        mounts
            .iter()
            .find(|mount| mount.target == Path::new(target))
            .map(|m| m.volume.clone())
    };
    assert!(web.mounts.is_empty());
    assert_eq!(
        kept("/data"),
        Some(EngineVolume::External("shop_data".into()))
    );
    assert_eq!(
        kept("/cache"),
        Some(EngineVolume::External(unnamed.clone()))
    );
    let mount = &spec("db").mounts[0];
    assert_eq!(
        mount.host,
        Path::new("/var/lib/docker/volumes/shop_data/_data")
    );
    for (goal, count) in [(DOWN, 0), (DOWN_ALL, 2)] {
        let plan = plan(&file, &world.look(), &wish(goal)).unwrap();
        let removed = plan.steps.iter().filter(|planned| match &planned.step {
            Step::RemoveVolume { adopted, .. } => *adopted,
            _ => false,
        });
        assert_eq!(removed.count(), count);
        let told = plan
            .losses
            .iter()
            .filter(|loss| loss.what.contains("docker compose"));
        assert_eq!(told.count(), count);
    }
    // The record is lost: they are somebody else's again.
    world.seen.adopted = Default::default();
    let plan = plan(&file, &world.look(), &wish(DOWN_ALL)).unwrap();
    let removes = |planned: &PlannedStep| matches!(planned.step, Step::RemoveVolume { .. });
    assert!(!plan.steps.iter().any(removes));
}

#[test]
fn what_was_taken_over_and_another_container_has_is_named_and_stays_the_projects() {
    let mut world = World::default();
    let unnamed = ["0a".repeat(32), "0b".repeat(32)];
    for volume in ["shop_data", "shop_free", &unnamed[0], &unnamed[1]] {
        let foreign = &mut world.seen.engine.foreign_volumes;
        foreign.insert(volume.into(), of_compose("shop"));
    }
    let adopted = &mut world.seen.adopted;
    adopted
        .volumes
        .extend(["shop_data", "shop_free", "shop_gone"].map(String::from));
    let held = adopted.unnamed.entry(name("web")).or_default();
    held.insert("/cache".into(), unnamed[0].clone());
    held.insert("/spool".into(), unnamed[1].clone());
    for volume in ["shop_data", &unnamed[0]] {
        let guests = &mut world.seen.engine.volume_guests;
        guests.insert(volume.into(), ["foreign".to_string()].into());
    }
    let plan = plan(&sharing(), &world.look(), &wish(DOWN_ALL)).unwrap();
    let removed = plan.steps.iter().filter_map(|planned| match &planned.step {
        Step::RemoveVolume { engine, .. } => engine.clone(),
        _ => None,
    });
    assert_eq!(
        removed.collect::<Vec<_>>(),
        [unnamed[1].clone(), "shop_free".into()]
    );
    for volume in ["shop_data", &unnamed[0]] {
        let said = format!("volume `{volume}` stays: container `foreign`");
        let mut notices = plan.notices.iter();
        assert!(notices.any(|notice| notice.starts_with(&said)), "{said}");
        assert!(plan.losses.iter().all(|loss| !loss.what.contains(volume)));
    }
    let (adopted, engine) = (&world.seen.adopted, &mut world.seen.engine);
    assert_eq!(
        adopted.left_after_down(engine),
        *adopted,
        "the engine was not asked"
    );
    engine.at = Some(crate::observed::EngineAt::Socket("/run/docker.sock".into()));
    let left = adopted.left_after_down(engine);
    assert_eq!(left.volumes, ["shop_data".to_string()].into());
    let web = &left.unnamed[&name("web")];
    assert_eq!(*web, [("/cache".into(), unnamed[0].clone())].into());
}

#[test]
fn a_path_that_is_never_made_must_be_there_for_what_makes_or_starts_and_for_nothing_else() {
    let file = mixed_with("web", |web| {
        let fixed = Volume {
            short: false,
            must_exist: true,
            ..volume("/srv/gone", "/etc/app")
        };
        web.volumes.push((fixed, place(33)));
    });
    let told = |seen: &Observed, goal: Goal| {
        let problems = plan(&file, seen, &wish(goal)).err().unwrap_or_default();
        let texts = problems
            .iter()
            .map(|p| (p.message.clone(), p.place.clone()));
        texts.collect::<Vec<_>>()
    };
    let refused = vec![(
        "`/srv/gone` does not exist, and `create_host_path` is `false`".to_string(),
        Some(place(33)),
    )];
    let down = || Goal::Down {
        keep: false,
        volumes: false,
    };
    let gone = |mut seen: Observed| {
        seen.host.missing.insert("/srv/gone".into());
        seen
    };
    let none = gone(World::default().look());
    let runs = gone(World::of(&file).look());
    let mut stopped = runs.clone();
    stopped.containers.get_mut(&name("web")).unwrap().state = State::Stopped;
    for goal in [Goal::Up, Goal::Create] {
        assert_eq!(told(&none, goal), refused);
    }
    for goal in [Goal::Up, Goal::Start { restart: false }, Goal::Restart] {
        assert_eq!(told(&stopped, goal), refused);
    }
    assert_eq!(told(&runs, Goal::Restart), refused);
    for goal in [Goal::Up, Goal::Stop, down(), Goal::Remove, Goal::Ports] {
        assert_eq!(told(&runs, goal), []);
    }
    assert_eq!(told(&stopped, down()), []);
}

#[test]
fn all_that_docker_compose_has_of_the_project_is_told_in_one_piece_with_both_ways_out() {
    let mut world = World::default();
    let engine = &mut world.seen.engine;
    engine
        .foreign_volumes
        .insert("shop_data".into(), of_compose("shop"));
    engine.foreign_networks.insert("shop_default".into());
    engine.compose.networks.insert("shop_default".into());
    let runs = |service: &str| ComposeContainer {
        service: Some(service.into()),
        runs: true,
        from: None,
    };
    let containers = &mut engine.compose.containers;
    containers.insert("shop-web-1".into(), runs("web"));
    let theirs = |owner: &str| Listener {
        protocol: Protocol::Tcp,
        address: "0.0.0.0".parse().unwrap(),
        port: 8080,
        owner: owner.into(),
        held_for: None,
    };
    engine.compose.ports = vec![theirs("shop-web-1")];
    world.seen.listeners = vec![theirs("docker-proxy (pid 7)")];
    let mut file = sharing();
    let web = file.containers.get_mut("web").unwrap();
    web.ports = vec![(port("8080:80"), place(12))];
    let told = refusals(&world, &file, Goal::Up);
    let [(said, cure)] = &told[..] else {
        panic!("{told:?}")
    };
    for word in [
        "docker compose runs project `shop` from this directory",
        "`shop-web-1` (runs)",
        "network `shop_default`",
        "volume `shop_data`",
        "port `8080:80",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(
        cure.contains("`locker adopt`") && cure.contains("`docker compose down`"),
        "{cure}"
    );
    // What others have is told beside it.
    let others = &mut world.seen.listeners;
    others[0].owner = "nginx (pid 8)".into();
    assert_eq!(refusals(&world, &file, Goal::Up).len(), 2);
}

#[test]
fn while_nobody_knows_what_was_taken_over_nothing_is_made_and_no_volume_goes_but_all_else_works() {
    let file = sharing();
    let mut world = World::of(&file);
    world.seen.adopted.damage = Some("`adopted.json` is damaged: EOF".into());
    let down = |volumes| Goal::Down {
        keep: false,
        volumes,
    };
    for goal in [Goal::Up, Goal::Create, Goal::Cleanup, down(true)] {
        let told = refusals(&world, &file, goal);
        let [(said, cure)] = &told[..] else {
            panic!("{told:?}")
        };
        assert!(said.contains("`adopted.json` is damaged"), "{said}");
        assert!(cure.contains("locker adopt"), "{cure}");
    }
    for goal in [Goal::Stop, Goal::Restart, Goal::Ports, down(false)] {
        assert_eq!(refusals(&world, &file, goal), []);
    }
}
