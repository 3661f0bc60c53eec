//! What a failure takes along, and what a second signal leaves.

use std::time::{Duration, Instant};

use super::plans::{plan_of, start, stop};
use super::stage::{Heard, Stage, name, spec, subnets};
use crate::apply::fake::OnCall;
use crate::apply::{ApplyError, Canceller, Unfinished};
use crate::model::Subnets;
use crate::observed::State;
use crate::plan::{Plan, Step, StepId};

fn create(word: &str) -> Step {
    Step::Create(Box::new(spec(word, word)))
}

/// `web` needs `db`; `alone` needs nobody; all stand on the bridge.
fn plan() -> Plan {
    let bridge = Step::EnsureBridge {
        bridge: "lk-shop".into(),
        subnets: subnets(),
        cards: Vec::new(),
        adopt: false,
        mtu: None,
    };
    let ports = Step::Publish {
        add: Vec::new(),
        remove: Vec::new(),
    };
    let steps: Vec<(Step, Vec<StepId>)> = vec![
        (bridge, vec![]),
        (create("db"), vec![]),
        (start("db"), vec![0, 1]),
        (create("web"), vec![]),
        (start("web"), vec![0, 2, 3]),
        (create("alone"), vec![]),
        (start("alone"), vec![0, 5]),
        (ports, vec![4, 6]),
    ];
    plan_of(steps)
}

#[tokio::test]
async fn a_container_that_fails_takes_along_what_needs_it_and_no_other() {
    for call in ["create db", "start db"] {
        let stage = Stage::new();
        stage.fake.ledger.lock().unwrap().fail = vec![call.into()];
        let error = stage.run_independently(&plan()).await.unwrap_err();
        let text = error.to_string();
        let ApplyError::Partly {
            failures,
            lost,
            kept,
            finished,
            aftermath,
            stays: _,
        } = error
        else {
            panic!("{call}: {text}")
        };
        assert_eq!(failures.len(), 1, "{call}: {text}");
        assert_eq!(lost, [name("db"), name("web")].into(), "{call}");
        assert_eq!(finished, [name("alone")].into(), "{call}");
        assert!(kept.is_empty(), "{call}");
        assert!(aftermath.is_clean(), "{call}: {aftermath:?}");
        assert!(
            text.contains("undone: `db`, `web`; finished and kept: `alone`"),
            "{text}"
        );
        let world = stage.fake.world();
        assert_eq!(world.containers[&name("alone")].state, State::Running);
        assert!(!world.containers.contains_key(&name("db")), "{call}");
        assert!(!world.containers.contains_key(&name("web")), "{call}");
        let left = Unfinished::load(&stage.host.paths, &name("shop")).unwrap();
        assert_eq!(left, None, "{call}");
    }
}

#[tokio::test]
async fn what_fails_in_a_later_run_goes_back_to_before_the_first() {
    // What the first run makes stays for the second one, which starts it.
    let first = || {
        let mut plan = plan();
        plan.steps.truncate(6);
        plan.steps.remove(4);
        let record = Box::new(super::stage::record(1));
        plan.steps[3] = plan_of(vec![(Step::SaveRecord(record), vec![])])
            .steps
            .remove(0);
        plan.steps
            .extend(plan_of(vec![(create("web"), vec![])]).steps);
        plan
    };
    for (fails, stays) in [
        (vec!["start web"], true),
        (vec!["start web", "start alone"], false),
    ] {
        let stage = Stage::new();
        stage.fake.ledger.lock().unwrap().fail = vec!["create db".into()];
        let error = stage.run_independently(&first()).await.unwrap_err();
        let ApplyError::Partly {
            stays: earlier,
            finished,
            ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!(finished, [name("alone"), name("web")].into());
        stage.fake.ledger.lock().unwrap().fail = fails.into_iter().map(Into::into).collect();
        let second = plan_of(vec![(start("web"), vec![]), (start("alone"), vec![])]);
        let error = stage
            .go_on(&second, *earlier)
            .await
            .unwrap_err()
            .to_string();
        let world = stage.fake.world();
        assert!(!world.containers.contains_key(&name("web")), "{error}");
        let alone = world
            .containers
            .get(&name("alone"))
            .map(|found| found.state);
        let record = stage.host.paths.record(&name("shop")).exists();
        if stays {
            assert!(
                error.ends_with("undone: `web`; finished and kept: `alone`"),
                "{error}"
            );
            assert_eq!((alone, record), (Some(State::Running), true));
        } else {
            assert!(error.ends_with("what had been done is undone"), "{error}");
            assert_eq!((alone, record), (None, false));
            assert!(world.bridges.is_empty(), "{:?}", world.bridges);
        }
    }
}

#[tokio::test]
async fn when_nobody_else_was_changed_what_is_the_projects_goes_back_as_well() {
    let stage = Stage::new();
    stage.fake.ledger.lock().unwrap().fail = vec!["start db".into()];
    let mut plan = plan();
    plan.steps.truncate(3);
    let error = stage.run_independently(&plan).await.unwrap_err();
    assert!(matches!(error, ApplyError::Failed { .. }), "{error}");
    let world = stage.fake.world();
    assert!(world.containers.is_empty());
    assert!(world.bridges.is_empty(), "{:?}", world.bridges);
}

#[tokio::test]
async fn one_that_is_kept_stays_with_what_it_stands_on_and_who_needs_it_goes() {
    let setup = || Step::Setup {
        container: name("db"),
        provisions: Vec::new(),
        commands: vec![crate::model::InnerCommand::Shell("install".into())],
        post_start: Vec::new(),
    };
    for (fails, runs) in [("start db", State::Stopped), ("setup", State::Running)] {
        let stage = Stage::new();
        let mut plan = plan();
        plan.steps.truncate(3);
        plan.steps
            .extend(plan_of(vec![(setup(), vec![]), (create("web"), vec![])]).steps);
        plan.steps[3].after = vec![2];
        plan.steps
            .extend(plan_of(vec![(start("web"), vec![])]).steps);
        plan.steps[5].after = vec![3, 4];
        if fails == "setup" {
            let codes = &mut stage.fake.ledger.lock().unwrap().codes;
            codes.insert("install".into(), 3);
        } else {
            stage.fake.ledger.lock().unwrap().fail = vec![fails.into()];
        }
        let error = stage.run_and_keep(&plan).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("; undone: `web`; kept for a look: `db`"),
            "{text}"
        );
        assert!(!text.contains("finished"), "{text}");
        let world = stage.fake.world();
        assert_eq!(world.containers[&name("db")].state, runs, "{fails}");
        assert!(!world.containers.contains_key(&name("web")), "{fails}");
        assert!(!world.bridges.is_empty(), "{fails}");
        let left = Unfinished::load(&stage.host.paths, &name("shop")).unwrap();
        assert_eq!(left, None, "{fails}");
        let mark = &world.containers[&name("db")].mark;
        let why = (fails == "setup").then_some("setup command `install` ended with 3");
        assert_eq!(mark.setup_failed.as_deref(), why);
    }
}

#[tokio::test]
async fn nothing_is_kept_of_what_was_never_made() {
    let stage = Stage::new();
    stage.fake.ledger.lock().unwrap().fail = vec!["create db".into()];
    let mut plan = plan();
    plan.steps.truncate(3);
    let error = stage.run_and_keep(&plan).await.unwrap_err();
    assert!(matches!(error, ApplyError::Failed { .. }), "{error}");
    assert!(stage.fake.world().bridges.is_empty());
}

#[tokio::test]
async fn what_all_stand_on_takes_all_along() {
    let stage = Stage::new();
    stage.fake.ledger.lock().unwrap().fail = vec!["ensure".into()];
    let error = stage.run_independently(&plan()).await.unwrap_err();
    assert!(matches!(error, ApplyError::Failed { .. }), "{error}");
    assert!(stage.fake.world().containers.is_empty());
}

#[tokio::test]
async fn a_second_signal_leaves_at_once_and_the_journal_tells_the_next_run() {
    let stage = Stage::new();
    let (mouth, ear) = Canceller::new();
    let on_call = move |call: &str| {
        if call == "start alone" {
            mouth.cancel("SIGINT");
            mouth.cancel("SIGINT");
        }
    };
    stage.fake.ledger.lock().unwrap().on_call = Some(OnCall(Box::new(on_call)));
    let heard = Heard::default();
    let error = stage
        .run_with(&plan(), Some(1), &heard, ear)
        .await
        .unwrap_err();
    let text = error.to_string();
    let ApplyError::Interrupted { aftermath, .. } = error else {
        panic!("{text}")
    };
    assert!(aftermath.undone.is_empty(), "{text}");
    assert!(
        text.contains("left as it is: ") && text.contains("the next `locker up`"),
        "{text}"
    );
    assert!(
        aftermath.left.iter().any(|step| step == "create db"),
        "{text}"
    );
    let left = Unfinished::load(&stage.host.paths, &name("shop")).unwrap();
    assert!(left.is_some());
}

#[tokio::test]
async fn a_new_self_that_ends_while_it_is_watched_has_failed_and_one_that_stays_has_not() {
    let watch = |container| {
        let settle = Some(Duration::from_millis(300));
        let step = Step::AwaitHealthy {
            container: name(container),
            check: None,
            most: None,
            may_end: false,
            settle,
        };
        plan_of(vec![(step, vec![])])
    };
    let stage = Stage::living();
    let begun = Instant::now();
    stage.run(&watch("web")).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let ends = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut world = stage.fake.world.lock().unwrap();
        world.containers.get_mut(&name("web")).unwrap().state = State::Stopped;
    };
    let plan = watch("web");
    let (run, ()) = tokio::join!(stage.run(&plan), ends);
    let error = run.unwrap_err().to_string();
    assert!(error.contains("`web` has ended with exit code"), "{error}");
}

#[tokio::test]
async fn when_a_network_was_made_anew_under_a_failed_container_all_goes_back() {
    let ensure = |subnets| Step::EnsureBridge {
        bridge: "lk-shop".into(),
        subnets,
        cards: Vec::new(),
        adopt: false,
        mtu: None,
    };
    let other = Subnets::new("10.99.0.0/24".parse().unwrap(), None);
    for (subnets, partly) in [(subnets(), true), (other, false)] {
        let stage = Stage::living();
        stage.fake.ledger.lock().unwrap().fail = vec!["start web".into()];
        let plan = plan_of(vec![
            (stop("web"), vec![]),
            (ensure(subnets), vec![0]),
            (start("web"), vec![1]),
            (start("old"), vec![1]),
        ]);
        let error = stage.run_independently(&plan).await.unwrap_err();
        let is_partly = matches!(error, ApplyError::Partly { .. });
        assert_eq!(is_partly, partly, "{error}");
    }
}
