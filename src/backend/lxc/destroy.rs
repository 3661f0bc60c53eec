//! Destroying and setting aside.
//!
//! Destruction: the note first, then the mark, then the rest, then the note goes. Whatever interrupts
//! it, the note (or the missing directory) tells what is left. An older self has no note: it is renamed
//! to a hidden name at once, so that half of it is never taken for a whole one. Setting aside is one rename; the paths in
//! the renamed configuration are mended after it, again on the way back, and mending twice is harmless.

use std::path::Path;

use super::mark::{self, MARK};
use super::render::moved;
use super::site::{Site, failed, io, remove_file, write_whole};
use super::times::older_of;
use crate::backend::{BackendError, Body};
use crate::model::Name;

/// Destroys a stopped container, or its older self. Absent ones are fine.
pub(super) fn destroy(site: &Site, name: &Name, body: Body) -> Result<(), BackendError> {
    let (full, dir) = (site.full(name), site.body(name, body));
    let aside = body == Body::Aside;
    let begun = !aside && mark::partial(site, &site.partial(name)).is_some();
    remove_tree(&site.grave(name))?;
    if !dir.exists() {
        return if begun { mark::end(site, name) } else { Ok(()) };
    }
    let marked = mark::read(&dir)
        .ok()
        .flatten()
        .is_some_and(|mark| mark::is_ours(site, &mark));
    if !marked && !begun {
        return Err(failed("destroy", &full, "it bears no mark of this project"));
    }
    if !aside && dir.join("config").exists() {
        match site.container("destroy", &full) {
            Ok(container) => {
                if container.state()? != "STOPPED" && !(begun && container.stop()?) {
                    return Err(failed("destroy", &full, "it is not stopped"));
                }
            }
            // A creation that was killed wrote half of the configuration: nothing was ever started from it.
            Err(_) if begun => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(mount) = mount_below(&dir)? {
        return Err(failed(
            "destroy",
            &full,
            format!("`{mount}` is still mounted in it"),
        ));
    }
    if aside {
        let grave = site.grave(name);
        std::fs::rename(&dir, &grave).map_err(io("rename", &dir))?;
        return remove_tree(&grave);
    }
    mark::begin(site, name)?;
    remove_file(&dir.join(MARK))?;
    remove_tree(&dir)?;
    for log in [site.console_log(name), site.console_times(name)] {
        remove_file(&older_of(&log))?;
        remove_file(&log)?;
    }
    remove_file(&site.engine_log(name))?;
    mark::end(site, name)
}

/// Removes a tree without following links. What an orphan of a killed creation still writes into
/// it is met by trying again.
pub(super) fn remove_tree(dir: &Path) -> Result<(), BackendError> {
    for _ in 0..20 {
        match std::fs::remove_dir_all(dir) {
            Err(e) if e.kind() == std::io::ErrorKind::DirectoryNotEmpty => {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            done => return done.map_err(io("remove", dir)),
        }
    }
    std::fs::remove_dir_all(dir).map_err(io("remove", dir))
}

/// A mount point at or below `dir` in this process's mount namespace (proc(5), mountinfo).
fn mount_below(dir: &Path) -> Result<Option<String>, BackendError> {
    let table = Path::new("/proc/self/mountinfo");
    let text = std::fs::read_to_string(table).map_err(io("read", table))?;
    let dir = dir.canonicalize().map_err(io("resolve", dir))?;
    let below = |line: &str| {
        let path = line
            .split(' ')
            .nth(4)?
            .replace("\\040", " ")
            .replace("\\134", "\\");
        Path::new(&path).starts_with(&dir).then_some(path)
    };
    Ok(text.lines().find_map(below))
}

/// Renames a stopped container to its set-aside name, or back.
pub(super) fn set_aside(site: &Site, name: &Name, back: bool) -> Result<(), BackendError> {
    let (plain, aside) = (site.dir(name), site.aside(name));
    let (from, to) = if back {
        (&aside, &plain)
    } else {
        (&plain, &aside)
    };
    if !back {
        mark::ours(site, "set aside", name)?;
        if site.container("set aside", &site.full(name))?.state()? != "STOPPED" {
            return Err(failed("set aside", &site.full(name), "it is not stopped"));
        }
    }
    rustix::fs::renameat_with(
        rustix::fs::CWD,
        from,
        rustix::fs::CWD,
        to,
        rustix::fs::RenameFlags::NOREPLACE,
    )
    .map_err(|e| io("rename", from)(e.into()))?;
    for file in ["config", "locker.conf"] {
        let path = to.join(file);
        let text = std::fs::read_to_string(&path).map_err(io("read", &path))?;
        write_whole(&path, moved(&text, from, to).as_bytes())?;
    }
    Ok(())
}
