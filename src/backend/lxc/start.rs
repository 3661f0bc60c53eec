//! Starting: the caller's side, and the life of the monitor and the guard.
//!
//! The monitor is a fresh process that runs liblxc's start in the foreground, in a session of its own
//! and without any descriptor of the caller, so that it holds no lock or pipe. liblxc refuses to do so
//! in a process with threads, so the address is guarded by a second, even smaller process.

use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use rustix::process::{PidfdFlags, WaitOptions, pidfd_open};

use super::ffi::{Side, split};
use super::mark;
use super::monitor::{Request, Task, command};
use super::post::{Guarded, Orders, Post};
use super::site::{Site, failed, io};
use crate::backend::{BackendError, Body};
use crate::model::Name;

/// Starts a stopped container and returns when it runs.
pub(super) fn start(site: &Site, name: &Name, body: Body) -> Result<(), BackendError> {
    let full = site.full(name);
    match body {
        Body::Present => {}
        // It has the addresses and the files of the one that bears the name now.
        Body::Aside => {
            let reason = "it was set aside, and starts only under its own name";
            return Err(failed("start", &full, reason));
        }
    }
    let mark = mark::ours(site, "start", name)?;
    let container = site.container("start", &full)?;
    if container.state()? != "STOPPED" {
        return Err(failed("start", &full, "it is not stopped"));
    }
    // What is a file and what a directory on the host is only known now.
    super::settings::write_for_start(site, &mark.spec)?;
    let log = site.engine_log(name);
    let logs = site.paths.logs(&site.project);
    crate::store::make_private(&logs).map_err(io("create", &logs))?;
    crate::store::create_private(&log).map_err(io("create", &log))?;
    super::ended::forget(&site.dir(name), &site.console_log(name))?;
    super::mounts::forget(&site.dir(name))?;
    let task = Task::Start {
        orders: Some(Orders {
            console: site.console_log(name),
            guarded: Guarded::of(&mark.spec),
        }),
        cgroup: None,
    };
    let mut child = spawn(site, &full, Some(log.clone()), task)?;
    let begun = Instant::now();
    while container.state()? != "RUNNING" {
        if begun.elapsed() > BEGINS {
            // What holds it holds its monitor as well; the error is the one to tell.
            let _ = child.kill();
            let _ = super::stop::stop(site, name, body, Duration::ZERO);
            let within = BEGINS.as_secs();
            let reason =
                format!("it did not begin to run within {within} s: a hook or a mount that hangs?");
            return Err(failed("start", &full, reason));
        }
        if child
            .try_wait()
            .map_err(io("wait for", &site.program))?
            .is_some()
        {
            return over(site, name, &log);
        }
        std::thread::sleep(LOOK);
    }
    let placed = ready(child.stdout.take());
    reap(child);
    if !placed {
        // A container that may lose its address is not a started one; this error is the one to tell.
        let _ = super::stop::stop(site, name, body, Duration::ZERO);
        return Err(failed(
            "start",
            &full,
            "the guard of its address is not at its place",
        ));
    }
    Ok(())
}

/// What to say of a container that was over before it was seen running. One whose init ran was started, however it
/// has ended: that is told when all is looked at again.
fn over(site: &Site, name: &Name, log: &Path) -> Result<(), BackendError> {
    let refused = super::mounts::refused(&site.dir(name));
    let log = log_lines(&std::fs::read_to_string(log).unwrap_or_default());
    let ended = super::ended::ended(&site.dir(name)).map(|ended| ended.code);
    let ran = ended == Some(0) || (ended.is_some() && log.is_empty());
    if ran && refused.is_none() {
        return Ok(());
    }
    let reason = refused.or_else(|| log.first().cloned());
    let reason = reason.unwrap_or_else(|| "it ended at once".into());
    Err(BackendError::Engine {
        verb: "start",
        container: site.full(name),
        reason,
        log,
    })
}

/// How often the new container is looked at; a start takes some 20 ms.
const LOOK: Duration = Duration::from_millis(3);
/// How long it may take until it runs: hooks of the distribution mount what is elsewhere.
const BEGINS: Duration = Duration::from_secs(120);
/// How long the guard may take to its place once the container runs; it takes some 5 ms.
const PLACES: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

fn spawn(
    site: &Site,
    full: &str,
    log: Option<std::path::PathBuf>,
    task: Task,
) -> Result<Child, BackendError> {
    let request = Request {
        full: full.into(),
        lxcpath: site.lxcpath.clone(),
        log,
        task,
    };
    command(&site.program, &request)
        .and_then(|mut c| c.stdout(Stdio::piped()).stderr(Stdio::null()).spawn())
        .map_err(io("run", &site.program))
}

/// Waits for a process in programs that outlive it; otherwise init does.
fn reap(mut child: Child) {
    std::thread::spawn(move || child.wait());
}

/// The messages of an LXC log, without its name, time, level and place columns.
pub(super) fn log_lines(text: &str) -> Vec<String> {
    let message = |line: &str| match line.split_once(" - ") {
        Some((_, said)) => said
            .split_once(" - ")
            .map_or(said, |(_, rest)| rest)
            .to_owned(),
        None => line.trim().to_owned(),
    };
    text.lines()
        .map(message)
        .filter(|line| !line.is_empty())
        .take(20)
        .collect()
}

/// Makes this process a monitor in a session of its own, with a guard at its side that returns when its
/// work is over. The monitor makes the guard before it starts anything, so that no container is without.
pub(super) fn detach(post: impl FnOnce() -> Post) -> std::io::Result<Side> {
    lead();
    let monitor = rustix::process::getpid();
    let alive = pidfd_open(monitor, PidfdFlags::empty())?;
    if split()? == Side::Parent {
        drop(alive);
        // The one in between ends at once. The guard is not a child of the monitor, because liblxc
        // waits for all children when a start fails.
        rustix::process::wait(WaitOptions::empty())?;
        say_ready();
        return Ok(Side::Parent);
    }
    if split()? == Side::Child {
        super::guard::watch(&mut post(), monitor, &alive, &say_ready)?;
    }
    Ok(Side::Child)
}

/// The same without a guard at its side: somebody else guards the container.
pub(super) fn stand_alone() {
    lead();
    say_ready();
}

fn lead() {
    // Already the leader of a session when this fails, which is as good.
    let _ = rustix::process::setsid();
}

/// Lets go of the caller's pipe on standard output; the caller hears it when monitor and guard have.
fn say_ready() {
    if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
        // Without it the caller hears nothing and stops the container.
        let _ = rustix::stdio::dup2_stdout(null);
    }
}

/// Waits until monitor and guard are at their places; whether they are.
fn ready(pipe: Option<ChildStdout>) -> bool {
    let Some(pipe) = pipe else { return false };
    let mut fds = [PollFd::new(&pipe, PollFlags::IN)];
    let heard = rustix::io::retry_on_intr(|| poll(&mut fds, Some(&PLACES)));
    heard.is_ok_and(|heard| heard > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_cut_down_to_what_it_says() {
        let text = "lxc-start db 20261122 ERROR    conf - ../src/lxc/conf.c:mount:2 - No such file\n\nplain\n";
        assert_eq!(log_lines(text), ["No such file", "plain"]);
    }
}
