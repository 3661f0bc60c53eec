//! Whole projects of both kinds: planned, done, killed at every call, and put right by the next run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::stage::{Heard, Stage, name};
use crate::apply::{
    AnonymousVolumes, ApplyOptions, Canceller, Earlier, Event, Events, Starts, apply, verify,
};
use crate::model::{
    App, AppNetwork, Attachment, Condition, Container, Dependency, ExtraNetwork, Healthcheck,
    InnerCommand, NetworkWish, Place, Project, Source, Volume, VolumeSource, default_network,
};
use crate::observed::State;
use crate::plan::{Goal, Recreate, Step, Wish, plan};
use crate::store::load_kept;

fn wish(goal: Goal) -> Wish {
    Wish {
        moved: None,
        goal,
        selection: None,
        no_ports: false,
        no_links: false,
        host_names: false,
        no_copy: false,
        timeout: Some(Duration::from_secs(1)),
        lxcpath: PathBuf::from("/var/lib/lxc"),
        remove_orphans: true,
        recreate: Recreate::Changed,
        no_deps: false,
        wait: None,
        program: Default::default(),
        copy: None,
        state_dir: None,
        renew_anonymous: false,
        settle: Duration::ZERO,
    }
}

fn on(word: &str, condition: Condition) -> Dependency {
    Dependency {
        on: name(word),
        condition,
        restart: false,
        required: true,
    }
}

fn system(word: &str) -> Container {
    Container {
        source: Source::Rootfs("/srv/rootfs".into()),
        ..Container::bare(name(word))
    }
}

/// On the project's own network and on `back`.
fn application(word: &str, version: &str) -> Container {
    let networks = [default_network(), name("back")].map(Attachment::new);
    Container {
        source: Source::Image("shop/web".into()),
        environment: [("VERSION".to_string(), version.to_string())].into(),
        app: Some(Box::new(App {
            network: AppNetwork::Networks(networks.into()),
            ..App::default()
        })),
        ..Container::bare(name(word))
    }
}

/// A system container, one that runs once, one that can be there twice, and one with a volume, which
/// cannot. They wait for each other in all three ways.
fn project(version: &str) -> Project {
    let db = system("db");
    let mut job = application("job", version);
    job.depends_on = vec![on("db", Condition::Started)];
    let mut api = application("api", version);
    api.depends_on = vec![on("job", Condition::Completed)];
    api.healthcheck = Some(Healthcheck {
        interval: Duration::from_millis(1),
        ..Healthcheck::new(InnerCommand::Shell("ready?".into()))
    });
    api.ports = vec![("8080:80".parse().unwrap(), Place::nowhere())];
    let mut queue = application("queue", version);
    queue.depends_on = vec![on("api", Condition::Healthy)];
    let volume = Volume {
        source: VolumeSource::Named(name("data")),
        target: "/data".into(),
        read_only: false,
        short: true,
        must_exist: false,
    };
    queue.volumes = vec![(volume, Place::nowhere())];
    let back = ExtraNetwork {
        wish: NetworkWish::default(),
        external: None,
        name: None,
        internal: true,
        labels: BTreeMap::new(),
    };
    Project {
        name: name("shop"),
        directory: "/srv/shop".into(),
        file: "/srv/shop/locker.yaml".into(),
        network: NetworkWish::default(),
        networks: [(name("back"), back)].into(),
        firewall: Default::default(),
        supervisor: Default::default(),
        disabled: BTreeMap::new(),
        none: Default::default(),
        groups: BTreeMap::new(),
        containers: [db, job, api, queue]
            .map(|container| (container.name.clone(), container))
            .into(),
    }
}

/// One run: looked at, planned, done, and killed at its call number `at`. False when it was killed.
async fn run(stage: &Stage, project: &Project, wish: &Wish, at: Option<usize>) -> bool {
    let observed = stage.host.observe(project, None).await.unwrap();
    let plan = plan(project, &observed, wish).unwrap_or_else(|p| panic!("{p:?}\n{observed:#?}"));
    let died = stage.fake.dies_at(at);
    let options = ApplyOptions {
        independent: false,
        keep_failed: false,
        command: "up".into(),
        parallel: at.map(|at| at % 4 + 1),
        stop_timeout: Some(Duration::from_secs(1)),
        volumes: AnonymousVolumes::default(),
    };
    let (_mouth, ear) = Canceller::new();
    let heard = Heard::default();
    tokio::select! {
        biased;
        done = apply(&plan, &observed, &stage.host, &options, &heard, ear, Earlier::default()) => {
            done.unwrap_or_else(|error| panic!("{error}\n{plan}"));
            true
        }
        () = died.notified() => false,
    }
}

#[tokio::test]
async fn one_that_fails_as_soon_as_it_runs_is_named_with_its_code_and_last_words() {
    let stage = Stage::new();
    stage.fake.ledger.lock().unwrap().ends = [("db".to_string(), 7)].into();
    let mut project = project("1");
    project.containers.retain(|name, _| name.as_str() == "db");
    assert!(run(&stage, &project, &wish(Goal::Up), None).await);
    let error = verify(
        &stage.host,
        &project,
        &wish(Goal::Up),
        &Starts::new(&Heard::default()),
    )
    .await;
    let error = error.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`db` has ended with exit code 7"),
        "{error}"
    );
}

/// It idles out while another one of the run takes its time; that its service has stopped it is no failure.
#[tokio::test]
async fn one_on_demand_that_has_come_to_rest_since_its_start_has_not_failed() {
    let stage = Stage::new();
    stage.fake.ledger.lock().unwrap().ends = [("db".to_string(), 137)].into();
    let mut project = project("1");
    project.containers.retain(|name, _| name.as_str() == "db");
    assert!(run(&stage, &project, &wish(Goal::Up), None).await);
    let heard = Heard::default();
    let starts = Starts::new(&heard);
    starts.tell(Event::Done {
        id: 0,
        step: &Step::Start {
            container: name("db"),
        },
        took: Duration::ZERO,
        already: false,
    });
    let again = wish(Goal::Start { restart: true });
    let failed = verify(&stage.host, &project, &again, &starts).await;
    assert!(failed.is_err());
    let db = project.containers.get_mut(&name("db")).unwrap();
    (db.on_demand, db.idle) = (true, Some(Duration::from_secs(30)));
    let rests = verify(&stage.host, &project, &again, &starts).await;
    assert!(rests.is_ok(), "{}", rests.unwrap_err());
}

/// It may have ended between the look at the containers and that at the cards.
#[tokio::test]
async fn a_card_that_is_gone_is_looked_for_again_before_that_is_believed() {
    let stage = Stage::new();
    let mut project = project("1");
    project.containers.retain(|name, _| name.as_str() == "db");
    assert!(run(&stage, &project, &wish(Goal::Up), None).await);
    for (looks, believed) in [(0, false), (1, false), (6, true)] {
        stage.fake.ledger.lock().unwrap().cardless = looks;
        let observed = stage.host.observe(&project, None).await.unwrap();
        assert_eq!(!observed.network.strays.is_empty(), believed, "{looks}");
    }
}

/// Comes to its end and is so then.
async fn settle(stage: &Stage, project: &Project, wish: &Wish) {
    assert!(run(stage, project, wish, None).await);
    if let Err(error) = verify(&stage.host, project, wish, &Starts::new(&Heard::default())).await {
        panic!("{error}");
    }
    // What is written down for the service that keeps it is what is there.
    let kept = load_kept(&stage.host.paths, &project.name).unwrap();
    let (world, kept) = (stage.fake.world(), kept.as_ref());
    let bridges: Vec<&String> = kept.iter().flat_map(|kept| kept.bridges.keys()).collect();
    assert_eq!(bridges, world.bridges.keys().collect::<Vec<_>>());
    let networks: Vec<_> = kept.iter().flat_map(|kept| &kept.networks).collect();
    assert_eq!(networks, world.networks.values().collect::<Vec<_>>());
    let rules: Vec<_> = kept.iter().flat_map(|kept| &kept.rules).collect();
    assert_eq!(rules, world.rules.iter().collect::<Vec<_>>());
}

/// A host on which `before` came up.
async fn begun(before: Option<&Project>) -> Stage {
    let stage = Stage::new();
    stage.fake.ledger.lock().unwrap().ends = [("job".to_string(), 0)].into();
    if let Some(project) = before {
        settle(&stage, project, &wish(Goal::Up)).await;
    }
    stage.fake.ledger.lock().unwrap().calls.clear();
    stage
}

/// Names, states, images' settings and everything that is not a container, when all is done.
fn outcome(stage: &Stage) -> String {
    let world = stage.fake.world();
    assert!(world.aside.is_empty() && world.half.is_empty(), "{world:?}");
    let container = |(name, made): (&crate::model::Name, &crate::apply::fake::Made)| {
        let spec = &made.mark.spec;
        let nic = spec.nic.as_ref().map(|nic| nic.addresses.v4);
        let rules = world.rules.iter().filter(|rule| &rule.container == name);
        let led = rules.map(|rule| Some(rule.to4) == nic).collect::<Vec<_>>();
        let kind = spec.kind();
        format!(
            "{name} {kind:?} {:?} {:?} {led:?}",
            made.state, spec.environment
        )
    };
    let containers: Vec<String> = world.containers.iter().map(container).collect();
    let bridges: Vec<&String> = world.bridges.keys().collect();
    let rules: Vec<&String> = world.networks.keys().collect();
    let networks: Vec<String> = world
        .engine_networks
        .keys()
        .map(|n| n.to_string())
        .collect();
    format!("{containers:#?} {bridges:?} {rules:?} {networks:?}")
}

/// Goes from `before` to `after`, killed at each call once, and comes out as if nothing had happened.
async fn survives(before: Option<&Project>, after: &Project, goal: Goal) {
    let wish = wish(goal);
    let stage = begun(before).await;
    settle(&stage, after, &wish).await;
    let (calls, expected) = (stage.fake.calls().len(), outcome(&stage));
    assert!(calls > 3, "nothing was done");
    for at in 1..=calls {
        let stage = begun(before).await;
        let whole = run(&stage, after, &wish, Some(at)).await;
        assert!(!whole, "call {at} was never reached");
        settle(&stage, after, &wish).await;
        let calls = stage.fake.calls();
        assert_eq!(outcome(&stage), expected, "killed at {at}: {calls:#?}");
    }
}

#[tokio::test]
async fn a_first_run_that_is_killed_anywhere_is_finished_by_the_next() {
    survives(None, &project("1"), Goal::Up).await;
}

#[tokio::test]
async fn a_renewal_that_is_killed_anywhere_is_finished_by_the_next() {
    survives(Some(&project("1")), &project("2"), Goal::Up).await;
    let stage = begun(Some(&project("1"))).await;
    settle(&stage, &project("2"), &wish(Goal::Up)).await;
    let calls = stage.fake.calls();
    let at = |call: &str| calls.iter().position(|c| c == call).unwrap();
    // Where both can be there at once the new one comes first, else the old one goes first.
    assert!(at("start api") < at("stop api~old"), "{calls:#?}");
    assert!(at("stop queue") < at("create queue"), "{calls:#?}");
}

#[tokio::test]
async fn a_container_may_change_its_kind_and_be_killed_anywhere() {
    let mut other = project("1");
    let mut db = application("db", "1");
    db.restart = crate::model::Restart::Always;
    other.containers.insert(name("db"), db);
    survives(Some(&project("1")), &other, Goal::Up).await;
    survives(Some(&other), &project("1"), Goal::Up).await;
}

#[tokio::test]
async fn networks_come_and_go_and_be_killed_anywhere() {
    let mut one = project("1");
    one.networks.clear();
    for container in one.containers.values_mut() {
        if let Some(app) = &mut container.app {
            app.network = AppNetwork::default();
        }
    }
    survives(Some(&one), &project("1"), Goal::Up).await;
    survives(Some(&project("1")), &one, Goal::Up).await;
}

#[tokio::test]
async fn a_removal_that_is_killed_anywhere_is_finished_by_the_next() {
    let all = Goal::Down {
        keep: false,
        volumes: false,
    };
    survives(Some(&project("1")), &project("1"), all.clone()).await;
    let stage = begun(Some(&project("1"))).await;
    settle(&stage, &project("1"), &wish(all)).await;
    let world = stage.fake.world();
    assert!(world.containers.is_empty() && world.bridges.is_empty() && world.rules.is_empty());
    assert!(world.engine_networks.is_empty() && world.networks.is_empty());
}

#[tokio::test]
async fn a_network_that_the_engine_does_not_let_go_of_keeps_nothing_else() {
    let all = wish(Goal::Down {
        keep: false,
        volumes: false,
    });
    let stage = begun(Some(&project("1"))).await;
    let kept = name("default");
    let forget = |miscounted: bool| {
        // As another process, with an engine that counts anew or not.
        let mut world = stage.fake.world.lock().unwrap();
        world.left.clear();
        world.miscounted = std::collections::BTreeSet::from_iter(miscounted.then(|| kept.clone()));
    };
    forget(true);
    settle(&stage, &project("1"), &all).await;
    let world = stage.fake.world();
    assert!(world.containers.is_empty() && world.bridges.is_empty() && world.networks.is_empty());
    assert_eq!(world.engine_networks.keys().collect::<Vec<_>>(), [&kept]);
    // It is used again, and goes when the engine lets it go.
    forget(true);
    settle(&stage, &project("1"), &wish(Goal::Up)).await;
    settle(&stage, &project("1"), &all).await;
    forget(false);
    settle(&stage, &project("1"), &all).await;
    assert!(stage.fake.world().engine_networks.is_empty());
}

/// What boot needs stands in files: each of them lost, torn or short of something is drift, and written anew.
#[tokio::test]
async fn what_is_written_down_and_gone_is_told_as_drift_and_written_anew() {
    let stage = begun(None).await;
    let project = project("1");
    let wish = wish(Goal::Up);
    settle(&stage, &project, &wish).await;
    let (paths, shop) = (stage.host.paths.clone(), name("shop"));
    let short = {
        let mut kept = load_kept(&paths, &shop).unwrap().unwrap();
        kept.bridges.pop_last();
        serde_json::to_string(&kept).unwrap()
    };
    for (path, text, cause) in [
        (
            paths.kept(&shop),
            None,
            "the note for the next boot is lost",
        ),
        (
            paths.kept(&shop),
            Some(""),
            "the note for the next boot is damaged",
        ),
        (
            paths.kept(&shop),
            Some("{\0"),
            "the note for the next boot is damaged",
        ),
        (
            paths.kept(&shop),
            Some(&*short),
            "the note for the next boot lacks a network",
        ),
        (
            paths.record(&shop),
            None,
            "the record of the project is lost",
        ),
        (
            paths.record(&shop),
            Some(""),
            "the record of the project is lost",
        ),
    ] {
        match text {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let observed = stage.host.observe(&project, None).await.unwrap();
        let plan = plan(&project, &observed, &wish).unwrap().to_string();
        assert!(plan.contains(cause), "{text:?}: {plan}");
        settle(&stage, &project, &wish).await;
        assert!(
            stage
                .host
                .observe(&project, None)
                .await
                .unwrap()
                .record
                .is_some()
        );
    }
}

#[tokio::test]
async fn what_runs_once_is_not_run_again_by_the_next_up() {
    let stage = begun(Some(&project("1"))).await;
    settle(&stage, &project("1"), &wish(Goal::Up)).await;
    let calls = stage.fake.calls();
    assert!(calls.is_empty(), "{calls:?}");
    let job = &stage.fake.world().containers[&name("job")];
    assert_eq!((job.state, job.exit), (State::Stopped, Some(0)));
}
