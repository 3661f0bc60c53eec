//! `locker __network`: the service that keeps bridges and rules of all projects in place.
//!
//! At boot it makes them again; afterwards it listens to the kernel and puts back what somebody else
//! took out: a flush, a reload of firewalld, a new start of dockerd. Ports of a container with a service come
//! and go with that, told by its supervisor. It never adds what the last change of a project did not leave
//! there or write down for a service, changes nothing foreign, and knows no engine.

mod calls;
mod ports;
mod repair;
mod rules;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::net::UnixStream;

use crate::network::LinkChanges;
use crate::store::Paths;
use crate::sys::Notifier;

use self::calls::Calls;
use self::repair::{Keeper, Round};
use self::rules::RuleChanges;

const NETWORK: &str = "__network";

/// Exit code when it could not listen at all, as sysexits(3)'s `EX_UNAVAILABLE`.
const UNAVAILABLE: u8 = 69;

/// A change comes in many pieces: the rest of it is waited for so long.
const WHOLE: Duration = Duration::from_millis(150);
/// However much changes on the host, it is not looked at more often than this.
const SELDOM: Duration = Duration::from_millis(800);
/// While a run of locker holds a project, it is looked at again after this time.
const BUSY: Duration = Duration::from_millis(500);
/// Legacy iptables tells nobody about its changes.
const DEAF: Duration = Duration::from_millis(1500);
/// For what nobody told.
const QUIET: Duration = Duration::from_secs(30);

/// Keeps the network when the arguments ask for it, else returns at once.
pub fn run_if_asked(args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let words: Vec<OsString> = args.skip(1).take(3).collect();
    let paths = match words.as_slice() {
        [verb] if verb == NETWORK => Paths::system(),
        [verb, dir] if verb == NETWORK => Paths::under(Path::new(dir)),
        _ => return None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(keep(&paths)),
        Err(error) => Err(format!("cannot set up the event loop: {error}")),
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(UNAVAILABLE)
        }
    })
}

/// Until the kernel ends the socket; systemd starts it anew then.
async fn keep(paths: &Paths) -> Result<(), String> {
    let notifier = Notifier::from_environment()
        .map_err(|error| format!("cannot reach the service manager: {error}"))?;
    let mut links = LinkChanges::listen().map_err(|error| error.to_string())?;
    let mut rules = RuleChanges::begin();
    let socket = paths.network_socket();
    let calls = Calls::begin(&socket)
        .map_err(|error| format!("cannot listen at `{}`: {error}", socket.display()))?;
    let mut keeper = Keeper::new(paths);
    let mut is_ready = false;
    loop {
        let began = Instant::now();
        let round = keeper.round().await;
        let status = format!("keeps {} projects", round.projects);
        let told = match is_ready {
            true => notifier.status(&status),
            false => notifier.ready(&status),
        };
        if let Err(error) = told {
            eprintln!("cannot reach the service manager: {error}");
        }
        is_ready = true;
        let mut again = tokio::time::Instant::now() + pause(round);
        loop {
            tokio::select! {
                heard = links.next() => match heard {
                    true => break,
                    false => return Err("the kernel tells no more about its interfaces".into()),
                },
                () = rules.next() => break,
                () = tokio::time::sleep_until(again) => break,
                call = calls.next() => if answer(&mut keeper, &calls, call).await {
                    again = again.min(tokio::time::Instant::now() + BUSY);
                },
            }
        }
        let rest = SELDOM.saturating_sub(began.elapsed()).max(WHOLE);
        let rested = tokio::time::Instant::now() + rest;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(rested) => break,
                call = calls.next() => drop(answer(&mut keeper, &calls, call).await),
            }
        }
        links.drain();
        rules.drain();
    }
}

/// Looks at what a supervisor has called about, and answers it; whether it is to be looked at again soon.
async fn answer(keeper: &mut Keeper, calls: &Calls, call: std::io::Result<UnixStream>) -> bool {
    let Ok(first) = call else {
        // Out of files, or the like: the caller tries in vain, and the next round sees to its container.
        tokio::time::sleep(WHOLE).await;
        return true;
    };
    let calls = calls.all(first).await;
    let busy = keeper.called(&calls).await;
    for call in calls {
        let holder = busy.get(&call.project).cloned();
        call.answer(holder.as_deref()).await;
    }
    !busy.is_empty()
}

fn pause(round: Round) -> Duration {
    match round {
        Round { busy: true, .. } => BUSY,
        Round { busy: false, .. } if rules::is_deaf() => DEAF,
        Round { busy: false, .. } => QUIET,
    }
}
