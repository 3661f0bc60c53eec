//! `healthcheck`: how to tell that a container is ready.

use std::num::NonZeroU16;

use super::container::Layers;
use super::inside::command;
use super::values::{boolean, time, whole};
use crate::file::desk::{Desk, Scope};
use crate::file::keys;
use crate::file::tree::{Kind as Shape, Node};
use crate::model::{
    App, AppNetwork, Container, HealthTimes, Healthcheck, InnerCommand, Key, Kind, Test,
};

/// The key `healthcheck`.
#[derive(Default)]
pub(super) struct Health {
    /// The check, if there is one.
    pub check: Option<Healthcheck>,
    /// The file says that there is none, also where the image has one.
    pub off: bool,
    /// The times that the file says, for its own check or that of the image.
    pub times: HealthTimes,
}

/// `healthcheck`: the container's own, else that of `defaults`.
pub(super) fn lower(desk: &Desk<'_>, layers: &Layers<'_>) -> Health {
    let Some(entry) = layers.last(Key::Healthcheck) else {
        return Health::default();
    };
    let scope = layers.scope(Key::Healthcheck);
    let map = &entry.value;
    if map.entries().is_none() {
        let message = format!("`healthcheck` takes a map, not {}", map.kind_name());
        desk.error_help(
            entry.spot,
            message,
            "write `healthcheck: {test: COMMAND, interval: 5s}`",
        );
        return Health::default();
    }
    keys::check(desk, map, keys::HEALTHCHECK, "`healthcheck`");
    let off = Health {
        off: true,
        ..Health::default()
    };
    let node = |key: &str| map.get(key).map(|entry| &entry.value);
    if let Some(value) = node("disable")
        && boolean(desk, value, scope, "disable") == Some(true)
    {
        return off;
    }
    if is_off(map) {
        return off;
    }
    let times = times(desk, scope, map, layers.kind);
    let test = match (node("test"), node("port")) {
        (Some(_), Some(port)) => {
            let help = "keep one of them: a command that runs inside, or a port that is asked from outside";
            desk.error_help(port.spot, "`healthcheck` has both `test` and `port`", help);
            None
        }
        (Some(test), None) => test_command(desk, scope, test).map(Test::Command),
        (None, Some(port)) => test_port(desk, scope, port),
        (None, None) => {
            if layers.kind == Kind::System {
                desk.error_help(
                    entry.spot,
                    "`healthcheck` has neither `test` nor `port`",
                    "write `{test: COMMAND}`, or `{port: 80}` for a TCP port",
                );
            }
            None
        }
    };
    Health {
        check: test.map(|test| Healthcheck::new(test).timed(&times)),
        off: false,
        times,
    }
}

/// A port can be asked only where there is a network.
pub(super) fn check_network(desk: &Desk<'_>, layers: &Layers<'_>, container: &Container) {
    let is_apart = |app: &App| app.network == AppNetwork::None;
    let by_port = |check: &Healthcheck| matches!(check.test, Test::Port { .. });
    if container.app.as_deref().is_some_and(is_apart)
        && container.healthcheck.as_ref().is_some_and(by_port)
        && let Some(entry) = layers.last(Key::Healthcheck)
    {
        let message =
            "`healthcheck` asks by `port`, but `network_mode: none` leaves nobody to be asked";
        desk.error_help(
            entry.spot,
            message,
            "write `{test: COMMAND}`, which runs inside",
        );
    }
}

/// `disable: true` or a test of `NONE`.
pub(super) fn is_off(check: &Node) -> bool {
    let is = |node: &Node, word: &str| matches!(&node.kind, Shape::Scalar(text) if text == word);
    let disabled = check.get("disable").is_some_and(|e| is(&e.value, "true"));
    let none = check.get("test").is_some_and(|e| match &e.value.kind {
        Shape::Sequence(words) => words.first().is_some_and(|word| is(word, "NONE")),
        Shape::Scalar(text) => text == "NONE",
        Shape::Null | Shape::Mapping(_) => false,
    });
    disabled || none || check.is_null()
}

/// What the file says of times and retries. A Docker container has the image's where they are 0, as
/// the engine has it.
fn times(desk: &Desk<'_>, scope: Scope<'_>, map: &Node, kind: Kind) -> HealthTimes {
    let time = |key: &str| {
        let value = &map.get(key)?.value;
        let time = time(desk, value, scope, key)?;
        match (time.as_nanos(), kind) {
            (0, Kind::Application) => return None,
            (0, Kind::System) if key != "start_period" => {
                desk.error(value.spot, format!("`{key}` must be longer than nothing"));
            }
            (1..1_000_000, Kind::Application) => {
                desk.error(value.spot, format!("`{key}` is at least one millisecond"));
            }
            (_, Kind::Application | Kind::System) => {}
        }
        Some(time)
    };
    let retries = map.get("retries").and_then(|entry| {
        let retries = whole(desk, &entry.value, scope, "retries")?;
        if retries == 0 && kind == Kind::System {
            desk.error(entry.value.spot, "`retries` must be at least 1");
        }
        (retries > 0).then_some(retries)
    });
    HealthTimes {
        interval: time("interval"),
        timeout: time("timeout"),
        retries,
        start_period: time("start_period"),
        start_interval: time("start_interval"),
    }
}

/// The port of the container that must take connections.
fn test_port(desk: &Desk<'_>, scope: Scope<'_>, node: &Node) -> Option<Test> {
    let number = whole(desk, node, scope, "port")?;
    let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
    if port.is_none() {
        desk.error(node.spot, format!("a port is 1 to 65535, not {number}"));
    }
    port.map(|port| Test::Port { port })
}

/// The test: a text for the shell, or Compose's list that begins with `CMD`, `CMD-SHELL` or `NONE`.
fn test_command(desk: &Desk<'_>, scope: Scope<'_>, node: &Node) -> Option<InnerCommand> {
    let test = command(desk, node, scope, "test")?;
    let InnerCommand::Exec(mut argv) = test else {
        return (test != InnerCommand::Shell("NONE".into())).then_some(test);
    };
    match (argv[0].as_str(), argv.len()) {
        ("NONE", 1) => None,
        ("CMD", 2..) => {
            argv.remove(0);
            Some(InnerCommand::Exec(argv))
        }
        ("CMD-SHELL", 2) => Some(InnerCommand::Shell(argv.remove(1))),
        _ => {
            desk.error_help(
                node.spot,
                "a list as `test` begins with `CMD`, `CMD-SHELL` or `NONE`",
                "write `[CMD, program, argument]`, or one text for the shell",
            );
            None
        }
    }
}
