//! Whatever fails, the host is as it was before, or the error says what is not.

use super::plans::{CALLS, big_plan, names, plan_of, start, stop};
use super::stage::{Heard, Stage, name, network_rules, rule, spec, subnets};
use crate::apply::fake::OnCall;
use crate::apply::{ApplyError, Canceller, Unfinished};
use crate::firewall::Firewall;
use crate::model::{Healthcheck, InnerCommand};
use crate::observed::State;
use crate::plan::Step;
use std::time::Duration;

fn left_of(stage: &Stage) -> Option<Unfinished> {
    Unfinished::load(&stage.host.paths, &name("shop")).unwrap()
}

#[tokio::test]
async fn the_whole_plan_runs_and_leaves_no_journal() {
    let stage = Stage::living();
    let plan = big_plan(&stage.data());
    let applied = stage.run(&plan).await.unwrap();
    assert_eq!(applied.done.len(), plan.steps.len());
    let (world, record, hosts, data) = stage.picture();
    assert!(world.containers.values().all(|c| c.state == State::Running));
    assert!(world.aside.is_empty());
    assert!(world.rules.contains(&rule("new", 9090)));
    assert_eq!(record.unwrap().addresses.len(), 4);
    assert!(hosts.contains("10.77.0.2 web") && data);
    assert_eq!(left_of(&stage), None);
}

#[tokio::test]
async fn whichever_step_fails_the_host_is_as_before() {
    for parallel in [None, Some(1), Some(2)] {
        for (id, call) in CALLS.iter().enumerate() {
            let Some(call) = call else { continue };
            let stage = Stage::living();
            let before = stage.picture();
            stage.fake.ledger.lock().unwrap().fail = vec![(*call).into()];
            let (_mouth, ear) = Canceller::new();
            let plan = big_plan(&stage.data());
            let heard = Heard::default();
            let error = stage.run_with(&plan, parallel, &heard, ear).await;
            let Err(ApplyError::Failed {
                failures,
                aftermath,
            }) = error
            else {
                panic!("step {id} did not fail: {error:?}")
            };
            assert_eq!(failures[0].id, id, "{failures:?}");
            assert!(aftermath.is_clean(), "{call}: {aftermath:?}");
            assert_eq!(stage.picture(), before, "{call} with {parallel:?}");
            assert_eq!(left_of(&stage), None, "{call}");
            assert!(heard.all().contains(&format!("failed {id}")));
        }
    }
}

#[tokio::test]
async fn a_signal_at_any_call_leaves_the_host_as_before() {
    let calls = {
        let stage = Stage::living();
        stage.run(&big_plan(&stage.data())).await.unwrap();
        stage.fake.calls().len()
    };
    // The last call destroys; before it began all others were done.
    for at in 1..calls {
        let stage = Stage::living();
        let before = stage.picture();
        let (mouth, ear) = Canceller::new();
        let mut count = 0;
        let on_call = move |_: &str| {
            count += 1;
            if count == at {
                mouth.cancel("SIGINT");
            }
        };
        stage.fake.ledger.lock().unwrap().on_call = Some(OnCall(Box::new(on_call)));
        let plan = big_plan(&stage.data());
        let heard = Heard::default();
        let error = stage.run_with(&plan, None, &heard, ear).await.unwrap_err();
        let ApplyError::Interrupted {
            finished,
            aftermath,
            ..
        } = &error
        else {
            panic!("call {at}: {error}")
        };
        assert!(!finished.is_empty(), "call {at}: {error}");
        assert!(aftermath.is_clean(), "call {at}: {error}");
        assert_eq!(stage.picture(), before, "call {at}: {error}");
        let notes = heard.all();
        assert!(notes.iter().any(|n| n.starts_with("note SIG")), "{notes:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_undone_keeps_what_it_stands_on_and_is_reported() {
    let stage = Stage::new();
    let plan = plan_of(vec![
        (
            Step::EnsureBridge {
                bridge: "lk-shop".into(),
                subnets: subnets(),
                cards: Vec::new(),
                adopt: false,
                mtu: None,
            },
            vec![],
        ),
        (Step::Create(Box::new(spec("web", "web"))), vec![]),
        (start("web"), vec![0, 1]),
        (names("nosuch", "x"), vec![2]),
    ]);
    stage.fake.ledger.lock().unwrap().fail = vec!["stop web".into()];
    let error = stage.run(&plan).await.unwrap_err();
    let ApplyError::Failed { aftermath, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(aftermath.not_undone.len(), 1);
    assert_eq!(aftermath.not_undone[0].what, "start web");
    let mut kept = aftermath.kept.clone();
    kept.sort();
    assert_eq!(kept, ["create web", "set up bridge lk-shop"]);
    let text = error.to_string();
    assert!(text.contains("could not undo `start web`"), "{text}");
    assert!(text.contains("left in place: "), "{text}");
    let world = stage.fake.world();
    assert_eq!(world.containers[&name("web")].state, State::Running);
    assert!(world.bridges.contains_key("lk-shop"));
    assert!(left_of(&stage).is_some(), "the next run must be told");
}

#[tokio::test]
async fn what_was_so_already_is_neither_done_nor_undone() {
    let stage = Stage::living();
    let before = stage.picture();
    let plan = plan_of(vec![
        (start("web"), vec![]),
        (stop("old"), vec![]),
        (
            Step::EnsureBridge {
                bridge: "lk-shop".into(),
                subnets: subnets(),
                cards: Vec::new(),
                adopt: false,
                mtu: None,
            },
            vec![],
        ),
        (Step::OpenNetwork(network_rules()), vec![]),
        (
            Step::Publish {
                add: vec![rule("web", 8080)],
                remove: vec![],
            },
            vec![],
        ),
        (names("nosuch", "x"), vec![0, 1, 2, 3, 4]),
    ]);
    let error = stage.run(&plan).await.unwrap_err();
    assert!(
        error.to_string().ends_with("nothing was changed"),
        "{error}"
    );
    assert_eq!(stage.picture(), before);
    assert_eq!(stage.fake.calls(), ["ensure", "names nosuch"]);
}

#[tokio::test]
async fn a_failure_while_destroying_undoes_nothing_and_says_so() {
    let stage = Stage::living();
    let plan = plan_of(vec![
        (stop("web"), vec![]),
        (
            Step::Destroy {
                container: name("web"),
                kind: crate::model::Kind::System,
                aside: false,
            },
            vec![0],
        ),
    ]);
    stage.fake.ledger.lock().unwrap().fail = vec!["destroy web".into()];
    let error = stage.run(&plan).await.unwrap_err();
    assert!(matches!(error, ApplyError::Final { .. }), "{error}");
    assert!(error.to_string().contains("stays so"), "{error}");
    assert_eq!(stage.fake.calls(), ["stop web", "destroy web"]);
}

#[tokio::test]
async fn what_does_not_need_what_could_not_be_destroyed_is_destroyed_and_the_rest_is_named() {
    let destroy = |word: &str| Step::Destroy {
        container: name(word),
        kind: crate::model::Kind::System,
        aside: false,
    };
    let volume = |word: &str| Step::RemoveVolume {
        path: Some(format!("/no/such/{word}").into()),
        engine: None,
        adopted: false,
    };
    let stage = Stage::living();
    let plan = plan_of(vec![
        (stop("web"), vec![]),
        (stop("old"), vec![]),
        (destroy("web"), vec![0]),
        (destroy("old"), vec![1]),
        (volume("data"), vec![2]),
    ]);
    stage.fake.ledger.lock().unwrap().fail = vec!["destroy web".into()];
    let (_mouth, ear) = Canceller::new();
    let heard = Heard::default();
    let error = stage
        .run_with(&plan, Some(1), &heard, ear)
        .await
        .unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("; not done because of that: remove "),
        "{told}"
    );
    assert!(
        told.contains("data") && !told.contains("destroy old"),
        "{told}"
    );
    assert!(
        !stage.fake.world().containers.contains_key(&name("old")),
        "{told}"
    );
}

#[tokio::test]
async fn a_taken_down_network_is_put_back() {
    let stage = Stage::living();
    stage
        .fake
        .world
        .lock()
        .unwrap()
        .containers
        .retain(|_, c| c.state == State::Stopped);
    let before = stage.picture();
    let plan = plan_of(vec![
        (Step::CloseNetwork(network_rules()), vec![]),
        (
            Step::RemoveBridge {
                bridge: "lk-shop".into(),
                subnets: subnets(),
                adopt: false,
            },
            vec![0],
        ),
        (
            Step::ForgetProject(Box::new(super::stage::record(3))),
            vec![1],
        ),
        (start("old"), vec![2]),
    ]);
    let error = stage.run(&plan).await.unwrap_err();
    assert!(error.to_string().contains("has no bridge"), "{error}");
    assert_eq!(stage.picture(), before);
    let rules = Firewall::observe(&stage.fake).await.unwrap();
    assert_eq!(rules.networks.len(), 1);
}

#[tokio::test]
async fn setup_is_marked_as_done_only_when_all_of_it_passed() {
    let line = |text: &str| InnerCommand::Shell(text.into());
    for (code, done) in [(0, true), (3, false)] {
        let stage = Stage::living();
        let mut new = spec("new", "new");
        new.setup = vec![line("one"), line("two")];
        let commands = new.setup.clone();
        let setup = Step::Setup {
            container: name("new"),
            provisions: Vec::new(),
            commands,
            post_start: Vec::new(),
        };
        let plan = plan_of(vec![
            (Step::Create(Box::new(new)), vec![]),
            (start("new"), vec![0]),
            (setup, vec![1]),
        ]);
        stage.fake.ledger.lock().unwrap().codes = [("two".to_string(), code)].into();
        let result = stage.run(&plan).await;
        let world = stage.fake.world();
        let new = world.containers.get(&name("new"));
        assert_eq!(new.is_some_and(|c| c.mark.setup_done), done);
        if let Err(error) = result {
            let text = error.to_string();
            assert!(text.contains("`two` in `new` ended with 3: said"), "{text}");
            assert_eq!(new, None);
        }
    }
}

#[tokio::test]
async fn waiting_for_health_ends_with_a_signal_and_with_its_patience() {
    let check = |retries| Healthcheck {
        start_interval: None,
        test: InnerCommand::Shell("probe".into()).into(),
        interval: Duration::from_millis(1),
        timeout: Duration::from_secs(1),
        retries,
        start_period: Duration::ZERO,
    };
    let plan = |retries| {
        plan_of(vec![(
            Step::AwaitHealthy {
                container: name("web"),
                check: Some(check(retries)),
                most: None,
                may_end: false,
                settle: None,
            },
            vec![],
        )])
    };
    let stage = Stage::living();
    stage.fake.ledger.lock().unwrap().codes = [("probe".to_string(), 1)].into();
    let error = stage.run(&plan(3)).await.unwrap_err().to_string();
    assert!(error.contains("not healthy after"), "{error}");
    let (mouth, ear) = Canceller::new();
    let heard = Heard::default();
    let endless = plan(u32::MAX);
    let run = stage.run_with(&endless, None, &heard, ear);
    let signal = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        mouth.cancel("SIGINT");
    };
    let (result, ()) = tokio::join!(run, signal);
    let error = result.unwrap_err();
    assert!(matches!(error, ApplyError::Interrupted { .. }), "{error}");
}

#[tokio::test]
async fn a_signal_is_an_end_where_anything_is_left_and_none_where_all_is_done() {
    // The second one begins when the first has ended.
    let plan = plan_of(vec![(stop("web"), vec![]), (start("web"), vec![0])]);
    let ended = async |at: &'static str| {
        let stage = Stage::living();
        let (mouth, ear) = Canceller::new();
        let on_call = move |call: &str| {
            if call.starts_with(at) {
                mouth.cancel("SIGINT");
            }
        };
        stage.fake.ledger.lock().unwrap().on_call = Some(OnCall(Box::new(on_call)));
        stage.run_with(&plan, None, &Heard::default(), ear).await
    };
    let error = ended("stop web").await.unwrap_err();
    assert!(matches!(error, ApplyError::Interrupted { .. }), "{error}");
    let applied = ended("start web").await.unwrap();
    assert_eq!(applied.done, [0, 1]);
}

#[tokio::test]
async fn what_a_signal_stops_while_a_container_is_made_has_not_failed() {
    let stage = Stage::new();
    let plan = plan_of(vec![(Step::Create(Box::new(spec("web", "web"))), vec![])]);
    let (mouth, ear) = Canceller::new();
    let on_call = move |call: &str| {
        if call.starts_with("create web") {
            mouth.cancel("SIGINT");
        }
    };
    {
        let mut ledger = stage.fake.ledger.lock().unwrap();
        ledger.on_call = Some(OnCall(Box::new(on_call)));
        ledger.fail = vec!["create web".into()];
    }
    let heard = Heard::default();
    let error = stage.run_with(&plan, None, &heard, ear).await.unwrap_err();
    let ApplyError::Interrupted { failures, .. } = &error else {
        panic!("{error}")
    };
    assert!(failures.is_empty(), "{error}");
    assert!(!heard.all().contains(&"failed 0".to_owned()));
}
