//! One command inside a container: the helper process's part, which liblxc may split.
//!
//! It stays until the command has ended, hands signals on, and ends what it began when whoever asked is
//! gone, however that came. What cannot begin is told on standard error, with the exit code that a shell
//! has for it.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};
use serde::{Deserialize, Serialize};

use super::container::Container;
use super::ffi::{self, Command, STAGE_DIRECTORY};
use super::layout::Words;
use super::monitor::end_with_caller;
use crate::sys::process::descendants;

/// Exit code when the program is not there, and when it is but cannot be run, as shells have them.
const MISSING: u8 = 127;
const UNUSABLE: u8 = 126;
/// Exit code when nothing is known.
const UNKNOWN: u8 = 255;
/// How long what was hung up may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries to kill.
const PAUSE: Duration = Duration::from_millis(50);

/// A command for the inside.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Inner {
    pub(super) argv: Vec<String>,
    pub(super) environment: Vec<String>,
    /// None is `/`.
    pub(super) workdir: Option<String>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    /// Further groups; only meant with a user.
    pub(super) groups: Vec<u32>,
    pub(super) manner: Manner,
}

/// How the command and whoever asked belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Manner {
    /// Its input is empty; it is killed with its whole process group when the other end of this
    /// process's standard input is closed.
    Hook,
    /// It has this process's streams.
    Streams {
        /// Descriptor of a pipe: each byte is a signal to hand on, and its end means that whoever asked is
        /// gone.
        orders: i32,
    },
    /// Its streams are this process's standard input, a terminal that was made for it.
    Terminal {
        /// As above.
        orders: i32,
    },
    /// Nobody waits for it and it has no streams.
    Detached,
}

impl Manner {
    /// The descriptor that must stay open.
    pub(super) fn orders(self) -> Option<i32> {
        match self {
            Self::Streams { orders } | Self::Terminal { orders } => Some(orders),
            Self::Hook | Self::Detached => None,
        }
    }

    /// Makes this process what it must be before anything is split from it.
    fn settle(self) {
        match self {
            Self::Hook => return end_with_caller(),
            // The keys of the caller's terminal are handed on by the caller, and only once.
            Self::Streams { .. } | Self::Terminal { .. } | Self::Detached => {
                let _ = rustix::process::setsid();
            }
        }
        // Whoever asked decides how this ends.
        ffi::ignore(&[Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM]);
        if let Some(orders) = self.orders() {
            let orders = ffi::inherited(orders);
            let _ = rustix::io::fcntl_setfd(&orders, rustix::io::FdFlags::CLOEXEC);
            // Without the thread the command is still run; only a killed caller would not end it.
            let _ = std::thread::Builder::new()
                .stack_size(64 * 1024)
                .spawn(move || heed(orders));
        }
    }
}

/// Runs it and returns its exit code.
pub(super) fn run(container: &Container<'_>, full: &str, inner: &Inner) -> ExitCode {
    inner.manner.settle();
    let told = begin(container, inner).and_then(|begun| begun.end(inner.manner));
    ExitCode::from(told.unwrap_or_else(|trouble| {
        let mut errors = std::io::stderr();
        // The caller's terminal may be one that hands on every byte as it is.
        let end = if errors.is_terminal() { "\r\n" } else { "\n" };
        // Nobody may be left to read it.
        let _ = write!(errors, "locker: {}{end}", trouble.text(full, inner));
        trouble.code()
    }))
}

/// Why nothing runs inside.
#[derive(Debug)]
enum Trouble {
    /// A word with a zero byte.
    Word,
    /// liblxc cannot get inside.
    Closed,
    /// The descriptors that are needed cannot be made.
    System(std::io::Error),
    /// The directory inside cannot be entered.
    Directory(Errno),
    /// The program inside cannot be run.
    Program(Errno),
}

impl Trouble {
    fn text(&self, full: &str, inner: &Inner) -> String {
        let program = inner.argv.first().map_or("", String::as_str);
        let (program, dir) = (program.escape_debug(), inner.workdir.as_deref());
        let dir = dir.unwrap_or("/").escape_debug();
        match self {
            Self::Word => format!("cannot run `{program}` in `{full}`: a word holds a zero byte"),
            Self::Closed => {
                format!("cannot get into `{full}`; it may have stopped just now: locker status")
            }
            Self::System(error) => format!("cannot run `{program}` in `{full}`: {error}"),
            Self::Directory(error) => {
                format!(
                    "cannot enter directory `{dir}` in `{full}`: {}",
                    reason(*error)
                )
            }
            Self::Program(Errno::NOENT) if !program.to_string().contains('/') => {
                format!("there is no program `{program}` in `{full}`")
            }
            Self::Program(error) => {
                format!("cannot run `{program}` in `{full}`: {}", reason(*error))
            }
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Program(Errno::NOENT | Errno::NOTDIR) => MISSING,
            Self::Program(_) | Self::Directory(_) | Self::Word => UNUSABLE,
            Self::Closed | Self::System(_) => UNKNOWN,
        }
    }
}

/// The system's words without its number.
fn reason(error: Errno) -> String {
    let text = std::io::Error::from(error).to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_lowercase()
}

/// A command that liblxc has put inside.
struct Begun {
    pid: Pid,
    /// What it says when it cannot become the program.
    word: OwnedFd,
}

fn begin(container: &Container<'_>, inner: &Inner) -> Result<Begun, Trouble> {
    let words = (Words::new(&inner.argv), Words::new(&inner.environment));
    let workdir = CString::new(inner.workdir.as_deref().unwrap_or("/"));
    let ((Some(argv), Some(environment)), Ok(workdir)) = (words, workdir) else {
        return Err(Trouble::Word);
    };
    let (word, said) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| Trouble::System(e.into()))?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null");
    let null = null.map_err(Trouble::System)?;
    let (input, output, errors) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let detached = inner.manner == Manner::Detached;
    let streams = match inner.manner {
        Manner::Detached => [null.as_fd(); 3],
        // The other two stay the caller's, for what is to be told when nothing runs.
        Manner::Terminal { .. } => [input.as_fd(); 3],
        Manner::Hook | Manner::Streams { .. } => [input.as_fd(), output.as_fd(), errors.as_fd()],
    };
    be_killed_like_init(container);
    let pid = container.attach(&Command {
        argv: &argv,
        environment: &environment,
        workdir: &workdir,
        uid: inner.uid.unwrap_or(u32::MAX),
        gid: inner.gid.unwrap_or(u32::MAX),
        groups: &inner.groups,
        terminal: matches!(inner.manner, Manner::Terminal { .. }),
        session: inner.manner != Manner::Hook,
        tied: !detached,
        streams,
        word: said.as_fd(),
    });
    match pid {
        Some(pid) => Ok(Begun { pid, word }),
        None => Err(Trouble::Closed),
    }
}

/// Gives this process, and so the command, the place that the container's init has among those that are
/// killed where memory is short: a supervisor, whose hooks come here, is the last of all.
fn be_killed_like_init(container: &Container<'_>) {
    let Some(init) = container.init_pid() else {
        return;
    };
    let adjustment = std::fs::read(format!("/proc/{init}/oom_score_adj"));
    if let Ok(adjustment) = adjustment {
        // Who may not make itself less likely runs the command all the same.
        let _ = std::fs::write("/proc/self/oom_score_adj", adjustment);
    }
}

impl Begun {
    /// Waits for its end; detached, until it has begun.
    fn end(self, manner: Manner) -> Result<u8, Trouble> {
        let mut said = [0; 8];
        let told = File::from(self.word).read_exact(&mut said);
        if told.is_ok() {
            let [a, b, c, d, number @ ..] = said;
            let error = Errno::from_raw_os_error(i32::from_ne_bytes(number));
            let directory = i32::from_ne_bytes([a, b, c, d]) == STAGE_DIRECTORY;
            return Err(match directory {
                true => Trouble::Directory(error),
                false => Trouble::Program(error),
            });
        }
        if manner == Manner::Detached {
            return Ok(0);
        }
        loop {
            match waitpid(Some(self.pid), WaitOptions::empty()) {
                Ok(Some((_, status))) => return Ok(exit_code(status.as_raw())),
                Ok(None) | Err(Errno::INTR) => {}
                Err(_) => return Ok(UNKNOWN),
            }
        }
    }
}

/// A wait status (wait(2)) as a shell's exit code.
fn exit_code(status: i32) -> u8 {
    let code = match status {
        killed if killed & 0x7f != 0 => 128 + (killed & 0x7f),
        exited => (exited >> 8) & 0xff,
    };
    u8::try_from(code).unwrap_or(UNKNOWN)
}

/// Hands signals on; once nobody asks any more, ends what was begun.
fn heed(orders: OwnedFd) {
    let mut orders = File::from(orders);
    let mut order = [0_u8; 1];
    loop {
        match orders.read(&mut order) {
            Ok(1..) => tell_all(i32::from(order[0])),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    tell_all(Signal::HUP.as_raw());
    tell_all(Signal::CONT.as_raw());
    std::thread::sleep(PATIENCE);
    // This process ends with what it began, which may just be on its way inside.
    loop {
        let below = descendants(rustix::process::getpid());
        tell_all(Signal::KILL.as_raw());
        for pid in below {
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Sends a signal to what was begun, with its process group, which a shell's pipes are in.
fn tell_all(number: i32) {
    let Some(signal) = ffi::signal(number) else {
        return;
    };
    for pid in children() {
        // Without a group of its own it is this process's, which is left alone.
        if kill_process_group(pid, signal).is_err() {
            let _ = kill_process(pid, signal);
        }
    }
}

/// What this process began: liblxc's own helper while it works, and the command.
fn children() -> Vec<Pid> {
    crate::sys::process::children(rustix::process::getpid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inner(argv: &[&str]) -> Inner {
        Inner {
            argv: argv.iter().map(ToString::to_string).collect(),
            environment: Vec::new(),
            workdir: Some("/no\nwhere".into()),
            uid: None,
            gid: None,
            groups: Vec::new(),
            manner: Manner::Hook,
        }
    }

    #[test]
    fn a_wait_status_becomes_the_code_a_shell_would_show() {
        for (status, code) in [(0, 0), (7 << 8, 7), (9, 137), (15, 143)] {
            assert_eq!(exit_code(status), code, "{status}");
        }
    }

    #[test]
    fn what_cannot_begin_is_told_by_name_with_the_code_of_a_shell() {
        let told = |trouble: Trouble, argv: &[&str]| {
            (trouble.text("shop_db", &inner(argv)), trouble.code())
        };
        for (trouble, argv, text, code) in [
            (
                Trouble::Program(Errno::NOENT),
                ["nope"],
                "there is no program `nope` in `shop_db`",
                127,
            ),
            (
                Trouble::Program(Errno::NOENT),
                ["/bin/nope"],
                "cannot run `/bin/nope` in `shop_db`: no such file or directory",
                127,
            ),
            (
                Trouble::Program(Errno::ACCESS),
                ["/etc/passwd"],
                "cannot run `/etc/passwd` in `shop_db`: permission denied",
                126,
            ),
            (
                Trouble::Directory(Errno::NOENT),
                ["ls"],
                "cannot enter directory `/no\\nwhere` in `shop_db`: no such file or directory",
                126,
            ),
        ] {
            assert_eq!(told(trouble, &argv), (text.to_string(), code));
        }
    }
}
