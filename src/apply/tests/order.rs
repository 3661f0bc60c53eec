//! What runs when: order, room, and steps that destroy.

use proptest::prelude::{Strategy, any, prop, proptest};

use super::plans::{names, plan_of, stop};
use super::stage::{Heard, Stage, name, spec};
use crate::apply::fake::Made;
use crate::apply::{Canceller, lanes::Lanes};
use crate::observed::{Mark, State};
use crate::plan::{Plan, Step, StepId};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// `count` independent stops of running containers.
fn stops(stage: &Stage, count: usize) -> Plan {
    let words: Vec<String> = (0..count).map(|i| format!("c{i}")).collect();
    let mut world = stage.fake.world.lock().unwrap();
    for word in &words {
        let made = Made::new(State::Running, super::stage::mark(word));
        world.containers.insert(name(word), made);
    }
    plan_of(words.iter().map(|word| (stop(word), vec![])).collect())
}

#[tokio::test]
async fn thirty_clean_stops_wait_all_at_once() {
    let stage = Stage::new();
    let plan = stops(&stage, 30);
    stage.run(&plan).await.unwrap();
    assert_eq!(stage.fake.ledger.lock().unwrap().most_at_once, 30);
}

#[tokio::test]
async fn never_more_steps_at_once_than_asked_for() {
    for parallel in [1, 3] {
        let stage = Stage::new();
        let plan = stops(&stage, 10);
        let (_mouth, ear) = Canceller::new();
        let heard = Heard::default();
        stage
            .run_with(&plan, Some(parallel), &heard, ear)
            .await
            .unwrap();
        assert_eq!(stage.fake.ledger.lock().unwrap().most_at_once, parallel);
    }
}

#[test]
fn creating_is_bound_by_the_cores_and_stopping_is_not() {
    let create = Step::Create(Box::new(spec("web", "web")));
    let room = |step: &Step, parallel| {
        let mut lanes = Lanes::new(parallel, 2);
        (0..1000).take_while(|_| lanes.enter(step)).count()
    };
    assert_eq!(room(&create, None), 2);
    assert!(room(&stop("web"), None) >= 30);
    assert_eq!(room(&create, Some(5)), 5);
    assert_eq!(room(&stop("web"), Some(0)), 1);
    let mut lanes = Lanes::new(Some(1), 2);
    assert!(lanes.enter(&create) && !lanes.enter(&stop("web")));
    lanes.leave(&create);
    assert!(lanes.enter(&stop("web")));
}

#[tokio::test]
async fn nothing_is_destroyed_before_all_else_is_done() {
    let stage = Stage::living();
    let destroy = Step::Destroy {
        container: name("old"),
        kind: crate::model::Kind::System,
        aside: false,
    };
    let plan = plan_of(vec![
        (destroy, vec![]),
        (stop("web"), vec![]),
        (names("web", "x"), vec![1]),
    ]);
    stage.run(&plan).await.unwrap();
    assert_eq!(stage.fake.calls(), ["stop web", "names web", "destroy old"]);
}

fn remove_volume(path: std::path::PathBuf) -> Step {
    Step::RemoveVolume {
        path: Some(path),
        engine: None,
        adopted: false,
    }
}

#[tokio::test]
async fn only_a_named_volume_of_the_project_is_removed_as_one() {
    let stage = Stage::living();
    let home = stage.host.paths.volumes(&name("shop"));
    let mine = home.join("data");
    std::fs::create_dir_all(mine.join("deep")).unwrap();
    for path in [stage.dir.path().into(), home.clone(), home.join("..")] {
        let plan = plan_of(vec![(remove_volume(path), vec![])]);
        let error = stage.run(&plan).await.unwrap_err().to_string();
        assert!(error.contains("no named volume"), "{error}");
        assert!(mine.exists());
    }
    let path = mine.clone();
    let plan = plan_of(vec![(remove_volume(path), vec![])]);
    stage.run(&plan).await.unwrap();
    assert!(!mine.exists());
}

/// A random graph of steps that each write the settings of a container of their own.
fn graph() -> impl Strategy<Value = Vec<Vec<StepId>>> {
    prop::collection::vec(
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        1..20,
    )
    .prop_map(|picks| {
        let of = |id: usize, picks: &Vec<prop::sample::Index>| {
            let mut after: Vec<StepId> = match id {
                0 => Vec::new(),
                _ => picks.iter().map(|pick| pick.index(id)).collect(),
            };
            after.sort_unstable();
            after.dedup();
            after
        };
        picks.iter().enumerate().map(|(id, p)| of(id, p)).collect()
    })
}

fn configures(stage: &Stage, graph: &[Vec<StepId>]) -> Plan {
    let mut world = stage.fake.world.lock().unwrap();
    let step = |(id, after): (usize, &Vec<StepId>)| {
        let word = format!("c{id}");
        let mark = Mark {
            setup_done: id % 2 == 0,
            setup_failed: None,
            ..super::stage::mark(&word)
        };
        let made = Made::new(State::Stopped, mark);
        world.containers.insert(name(&word), made);
        let changed = spec(&word, "changed");
        (Step::Configure(Box::new(changed)), after.clone())
    };
    plan_of(graph.iter().enumerate().map(step).collect())
}

/// The container numbers of `configure` calls, in order.
fn numbers(calls: &[String]) -> Vec<StepId> {
    let number = |call: &String| call.strip_prefix("configure c")?.parse().ok();
    calls.iter().filter_map(number).collect()
}

proptest! {
    #[test]
    fn in_any_graph_each_step_comes_after_what_it_needs(graph in graph(), parallel in 1usize..5) {
        let stage = Stage::new();
        let plan = configures(&stage, &graph);
        let (_mouth, ear) = Canceller::new();
        let heard = Heard::default();
        runtime().block_on(stage.run_with(&plan, Some(parallel), &heard, ear)).unwrap();
        let order = heard.all();
        let at = |line: String| order.iter().position(|heard| *heard == line).unwrap();
        for (id, after) in graph.iter().enumerate() {
            for earlier in after {
                assert!(at(format!("done {earlier} false")) < at(format!("begin {id}")));
            }
        }
    }

    #[test]
    fn in_any_graph_a_failure_is_undone_in_reverse(graph in graph(), pick in any::<prop::sample::Index>()) {
        let stage = Stage::new();
        let plan = configures(&stage, &graph);
        let failing = pick.index(graph.len());
        let before = stage.picture();
        stage.fake.ledger.lock().unwrap().fail = vec![format!("configure c{failing}")];
        runtime().block_on(stage.run(&plan)).unwrap_err();
        assert_eq!(stage.picture(), before);
        let calls = numbers(&stage.fake.calls());
        let undone: Vec<StepId> = calls[calls.len() / 2..].to_vec();
        let at = |id: StepId| undone.iter().position(|undone| *undone == id);
        for (id, after) in graph.iter().enumerate() {
            for earlier in after {
                if let (Some(first), Some(then)) = (at(id), at(*earlier)) {
                    assert!(first < then, "{id} must be undone before {earlier}: {calls:?}");
                }
            }
        }
    }
}
