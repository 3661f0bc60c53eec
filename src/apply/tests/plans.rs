//! Plans for the fake host.

use std::path::Path;
use std::time::Duration;

use super::stage::{hosts, name, record, rule, spec};
use crate::model::Mount;
use crate::plan::{Cause, Plan, PlannedStep, Step, StepId};

pub(super) fn plan_of(steps: Vec<(Step, Vec<StepId>)>) -> Plan {
    let steps = steps.into_iter().map(|(step, after)| PlannedStep {
        step,
        causes: vec![Cause::Asked],
        after,
    });
    Plan {
        steps: steps.collect(),
        ..Plan::default()
    }
}

pub(super) fn start(word: &str) -> Step {
    let container = name(word);
    Step::Start { container }
}

pub(super) fn stop(word: &str) -> Step {
    Step::Stop {
        container: name(word),
        timeout: Duration::from_secs(1),
        aside: false,
    }
}

pub(super) fn names(word: &str, line: &str) -> Step {
    Step::WriteNames {
        container: name(word),
        hosts: hosts(line),
        dns: vec!["8.8.8.8".parse().unwrap()],
    }
}

/// Every kind of reversible step: a new container with a volume, a remade one, a restarted one, a
/// thawed one, ports and names. On the host of [`super::stage::Stage::living`].
pub(super) fn big_plan(data: &Path) -> Plan {
    let mount = Mount {
        host: data.into(),
        target: "/data".into(),
        read_only: false,
        named: false,
    };
    let seed = Step::Seed {
        container: name("new"),
        mounts: vec![mount],
        copy: true,
    };
    let publish = Step::Publish {
        add: vec![rule("new", 9090), rule("web", 8080)],
        remove: vec![rule("web", 8080), rule("web", 1)],
    };
    let create = |word: &str| Step::Create(Box::new(spec(word, "fresh")));
    let configure = |word: &str| Step::Configure(Box::new(spec(word, "changed")));
    plan_of(vec![
        /* 0 */ (Step::SaveRecord(Box::new(record(4))), vec![]),
        /* 1 */ (create("new"), vec![0]),
        /* 2 */ (seed, vec![1]),
        /* 3 */ (names("new", "new"), vec![1]),
        /* 4 */ (start("new"), vec![2, 3]),
        /* 5 */ (stop("web"), vec![0]),
        /* 6 */
        (
            Step::SetAside {
                container: name("web"),
            },
            vec![5],
        ),
        /* 7 */ (create("web"), vec![6]),
        /* 8 */ (names("web", "other"), vec![7]),
        /* 9 */ (start("web"), vec![4, 8]),
        /* 10 */ (configure("old"), vec![0]),
        /* 11 */ (names("old", "changed"), vec![10]),
        /* 12 */ (start("old"), vec![10, 11]),
        /* 13 */
        (
            Step::Unfreeze {
                container: name("ice"),
            },
            vec![0],
        ),
        /* 14 */ (configure("ice"), vec![0]),
        /* 15 */
        (
            Step::WriteHostNames {
                hosts: hosts("web"),
            },
            vec![9],
        ),
        /* 16 */ (publish, vec![4, 9, 12]),
        /* 17 */
        (
            Step::Destroy {
                container: name("web"),
                kind: crate::model::Kind::System,
                aside: true,
            },
            vec![7],
        ),
    ])
}

/// What the fake is called with for the steps of [`big_plan`]; none for files that are real.
pub(super) const CALLS: [Option<&str>; 17] = [
    None,
    Some("create new"),
    Some("seed new"),
    Some("names new"),
    Some("start new"),
    Some("stop web"),
    Some("set aside web false"),
    Some("create web"),
    Some("names web"),
    Some("start web"),
    Some("configure old"),
    Some("names old"),
    Some("start old"),
    Some("freeze ice false"),
    Some("configure ice"),
    None,
    Some("publish"),
];
