//! The files that are kept beside the containers of a project, read in one go.
//!
//! They do not depend on what the engine says, so a look reads them while the engine makes its list. What
//! came since is read when it is asked for.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::site::Site;
use super::{hosts, mark};
use crate::model::Name;
use crate::store;

/// What is in the places of the project's containers, by their names.
#[derive(Debug, Default)]
pub(super) struct Homes {
    homes: HashMap<String, Home>,
    /// The ids of those that were told to end when they ran last.
    stopped: BTreeMap<Name, String>,
}

/// What is in the place of one container.
#[derive(Clone, Debug, Default)]
pub(super) struct Home {
    /// Its hosts file; none when there is none.
    pub(super) hosts: Option<String>,
    /// The file of what was changed since it was made; none when nothing was.
    pub(super) changed: Option<String>,
    /// The note that it was asked to end; none when it was not.
    pub(super) stopping: Option<String>,
}

impl Homes {
    /// Reads all there are. What cannot be read is tried again for each container.
    pub(super) fn read(site: &Site) -> Self {
        Self {
            homes: Self::read_homes(site),
            stopped: store::stopped(&site.paths, &site.project),
        }
    }

    fn read_homes(site: &Site) -> HashMap<String, Home> {
        let place = site.homes();
        let (Ok(dir), Ok(entries)) = (File::open(&place), fs::read_dir(&place)) else {
            return HashMap::new();
        };
        let names = entries
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok());
        let home = |name: String| {
            let home = Home::at(dir.as_fd(), Path::new(&name));
            (name, home)
        };
        names.map(home).collect()
    }

    /// Whether the container of this id was told to end when it ran last.
    pub(super) fn was_stopped(&self, name: &Name, id: &str) -> bool {
        self.stopped.get(name).is_some_and(|noted| noted == id)
    }

    /// That of the container `name` with `token`.
    pub(super) fn of(&self, site: &Site, name: &Name, token: &str) -> Cow<'_, Home> {
        match self.homes.get(&Site::place(name, token)) {
            Some(home) => Cow::Borrowed(home),
            None => Cow::Owned(Home::at(CWD, &site.home(name, token))),
        }
    }
}

impl Home {
    /// A file that cannot be read is as good as lost.
    fn at(dir: BorrowedFd<'_>, home: &Path) -> Self {
        let read = |file: &str| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let file = openat(dir, home.join(file), flags, Mode::empty()).ok()?;
            let mut text = String::with_capacity(1 << 10);
            File::from(file).read_to_string(&mut text).ok()?;
            Some(text)
        };
        Self {
            hosts: read(hosts::FILE),
            changed: read(mark::FILE),
            stopping: read(mark::STOPPING),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Paths;

    #[test]
    fn what_came_after_the_reading_is_seen_and_what_is_not_there_is_none() {
        let root = tempfile::tempdir().unwrap();
        let site = Site {
            project: Name::new("shop").unwrap(),
            directory: "/srv/shop".into(),
            here: "/srv/shop".into(),
            paths: Paths::under(root.path()),
        };
        let (web, db) = (Name::new("web").unwrap(), Name::new("db").unwrap());
        let write = |name: &Name, file: &str, text: &str| {
            let home = site.home(name, "0123456789abcdef");
            fs::create_dir_all(&home).unwrap();
            fs::write(home.join(file), text).unwrap();
        };
        assert!(Homes::read(&site).homes.is_empty());
        write(&web, "hosts", "::1 web\n");
        let homes = Homes::read(&site);
        write(&db, "mark.json", "{}");
        let of = |name: &Name| homes.of(&site, name, "0123456789abcdef").into_owned();
        assert_eq!(of(&web).hosts.as_deref(), Some("::1 web\n"));
        assert_eq!(of(&web).changed, None);
        assert_eq!(of(&db).changed.as_deref(), Some("{}"));
        assert_eq!(homes.of(&site, &db, "fedcba9876543210").hosts, None);
    }
}
