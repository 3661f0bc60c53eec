//! Starting: the caller's side, and the life of the monitor.
//!
//! The monitor is a fresh process that runs liblxc's start in the foreground, in a session of its own
//! and without any descriptor of the caller, so that it holds no lock or pipe. It reports on its
//! standard output once, then lets go of it.

use std::io::{BufRead, BufReader, Write};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use super::ffi::{Container, Liblxc};
use super::guard::{self, Guarded};
use super::mark;
use super::monitor::{Request, Task, command};
use super::site::{Site, failed, io};
use crate::backend::BackendError;
use crate::model::Name;

/// Starts a stopped container and returns when it runs.
pub(super) fn start(site: &Site, name: &Name) -> Result<(), BackendError> {
    let full = site.full(name);
    let mark = mark::ours(site, "start", name)?;
    if site.container("start", &full)?.state() != "STOPPED" {
        return Err(failed("start", &full, "it is not stopped"));
    }
    // What is a file and what a directory on the host is only known now.
    super::settings::write_conf(site, &mark.spec)?;
    let log = site.engine_log(name);
    let logs = site.paths.logs(&site.project);
    std::fs::create_dir_all(&logs).map_err(io("create", &logs))?;
    std::fs::File::create(&log).map_err(io("create", &log))?;
    let request = Request {
        full: full.clone(),
        lxcpath: site.lxcpath.clone(),
        log: Some(log.clone()),
        task: Task::Start {
            guarded: Guarded::of(&mark.spec),
        },
    };
    let mut child = command(&site.program, &request)
        .and_then(|mut c| c.stdout(Stdio::piped()).stderr(Stdio::null()).spawn())
        .map_err(io("run", &site.program))?;
    let mut word = String::new();
    if let Some(out) = child.stdout.take() {
        // An unreadable answer is no answer, and reported as such below.
        let _ = BufReader::new(out).read_line(&mut word);
    }
    if word == READY {
        // Reaps the monitor in programs that outlive the container; otherwise init does.
        std::thread::spawn(move || child.wait());
        return Ok(());
    }
    let _ = child.kill();
    let _ = child.wait();
    let lines = log_lines(&std::fs::read_to_string(&log).unwrap_or_default());
    let reason = lines
        .first()
        .cloned()
        .unwrap_or_else(|| "it ended at once".into());
    Err(BackendError::Engine {
        verb: "start",
        container: full,
        reason,
        log: lines,
    })
}

const READY: &str = "running\n";

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

/// The monitor's own side: starts, reports, guards the address, ends with the container.
pub(super) fn monitor(
    request: &Request,
    container: &Container<'_>,
    guarded: Option<Guarded>,
) -> ExitCode {
    // Already the leader of a session when this fails, which is as good.
    let _ = rustix::process::setsid();
    let (full, lxcpath) = (request.full.clone(), request.lxcpath.clone());
    let watch = move || {
        let Ok(lxc) = Liblxc::open() else { return };
        let Some(pid) = await_running(&lxc, &full, &lxcpath) else {
            return;
        };
        report();
        if let Some(guarded) = guarded {
            // Without the guard the container still runs; there is nobody left to tell.
            let _ = guard::keep(pid, &guarded);
        }
    };
    let watcher = std::thread::Builder::new()
        .stack_size(64 * 1024)
        .spawn(watch);
    if watcher.is_ok() && container.start() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Waits for the container of this very process; it ends with the process when the start fails.
fn await_running(lxc: &Liblxc, full: &str, lxcpath: &std::path::Path) -> Option<u32> {
    let container = lxc.container(full, lxcpath)?;
    loop {
        if container.state() == "RUNNING" {
            return container.init_pid();
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Says that it runs and lets go of the caller's pipe.
fn report() {
    let mut out = std::io::stdout();
    // The caller may be gone; the container runs all the same.
    let _ = out.write_all(READY.as_bytes()).and_then(|()| out.flush());
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(null);
    }
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
