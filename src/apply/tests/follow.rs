//! What follows a start: the setup, then `post_start`.

use std::sync::Arc;

use super::plans::{plan_of, start};
use super::stage::{Stage, name, spec};
use crate::apply::Supervised;
use crate::model::{Hook, InnerCommand};
use crate::plan::Step;
use crate::systemd::NoUnits;

fn line(text: &str) -> InnerCommand {
    InnerCommand::Shell(text.into())
}

/// A stage whose containers run what follows their start.
fn stage() -> Stage {
    let mut stage = Stage::living();
    let engines = Arc::new(stage.fake.engines());
    let paths = stage.host.paths.clone();
    let backend = Supervised::new(name("shop"), engines, Arc::new(NoUnits), paths, false);
    stage.host.backend = Arc::new(backend);
    stage
}

/// Makes `new`, starts it, and sets it up where `setup` says so; what ran inside.
async fn ran(stage: &Stage, setup: bool) -> (Vec<String>, Option<String>) {
    let mut new = spec("new", "new");
    let hook = Hook::from(line("serve"));
    new.hooks.post_start = vec![hook.clone()];
    let step = Step::Setup {
        container: name("new"),
        provisions: Vec::new(),
        commands: vec![line("install")],
        post_start: vec![hook],
    };
    new.setup = if setup {
        vec![line("install")]
    } else {
        Vec::new()
    };
    let mut steps = vec![
        (Step::Create(Box::new(new)), vec![]),
        (start("new"), vec![0]),
    ];
    if setup {
        steps.push((step, vec![1]));
    }
    let error = stage.run(&plan_of(steps)).await.err();
    let calls = stage.fake.calls();
    let inside = calls.iter().filter(|call| call.starts_with("run new "));
    (
        inside.cloned().collect(),
        error.map(|error| error.to_string()),
    )
}

#[tokio::test]
async fn what_follows_a_start_waits_for_the_setup_and_runs_once() {
    let (inside, error) = ran(&stage(), true).await;
    assert_eq!(error, None);
    assert_eq!(inside, ["run new install", "run new serve"]);
    let (inside, error) = ran(&stage(), false).await;
    assert_eq!(error, None);
    assert_eq!(inside, ["run new serve"]);
}

#[tokio::test]
async fn a_setup_whose_last_command_follows_the_start_is_done_only_with_it() {
    let stage = stage();
    stage.fake.ledger.lock().unwrap().codes = [("serve".to_string(), 3)].into();
    let (_, error) = ran(&stage, true).await;
    let error = error.unwrap();
    assert!(
        error.contains("post_start command `serve`") && error.contains("ended with 3"),
        "{error}"
    );
    assert_eq!(stage.fake.world().containers.get(&name("new")), None);
}

#[tokio::test]
async fn what_runs_once_has_run_also_where_what_follows_the_start_fails() {
    let stage = stage();
    stage.fake.ledger.lock().unwrap().codes = [("serve".to_string(), 3)].into();
    let mut new = spec("new", "new");
    let hook = Hook::from(line("serve"));
    new.hooks.post_start = vec![hook.clone()];
    new.setup = vec![line("install")];
    let setup = Step::Setup {
        container: name("new"),
        provisions: Vec::new(),
        commands: new.setup.clone(),
        post_start: vec![hook],
    };
    let plan = plan_of(vec![
        (Step::Create(Box::new(new)), vec![]),
        (start("new"), vec![0]),
        (setup, vec![1]),
    ]);
    stage.run_and_keep(&plan).await.unwrap_err();
    let mark = stage.fake.world().containers[&name("new")].mark.clone();
    assert!(mark.setup_done);
    let why = mark.setup_failed.unwrap();
    assert!(why.contains("`serve` ended with 3"), "{why}");
}
