//! Ending a command in a container of its own.

use std::time::Duration;

use super::plans::plan_of;
use super::stage::{Stage, name, running_app};
use crate::model::JobRecord;
use crate::plan::Step;
use crate::store::{JOB_VERSION, load_jobs, save_job};

fn record(word: &str) -> JobRecord {
    JobRecord {
        version: JOB_VERSION,
        name: name(word),
        of: name("web"),
        argv: Vec::new(),
        begun: "2026-01-31T12:00:00Z".into(),
        remove: false,
        unit: false,
        runner: None,
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_job_whether_its_container_is_there_or_not() {
    let stage = Stage::living();
    running_app(&stage, "long");
    let (paths, shop) = (&stage.host.paths, name("shop"));
    let words = ["long", "over"];
    for word in words {
        save_job(paths, &shop, &record(word)).unwrap();
    }
    let end = |word: &str| Step::EndJob {
        job: name(word),
        timeout: Duration::from_secs(1),
    };
    let plan = plan_of(words.map(|word| (end(word), Vec::new())).into());
    stage.run(&plan).await.unwrap();
    assert_eq!(load_jobs(paths, &shop).unwrap(), []);
    assert!(!stage.fake.world().containers.contains_key(&name("long")));
}
