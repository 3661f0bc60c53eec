//! Holding a container still while it is copied, so that it goes on also when this run is killed meanwhile.

use std::path::Path;

use super::asked::Asked;
use super::frozen;
use super::site::{Site, io};
use crate::backend::BackendError;
use crate::model::Name;
use crate::store::{self, Freezing, Frozen, Paths};
use crate::sys::process::Stat;

/// Does `work` while the container `full` stands still; one that others have frozen, or that does not run, is left as it
/// is. Whoever else copies it waits, so that nobody thaws it in the middle.
pub(super) fn during<T>(
    site: &Site,
    container: &Asked,
    full: &str,
    work: impl FnOnce() -> Result<T, BackendError>,
) -> Result<T, BackendError> {
    let notes = site.paths.frozen();
    let held = Freezing::of(&site.paths, &site.lxcpath, full);
    let mut held = held.map_err(io("lock", &notes))?;
    if held.left().is_some_and(|left| runs(&left)) {
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
        let thawed = site
            .container("thaw", full)
            .and_then(|container| frozen::thaw(&site, &container, full));
        Some(match thawed {
            Ok(()) => {
                held.end();
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
    fn a_note_of_a_run_that_has_ended_goes_without_a_word() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let gone = Frozen {
            lxcpath: dir.path().into(),
            name: "golden".into(),
            init: std::process::id(),
            started: 0,
        };
        let mut held = Freezing::of(&paths, dir.path(), "golden").unwrap();
        held.note(&gone).unwrap();
        drop(held);
        assert!(store::may_be_frozen(&paths));
        assert!(thaw_left(&Name::new("shop").unwrap(), &paths).is_empty());
        assert!(!store::may_be_frozen(&paths));
    }
}
