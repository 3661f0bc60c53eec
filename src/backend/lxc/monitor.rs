//! The fresh small process in which liblxc may fork: it makes, starts and attaches.
//!
//! It is the same binary with a hidden first argument, looked at before clap and tokio exist. For a
//! start it stays as the container's monitor, so nothing here may load what a monitor does not need.
//! Requests come in the environment, because arguments are readable by every user of the host.

use std::ffi::OsString;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde::{Deserialize, Serialize};

use crate::model::{MONITOR_PATH, MONITOR_PATH_DIR};
use crate::sys;

use super::console::Console;
use super::container::Container;
use super::ffi::{Liblxc, Side};
use super::inside::{self, Inner};
use super::post::{Orders, Post};
use super::tether::Tether;

const ARGUMENT: &str = "__lxc";
const REQUEST: &str = "LOCKER_LXC_REQUEST";

/// What the process is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) full: String,
    pub(super) lxcpath: PathBuf,
    /// Where liblxc writes why something failed.
    pub(super) log: Option<PathBuf>,
    pub(super) task: Task,
}

impl Request {
    /// The container's directory.
    fn dir(&self) -> PathBuf {
        self.lxcpath.join(&self.full)
    }
}

/// The tasks that fork.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    Create {
        template: String,
        args: Vec<String>,
    },
    Start {
        /// What its guard is told; none when somebody else guards it.
        orders: Option<Orders>,
        /// The cgroup of the service that it is started by; none when it is started by hand.
        #[serde(default)]
        cgroup: Option<String>,
    },
    Attach(Inner),
}

impl Task {
    /// Whether the process lives as long as the container.
    fn stays(&self) -> bool {
        match self {
            Self::Start { .. } => true,
            Self::Create { .. } | Self::Attach(_) => false,
        }
    }
}

/// The command that carries out `request`; its streams are the caller's choice.
pub(super) fn command(program: &Path, request: &Request) -> std::io::Result<Command> {
    let mut command = Command::new(program);
    if request.task.stays() {
        // It lives as long as its container and must not keep the caller's variables.
        command.env_clear().env("PATH", MONITOR_PATH);
        command.current_dir("/");
    }
    command.arg(ARGUMENT).stdin(Stdio::null());
    command.env(REQUEST, serde_json::to_string(request)?);
    command.env("MALLOC_ARENA_MAX", "1"); // a second arena would cost the monitor memory
    Ok(command)
}

/// Makes `newuidmap` and `newgidmap` in `dir` programs that may map nothing, so that root maps ids itself.
///
/// liblxc looks for the first that can be run and uses it if it is set-uid or has the capability. Links,
/// since /run is often mounted `noexec`.
fn hide_id_maps(dir: &Path) -> std::io::Result<()> {
    crate::store::make_private(dir)?;
    for name in ["newuidmap", "newgidmap"] {
        let made = std::os::unix::fs::symlink("/bin/false", dir.join(name));
        match made {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Becomes a container's monitor (or one of its short-lived sisters) when the arguments ask for it,
/// else returns at once. Call it before anything else, while the process has one thread.
pub fn run_if_asked(mut args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let asked = args.nth(1)?;
    if asked == super::mounts::ARGUMENT {
        return Some(super::mounts::run());
    }
    if asked == super::volume_ids::HOLD {
        return Some(super::volume_ids::hold());
    }
    if asked != ARGUMENT {
        return None;
    }
    let request = std::env::var(REQUEST).ok();
    let request = request.and_then(|text| serde_json::from_str::<Request>(&text).ok());
    let Some(request) = request else {
        eprintln!("`{ARGUMENT}` is for locker's own use");
        return Some(ExitCode::from(2));
    };
    Some(perform(&request, None))
}

/// Does what is asked; with a tether it lives no longer than its attendant while the container runs.
pub(super) fn perform(request: &Request, tether: Option<Tether>) -> ExitCode {
    // What the caller has open must not reach the inside, where it could be used to get out.
    let kept = match &request.task {
        Task::Attach(inner) => inner.manner.orders(),
        Task::Start { .. } | Task::Create { .. } => None,
    };
    close_inherited(
        tether
            .as_ref()
            .map(|tether| tether.as_fd().as_raw_fd())
            .or(kept),
    );
    if let Task::Start { orders, .. } = &request.task {
        if let Some(Err(error)) = tether.as_ref().map(Tether::tie) {
            sys::tell_journal(format_args!(
                "cannot tie the monitor to its attendant: {error}"
            ));
            return ExitCode::FAILURE;
        }
        match detach(&request.dir(), orders.as_ref()) {
            Ok(Side::Parent) => {}
            Ok(Side::Child) => return ExitCode::SUCCESS,
            Err(error) => {
                sys::tell_journal(format_args!(
                    "cannot guard the container's address: {error}"
                ));
                return ExitCode::FAILURE;
            }
        }
    }
    if request.task.stays()
        && let Err(error) = hide_id_maps(Path::new(MONITOR_PATH_DIR))
    {
        sys::tell_journal(format_args!(
            "cannot hide `newuidmap`: {error}; an id map must stand in /etc/subuid then"
        ));
    }
    let lxc = match Liblxc::open() {
        Ok(lxc) => lxc,
        Err(reason) => {
            sys::tell_journal(reason);
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = super::ear::trust("reach", &request.full, &request.lxcpath) {
        sys::tell_journal(error);
        return ExitCode::FAILURE;
    }
    let Some(container) = Container::open(&lxc, &request.full, &request.lxcpath) else {
        sys::tell_journal(format_args!(
            "liblxc cannot read the container's configuration"
        ));
        return ExitCode::FAILURE;
    };
    if let Some(log) = &request.log {
        container.set_config("lxc.log.level", "ERROR");
        container.set_config("lxc.log.file", &log.to_string_lossy());
    }
    match &request.task {
        Task::Create { template, args } => {
            end_with_caller();
            let defaults = Path::new(HOST_DEFAULTS);
            if defaults.exists() && !container.load_config(defaults) {
                sys::tell_journal(format_args!("liblxc cannot read `{HOST_DEFAULTS}`"));
                return ExitCode::FAILURE;
            }
            // The tree is made as the host's root makes it, and led over afterwards.
            container.set_config("lxc.idmap", "");
            exit(container.create(template, args))
        }
        Task::Start { cgroup, .. } => {
            if let Some(cgroup) = cgroup {
                if let Err(key) = enter(&container, cgroup) {
                    sys::tell_journal(format_args!(
                        "liblxc does not take `{key}` for a cgroup below `{cgroup}`"
                    ));
                    return ExitCode::FAILURE;
                }
                stand_apart(&container);
            }
            super::ffi::let_go_on(super::guard::SHED, super::memory::clean());
            let started = container.start();
            drop(tether); // the attendant ends when it hears of the end
            let Some(status) = started else {
                return ExitCode::FAILURE;
            };
            // It has ended all the same; only its exit code stays unknown.
            let _ = super::ended::end(&request.dir(), status);
            ExitCode::SUCCESS
        }
        Task::Attach(inner) => inside::run(&container, &request.full, inner),
    }
}

/// Makes this process a monitor, with a guard when it is told what to guard.
fn detach(dir: &Path, orders: Option<&Orders>) -> std::io::Result<Side> {
    let Some(orders) = orders else {
        super::start::stand_alone();
        return Ok(Side::Parent);
    };
    super::start::detach(|| Post {
        dir: dir.into(),
        console: Console::open(&orders.console).ok(), // without it only times are missing
        guarded: orders.guarded.clone(),
        word: None,
    })
}

/// Lets the container live below its service's cgroup (lxc.container.conf(5)): its monitor and itself
/// beside the processes that split off, and the monitor among those once the container has ended, so
/// that systemd always finds its main process where it has put it. The key that was refused.
fn enter(container: &Container, cgroup: &str) -> Result<(), &'static str> {
    // liblxc refuses absolute paths; they count from the root of the hierarchy all the same.
    let cgroup = cgroup.trim_start_matches('/');
    let places = [
        ("lxc.cgroup.dir.monitor", "monitor"),
        ("lxc.cgroup.dir.container", "container"),
        ("lxc.cgroup.dir.monitor.pivot", "supervisor"),
    ];
    for (key, place) in places {
        if !container.set_config(key, &format!("{cgroup}/{place}")) {
            return Err(key);
        }
    }
    Ok(())
}

/// Lets the container not inherit that its monitor is the last to be killed where memory is short
/// (`OOMScoreAdjust=` of its service). What its configuration says itself holds.
fn stand_apart(container: &Container) {
    const ADJUSTMENT: &str = "lxc.proc.oom_score_adj";
    if container.config(ADJUSTMENT).is_empty() {
        // A liblxc without the key leaves it like its monitor.
        container.set_config(ADJUSTMENT, "0");
    }
}

/// The host's own settings for new containers, as `lxc-create` reads them.
pub(super) const HOST_DEFAULTS: &str = "/etc/lxc/default.conf";

fn exit(done: bool) -> ExitCode {
    if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Ends this process and all that it started as soon as the caller is gone: the caller holds the
/// other end of standard input, and the kernel closes it however the caller dies.
pub(super) fn end_with_caller() {
    if rustix::process::setsid().is_err() {
        return; // no group of its own that could be ended
    }
    let Ok(pipe) = rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 3) else {
        return;
    };
    if let Ok(null) = std::fs::File::open("/dev/null") {
        // The template's children must not hold or read the pipe.
        let _ = rustix::stdio::dup2_stdin(null);
    }
    let watch = move || {
        let _ = std::fs::File::from(pipe).read(&mut [0u8; 1]);
        let _ = rustix::process::kill_current_process_group(rustix::process::Signal::KILL);
    };
    // Without the watch the work is still done; only a killed caller would not end it.
    let _ = std::thread::Builder::new()
        .stack_size(32 * 1024)
        .spawn(watch);
}

/// Closes every descriptor above standard error that this process was started with, but for one.
///
/// Must run before anything opens a file, so that no owner of another descriptor exists yet.
fn close_inherited(but: Option<i32>) {
    let Ok(listing) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let numbers: Vec<i32> = listing
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2 && Some(*number) != but)
        .collect();
    // The listing's own descriptor is among them and closed by now; only inherited ones still answer.
    for number in numbers {
        if std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok() {
            drop(super::ffi::inherited(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_arguments_are_left_to_the_command_line() {
        let asked = |args: &[&str]| run_if_asked(args.iter().map(OsString::from));
        assert!(asked(&[]).is_none() && asked(&["locker"]).is_none());
        assert!(asked(&["locker", "up", ARGUMENT]).is_none());
    }
}
