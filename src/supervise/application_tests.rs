//! What becomes of a container whose engine is away, or was.

use super::super::engine::tests::{engine_at, shown};
use super::*;
use crate::model::InnerCommand;
use crate::store::Why;

fn unit(dir: &Path) -> UnitSpec {
    UnitSpec {
        engine: Some(dir.join("engine.sock")),
        ..super::super::output::tests::unit()
    }
}

#[test]
fn an_engine_that_is_away_makes_nothing_unhealthy() {
    let dir = tempfile::tempdir().unwrap();
    let (unit, paths) = (unit(dir.path()), Paths::under(dir.path()));
    let engine = Engine::of(&unit);
    let container = Container {
        unit: &unit,
        paths: &paths,
        engine: &engine,
        full: "shop-web".into(),
        stopped: dir.path().join("stopped"),
    };
    let check = Healthcheck::new(InnerCommand::Shell("true".into()));
    assert!(matches!(container.look(None), Look::Unknown(_)));
    assert!(matches!(container.look(Some(&check)), Look::Unknown(_)));
    assert!(!container.end());
    engine_at(&dir.path().join("engine.sock"), |asked| match asked {
        "POST /containers/shop-web/kill" => (204, String::new()),
        _ => (409, r#"{"message":"it is paused"}"#.into()),
    });
    assert!(matches!(container.look(Some(&check)), Look::Failed(_)));
    assert!(container.end());
}

#[test]
fn its_end_is_awaited_also_when_the_engine_has_no_socket_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("engine.sock");
    let engine = Engine::new(&socket);
    let waits = std::thread::spawn(move || wait(&engine, "abc"));
    std::thread::sleep(AGAIN); // it has most likely asked by then
    engine_at(&socket, |asked| match asked {
        "POST /containers/abc/wait" => (200, r#"{"StatusCode":7}"#.into()),
        _ => (200, String::new()),
    });
    assert_eq!(waits.join().unwrap(), 7);
}

#[test]
fn one_that_is_told_to_stop_while_its_engine_is_away_is_not_started() {
    let dir = tempfile::tempdir().unwrap();
    let (unit, paths) = (unit(dir.path()), Paths::under(dir.path()));
    assert!(!runs(&unit, &paths));
    note(&paths.attended(&unit.project, &unit.name), "").unwrap();
    assert!(runs(&unit, &paths), "its supervisor was killed");
    let stopped = paths.told_to_stop(&unit.project, &unit.name);
    engine_at(&dir.path().join("engine.sock"), move |asked| {
        assert!(asked.starts_with("GET "), "{asked}");
        note(&stopped, "").unwrap();
        shown("abc", false, 137)
    });
    let notifier = Notifier::from_environment().unwrap();
    let why = Why::Due;
    let tries = Tries::take(paths.backoff(&unit.project, &unit.name), unit.restart, why);
    let done = supervise(&unit, &paths, &notifier, (false, true, &tries));
    assert_eq!(done, Ok(0));
}
