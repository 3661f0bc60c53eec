//! Where the things of one project's application containers are, and how its files are written.
//!
//! ```text
//! <state>/containers/<project>/<name>~<token>/hosts      mounted on /etc/hosts
//! <state>/containers/<project>/<name>~<token>/files/<n>  contents of secrets and configs, mounted
//! <state>/containers/<project>/<name>~<token>/mark.json  what was changed since the container was made
//! <state>/containers/<project>/<name>~<token>/made.json  host directories made for its mounts
//! ```
//!
//! The token is in the container's marks: a new self and the older one that was set aside have a place
//! each. It holds secrets, so nobody but root may look into it.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::known::Known;
use crate::backend::BackendError;
use crate::model::{Name, host_name_of};
use crate::store::{self, Paths};

/// What the name of an older self that was set aside ends with.
pub(super) const ASIDE: &str = ".locker-old";

/// What the verbs share.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) project: Name,
    /// The directory that its marks bear.
    pub(super) directory: PathBuf,
    /// The one that it is in: another one when it was moved.
    pub(super) here: PathBuf,
    pub(super) paths: Paths,
}

impl Site {
    /// Whether it is noted that the container was told to stop: who starts it takes the note away again. A supervisor does
    /// so only where others wait for the end of its work.
    pub(super) fn notes_stops(&self, known: &Known) -> bool {
        let spec = &known.mark.spec;
        let unit = || store::load_unit_spec(&self.paths, &self.project, &spec.name);
        !spec.supervised || unit().is_ok_and(|unit| unit.is_some_and(|unit| unit.oneshot))
    }

    /// The name on the host.
    pub(super) fn full(&self, name: &Name) -> String {
        host_name_of(&self.project, name)
    }

    /// The name on the host of the older self that was set aside; its marks say whose it is.
    pub(super) fn aside(&self, name: &Name) -> String {
        format!("{}{ASIDE}", self.full(name))
    }

    /// Where the files of all the project's containers are.
    pub(super) fn homes(&self) -> PathBuf {
        self.paths.containers(&self.project)
    }

    /// Where the files of one container are.
    pub(super) fn home(&self, name: &Name, token: &str) -> PathBuf {
        self.homes().join(Self::place(name, token))
    }

    /// The same within [`Self::homes`].
    pub(super) fn place(name: &Name, token: &str) -> String {
        format!("{name}~{token}")
    }

    /// Makes the place of a new container's files. Fails when it is there, which a new token never is.
    pub(super) fn make_home(&self, name: &Name, token: &str) -> Result<PathBuf, BackendError> {
        let homes = self.homes();
        crate::store::make_private(&homes).map_err(io("create", &homes))?;
        fs::set_permissions(&homes, Permissions::from_mode(0o700)).map_err(io("close", &homes))?;
        let home = self.home(name, token);
        fs::create_dir(&home).map_err(io("create", &home))?;
        Ok(home)
    }

    /// Removes the places of a container's files but those of `kept`, and the project's when it was
    /// the last. An absent one is fine.
    pub(super) fn sweep_homes(&self, name: &Name, kept: &[String]) -> Result<(), BackendError> {
        let homes = self.homes();
        let listing = match fs::read_dir(&homes) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            listing => listing.map_err(io("read", &homes))?,
        };
        for entry in listing {
            let entry = entry.map_err(io("read", &homes))?;
            let file = entry.file_name();
            let split = file.to_str().and_then(|file| file.rsplit_once('~'));
            let ours = split.is_some_and(|(owner, token)| {
                owner == name.as_str() && !kept.iter().any(|kept| kept == token)
            });
            if ours {
                remove_tree(&entry.path())?;
            }
        }
        match fs::remove_dir(&homes) {
            Err(e) if !matches!(e.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound) => {
                Err(io("remove", &homes)(e))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn remove_tree(path: &Path) -> Result<(), BackendError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(io("remove", path)(e)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A token that no other container has had.
pub(super) fn token() -> String {
    let mut bytes = [0_u8; 8];
    // The kernel's generator is ready long before anything runs containers; time tells apart as well.
    if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        bytes = u64::try_from(now.unwrap_or_default().as_nanos())
            .unwrap_or_default()
            .to_be_bytes();
    }
    format!("{:016x}", u64::from_be_bytes(bytes))
}

/// Replaces a file of ours as a whole. Not forced to the disk: what is in it can be had again from the
/// container's marks, and one that is cut short is read as none.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BackendError> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let replace = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
        file.write_all(bytes)?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    replace().map_err(io("write", path))
}

/// For `map_err`: the verb and the path of a refused call.
pub(super) fn io(
    verb: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> BackendError {
    let path = path.into();
    move |source| BackendError::Io { verb, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(dir: &Path) -> Site {
        Site {
            project: Name::new("shop").unwrap(),
            directory: "/srv/shop".into(),
            here: "/srv/shop".into(),
            paths: Paths::under(dir),
        }
    }

    #[test]
    fn a_sweep_takes_the_places_of_one_container_and_at_last_the_projects() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path());
        let (db, web) = (Name::new("db").unwrap(), Name::new("web").unwrap());
        for (name, token) in [(&db, "1"), (&db, "2"), (&web, "3")] {
            let home = site.make_home(name, token).unwrap();
            write_whole(&home.join("hosts"), b"x").unwrap();
        }
        site.sweep_homes(&db, &["2".into()]).unwrap();
        assert!(!site.home(&db, "1").exists() && site.home(&db, "2").exists());
        site.sweep_homes(&db, &[]).unwrap();
        assert!(!site.home(&db, "2").exists() && site.home(&web, "3").exists());
        site.sweep_homes(&web, &[]).unwrap();
        assert!(!site.homes().exists());
        site.sweep_homes(&web, &[]).unwrap();
    }

    #[test]
    fn nobody_else_may_look_into_the_places_and_tokens_differ() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path());
        let db = Name::new("db").unwrap();
        site.make_home(&db, "1").unwrap();
        let mode = fs::metadata(site.homes()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(site.make_home(&db, "1").is_err());
        assert_ne!(token(), token());
    }
}
