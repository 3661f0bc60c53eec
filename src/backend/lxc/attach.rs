//! Commands inside a running container, through liblxc's attach in a helper process.

use std::io::Read;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::inner_file::Inside as Files;
use super::inside::{Inner, Manner};
use super::login::User;
use super::mark;
use super::monitor::{Request, Task, command};
use super::site::{Site, failed, io};
use crate::backend::owners::host_id;
use crate::backend::{AttachOptions, BackendError, Ran};
use crate::model::{ContainerSpec, Hook, IdKind, Name};
use crate::observed::State;

/// Output that is kept, from its end.
const KEPT: usize = 64 * 1024;
/// Where a system names its language, the first that does so.
const LOCALES: [&str; 2] = ["/etc/default/locale", "/etc/locale.conf"];
pub(super) const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Ends a command when whoever waited for it has gone: dropped, or told so from another thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Leash(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    cut: bool,
    lifeline: Option<ChildStdin>,
}

impl Leash {
    /// Holds the helper; lets go at once when it was cut before.
    fn hold(&self, lifeline: Option<ChildStdin>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.lifeline = lifeline.filter(|_| !held.cut);
    }

    /// Whether nobody waits any more.
    pub(super) fn is_cut(&self) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.cut
    }

    /// Ends the helper with all that it began, now or as soon as it runs.
    pub(super) fn cut(&self) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.cut = true;
        held.lifeline = None;
    }
}

/// The future's own end of a leash.
#[derive(Debug, Default)]
pub(super) struct Handle(pub(super) Leash);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// How long the last of the output of a command that has ended is waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs a command and returns its output and code; after `timeout`, or when the leash is cut, it is killed.
pub(super) fn run(
    site: &Site,
    name: &Name,
    inner: &Hook,
    timeout: Option<Duration>,
    leash: &Leash,
) -> Result<Ran, BackendError> {
    let variables = inner.environment.iter();
    let options = AttachOptions {
        user: inner.user.clone(),
        workdir: inner.working_dir.clone().map(Into::into),
        environment: variables.map(|(k, v)| (k.clone(), v.clone())).collect(),
        ..AttachOptions::default()
    };
    let session = Session {
        name: name.clone(),
        argv: inner.command.argv(),
        options,
        manner: Manner::Hook,
    };
    let (request, _) = request(site, &session)?;
    let (output, input) = std::io::pipe().map_err(io("open", "a pipe"))?;
    let errors = input.try_clone().map_err(io("open", "a pipe"))?;
    let mut child = command(&site.program, &request)
        .and_then(|mut c| c.stdin(Stdio::piped()).stdout(input).stderr(errors).spawn())
        .map_err(io("run", &site.program))?;
    leash.hold(child.stdin.take());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let (keeps, (over, read)) = (Arc::clone(&kept), channel());
    std::thread::spawn(move || {
        keep_last(output, &keeps);
        let _ = over.send(());
    });
    let end = timeout.map(|timeout| Instant::now() + timeout);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(io("wait for", &site.program))? {
            break status;
        }
        if end.is_some_and(|end| Instant::now() > end) {
            leash.cut(); // the helper's whole process group ends with it
            let _ = child.wait();
            let reason = format!("`{inner}` did not end within its time");
            return Err(failed("run a command in", &site.full(name), reason));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    leash.cut();
    // What it leaves running may hold its output for ever.
    let _ = read.recv_timeout(LAST_WORDS);
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let output = text_of(&kept);
    Ok(Ran {
        code: status.code().unwrap_or(255),
        output,
    })
}

/// Reads to the end, and keeps the last of it.
fn keep_last(mut stream: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut chunk = [0u8; 8192];
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(chunk.get(..length).unwrap_or_default());
        if kept.len() > 2 * KEPT {
            let over = kept.len() - KEPT;
            kept.drain(..over);
        }
    }
}

fn text_of(kept: &[u8]) -> String {
    let start = kept.len().saturating_sub(KEPT);
    String::from_utf8_lossy(kept.get(start..).unwrap_or_default()).into_owned()
}

/// The variables of a container's checks, for who has no look at its files: a login of root, and those of the file.
pub(super) fn of_checks(spec: &ContainerSpec) -> Vec<String> {
    let mut environment = User::find("", None).map_or_else(Vec::new, |root| root.environment(&[]));
    environment.push("container=lxc".into());
    let own = spec.environment.iter();
    environment.extend(own.map(|(key, value)| format!("{key}={value}")));
    environment
}

/// What a helper is to do inside.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) name: Name,
    pub(super) argv: Vec<String>,
    pub(super) options: AttachOptions,
    pub(super) manner: Manner,
}

/// The request to the helper, and the container's first process.
///
/// # Errors
/// The container does not run or is not ours, or it has no such user.
pub(super) fn request(site: &Site, session: &Session) -> Result<(Request, u32), BackendError> {
    let Session {
        name,
        argv,
        options,
        manner,
    } = session;
    let full = site.full(name);
    let refuse = |reason: String| failed("run a command in", &full, reason);
    let mark = mark::ours(site, "run a command in", name)?;
    let pid = match super::view::state(site, &full)? {
        (State::Running, Some(pid)) => pid,
        (State::Frozen, _) => {
            return Err(refuse(format!(
                "it is frozen; thaw it with `locker unfreeze {name}`"
            )));
        }
        (State::Running | State::Starting | State::Stopped | State::Absent | State::Unknown, _) => {
            return Err(refuse("it is not running".into()));
        }
    };
    if argv.is_empty() {
        return Err(refuse("there is no command".into()));
    }
    let files = Files::of(site, &mark.spec, Some(pid));
    let passwd = files.read("/etc/passwd");
    // Root needs no entry, so a file that cannot be read stops nobody who asks for no user.
    let passwd = match &options.user {
        Some(_) => passwd?,
        None => passwd.unwrap_or_default(),
    };
    let passwd = passwd.unwrap_or_default();
    let wanted = options.user.as_deref();
    let user = User::find(&passwd, wanted).ok_or_else(|| {
        let user = wanted.unwrap_or_default();
        refuse(format!("it has no user `{user}`"))
    })?;
    let groups = match wanted {
        Some(_) => {
            let all = user.groups(&files.read("/etc/group")?.unwrap_or_default());
            // The kernel takes none that an id map does not have.
            let map = &mark.spec.idmap;
            let is_there =
                |gid: &u32| map.is_empty() || host_id(map, IdKind::Group, *gid).is_some();
            all.into_iter().filter(is_there).collect()
        }
        None => Vec::new(),
    };
    let locales = LOCALES.map(|path| files.read(path).ok().flatten().unwrap_or_default());
    let mut environment = user.environment(&locales);
    environment.push("container=lxc".into());
    if let Manner::Terminal { .. } = manner {
        let term = std::env::var("TERM").unwrap_or_else(|_| "xterm".into());
        environment.push(format!("TERM={term}"));
    }
    // Later ones win, as putenv(3) has it.
    environment.extend(
        mark.spec
            .environment
            .iter()
            .map(|(key, value)| format!("{key}={value}")),
    );
    environment.extend(
        options
            .environment
            .iter()
            .map(|(key, value)| format!("{key}={value}")),
    );
    let request = Request {
        full,
        lxcpath: site.lxcpath.clone(),
        log: None,
        task: Task::Attach(Inner {
            argv: argv.clone(),
            environment,
            workdir: options
                .workdir
                .as_ref()
                .map(|dir| dir.display().to_string()),
            uid: wanted.map(|_| user.uid),
            gid: wanted.map(|_| user.gid),
            groups,
            manner: *manner,
        }),
    };
    Ok((request, pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_output_is_kept() {
        let long = [vec![b'a'; 300_000], b"end".to_vec()].concat();
        let kept = Mutex::default();
        keep_last(&long[..], &kept);
        let kept = text_of(&kept.into_inner().unwrap());
        assert_eq!(kept.len(), KEPT);
        assert!(kept.ends_with("aend"));
    }
}
