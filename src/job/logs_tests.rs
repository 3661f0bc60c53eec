//! What is shown of several outputs, and what is missing of them.

use super::*;
use crate::backend::Lost;
use crate::job::listening::{Listening, down, line, name};

async fn told(watch: &Listening, wish: &LogWish) -> Vec<String> {
    let mut told = Vec::new();
    let names = watch.names();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
    let mut out = |name: &Name, line: &LogLine| {
        told.push(format!("{name} {}", line.text));
        ControlFlow::Continue(())
    };
    let _ = past(watch, &names, wish, now, &mut out).await.unwrap();
    told
}

#[tokio::test]
async fn lines_of_several_containers_come_in_the_order_of_time() {
    let mut untimed = line(0, "no time");
    untimed.at = None;
    let watch = Listening::default()
        .printed("db", vec![line(1, "a"), untimed, line(9, "d")])
        .printed("web", vec![line(2, "b"), line(5, "c")]);
    let all = told(&watch, &LogWish::default()).await;
    assert_eq!(all, ["db a", "db no time", "web b", "web c", "db d"]);
}

#[tokio::test]
async fn an_engine_that_is_away_hides_its_containers_and_no_others() {
    let watch = Listening::default()
        .printed("db", vec![line(1, "a")])
        .away("web");
    assert_eq!(told(&watch, &LogWish::default()).await, ["db a"]);
    let remarked = |shown: bool| {
        let mut remarks = Vec::new();
        let mut remark = |remark: &Remark| remarks.push(remark.clone());
        let mut absence = Absence::of_all(&mut remark);
        let names = if shown {
            watch.names()
        } else {
            [name("web")].into()
        };
        let unread = Unread::from([(name("web"), down())]);
        let told = tell(&mut absence, &Observed::default(), &names, unread);
        told.map(|()| remarks).map_err(|error| error.to_string())
    };
    let hidden = BTreeSet::new();
    let away = Remark::Away {
        down: down(),
        hidden,
    };
    assert_eq!(remarked(true), Ok(vec![away]));
    let nothing = "Docker is not available: nothing answers";
    assert_eq!(remarked(false), Err(nothing.to_owned()));
}

#[tokio::test]
async fn what_is_missing_is_counted_for_what_is_shown() {
    let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    let lost_at = |second, count| Lost {
        name: name("web"),
        at: at(second),
        count,
    };
    let watch = Listening::default()
        .printed("web", vec![line(5, "a"), line(50, "b")])
        .lost(vec![lost_at(10, 3), lost_at(20, 4)]);
    let names = watch.names();
    let counted = async |wish: LogWish, first: Option<u64>| {
        let first = first.map(|second| (name("web"), at(second)));
        let counts = lost(&watch, &names, &wish, &first.into_iter().collect()).await;
        counts.get("web").copied()
    };
    let all = LogWish::default;
    assert_eq!(counted(all(), Some(5)).await, Some(7));
    let since = Some(at(15));
    assert_eq!(counted(LogWish { since, ..all() }, None).await, Some(4));
    let until = Some(at(15));
    assert_eq!(counted(LogWish { until, ..all() }, None).await, Some(3));
    let lines = Some(1);
    let last = || LogWish { lines, ..all() };
    assert_eq!(counted(last(), Some(12)).await, Some(4));
    assert_eq!(counted(last(), Some(50)).await, None);
    assert_eq!(counted(last(), None).await, None, "nothing is shown");
    let fresh = LogWish {
        fresh: true,
        ..all()
    };
    assert_eq!(counted(fresh, Some(5)).await, None, "the engine has all");
}

#[tokio::test]
async fn the_past_ends_before_what_is_followed_begins() {
    let watch = Listening::default().printed("web", vec![line(99, "old"), line(100, "new")]);
    let wish = LogWish {
        follow: true,
        ..LogWish::default()
    };
    assert_eq!(told(&watch, &wish).await, ["web old"]);
    let names = BTreeSet::from([name("web")]);
    assert_eq!(watch.names(), names);
}
