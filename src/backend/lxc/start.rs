//! Starting: the caller's side, and the life of the monitor and the guard.
//!
//! The monitor is a fresh process that runs liblxc's start in the foreground, in a session of its own
//! and without any descriptor of the caller, so that it holds no lock or pipe. liblxc refuses to do so
//! in a process with threads, so the address is guarded by a second, even smaller process.

use std::process::{Child, ExitCode, Stdio};
use std::time::Duration;

use super::ffi::Container;
use super::guard::Guarded;
use super::mark;
use super::monitor::{Request, Task, command};
use super::site::{Site, failed, io};
use crate::backend::BackendError;
use crate::model::Name;

/// Starts a stopped container and returns when it runs.
pub(super) fn start(site: &Site, name: &Name) -> Result<(), BackendError> {
    let full = site.full(name);
    let mark = mark::ours(site, "start", name)?;
    let container = site.container("start", &full)?;
    if container.state() != "STOPPED" {
        return Err(failed("start", &full, "it is not stopped"));
    }
    // What is a file and what a directory on the host is only known now.
    super::settings::write_conf(site, &mark.spec)?;
    let log = site.engine_log(name);
    let logs = site.paths.logs(&site.project);
    std::fs::create_dir_all(&logs).map_err(io("create", &logs))?;
    std::fs::File::create(&log).map_err(io("create", &log))?;
    let mut child = spawn(site, &full, Some(log.clone()), Task::Start)?;
    let pid = loop {
        if container.state() == "RUNNING"
            && let Some(pid) = container.init_pid()
        {
            break pid;
        }
        if child
            .try_wait()
            .map_err(io("wait for", &site.program))?
            .is_some()
        {
            let lines = log_lines(&std::fs::read_to_string(&log).unwrap_or_default());
            let reason = lines
                .first()
                .cloned()
                .unwrap_or_else(|| "it ended at once".into());
            return Err(BackendError::Engine {
                verb: "start",
                container: full,
                reason,
                log: lines,
            });
        }
        std::thread::sleep(LOOK);
    };
    reap(child);
    if let Some(guarded) = Guarded::of(&mark.spec) {
        match spawn(site, &full, None, Task::Guard { pid, guarded }) {
            Ok(guard) => reap(guard),
            Err(error) => {
                // A container that may lose its address is not a started one; the first error counts.
                let _ = super::stop::stop(site, name, Duration::ZERO);
                return Err(error);
            }
        }
    }
    Ok(())
}

/// How often the new container is looked at; a start takes some 20 ms.
const LOOK: Duration = Duration::from_millis(3);

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
        .and_then(|mut c| c.stdout(Stdio::null()).stderr(Stdio::null()).spawn())
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

/// The monitor's own side: starts and ends with the container.
pub(super) fn monitor(container: &Container<'_>) -> ExitCode {
    // Already the leader of a session when this fails, which is as good.
    let _ = rustix::process::setsid();
    if container.start() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
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
