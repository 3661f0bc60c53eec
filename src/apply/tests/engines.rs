//! Two engines as one: every call reaches the engine that has the container.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt;

use super::stage::{Stage, app, app_mark, mark, name, running_app};
use crate::apply::fake::Made;
use crate::backend::{
    BackendError, BackendView, Body, EventStream, Happening, LogWish, News, Probe, Sought, What,
};
use crate::model::Kind;
use crate::observed::State;

const BOTH: [Kind; 2] = [Kind::System, Kind::Application];

fn sought(kinds: &[Kind]) -> Sought {
    Sought {
        offer: false,
        images: ["shop/web".to_string(), "absent".to_string()].into(),
        kinds: kinds.iter().copied().collect(),
    }
}

async fn look(stage: &Stage) -> BackendView {
    stage.host.backend.observe(&sought(&BOTH)).await.unwrap()
}

#[tokio::test]
async fn both_kinds_are_seen_side_by_side_and_the_engine_with_its_images() {
    let stage = Stage::living();
    running_app(&stage, "api");
    let view = look(&stage).await;
    let kind = |word: &str| view.containers[&name(word)].kind;
    assert_eq!(
        (kind("web"), kind("api")),
        (Kind::System, Kind::Application)
    );
    let images: Vec<&String> = view.engine.images.keys().collect();
    assert_eq!(images, ["shop/web"]);
    assert_eq!(view.engine.networks.len(), 1);
}

#[tokio::test]
async fn an_engine_that_is_not_sought_is_not_woken() {
    let stage = Stage::living();
    running_app(&stage, "api");
    let view = stage.host.backend.observe(&sought(&[Kind::System])).await;
    let view = view.unwrap();
    assert!(!view.containers.contains_key(&name("api")));
    assert_eq!(stage.fake.ledger.lock().unwrap().looks, ["look system"]);
}

#[tokio::test]
async fn an_engine_that_is_down_takes_nothing_else_with_it_and_is_told_only_where_it_is_needed() {
    let stage = Stage::living();
    running_app(&stage, "api");
    let ask = async |missing: &str, kinds: &[Kind]| {
        stage.fake.ledger.lock().unwrap().fail = vec![format!("look {missing}")];
        let view = stage.host.backend.observe(&sought(kinds)).await.unwrap();
        let down: Vec<Kind> = view.down.into_keys().collect();
        (down, view.containers)
    };
    let (down, seen) = ask("system", &BOTH).await;
    assert_eq!(down, [Kind::System]);
    assert_eq!(seen.keys().collect::<Vec<_>>(), [&name("api")]);
    let (down, seen) = ask("application", &BOTH).await;
    assert_eq!(down, [Kind::Application]);
    assert!(seen.contains_key(&name("web")) && !seen.contains_key(&name("api")));
    let (down, seen) = ask("system", &[Kind::Application]).await;
    assert!(down.is_empty() && seen.contains_key(&name("api")));
}

/// What is in no engine that answers may be in the one that does not: nothing is done to it as if it were absent.
#[tokio::test]
async fn of_what_nobody_has_while_an_engine_is_silent_nothing_is_taken_for_absent() {
    let stage = Stage::living();
    running_app(&stage, "api");
    stage.fake.ledger.lock().unwrap().fail = vec!["look application".into()];
    let view = look(&stage).await;
    assert!(view.down.contains_key(&Kind::Application));
    let backend = &stage.host.backend;
    let api = name("api");
    let done = backend.destroy(&api, Body::Present, false).await;
    assert!(
        matches!(&done, Err(BackendError::Unavailable { .. })),
        "{done:?}"
    );
    let done = backend.stop(&api, Body::Present, Duration::ZERO).await;
    assert!(done.is_err(), "{done:?}");
    backend
        .stop(&name("web"), Body::Present, Duration::ZERO)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_command_that_never_looked_finds_the_container_by_itself() {
    let stage = Stage::living();
    running_app(&stage, "api");
    let watch = stage.host.backend.watch();
    let probe = watch.probe(&name("api"), None).await.unwrap();
    assert_eq!(probe, Probe::Running);
    let inside = stage.host.backend.inside();
    inside.set_frozen(&name("web"), true).await.unwrap();
    assert_eq!(
        stage.fake.world().containers[&name("web")].state,
        State::Frozen
    );
}

#[tokio::test]
async fn a_container_that_changes_its_kind_lives_in_both_engines_meanwhile() {
    for (old, new) in [(mark("x"), app_mark("x")), (app_mark("x"), mark("x"))] {
        let stage = Stage::living();
        running_app(&stage, "api");
        let made = Made::new(State::Stopped, old.clone());
        let x = name("x");
        stage
            .fake
            .world
            .lock()
            .unwrap()
            .containers
            .insert(x.clone(), made);
        let before = stage.fake.world();
        let backend = &stage.host.backend;
        let kind = |view: &BackendView| view.containers[&x].kind;
        assert_eq!(kind(&look(&stage).await), old.spec.kind());
        backend.set_aside(&x, false).await.unwrap();
        backend.create(&new, false, &|_| {}).await.unwrap();
        backend.start(&x, Body::Present).await.unwrap();
        // As the next run finds it after a crash, and as this one knows it.
        for again in [false, true] {
            if again {
                let view = look(&stage).await;
                assert_eq!(kind(&view), new.spec.kind());
                assert!(view.containers[&x].set_aside && view.containers[&x].mark.is_some());
            }
            let most = Duration::from_secs(1);
            backend.stop(&x, Body::Aside, most).await.unwrap();
            backend.start(&x, Body::Aside).await.unwrap();
            backend.stop(&x, Body::Aside, most).await.unwrap();
        }
        backend
            .stop(&x, Body::Present, Duration::ZERO)
            .await
            .unwrap();
        backend.destroy(&x, Body::Present, false).await.unwrap();
        let alone = &look(&stage).await.containers[&x];
        assert!(alone.set_aside && alone.mark.is_none(), "{alone:?}");
        // What is not there is asked for where the older self is, and that is fine.
        backend.destroy(&x, Body::Present, false).await.unwrap();
        backend.set_aside(&x, true).await.unwrap();
        assert_eq!(stage.fake.world(), before);
    }
}

#[tokio::test]
async fn new_containers_are_made_where_their_kind_lives() {
    let stage = Stage::living();
    running_app(&stage, "api");
    let backend = &stage.host.backend;
    look(&stage).await;
    backend
        .create(&app_mark("job"), false, &|_| {})
        .await
        .unwrap();
    backend.create(&mark("db"), false, &|_| {}).await.unwrap();
    for word in ["job", "db"] {
        backend.start(&name(word), Body::Present).await.unwrap();
    }
    let view = look(&stage).await;
    assert_eq!(view.containers[&name("job")].kind, Kind::Application);
    assert_eq!(view.containers[&name("db")].kind, Kind::System);
    assert_eq!(app("job").kind(), Kind::Application);
    assert!(backend.engine().is_some());
}

fn happened(word: &str, second: u64, what: What) -> Happening {
    Happening {
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(second),
        container: name(word),
        what,
    }
}

/// What is told next, in short.
async fn next(news: &mut EventStream) -> String {
    let told = tokio::time::timeout(Duration::from_secs(10), news.next()).await;
    match told.expect("nothing is told").unwrap().unwrap() {
        News::Happened(happening) => format!("{} {:?}", happening.container, happening.what),
        News::Away(kind, down) => format!("{kind:?} away: {}", down.reason),
        News::Back(kind) => format!("{kind:?} back"),
    }
}

#[tokio::test]
async fn an_engine_that_is_away_is_told_once_and_heard_again_when_it_is_back() {
    let stage = Stage::living();
    let ledger = &stage.fake.ledger;
    ledger.lock().unwrap().fail = vec!["look application".into()];
    look(&stage).await;
    // Later than it is begun to listen.
    let late = 5_000_000_000;
    let started = |word: &str, more| vec![happened(word, late + more, What::Started)];
    let told = [
        (Kind::System, vec![started("web", 1)]),
        (
            Kind::Application,
            vec![started("api", 2), started("api", 3)],
        ),
    ];
    ledger.lock().unwrap().news = told.map(|(kind, told)| (kind, told.into())).into();
    let asked = ledger.lock().unwrap().looks.len();
    let mut news = stage.host.backend.watch().events(None).await.unwrap();
    let looks = ledger.lock().unwrap().looks[asked..].to_vec();
    assert_eq!(
        looks,
        ["look system"],
        "who was silent just now is not asked"
    );
    let mut first = vec![next(&mut news).await, next(&mut news).await];
    first.sort();
    assert_eq!(first, ["Application away: it was told so", "web Started"]);
    // The stream of the other one has ended here, and is opened anew as well.
    assert_eq!(next(&mut news).await, "System back");
    running_app(&stage, "api");
    ledger.lock().unwrap().fail.clear();
    for expected in ["back", "api Started", "back", "api Started", "back"] {
        let told = next(&mut news).await;
        assert!(told.ends_with(expected), "{told}, not {expected}");
    }
    for more in [1, 2, 3] {
        let after = SystemTime::UNIX_EPOCH + Duration::new(late + more, 1);
        let since = &ledger.lock().unwrap().since;
        assert!(since.contains(&Some(after)), "{since:?}");
    }
    // It was down at the look before, and is asked for the container all the same.
    let lines = stage
        .host
        .backend
        .watch()
        .logs(&name("api"), &LogWish::default())
        .await;
    assert_eq!(lines.unwrap().count().await, 2);
}

#[tokio::test]
async fn of_a_container_that_others_have_made_it_is_known_where_it_is() {
    let stage = Stage::living();
    look(&stage).await;
    let made = vec![happened("new", 1, What::Created)];
    let told = [(Kind::Application, vec![made].into())];
    stage.fake.ledger.lock().unwrap().news = told.into();
    let watch = stage.host.backend.watch();
    let mut news = watch.events(None).await.unwrap();
    let new = Made::new(State::Running, app_mark("new"));
    stage
        .fake
        .world
        .lock()
        .unwrap()
        .containers
        .insert(name("new"), new);
    assert_eq!(next(&mut news).await, "new Created");
    stage
        .host
        .backend
        .stop(&name("new"), Body::Present, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(
        stage.fake.world().containers[&name("new")].state,
        State::Stopped
    );
}
