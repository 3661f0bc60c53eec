//! Two projects at the same moment.

use std::sync::Arc;

use super::plans::plan_of;
use super::stage::{Heard, Stage, name, record, running_app};
use crate::apply::{
    AnonymousVolumes, ApplyError, ApplyOptions, Canceller, Earlier, Host, StepError, apply,
};
use crate::backend::Sought;
use crate::hosts::HostsFile;
use crate::model::{IdKind, IdRange, Kind, Subnets};
use crate::observed::{Observed, ProjectRecord};
use crate::plan::Step;
use crate::store::load_records;

/// A run of a project that has looked and found its subnet free.
async fn up(host: Host, record: ProjectRecord) -> Result<(), ApplyError> {
    up_after(host, record, Observed::default()).await
}

/// The same of one that has seen this.
async fn up_after(host: Host, record: ProjectRecord, seen: Observed) -> Result<(), ApplyError> {
    let plan = plan_of(vec![(Step::SaveRecord(Box::new(record)), Vec::new())]);
    let options = ApplyOptions {
        independent: false,
        keep_failed: false,
        command: "up".into(),
        parallel: None,
        stop_timeout: Some(std::time::Duration::from_secs(1)),
        volumes: AnonymousVolumes::default(),
    };
    let (_mouth, ear) = Canceller::new();
    let done = apply(
        &plan,
        &seen,
        &host,
        &options,
        &Heard::default(),
        ear,
        Earlier::default(),
    )
    .await;
    done.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_projects_that_want_one_subnet_at_once_one_gets_it() {
    for round in 0..20 {
        let stage = Stage::new();
        let run = |project: &str| {
            let host = Host {
                project: name(project),
                hosts: HostsFile::new(stage.host.paths.hosts()),
                backend: Arc::new(stage.fake.engines()),
                ..stage.host.clone()
            };
            let record = ProjectRecord {
                name: name(project),
                ..record(0)
            };
            tokio::spawn(up(host, record))
        };
        let (one, other) = tokio::join!(run("shop"), run("stop"));
        let errors = [one.unwrap(), other.unwrap()];
        let records = load_records(&stage.host.paths).unwrap();
        assert_eq!(records.len(), 1, "round {round}: {errors:?}");
        let errors: Vec<ApplyError> = errors.into_iter().filter_map(Result::err).collect();
        assert!(errors.len() == 1 && errors[0].is_lost_race(), "{errors:?}");
        let winner = &records[0].name;
        let StepError::Claimed { project, what } = &errors[0].failures()[0].error else {
            panic!("{errors:?}")
        };
        assert_eq!(
            (project, what.as_str()),
            (winner, "the subnet `10.77.0.0/24` is now that")
        );
    }
}

#[tokio::test]
async fn ids_that_another_project_has_got_meanwhile_are_picked_anew() {
    let stage = Stage::new();
    let range = |kind, host| IdRange {
        kind,
        container: 0,
        host,
        count: 65_536,
    };
    let of = |project: &str, net: &str, ids: Vec<IdRange>| ProjectRecord {
        name: name(project),
        subnets: Subnets::new(net.parse().unwrap(), None),
        ids,
        ..record(0)
    };
    let host = |project: &str| Host {
        project: name(project),
        hosts: HostsFile::new(stage.host.paths.hosts()),
        backend: Arc::new(stage.fake.engines()),
        ..stage.host.clone()
    };
    let user = |host| vec![range(IdKind::User, host)];
    let first = of("shop", "10.77.0.0/24", user(1_000_000));
    up(host("shop"), first).await.unwrap();
    let same = of("stop", "10.78.0.0/24", user(1_065_535));
    let error = up(host("stop"), same).await.unwrap_err();
    assert!(error.is_lost_race(), "{error}");
    let next = of("stop", "10.78.0.0/24", user(1_065_536));
    up(host("stop"), next).await.unwrap();
    let groups = vec![range(IdKind::Group, 1_000_000)];
    up(host("more"), of("more", "10.79.0.0/24", groups))
        .await
        .unwrap();
    // A container that an older program gave the same ids keeps them, and its project can be changed.
    running_app(&stage, "web");
    let mut made = stage.fake.world.lock().unwrap().containers[&name("web")].clone();
    made.mark.spec.idmap = user(1_000_000);
    stage
        .fake
        .world
        .lock()
        .unwrap()
        .containers
        .insert(name("web"), made);
    let sought = Sought {
        kinds: [Kind::Application].into(),
        ..Sought::default()
    };
    let view = stage.host.backend.observe(&sought);
    let seen = Observed {
        containers: view.await.unwrap().containers,
        ..Observed::default()
    };
    let older = of("late", "10.80.0.0/24", user(1_000_000));
    up_after(host("late"), older, seen).await.unwrap();
}
