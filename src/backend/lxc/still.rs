//! Holding a container still while it is copied, so that it goes on also when this run is killed meanwhile.

use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::asked::Asked;
use super::frozen;
use super::site::{Site, failed, io};
use crate::backend::BackendError;
use crate::model::Name;
use crate::store::{self, Freezing, Frozen, Paths};
use crate::sys::process::Stat;

/// How often it is looked whether the container may be frozen.
const LOOK: Duration = Duration::from_millis(50);
/// How often it is told that it is waited for.
const TELL: Duration = Duration::from_secs(10);

/// Does `work` while the container `full` stands still; one that others have frozen, or that does not run, is left as it
/// is. Whoever else copies one that runs waits, which `lines` is told, so that nobody thaws it in the middle.
pub(super) fn during<T>(
    site: &Site,
    container: &Asked,
    (full, lines): (&str, &Sender<String>),
    work: impl FnOnce() -> Result<T, BackendError>,
) -> Result<T, BackendError> {
    if container.state()? == "STOPPED" {
        return work();
    }
    let notes = site.paths.frozen();
    let mut held = hold(&site.paths, &site.lxcpath, full, lines)?;
    if let Some(left) = held.left()
        && stands_still(site, container, &left)?
    {
        frozen::thaw(site, container, full)?;
    }
    let init = match container.state()?.as_str() {
        "RUNNING" => container.init_pid()?,
        _ => None,
    };
    let Some(frozen) = init.and_then(|init| run_of(&site.lxcpath, full, init)) else {
        let done = work();
        held.end();
        return done;
    };
    held.note(&frozen).map_err(io("write", notes))?;
    let done = frozen::freeze(site, container, full).and_then(|()| work());
    // Also after half a freezing. Without success the note stays, and the next run tries again.
    frozen::thaw(site, container, full)?;
    held.end();
    done
}

/// Waits for the right to freeze it, as long as somebody hears `lines`.
fn hold(
    paths: &Paths,
    lxcpath: &Path,
    full: &str,
    lines: &Sender<String>,
) -> Result<Freezing, BackendError> {
    let mut told = None::<Instant>;
    loop {
        let held = Freezing::of(paths, lxcpath, full).map_err(io("lock", paths.frozen()))?;
        if let Some(held) = held {
            return Ok(held);
        }
        if told.is_none_or(|told| told.elapsed() > TELL) {
            told = Some(Instant::now());
            let line = format!("waits for another copy of `{full}`, which runs");
            if lines.send(line).is_err() {
                return Err(failed("copy", full, "nobody waits for it any more"));
            }
        }
        std::thread::sleep(LOOK);
    }
}

fn run_of(lxcpath: &Path, full: &str, init: u32) -> Option<Frozen> {
    Some(Frozen {
        lxcpath: lxcpath.into(),
        name: full.into(),
        init,
        started: Stat::of(init)?.started,
    })
}

/// Whether the run that was frozen goes on: another one of the container was frozen by nobody.
fn runs(frozen: &Frozen) -> bool {
    Stat::of(frozen.init).is_some_and(|stat| stat.started == frozen.started)
}

/// Whether what was frozen stands still: another run of the container was frozen by nobody, and others may have thawed
/// this one.
fn stands_still(site: &Site, container: &Asked, left: &Frozen) -> Result<bool, BackendError> {
    if !runs(left) {
        return Ok(false);
    }
    // The kernel's switch comes before liblxc's word, and goes before it.
    let is_held = frozen::is_held(site, left.init, &left.name);
    Ok(is_held || matches!(container.state()?.as_str(), "FROZEN" | "FREEZING"))
}

/// Thaws what runs that were killed had frozen to copy it, whosever it is; what is to be said of each. `project` is the
/// one that is about to be changed.
pub fn thaw_left(project: &Name, paths: &Paths) -> Vec<String> {
    let all = store::left_frozen(paths).into_iter();
    let told = all.filter_map(|(held, left)| {
        if !runs(&left) {
            held.end();
            return None;
        }
        let full = &left.name;
        let site = Site::at(project.clone(), left.lxcpath.clone(), paths.clone());
        let thawed = site.container("thaw", full).and_then(|container| {
            let stands = stands_still(&site, &container, &left)?;
            let thaw = stands.then(|| frozen::thaw(&site, &container, full));
            thaw.transpose()
        });
        Some(match thawed {
            Ok(thawed) => {
                held.end();
                thawed?;
                format!("thawed LXC container `{full}`, which a run that was killed had frozen to copy it")
            }
            Err(error) => format!(
                "{error}; a run that was killed had frozen it to copy it: `lxc-unfreeze -P {} -n {full}`",
                left.lxcpath.display()
            ),
        })
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_run_of_the_container_was_frozen_by_nobody() {
        let own = std::process::id();
        let frozen = run_of(Path::new("/var/lib/lxc"), "golden", own).unwrap();
        assert!(runs(&frozen));
        let other = Frozen {
            started: frozen.started + 1,
            ..frozen
        };
        assert!(!runs(&other));
        assert_eq!(run_of(Path::new("/var/lib/lxc"), "golden", u32::MAX), None);
    }

    #[test]
    fn who_waits_for_another_copy_says_so_and_ends_when_nobody_hears() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let (lines, heard) = std::sync::mpsc::channel();
        let first = hold(&paths, dir.path(), "golden", &lines).unwrap();
        let second = std::thread::scope(|scope| {
            let second = scope.spawn(|| hold(&paths, dir.path(), "golden", &lines));
            assert!(heard.recv().unwrap().contains("`golden`"));
            first.end();
            second.join().unwrap().unwrap()
        });
        drop(heard);
        assert!(hold(&paths, dir.path(), "golden", &lines).is_err());
        second.end();
        assert!(hold(&paths, dir.path(), "golden", &lines).is_ok());
    }

    #[test]
    fn a_note_of_a_run_that_has_ended_goes_without_a_word() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let gone = Frozen {
            lxcpath: dir.path().into(),
            name: "golden".into(),
            init: std::process::id(),
            started: 0,
        };
        let held = Freezing::of(&paths, dir.path(), "golden").unwrap();
        let mut held = held.unwrap();
        held.note(&gone).unwrap();
        drop(held);
        assert!(store::may_be_frozen(&paths));
        assert!(thaw_left(&Name::new("shop").unwrap(), &paths).is_empty());
        assert!(!store::may_be_frozen(&paths));
    }
}
