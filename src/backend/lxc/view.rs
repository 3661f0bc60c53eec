//! What is: every container under the LXC path, ours with all that the planner compares.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::asked::ANSWER;
use super::ended;
use super::frozen::is_held;
use super::inner_file::Inside;
use super::mark::{self, is_ours};
use super::names::{kernel_names, parse_name_servers, touched};
use super::site::{PARTIAL, Site, io};
use crate::backend::{BackendError, BackendView, live};
use crate::model::{IdKind, IdRange, Kind, Name};
use crate::observed::{Mark, ObservedContainer, Silent, State, Touched};
use crate::store;

/// How long a monitor is waited for until it is asked once more.
const AGAIN: Duration = Duration::from_secs(2);
/// So many containers are worth a thread.
const WORTH: usize = 8;

/// Looks at everything once. A broken container never hides the others.
pub(super) fn observe(site: &Site) -> Result<BackendView, BackendError> {
    let mut view = BackendView::default();
    let listing = match std::fs::read_dir(&site.lxcpath) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(view),
        listing => listing.map_err(io("read", &site.lxcpath))?,
    };
    let (mut found, mut aside, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for entry in listing {
        let Ok(file) = entry
            .map_err(io("read", &site.lxcpath))?
            .file_name()
            .into_string()
        else {
            continue; // liblxc cannot have made it
        };
        let dir = site.lxcpath.join(&file);
        if file.starts_with('.') {
            if file.ends_with(PARTIAL) {
                notes.extend(mark::partial(site, &dir).map(|note| note.name));
            }
            continue;
        }
        if !dir.join("config").exists() {
            continue;
        }
        let Some(mark) = mark_in(site, &mut view, &dir, &file) else {
            continue;
        };
        match mark {
            Some(mark) if file == mark.spec.host_name() => {
                site.liblxc()?; // Without it nothing could be said of it.
                found.push(mark);
            }
            Some(mark) if dir == site.aside(&mark.spec.name) => aside.push(mark.spec.name),
            Some(_) | None => {
                view.ids_taken.extend(id_map(&dir.join("config")));
                foreign(&mut view).insert(file);
            }
        }
    }
    for looked in side_by_side(site, &found) {
        let (seen, silent) = looked?;
        view.containers.extend(seen);
        view.silent.extend(silent);
    }
    for name in notes {
        foreign(&mut view).remove(&site.full(&name));
        wreck(site, &mut view, name).wreck = true;
    }
    for name in aside {
        wreck(site, &mut view, name).set_aside = true;
    }
    Ok(view)
}

/// The mark of this project in a container's directory. The outer none: it cannot be read, and the view says so.
fn mark_in(site: &Site, view: &mut BackendView, dir: &Path, file: &str) -> Option<Option<Mark>> {
    let error = match mark::read(dir) {
        Ok(mark) => return Some(mark.filter(|mark| is_ours(site, mark))),
        Err(error) => error,
    };
    let Some(name) = known(site, file) else {
        // It may be anybody's: it is reported as foreign, and left alone.
        return Some(None);
    };
    view.ids_taken.extend(id_map(&dir.join("config")));
    view.silent.insert(name, damaged(site, file, &error));
    None
}

/// The container of this project that bears this name on the host, as far as is known without its mark.
fn known(site: &Site, full: &str) -> Option<Name> {
    let name = full
        .strip_prefix(site.project.as_str())?
        .strip_prefix('_')?;
    let name = Name::new(name).ok()?;
    let record = store::load_record(&site.paths, &site.project)
        .ok()
        .flatten();
    let record = record.filter(|record| record.directory == site.directory);
    let written = || {
        let unit = store::load_unit_spec(&site.paths, &site.project, &name);
        let unit = unit.ok().flatten();
        unit.is_some_and(|unit| unit.kind == Kind::System && unit.directory == site.directory)
    };
    let known = record.is_some_and(|record| record.addresses.contains_key(&name)) || written();
    known.then_some(name)
}

/// What is said of one whose mark cannot be read. What it was made with, and what was done to it since, stands
/// nowhere else, so that it is not made up.
fn damaged(site: &Site, full: &str, error: &BackendError) -> Silent {
    let path = site.lxcpath.display();
    Silent {
        reason: error.to_string(),
        help: format!(
            "bring that file back from a backup, or remove the container with all that was written inside: `lxc-destroy -f -P {path} -n {full}`"
        ),
    }
}

fn foreign(view: &mut BackendView) -> &mut BTreeSet<String> {
    view.foreign.entry(Kind::System).or_default()
}

/// The entry of a container; one that has none is a wreck, for nothing of it is whole.
fn wreck<'a>(site: &Site, view: &'a mut BackendView, name: Name) -> &'a mut ObservedContainer {
    let host_name = site.full(&name);
    view.containers
        .entry(name)
        .or_insert_with(|| ObservedContainer {
            host_name,
            kind: Kind::System,
            state: State::Stopped,
            exit: None,
            health: None,
            image: None,
            unnamed: Vec::new(),
            aside_runs: false,
            mark: None,
            wreck: true,
            set_aside: false,
            stopping: false,
            parted: false,
            left_behind: false,
            estranged: Default::default(),
            unplugged: Default::default(),
            limits: Default::default(),
            broken: None,
            over: false,
            pid: None,
            names: None,
            dns: Vec::new(),
            touched: None,
        })
}

/// What was seen of containers, and those whose monitor does not answer.
type Looked = (Vec<(Name, ObservedContainer)>, Vec<(Name, Silent)>);

/// Looks at the containers of these marks, on as many processors as there are: most of a look is to wait for monitors.
fn side_by_side(site: &Site, marks: &[Mark]) -> Vec<Result<Looked, BackendError>> {
    let parts = marks.len().div_ceil(WORTH).clamp(1, crate::sys::cores());
    let mut parts = marks.chunks(marks.len().div_ceil(parts).max(1));
    let own = parts.next();
    std::thread::scope(|scope| {
        let begin = |part| {
            let thread = std::thread::Builder::new();
            // A host without room for another thread is looked at more slowly.
            (
                part,
                thread.spawn_scoped(scope, move || look_at(site, part)).ok(),
            )
        };
        let others: Vec<_> = parts.map(begin).collect();
        let mut looked: Vec<_> = own.iter().map(|part| look_at(site, part)).collect();
        looked.extend(others.into_iter().map(|(part, thread)| {
            let done = thread.and_then(|thread| thread.join().ok());
            done.unwrap_or_else(|| look_at(site, part))
        }));
        looked
    })
}

fn look_at(site: &Site, marks: &[Mark]) -> Result<Looked, BackendError> {
    let (mut found, mut silent) = (Vec::new(), Vec::new());
    for mark in marks {
        let name = mark.spec.name.clone();
        match read_state(site, &mark.spec.host_name()) {
            Ok(seen) => found.push((name, ours(site, mark, seen))),
            Err(BackendError::Silent { reason, help, .. }) => {
                silent.push((name, Silent { reason, help }));
            }
            Err(error) => return Err(error),
        }
    }
    let running: Vec<u32> = found.iter().filter_map(|(_, found)| found.pid).collect();
    let names = kernel_names(&running);
    for (_, found) in &mut found {
        let now = found.pid.and_then(|pid| names.get(&pid));
        let wanted = found.mark.as_ref().map(|mark| &mark.spec.hostname);
        if let Some(other) = now.filter(|now| Some(*now) != wanted) {
            found.touched = Some(Touched::HostName(other.clone()));
        }
    }
    Ok((found, silent))
}

/// What liblxc says of a container, as `seen`, with all that its files tell beside.
fn ours(site: &Site, mark: &Mark, seen: Option<Seen>) -> ObservedContainer {
    let full = mark.spec.host_name();
    let dir = site.dir(&mark.spec.name);
    let config = dir.join("config");
    let broken = seen.is_none() || !names_root(&config);
    let (state, pid) = seen.unwrap_or((State::Stopped, None));
    let stopped = state == State::Stopped;
    let inside = Inside::of(site, &mark.spec, pid);
    // What cannot be read counts as not written: the writing that follows reports why.
    let hosts = inside.read("/etc/hosts").ok().flatten().unwrap_or_default();
    let resolv = inside
        .read("/etc/resolv.conf")
        .ok()
        .flatten()
        .unwrap_or_default();
    let limits = match pid {
        Some(pid) => live::read(&mark.spec, pid, || site.meter()),
        None => BTreeMap::new(),
    };
    ObservedContainer {
        host_name: full,
        kind: Kind::System,
        state,
        exit: stopped.then(|| exit(&dir)).flatten(),
        health: None,
        image: None,
        unnamed: Vec::new(),
        aside_runs: false,
        over: false,
        pid,
        names: crate::hosts::read_block(&hosts, site.project.as_str()),
        dns: parse_name_servers(&resolv),
        touched: touched(&inside, &resolv),
        wreck: false,
        set_aside: false,
        stopping: pid.is_some_and(|pid| mark::is_stopping(&dir, pid)),
        parted: false,
        left_behind: false,
        estranged: Default::default(),
        unplugged: Default::default(),
        limits,
        broken: broken.then_some(config),
        mark: Some(mark.clone()),
    }
}

/// Its exit code. An init that was asked to shut down ends with 0 as well, which is not the end of its
/// work and is not told as one.
fn exit(dir: &Path) -> Option<i32> {
    let ended = ended::ended(dir)?;
    (ended.code != 0 || !ended.asked).then_some(ended.code)
}

/// State of a container, and its init while it runs.
type Seen = (State, Option<u32>);

/// State and init of a container; one that liblxc cannot read is stopped.
///
/// # Errors
/// [`BackendError::Silent`]: its monitor does not answer.
pub(super) fn state(site: &Site, full: &str) -> Result<Seen, BackendError> {
    Ok(read_state(site, full)?.unwrap_or((State::Stopped, None)))
}

/// The same; none when liblxc cannot read it.
pub(super) fn read_state(site: &Site, full: &str) -> Result<Option<Seen>, BackendError> {
    // A monitor that begins its container anew listens anew, and who has just asked the old ear hears nothing.
    match ask_state(site, full, AGAIN) {
        Err(BackendError::Silent { .. }) => ask_state(site, full, ANSWER),
        seen => seen,
    }
}

fn ask_state(site: &Site, full: &str, most: Duration) -> Result<Option<Seen>, BackendError> {
    let seen = match site.look(full, most) {
        Err(error @ BackendError::Silent { .. }) => return Err(error),
        Ok(None) | Err(_) => return Ok(None),
        Ok(Some(seen)) => seen,
    };
    let (said, init) = seen;
    let state = match said.as_str() {
        "RUNNING" | "STOPPING" | "ABORTING" | "THAWED" => State::Running,
        "STARTING" => State::Starting,
        "FROZEN" | "FREEZING" => State::Frozen,
        _ => return Ok(Some((State::Stopped, None))),
    };
    // Its monitor says so only when all of it is frozen.
    let held = state == State::Running && init.is_some_and(|init| is_held(site, init, full));
    Ok(Some((if held { State::Frozen } else { state }, init)))
}

/// Whether a configuration file says where the root file system is, without which nothing starts. What made
/// the container has written it there, and it is in no other file.
fn names_root(config: &Path) -> bool {
    let text = std::fs::read_to_string(config).unwrap_or_default();
    let key = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned());
    let mut keys = text.lines().filter_map(key);
    keys.any(|key| key == "lxc.rootfs.path" || key == "lxc.rootfs")
}

/// The `lxc.idmap` lines of a configuration file.
pub(super) fn id_map(config: &Path) -> Vec<IdRange> {
    let text = std::fs::read_to_string(config).unwrap_or_default();
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "lxc.idmap").then(|| parse_range(value))?
    };
    text.lines().filter_map(value).collect()
}

/// `u 0 100000 65536`.
pub(super) fn parse_range(text: &str) -> Option<IdRange> {
    let mut words = text.split_whitespace();
    let kind = match words.next()? {
        "u" => IdKind::User,
        "g" => IdKind::Group,
        _ => return None,
    };
    let mut number = || words.next()?.parse().ok();
    Some(IdRange {
        kind,
        container: number()?,
        host: number()?,
        count: number()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_it_is_written() {
        let range = IdRange {
            kind: IdKind::Group,
            container: 0,
            host: 100_000,
            count: 65_536,
        };
        assert_eq!(parse_range(&range.to_string()), Some(range));
        for bad in ["", "x 0 1 2", "u 0 1", "u 0 -1 2"] {
            assert_eq!(parse_range(bad), None, "{bad}");
        }
    }
}
