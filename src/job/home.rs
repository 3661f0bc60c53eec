//! Where a project is, and whether this directory is it.
//!
//! The marks on containers, volumes and networks bear the directory in which the project was made, and an engine
//! cannot change a label. So a project that is moved keeps that one for its marks, and its record says where it is.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::model::Project;
use crate::observed::ProjectRecord;
use crate::plan::{self, Problem};
use crate::store::{self, Paths, StoreError};

use super::{Consent, JobError};

/// A move that nobody has agreed to yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    from: PathBuf,
    to: PathBuf,
}

/// Gives `project` the directory that its marks bear; the move when it was elsewhere until now.
///
/// # Errors
/// It belongs to another directory, which still has its file.
pub(super) fn settle(
    project: &mut Project,
    record: Option<&ProjectRecord>,
) -> Result<Option<Moved>, Box<Problem>> {
    let Some(record) = record else {
        return Ok(None);
    };
    let (from, to) = (record.home(), project.directory.clone());
    if from != to && has_project(from) {
        return Err(Box::new(plan::belongs(&project.name, from, &to)));
    }
    let from = from.to_path_buf();
    project.directory.clone_from(&record.directory);
    Ok((from != to).then_some(Moved { from, to }))
}

/// Whether a project may still be in `directory`: `-f` takes a file of any name.
fn has_project(directory: &Path) -> bool {
    let is_file = |path: &Path| {
        let ending = path.extension().unwrap_or_default();
        (ending == "yaml" || ending == "yml") && path.is_file()
    };
    match std::fs::read_dir(directory) {
        Ok(entries) => entries.flatten().any(|entry| is_file(&entry.path())),
        // One that cannot be looked at may have it.
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

impl Moved {
    /// What is told before a move is agreed to.
    pub(super) fn told(&self, project: &Project) -> String {
        let (from, to) = (self.from.display(), self.to.display());
        let name = &project.name;
        format!(
            "project `{name}` was in `{from}`, where no project file is any more; it is taken to be in `{to}`"
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

    fn write_down(&self, project: &Project, paths: &Paths) -> Result<(), StoreError> {
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
        assert_eq!(settle(&mut here, None).unwrap(), None);
        project(&one);
        store::save_record(&paths, &record(&one)).unwrap();
        let recorded = || load_record(&paths, &here.name).unwrap().unwrap();
        let refused = settle(&mut here.clone(), Some(&recorded())).unwrap_err();
        assert!(refused.message.contains("belongs to"), "{refused}");
        std::fs::remove_file(one.join("locker.yaml")).unwrap();
        let mut taken = here.clone();
        let moved = settle(&mut taken, Some(&recorded())).unwrap().unwrap();
        assert_eq!(
            (&moved.to, &taken.directory),
            (&two, &one),
            "marks keep the first"
        );
        moved.write_down(&taken, &paths).unwrap();
        assert_eq!(settle(&mut here.clone(), Some(&recorded())).unwrap(), None);
        assert!(settle(&mut project(&three), Some(&recorded())).is_err());
        // And back again.
        std::fs::remove_dir_all(&two).unwrap();
        let mut back = project(&one);
        let moved = settle(&mut back, Some(&recorded())).unwrap().unwrap();
        moved.write_down(&back, &paths).unwrap();
        assert_eq!(recorded(), record(&one));
    }
}
