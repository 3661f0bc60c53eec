//! The monitor as the main process of a service.
//!
//! As with a start by hand there are a monitor and, split off before anything grows, a second process.
//! Here that is an attendant: it guards the container, says when it is ready and hands its output on.
//! Each process costs a megabyte before it does anything, so there is no third one. The container's
//! cgroup lies within the service's own, which systemd has delegated, so that its limits and its
//! accounting cover the container. Decides nothing about restarts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{PidfdFlags, WaitOptions, pidfd_open};

use super::attach::Leash;
use super::ffi::{Side, split};
use super::monitor::{Request, Task, perform};
use super::post::Guarded;
use super::site::{Site, io as failed_io};
use super::tether::{Tether, tether};
use super::{ended, mark, settings};
use crate::backend::{BackendError, Body, End};
use crate::model::{HookAt, UnitSpec};
use crate::store::Paths;
use crate::sys::Hierarchies;

pub use super::attended::Attended;

/// The child of the service's group that holds the processes of the supervisor.
const SUPERVISOR: &str = "supervisor";

/// Exit code when liblxc did not start it, sysexits(3)'s `EX_UNAVAILABLE`.
const NOT_STARTED: i32 = 69;

/// How long the attendant may take to hand on what is left of the output.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Becomes the monitor of the unit's container and ends with its exit code. `attend` runs in a process
/// of its own from before the start; there this returns when it does.
///
/// # Errors
/// Why it was not started, for the journal.
pub fn supervise(unit: &UnitSpec, paths: &Paths, attend: &dyn Fn(Attended)) -> Result<u8, String> {
    let cgroup = own_cgroup().map_err(|error| format!("cannot enter a cgroup: {error}"))?;
    prepare_apart(unit, paths)?;
    let full = crate::model::host_name_of(&unit.project, &unit.name);
    let dir = unit.lxcpath.join(&full);
    let console = paths
        .logs(&unit.project)
        .join(format!("{}.console", unit.name));
    let note = paths.handed_on(&unit.project, &unit.name);
    let attended =
        locked(&note).map_err(|error| format!("cannot lock `{}`: {error}", note.display()))?;
    let mark = mark::read(&dir).map_err(|error| error.to_string())?;
    let environment = mark
        .as_ref()
        .map(|mark| super::attach::of_checks(&mark.spec));
    let inside = Inside {
        guarded: mark.and_then(|mark| Guarded::of(&mark.spec)),
        environment: environment.unwrap_or_default(),
    };
    let split = attendant(unit, &full, console, inside, attend);
    let split = split.map_err(|error| format!("cannot make an attendant: {error}"))?;
    drop(attended); // held on by the attendant alone
    let Some(tether) = split else {
        return Ok(0);
    };
    let request = Request {
        full,
        lxcpath: unit.lxcpath.clone(),
        log: Some(paths.logs(&unit.project).join(format!("{}.lxc", unit.name))),
        task: Task::Start {
            orders: None, // the attendant guards it
            cgroup,
        },
    };
    perform(&request, Some(tether));
    // Without unwinding: what was open before is closed, and must not be closed once more.
    let Some(code) = ended::code_of_service(&dir) else {
        crate::sys::tell_failure(&last_words(&request));
        std::process::exit(NOT_STARTED);
    };
    await_unlocked(&note);
    std::process::exit(code)
}

/// Lets go of the memory of this process that is the same in its files.
pub fn shed() {
    super::memory::shed();
}

/// A file that is locked until the attendant, which inherits it, has ended.
fn locked(note: &Path) -> io::Result<fs::File> {
    if let Some(dir) = note.parent() {
        crate::store::make_private(dir)?;
    }
    let file = crate::store::create_private(note)?;
    file.lock()?;
    Ok(file)
}

/// Waits until the attendant has handed on the last of the output: with the end of this process systemd
/// ends all others of the service.
fn await_unlocked(note: &Path) {
    let Ok(file) = fs::File::open(note) else {
        return;
    };
    let begun = Instant::now();
    while begun.elapsed() < LAST_WORDS && file.try_lock_shared().is_err() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs the commands around the life of the unit's container, in their order, up to the first that fails.
/// What each prints is told to `hear` in one piece, which is empty for one that cannot be run. One that takes longer than
/// `most` has failed.
///
/// # Errors
/// Which one failed, for the journal.
pub fn run_hooks(
    unit: &UnitSpec,
    paths: &Paths,
    at: HookAt,
    most: Option<Duration>,
    hear: &mut dyn FnMut(&str),
) -> Result<(), String> {
    let site = site(unit, paths)?;
    if at == HookAt::PostStart {
        let ready = unit.hooks.ready.as_ref();
        let state = super::booted::wait(&site, &unit.name, ready, None, &Leash::default());
        if let Some(state) = state.map_err(|error| error.to_string())? {
            if let Some(ready) = ready {
                return Err(ready.failure(&state));
            }
            hear(&format!(
                "the system inside has not come up in time ({state}); its post_start commands run all the same\n"
            ));
        }
    }
    for hook in unit.hooks.at(at) {
        let ran = super::attach::run(&site, &unit.name, hook, most, &Leash::default());
        let ran = ran.map_err(|error| {
            hear("");
            format!("cannot run the {at} command `{hook}`: {error}")
        })?;
        hear(&ran.output);
        if ran.code != 0 {
            return Err(hook.failure(at, ran.code.into(), &ran.output));
        }
    }
    Ok(())
}

/// Whether the last run of the unit's container ended by itself with 0.
pub fn is_done(unit: &UnitSpec) -> bool {
    let full = crate::model::host_name_of(&unit.project, &unit.name);
    ended::is_done(&unit.lxcpath.join(full))
}

/// Stops the unit's container within the time that its unit allows; whether it had to be killed.
///
/// # Errors
/// Why it could not be stopped.
pub fn stop(unit: &UnitSpec, paths: &Paths) -> Result<bool, String> {
    let site = site(unit, paths)?;
    let done = super::stop::stop(&site, &unit.name, Body::Present, unit.stop_timeout);
    let killed = done.map(|end| end == End::Killed);
    killed.map_err(|error| match &error {
        BackendError::Silent { help, .. } => format!("{error}; {help}"),
        _ => error.to_string(),
    })
}

fn site(unit: &UnitSpec, paths: &Paths) -> Result<Site, String> {
    Ok(Site {
        project: unit.project.clone(),
        directory: unit.directory.clone(),
        lxcpath: unit.lxcpath.clone(),
        paths: paths.clone(),
        program: "/proc/self/exe".into(),
        liblxc: OnceLock::new(),
        meter: OnceLock::new(),
    })
}

/// Writes what a start needs, in a process that ends again: what it loads would stay in the monitor.
fn prepare_apart(unit: &UnitSpec, paths: &Paths) -> Result<(), String> {
    if split().map_err(|error| error.to_string())? == Side::Child {
        let done = prepare(unit, paths);
        if let Err(reason) = &done {
            crate::sys::tell_failure(reason);
        }
        std::process::exit(i32::from(done.is_err()));
    }
    let status = rustix::process::wait(WaitOptions::empty()).map_err(|error| error.to_string())?;
    match status {
        Some((_, status)) if status.exit_status() == Some(0) => Ok(()),
        // The process has told why.
        _ => Err(String::new()),
    }
}

fn prepare(unit: &UnitSpec, paths: &Paths) -> Result<(), String> {
    let site = site(unit, paths)?;
    let name = &unit.name;
    let told = |error: BackendError| error.to_string();
    let mark = mark::ours(&site, "start", name).map_err(told)?;
    let full = site.full(name);
    if site
        .container("start", &full)
        .and_then(|container| container.state())
        .map_err(told)?
        != "STOPPED"
    {
        return Err(format!(
            "cannot start container `{full}`: it runs outside of its service"
        ));
    }
    settings::write_for_start(&site, &mark.spec).map_err(told)?;
    let logs = site.paths.logs(&site.project);
    crate::store::make_private(&logs)
        .map_err(failed_io("create", &logs))
        .map_err(told)?;
    let log = site.engine_log(name);
    crate::store::create_private(&log)
        .map_err(failed_io("create", &log))
        .map_err(told)?;
    ended::forget(&site.dir(name), &site.console_log(name)).map_err(told)?;
    super::mounts::forget(&site.dir(name)).map_err(told)
}

fn last_words(request: &Request) -> String {
    let dir = request.lxcpath.join(&request.full);
    if let Some(reason) = super::mounts::refused(&dir) {
        return format!("cannot start container `{}`: {reason}", request.full);
    }
    let text = request
        .log
        .as_ref()
        .and_then(|log| fs::read_to_string(log).ok());
    let lines = super::start::log_lines(&text.unwrap_or_default());
    format!(
        "cannot start container `{}`: {}",
        request.full,
        lines.join("; ")
    )
}

/// What an attendant has to know of the container's mark.
struct Inside {
    guarded: Option<Guarded>,
    environment: Vec<String>,
}

/// Splits the attendant off; it is no child of the monitor, since liblxc waits for all of those. What ties
/// the monitor to it; none in the attendant, when that has ended, and in the process in between.
fn attendant(
    unit: &UnitSpec,
    full: &str,
    console: PathBuf,
    inside: Inside,
    attend: &dyn Fn(Attended),
) -> io::Result<Option<Tether>> {
    let (tether, held) = tether()?;
    let monitor = rustix::process::getpid();
    let alive = pidfd_open(monitor, PidfdFlags::empty())?;
    if split()? == Side::Parent {
        rustix::process::wait(WaitOptions::empty())?;
        return Ok(Some(tether));
    }
    drop(tether);
    if split()? == Side::Child {
        attend(Attended {
            lxcpath: unit.lxcpath.clone(),
            full: full.into(),
            dir: unit.lxcpath.join(full),
            console,
            guarded: inside.guarded,
            environment: inside.environment,
            monitor,
            alive,
            word: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        });
    }
    drop(held); // with the work of the attendant done
    Ok(None)
}

/// Moves this process into a child of its service's cgroup, because a cgroup that hands controllers on
/// holds no processes (Documentation/admin-guide/cgroup-v2.rst, "No Internal Process Constraint"); the
/// path below which the container's is made.
fn own_cgroup() -> io::Result<Option<String>> {
    // Without a service of one's own there is nothing that was delegated.
    let is_own = |path: &str| service_of(path).ends_with(".service");
    let Some(group) = Hierarchies::here().unit_group(&is_own) else {
        return Ok(None);
    };
    if let Some(dir) = group.unified {
        let own = dir.file_name().is_some_and(|name| name == SUPERVISOR);
        let inner = if own { dir } else { dir.join(SUPERVISOR) };
        fs::create_dir_all(&inner)?;
        fs::write(inner.join("cgroup.procs"), "0")?;
    }
    Ok(Some(service_of(&group.path).to_owned()))
}

/// The group of the service, of the path of one that may have moved itself before.
fn service_of(path: &str) -> &str {
    path.strip_suffix(SUPERVISOR)
        .and_then(|path| path.strip_suffix('/'))
        .unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_known_also_when_its_supervisor_has_moved() {
        let path = "/locker.slice/locker-shop.slice/locker-shop-db.service";
        assert_eq!(service_of(path), path);
        assert_eq!(service_of(&format!("{path}/supervisor")), path);
        assert_eq!(
            service_of("/x.service/mysupervisor"),
            "/x.service/mysupervisor"
        );
    }
}
