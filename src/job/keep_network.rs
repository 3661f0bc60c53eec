//! `locker __network`: the service that keeps bridges and rules of all projects in place.
//!
//! At boot it makes them again; afterwards it listens to the kernel and puts back what somebody else
//! took out: a flush, a reload of firewalld, a new start of dockerd. It never adds what the last change
//! of a project did not leave there, changes nothing foreign, and knows no engine.

mod repair;
mod rules;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::network::LinkChanges;
use crate::store::Paths;
use crate::sys::Notifier;

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
        tokio::select! {
            heard = links.next() => if !heard {
                return Err("the kernel tells no more about its interfaces".into());
            },
            () = rules.next() => {}
            () = tokio::time::sleep(pause(round)) => {}
        }
        let rest = SELDOM.saturating_sub(began.elapsed());
        tokio::time::sleep(rest.max(WHOLE)).await;
        links.drain();
        rules.drain();
    }
}

fn pause(round: Round) -> Duration {
    match round {
        Round { busy: true, .. } => BUSY,
        Round { busy: false, .. } if rules::is_deaf() => DEAF,
        Round { busy: false, .. } => QUIET,
    }
}
