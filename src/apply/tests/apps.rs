//! Application containers: made anew side by side or one after the other, and back again.

use std::time::Duration;

use super::plans::{plan_of, start};
use super::stage::{
    Heard, Picture, Stage, app, engine_network, hosts, name, network_rules, rule, running_app,
    subnets,
};
use crate::apply::fake::OnCall;
use crate::apply::{ApplyError, Canceller, StepError};
use crate::firewall::Firewall;
use crate::model::{Build, EngineNetwork, Healthcheck, InnerCommand, Kind, NetworkRules};
use crate::observed::State;
use crate::plan::{Plan, Step};

fn check() -> Option<Healthcheck> {
    Some(Healthcheck {
        interval: Duration::from_millis(1),
        retries: 2,
        ..Healthcheck::new(InnerCommand::Shell("ready?".into()))
    })
}

fn healthy(word: &str) -> Step {
    Step::AwaitHealthy {
        container: name(word),
        check: check(),
        most: None,
        may_end: false,
        settle: None,
    }
}

fn stop(word: &str, aside: bool) -> Step {
    Step::Stop {
        container: name(word),
        timeout: Duration::from_secs(1),
        aside,
    }
}

fn set_aside(word: &str) -> Step {
    let container = name(word);
    Step::SetAside { container }
}

fn destroy_old(word: &str) -> Step {
    let container = name(word);
    Step::Destroy {
        container,
        kind: Kind::Application,
        aside: true,
    }
}

fn create(word: &str) -> Step {
    let mut spec = app(word);
    spec.environment.insert("NEW".into(), "1".into());
    Step::Create(Box::new(spec))
}

/// A further network: its rules, and as the engine knows it.
fn back_network() -> (NetworkRules, EngineNetwork) {
    let rules = NetworkRules {
        bridge: "lk-back".into(),
        ..network_rules()
    };
    let network = EngineNetwork {
        network: name("back"),
        bridge: "lk-back".into(),
        name: None,
        ..engine_network()
    };
    (rules, network)
}

/// `api` is made anew while the old one runs, `queue` after the old one was stopped; `job` is new and
/// runs once, an image is fetched and one is built, and one network comes for another.
fn renewal() -> Plan {
    let (rules, network) = back_network();
    let bridge = Step::EnsureBridge {
        bridge: "lk-back".into(),
        subnets: subnets(),
        cards: Vec::new(),
        adopt: false,
        mtu: None,
    };
    let completed = Step::AwaitCompleted {
        container: name("job"),
        most: Some(Duration::from_secs(9)),
    };
    let swap = Step::Publish {
        add: vec![rule("api", 9090)],
        remove: vec![rule("api", 8081)],
    };
    let pull = Step::Pull {
        image: "shop/new".into(),
        platform: None,
    };
    plan_of(vec![
        /* 0 */ (pull, vec![]),
        /* 1 */ (bridge, vec![]),
        /* 2 */ (Step::OpenNetwork(rules), vec![1]),
        /* 3 */ (Step::EnsureNetwork(Box::new(network)), vec![1]),
        /* 4 */ (create("job"), vec![0, 3]),
        /* 5 */ (start("job"), vec![2, 4]),
        /* 6 */ (completed, vec![5]),
        /* 7 */ (set_aside("api"), vec![6]),
        /* 8 */ (create("api"), vec![7]),
        /* 9 */ (start("api"), vec![8]),
        /* 10 */ (healthy("api"), vec![9]),
        /* 11 */ (swap, vec![10]),
        /* 12 */ (stop("api", true), vec![11]),
        /* 13 */ (stop("queue", false), vec![6]),
        /* 14 */ (set_aside("queue"), vec![13]),
        /* 15 */ (create("queue"), vec![14]),
        /* 16 */ (start("queue"), vec![15]),
        /* 17 */ (healthy("queue"), vec![16]),
        /* 18 */ (destroy_old("api"), vec![12]),
        /* 19 */ (destroy_old("queue"), vec![17]),
    ])
}

fn stage() -> Stage {
    let stage = Stage::living();
    running_app(&stage, "api");
    running_app(&stage, "queue");
    {
        let mut world = stage.fake.world.lock().unwrap();
        world.rules.insert(rule("api", 8081));
        let old = world.containers.get_mut(&name("queue")).unwrap();
        old.names = Some(hosts("queue"));
    }
    let ends = [("job".to_string(), 0)].into();
    stage.fake.ledger.lock().unwrap().ends = ends;
    stage
}

/// All but the images: one more does no harm, and is not taken away again.
fn picture(stage: &Stage) -> Picture {
    let mut picture = stage.picture();
    picture.0.images.clear();
    picture
}

#[tokio::test]
async fn containers_are_renewed_and_the_older_ones_go_last() {
    let stage = stage();
    let plan = renewal();
    let applied = stage.run(&plan).await.unwrap();
    assert_eq!(applied.done.len(), plan.steps.len());
    let world = stage.fake.world();
    assert!(world.aside.is_empty());
    for word in ["api", "queue"] {
        let made = &world.containers[&name(word)];
        assert_eq!(made.state, State::Running);
        assert!(made.mark.spec.environment.contains_key("NEW"));
    }
    assert!(world.rules.contains(&rule("api", 9090)) && !world.rules.contains(&rule("api", 8081)));
    assert_eq!(world.networks.len(), 2);
    assert_eq!(world.engine_networks.len(), 2);
    let calls = stage.fake.calls();
    let at = |call: &str| calls.iter().position(|c| c == call).unwrap();
    assert!(at("publish") < at("stop api~old"), "{calls:?}");
    assert!(at("pull shop/new") < at("create job"));
}

#[tokio::test]
async fn whatever_fails_while_containers_are_renewed_the_old_ones_run_on() {
    let calls = {
        let stage = stage();
        stage.run(&renewal()).await.unwrap();
        let calls = stage.fake.calls();
        let last = calls.iter().position(|c| c.starts_with("destroy")).unwrap();
        calls[..last].to_vec()
    };
    // A check that fails once is tried again.
    for call in calls.iter().filter(|call| !call.starts_with("run ")) {
        for parallel in [None, Some(1)] {
            let stage = stage();
            let before = picture(&stage);
            stage.fake.ledger.lock().unwrap().fail = vec![call.clone()];
            let (_mouth, ear) = Canceller::new();
            let heard = Heard::default();
            let error = stage.run_with(&renewal(), parallel, &heard, ear).await;
            let Err(ApplyError::Failed { aftermath, .. }) = error else {
                panic!("{call}: {error:?}")
            };
            assert!(aftermath.is_clean(), "{call}: {aftermath:?}");
            assert_eq!(picture(&stage), before, "{call} with {parallel:?}");
        }
    }
}

#[tokio::test]
async fn an_undo_gives_each_container_its_own_time_to_end_and_no_other() {
    for (own, wanted) in [(Some(0), 0), (Some(3), 3), (None, 10)] {
        let mut stage = stage();
        stage.stop_timeout = None;
        let own = own.map(Duration::from_secs);
        let mut plan = renewal();
        for step in &mut plan.steps {
            if let Step::Create(spec) = &mut step.step {
                spec.stop_grace = own;
            }
        }
        stage.fake.ledger.lock().unwrap().fail = vec!["publish".into()];
        stage.run(&plan).await.unwrap_err();
        let ledger = stage.fake.ledger.lock().unwrap();
        let of_new: Vec<_> = ledger
            .graces
            .iter()
            .filter(|(stopped, _)| *stopped == name("api"))
            .map(|(_, grace)| grace.as_secs())
            .collect();
        assert_eq!(of_new, [wanted], "{own:?}");
    }
}

#[tokio::test]
async fn a_signal_while_containers_are_renewed_leaves_the_old_ones() {
    let calls = {
        let stage = stage();
        stage.run(&renewal()).await.unwrap();
        let calls = stage.fake.calls();
        calls.iter().filter(|c| !c.starts_with("destroy")).count()
    };
    for at in 1..=calls {
        let stage = stage();
        let before = picture(&stage);
        let (mouth, ear) = Canceller::new();
        let mut count = 0;
        let on_call = move |_: &str| {
            count += 1;
            if count == at {
                mouth.cancel("SIGTERM");
            }
        };
        stage.fake.ledger.lock().unwrap().on_call = Some(OnCall(Box::new(on_call)));
        let heard = Heard::default();
        let done = stage.run_with(&renewal(), None, &heard, ear).await;
        let error = done.unwrap_err();
        assert!(
            matches!(error, ApplyError::Interrupted { .. }),
            "{at}: {error}"
        );
        assert_eq!(picture(&stage), before, "call {at}: {error}");
    }
}

#[tokio::test]
async fn a_new_self_that_does_not_become_healthy_gives_way_to_the_old_one() {
    for (codes, ends, said) in [
        ([("ready?".to_string(), 1)].into(), vec![], "not healthy"),
        (Default::default(), vec![("api".to_string(), 3)], "ended"),
        (Default::default(), vec![("queue".to_string(), 0)], "ended"),
    ] {
        let stage = stage();
        let before = picture(&stage);
        {
            let mut ledger = stage.fake.ledger.lock().unwrap();
            ledger.codes = codes;
            ledger.ends.extend(ends);
        }
        let plan = renewal();
        let error = stage.run(&plan).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(said), "{text}");
        let log = error.failures().iter().find_map(|f| match &f.error {
            StepError::Unhealthy { log, .. } | StepError::Ended { log, .. } => log.last().cloned(),
            _ => None,
        });
        assert!(log.unwrap().starts_with("the last word of "), "{text}");
        let api = &picture(&stage).0.containers[&name("api")];
        assert_eq!(api, &before.0.containers[&name("api")], "{text}");
    }
}

#[tokio::test]
async fn one_that_is_waited_for_must_end_well_and_in_time() {
    let plan = |most| {
        let completed = Step::AwaitCompleted {
            container: name("job"),
            most,
        };
        plan_of(vec![
            (create("job"), vec![]),
            (start("job"), vec![0]),
            (completed, vec![1]),
        ])
    };
    // What is started for the first time stays, so that somebody can look at it.
    let stays = |stage: &Stage| picture(stage).0.containers.contains_key(&name("job"));
    let failed = stage();
    failed.fake.ledger.lock().unwrap().ends = [("job".to_string(), 7)].into();
    let error = failed.run(&plan(None)).await.unwrap_err().to_string();
    let expected = "`job` has ended with exit code 7: the last word of job";
    assert!(error.contains(expected), "{error}");
    assert!(
        error.contains("goes on as it is") && stays(&failed),
        "{error}"
    );
    // Who is told to stop may well end with 0.
    for code in [0, 143] {
        let stopped = stage();
        stopped.fake.ledger.lock().unwrap().ends = [("job".to_string(), code)].into();
        stopped.fake.ledger.lock().unwrap().stopped = ["job".to_string()].into();
        let error = stopped.run(&plan(None)).await.unwrap_err().to_string();
        let expected = format!(
            "`job` was told to stop before its work was done; it ended with exit code {code}"
        );
        assert!(error.contains(&expected), "{error}");
    }
    let slow = stage();
    slow.fake.ledger.lock().unwrap().ends.clear();
    let short = Some(Duration::from_millis(20));
    let error = slow.run(&plan(short)).await.unwrap_err().to_string();
    assert!(error.contains("`job` still runs after"), "{error}");
    assert!(stays(&slow));
}

#[tokio::test]
async fn one_that_may_end_is_ready_when_it_has_ended_well() {
    let wait = |may_end| {
        let step = Step::AwaitHealthy {
            container: name("job"),
            check: None,
            most: None,
            may_end,
            settle: None,
        };
        plan_of(vec![
            (create("job"), vec![]),
            (start("job"), vec![0]),
            (step, vec![1]),
        ])
    };
    for (code, may_end, good) in [(0, true, true), (0, false, false), (1, true, false)] {
        let stage = stage();
        stage.fake.ledger.lock().unwrap().ends = [("job".to_string(), code)].into();
        let done = stage.run(&wait(may_end)).await;
        assert_eq!(done.is_ok(), good, "{code} {may_end}: {done:?}");
    }
}

#[tokio::test]
async fn a_network_of_the_engine_that_was_taken_down_comes_back() {
    let stage = stage();
    let (rules, network) = back_network();
    {
        let mut world = stage.fake.world.lock().unwrap();
        world.bridges.insert("lk-back".into(), subnets());
        world.networks.insert("lk-back".into(), rules.clone());
        let key = network.network.clone();
        world.engine_networks.insert(key, network.clone());
    }
    let before = picture(&stage);
    let gone = EngineNetwork {
        network: name("gone"),
        ..network.clone()
    };
    let plan = plan_of(vec![
        (Step::RemoveNetwork(Box::new(gone)), vec![]),
        (Step::EnsureNetwork(Box::new(engine_network())), vec![]),
        (Step::RemoveNetwork(Box::new(network)), vec![]),
        (Step::CloseNetwork(rules), vec![2]),
        (
            Step::RemoveBridge {
                bridge: "lk-back".into(),
                subnets: subnets(),
                adopt: false,
            },
            vec![3],
        ),
        (start("nosuch"), vec![0, 1, 4]),
    ]);
    stage.run(&plan).await.unwrap_err();
    assert_eq!(picture(&stage), before);
    let rules = Firewall::observe(&stage.fake).await.unwrap();
    assert_eq!(rules.networks.len(), 2);
    let calls = stage.fake.calls();
    assert!(
        !calls.contains(&"remove network shop_gone".into()),
        "{calls:?}"
    );
    assert!(!calls.contains(&"network shop_default".into()), "{calls:?}");
}

#[tokio::test]
async fn the_lines_of_a_build_are_told_and_its_failure_leaves_nothing() {
    let stage = stage();
    let build = Build {
        image: "shop/built".into(),
        tags: Vec::new(),
        context: "/srv/shop".into(),
        dockerfile: None,
        inline: None,
        args: Default::default(),
        target: None,
        labels: Default::default(),
        cache_from: Vec::new(),
        no_cache: false,
        pull: false,
        network: None,
        extra_hosts: Vec::new(),
        shm_size: None,
        platform: None,
    };
    let plan = plan_of(vec![(Step::Build(Box::new(build)), vec![])]);
    let (_mouth, ear) = Canceller::new();
    let heard = Heard::default();
    stage.run_with(&plan, None, &heard, ear).await.unwrap();
    assert!(heard.all().contains(&"output 0 Step 1/1".into()));
    stage.fake.ledger.lock().unwrap().fail = vec!["build shop/built".into()];
    let error = stage.run(&plan).await.unwrap_err().to_string();
    assert!(error.contains("build image shop/built"), "{error}");
    assert!(error.ends_with("nothing was changed"), "{error}");
}

#[tokio::test]
async fn a_volume_of_the_engine_goes_before_its_directory() {
    let stage = stage();
    let mine = stage.host.paths.volumes(&name("shop")).join("data");
    std::fs::create_dir_all(&mine).unwrap();
    let both = Step::RemoveVolume {
        path: Some(mine.clone()),
        engine: Some("shop_data".into()),
        adopted: false,
    };
    let plan = plan_of(vec![(both, vec![])]);
    let data = "shop_data".to_string();
    stage.fake.world.lock().unwrap().volumes.insert(data);
    stage.fake.ledger.lock().unwrap().fail = vec!["remove volume shop_data".into()];
    stage.run(&plan).await.unwrap_err();
    assert!(mine.exists());
    stage.run(&plan).await.unwrap();
    assert!(!mine.exists() && stage.fake.world().volumes.is_empty());
}
