//! Where a project is, and whether this directory is it.
//!
//! The marks on containers, volumes and networks bear the directory in which the project was made, and an engine
//! cannot change a label. So a project that is moved keeps that one for its marks, and its record says where it is.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::backend::{docker, lxc};
use crate::model::{Kind, Project};
use crate::observed::ProjectRecord;
use crate::plan::{self, Problem};
use crate::store::{self, Paths, StoreError};
use crate::sys;

use super::{Consent, JobError};

/// A move that nobody has agreed to yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    from: PathBuf,
    to: PathBuf,
}

/// What a project left on the host beside its record, for when that is lost.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// The directories that its marks and services bear.
    directories: BTreeSet<PathBuf>,
    /// Where its LXC containers are.
    pub(super) lxcpath: Option<PathBuf>,
}

impl Traces {
    /// Those of `project`; `lxcpath` is where its LXC containers are when nothing else says so.
    ///
    /// # Errors
    /// Its services or its LXC containers cannot be listed.
    pub(super) async fn of(
        project: &Project,
        paths: &Paths,
        lxcpath: &Path,
    ) -> Result<Self, JobError> {
        let services = store::services_left(paths, &project.name)?;
        let known = |path: &&PathBuf| !path.as_os_str().is_empty();
        let places = services.iter().map(|unit| &unit.lxcpath);
        let found = places.filter(known).min().cloned();
        let mut directories: BTreeSet<PathBuf> = services
            .iter()
            .map(|unit| &unit.directory)
            .filter(known)
            .cloned()
            .collect();
        let lxcpath = found.as_deref().unwrap_or(lxcpath);
        directories.extend(lxc::directories_of(lxcpath, &project.name));
        let mut containers = project.containers.values();
        if containers.any(|container| container.kind() == Kind::Application) {
            directories.extend(docker::directories_of(&project.name).await);
        }
        Ok(Self {
            directories,
            lxcpath: found,
        })
    }
}

/// Gives `project` the directory that its marks bear; the move when it was elsewhere until now.
///
/// # Errors
/// It belongs to another directory, which still has its file.
pub(super) fn settle(
    project: &mut Project,
    record: Option<&ProjectRecord>,
    traces: &Traces,
    files: &[PathBuf],
) -> Result<Option<Moved>, Box<Problem>> {
    let to = project.directory.clone();
    let (home, marked) = match record {
        Some(record) => (record.home(), &record.directory),
        None if traces.directories.contains(&to) => return Ok(None),
        None => {
            let mut others = traces.directories.iter();
            // One of them that is still there has it, whichever was the first.
            let Some(other) = others
                .clone()
                .find(|there| has_project(there, &[]))
                .or(others.next())
            else {
                return Ok(None);
            };
            (other.as_path(), other)
        }
    };
    if home != to && has_project(home, files) {
        return Err(Box::new(plan::belongs(&project.name, home, &to)));
    }
    let from = home.to_path_buf();
    project.directory.clone_from(marked);
    Ok((from != to).then_some(Moved { from, to }))
}

/// Whether a project may still be in `directory`: it has a file that could be one, or all of those from which it was
/// brought up are where they were.
fn has_project(directory: &Path, files: &[PathBuf]) -> bool {
    // What cannot be looked at may be there.
    let may_be = |error: std::io::Error| {
        !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
    };
    let is_there = |path: &PathBuf| path.metadata().map_or_else(may_be, |_| true);
    !files.is_empty() && files.iter().all(is_there) || sys::has_yaml(directory)
}

impl Moved {
    /// Where it is now.
    pub(super) fn to(&self) -> &Path {
        &self.to
    }

    /// What is told before a move is agreed to.
    pub(super) fn told(&self, project: &Project) -> String {
        let (from, to) = (self.from.display(), self.to.display());
        let name = &project.name;
        format!(
            "project `{name}` was in `{from}`, where no project file is any more; it is taken to be in `{to}`; what mounts a directory of it by a path \
             relative to the project is made anew or restarted"
        )
    }

    /// Asks, and writes down where the project is now.
    pub(super) fn agree(
        &self,
        (project, paths): (&Project, &Paths),
        consent: &dyn Consent,
    ) -> Result<(), JobError> {
        if !consent.agree(&format!("{}\n", self.told(project)), "Is it this one now?")? {
            return Err(JobError::Refused);
        }
        self.write_down(project, paths)?;
        Ok(())
    }

    /// Writes down where the project is now.
    pub(super) fn write_down(&self, project: &Project, paths: &Paths) -> Result<(), StoreError> {
        let Some(mut record) = store::load_record(paths, &project.name)? else {
            return Ok(());
        };
        record.moved = Some(self.to.clone()).filter(|to| *to != record.directory);
        store::save_record(paths, &record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;
    use crate::store::load_record;

    fn project(directory: &Path) -> Project {
        let text = "name: shop\ncontainers: {web: {image: shop}}\n";
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join("locker.yaml"), text).unwrap();
        let options = file::LoadOptions {
            cwd: directory.into(),
            ..Default::default()
        };
        file::load(&options).unwrap().project
    }

    fn record(directory: &Path) -> ProjectRecord {
        let value = serde_json::json!({
            "version": 1, "name": "shop", "directory": directory, "lxcpath": "/var/lib/lxc",
            "subnets": crate::model::Subnets::new("10.77.0.0/24".parse().unwrap(), None), "addresses": {},
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_project_whose_directory_is_gone_may_be_taken_over_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(&dir.path().join("state"));
        let [one, two, three] = ["one", "two", "three"].map(|name| dir.path().join(name));
        let mut here = project(&two);
        assert_eq!(
            settle(&mut here, None, &Traces::default(), &[]).unwrap(),
            None
        );
        project(&one);
        store::save_record(&paths, &record(&one)).unwrap();
        let recorded = || load_record(&paths, &here.name).unwrap().unwrap();
        let refused = settle(
            &mut here.clone(),
            Some(&recorded()),
            &Traces::default(),
            &[],
        )
        .unwrap_err();
        assert!(refused.message.contains("belongs to"), "{refused}");
        std::fs::remove_file(one.join("locker.yaml")).unwrap();
        let mut taken = here.clone();
        let moved = settle(&mut taken, Some(&recorded()), &Traces::default(), &[])
            .unwrap()
            .unwrap();
        assert_eq!(
            (&moved.to, &taken.directory),
            (&two, &one),
            "marks keep the first"
        );
        moved.write_down(&taken, &paths).unwrap();
        assert_eq!(
            settle(
                &mut here.clone(),
                Some(&recorded()),
                &Traces::default(),
                &[]
            )
            .unwrap(),
            None
        );
        assert!(
            settle(
                &mut project(&three),
                Some(&recorded()),
                &Traces::default(),
                &[]
            )
            .is_err()
        );
        // And back again.
        std::fs::remove_dir_all(&two).unwrap();
        let mut back = project(&one);
        let moved = settle(&mut back, Some(&recorded()), &Traces::default(), &[])
            .unwrap()
            .unwrap();
        moved.write_down(&back, &paths).unwrap();
        assert_eq!(recorded(), record(&one));
    }

    #[test]
    fn a_project_whose_record_is_lost_is_where_its_services_and_marks_say() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
        let mut here = project(&two);
        let traces = Traces {
            directories: [one.clone()].into(),
            lxcpath: None,
        };
        project(&one);
        let refused = settle(&mut here.clone(), None, &traces, &[]).unwrap_err();
        assert!(refused.message.contains("belongs to"), "{refused}");
        std::fs::remove_file(one.join("locker.yaml")).unwrap();
        let moved = settle(&mut here, None, &traces, &[]).unwrap().unwrap();
        assert_eq!((moved.to(), &here.directory), (two.as_path(), &one));
        let mut back = project(&one);
        assert_eq!(settle(&mut back, None, &traces, &[]).unwrap(), None);
    }

    #[test]
    fn a_project_whose_files_lie_elsewhere_has_not_moved_while_they_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two, file] = ["one", "two", "stack.conf"].map(|name| dir.path().join(name));
        std::fs::create_dir(&one).unwrap();
        std::fs::write(&file, "").unwrap();
        let mut here = project(&two);
        let files = [file.clone()];
        let asked = |here: &mut Project| {
            settle(here, Some(&record(&one)), &Traces::default(), &files).is_err()
        };
        assert!(asked(&mut here.clone()));
        std::fs::remove_file(&file).unwrap();
        assert!(!asked(&mut here));
    }
}
