//! `post_start` and `pre_stop` when systemd starts and stops a container.
//!
//! A system container's commands run in a process of their own: what it loads would stay in the monitor,
//! which lives as long as the container.

use std::process::Command;
use std::time::Duration;

use super::engine::Engine;
use super::output::Output;
use super::stream::Piece;
use super::system;
use crate::model::{HookAt, Kind, UnitSpec, host_name_of};
use crate::store::{self, Paths};

/// How many bytes of a command's output are kept, for the last lines of one that fails.
const KEPT: usize = 4096;

/// Runs the commands after a start of a system container, for its own use only.
pub(super) const HOOKS: &str = "__hooks";

/// Runs the commands after a start, in their order, up to the first that fails.
pub(super) fn post_start(unit: &UnitSpec, paths: &Paths) -> Result<(), String> {
    if !unit.hooks.follow_start() {
        return Ok(());
    }
    match unit.kind {
        Kind::Application => in_application(unit, paths, HookAt::PostStart, None),
        Kind::System => apart(unit, paths),
    }
}

/// Runs the commands before a stop. Each has as long as the container itself has to end.
pub(super) fn pre_stop(unit: &UnitSpec, paths: &Paths) -> Result<(), String> {
    if unit.hooks.pre_stop.is_empty() {
        return Ok(());
    }
    let most = Some(unit.stop_timeout);
    match unit.kind {
        Kind::Application => in_application(unit, paths, HookAt::PreStop, most),
        Kind::System => system::run_hooks(unit, paths, HookAt::PreStop, most),
    }
}

fn in_application(
    unit: &UnitSpec,
    paths: &Paths,
    at: HookAt,
    most: Option<Duration>,
) -> Result<(), String> {
    let full = host_name_of(&unit.project, &unit.name);
    let engine = Engine::of(unit);
    let mut output = Output::of(unit);
    for hook in unit.hooks.at(at) {
        let mut last = Vec::new();
        let mut hear = |piece: &Piece<'_>| {
            keep_end(&mut last, piece.bytes);
            output.take(piece.error, piece.bytes)
        };
        let ended = engine.run(&full, hook, most, &mut hear);
        let _ = output.finish(); // what nobody takes is no reason to leave the others out
        match ended {
            Ok(0) => {}
            Ok(code) => {
                let reason = hook.failure(at, code, &String::from_utf8_lossy(&last));
                leave(unit, paths, at, &reason, &last);
                return Err(reason);
            }
            Err(error) => return Err(format!("cannot run the {at} command `{hook}`: {error}")),
        }
    }
    Ok(())
}

/// Leaves what a command printed that kept the container from starting, for whoever has asked for the start. Nobody has
/// asked a supervisor for a stop.
pub(super) fn leave(unit: &UnitSpec, paths: &Paths, at: HookAt, reason: &str, said: &[u8]) {
    match at {
        HookAt::PostStart => {
            // Without the note the journal alone has it.
            let _ = store::note_hook_failed(paths, &unit.project, &unit.name, reason, said);
        }
        HookAt::PreStop => {}
    }
}

/// Adds to the end of an output that is kept.
pub(super) fn keep_end(kept: &mut Vec<u8>, more: &[u8]) {
    kept.extend(more);
    let from = kept.len().saturating_sub(KEPT);
    kept.drain(..from);
}

fn apart(unit: &UnitSpec, paths: &Paths) -> Result<(), String> {
    let mut command = Command::new("/proc/self/exe");
    command.args([HOOKS, unit.project.as_str(), unit.name.as_str()]);
    command.args(paths.moved());
    // What it says is not said of the container.
    let status = command.env_remove("NOTIFY_SOCKET").status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => {
            let left = store::hook_failed(paths, &unit.project, &unit.name);
            let told = "it is ended, since not all has passed that follows its start";
            Err(match left {
                Some(left) => format!("{told}: {}", left.reason),
                None => told.into(),
            })
        }
        Err(error) => Err(format!("cannot run the post_start commands: {error}")),
    }
}
