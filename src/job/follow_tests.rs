//! What is followed, and what ends it.

use super::*;
use crate::job::Remark;
use crate::job::listening::{Listening, came, down, happened, line, name, went};
use std::ops::ControlFlow;
use std::time::Duration;

/// What is told until nothing more comes, and what is remarked.
async fn heard(watch: &Listening) -> (Vec<String>, Vec<Remark>) {
    let (mut told, mut remarks) = (Vec::new(), Vec::new());
    let mut out = |name: &Name, line: &LogLine| {
        told.push(format!("{name} {}", line.text));
        ControlFlow::Continue(())
    };
    let mut remark = |remark: &Remark| remarks.push(remark.clone());
    let mut absence = Absence::of_all(&mut remark);
    let (names, since) = (watch.names(), SystemTime::UNIX_EPOCH);
    let done = follow(watch, names, &|_| true, since, &mut out, &mut absence);
    done.await.unwrap();
    (told, remarks)
}

async fn told(watch: &Listening) -> Vec<String> {
    heard(watch).await.0
}

#[tokio::test]
async fn a_container_that_is_started_again_goes_on_without_a_line_told_twice() {
    let watch = Listening::default()
        .printed("web", vec![line(1, "before")])
        .then("web", vec![line(1, "before"), line(2, "after")])
        .happens(vec![happened("web", What::Started)]);
    assert_eq!(told(&watch).await, ["web before", "web after"]);
}

#[tokio::test]
async fn a_container_that_comes_later_is_followed_too() {
    let watch = Listening::default()
        .then("web", vec![line(3, "new")])
        .happens(vec![
            happened("web", What::Created),
            happened("web", What::Started),
        ]);
    assert_eq!(told(&watch).await, ["web new"]);
}

#[tokio::test]
async fn what_comes_by_the_journal_gets_no_stream_of_its_own() {
    let watch = Listening::default()
        .printed("web", vec![line(1, "a")])
        .printed("db", vec![line(1, "by the engine")])
        .lasts("web", vec![line(1, "a"), line(2, "b")])
        .happens(vec![
            happened("web", What::Created),
            happened("web", What::Started),
        ]);
    let mut told = told(&watch).await;
    told.sort();
    assert_eq!(told, ["db by the engine", "web a", "web b"]);
}

#[tokio::test]
async fn a_reader_that_has_enough_ends_it() {
    let watch = Listening::default().printed("web", vec![line(1, "a"), line(2, "b")]);
    let mut count = 0;
    let mut out = |_: &Name, _: &LogLine| {
        count += 1;
        ControlFlow::Break(())
    };
    let names = BTreeSet::from([name("web")]);
    let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let mut remark = |_: &Remark| {};
    let mut absence = Absence::of_all(&mut remark);
    follow(&watch, names, &|_| true, since, &mut out, &mut absence)
        .await
        .unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn an_engine_that_is_away_hides_its_containers_only_and_they_come_when_it_is_back() {
    let watch = Listening::default()
        .printed("db", vec![line(1, "a")])
        .then("web", vec![line(2, "b")])
        .away("web")
        .tells(vec![went(), went(), came()]);
    let (mut told, remarks) = heard(&watch).await;
    told.sort();
    assert_eq!(told, ["db a", "web b"]);
    let away = Remark::Away {
        down: down(),
        hidden: BTreeSet::new(),
    };
    assert_eq!(remarks, [away, Remark::Back("Docker")], "each is told once");
}

#[tokio::test]
async fn what_broke_off_with_its_engine_goes_on_where_it_was() {
    // Its stream ends before or after it is told that the engine is back.
    let watch = Listening::default()
        .printed("web", vec![line(1, "before")])
        .then("web", vec![line(1, "before"), line(2, "after")])
        .tells(vec![came()]);
    assert_eq!(told(&watch).await, ["web before", "web after"]);
}

#[tokio::test]
async fn one_that_is_gone_when_it_is_to_be_followed_ends_nothing() {
    let watch = Listening::default()
        .printed("db", vec![line(1, "a")])
        .happens(vec![
            happened("gone", What::Created),
            happened("gone", What::Started),
        ]);
    assert_eq!(told(&watch).await, ["db a"]);
}
