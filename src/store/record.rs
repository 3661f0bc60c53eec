//! The record of a project: what locker remembers between runs. Versioned and always whole.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::model::Name;
use crate::observed::ProjectRecord;

use super::projects::project_names;
use super::{Paths, StoreError, write_atomic};

/// The newest form of the record that this program reads and the one that it writes.
pub const RECORD_VERSION: u32 = 1;

/// The record of `project`; none when it has none, and when what is there cannot be understood: it is then made
/// again from the marks, as one that is lost ([`record_damage`] says so).
///
/// # Errors
/// It cannot be read, was written by a newer locker, or is another project's.
pub fn load_record(paths: &Paths, project: &Name) -> Result<Option<ProjectRecord>, StoreError> {
    match read_record(paths, project) {
        Err(StoreError::Damaged { .. }) => Ok(None),
        read => read,
    }
}

/// What is wrong with the record of `project`, when it is damaged.
pub fn record_damage(paths: &Paths, project: &Name) -> Option<StoreError> {
    let read = read_record(paths, project).err();
    read.filter(|error| matches!(error, StoreError::Damaged { .. }))
}

fn read_record(paths: &Paths, project: &Name) -> Result<Option<ProjectRecord>, StoreError> {
    let path = paths.record(project);
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            return Err(StoreError::Damaged {
                path,
                reason: "it is a directory".into(),
            });
        }
        Err(source) => return Err(StoreError::io("read", &path)(source)),
    };
    parse(&path, project, &text).map(Some)
}

/// The version is looked at before the rest: a newer form may hold anything else.
fn parse(path: &Path, project: &Name, text: &str) -> Result<ProjectRecord, StoreError> {
    let damaged = |reason: String| StoreError::Damaged {
        path: path.into(),
        reason,
    };
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    let version = value["version"]
        .as_u64()
        .ok_or_else(|| damaged("it has no version".into()))?;
    if version > u64::from(RECORD_VERSION) {
        return Err(StoreError::Newer {
            path: path.into(),
            version,
            known: RECORD_VERSION,
        });
    }
    let record: ProjectRecord =
        serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
    if &record.name != project {
        return Err(StoreError::Misplaced {
            path: path.into(),
            owner: record.name,
        });
    }
    Ok(record)
}

/// Writes the record of its project.
pub fn save_record(paths: &Paths, record: &ProjectRecord) -> Result<(), StoreError> {
    let path = paths.record(&record.name);
    let mut bytes = serde_json::to_vec_pretty(record).map_err(|error| StoreError::Damaged {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    bytes.push(b'\n');
    write_atomic(&path, &bytes, 0o600)
}

/// Forgets `project`; one that is not known is fine. Its directory goes too when nothing else is in it.
pub fn remove_record(paths: &Paths, project: &Name) -> Result<(), StoreError> {
    let path = paths.record(project);
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(source) => return Err(StoreError::io("remove", &path)(source)),
    }
    super::save_sources(paths, project, &super::Sources::new())?;
    super::origins::remove_origins(paths, project)?;
    remove_notes(paths, project);
    let _ = fs::remove_dir_all(paths.stopped(project)); // Most often not there.
    let dir = paths.project(project);
    match fs::remove_dir(&dir) {
        Ok(()) => Ok(()),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Ok(())
        }
        Err(source) => Err(StoreError::io("remove", &dir)(source)),
    }
}

/// Removes what the project's services have noted since the boot; a note that stays is no harm.
fn remove_notes(paths: &Paths, project: &Name) {
    let start = paths.notes_of(project);
    for dir in paths.notes() {
        for note in fs::read_dir(dir).into_iter().flatten().flatten() {
            if note.file_name().to_string_lossy().starts_with(&start) {
                let _ = fs::remove_file(note.path());
            }
        }
    }
}

/// Removes the project's directories that hold nothing any more, so that nothing stays of a project
/// that was taken down. To be called under its lock, which keeps others from filling one just then.
pub fn remove_empty(paths: &Paths, project: &Name) {
    if !paths.record(project).exists() {
        // Supervisors write into this one, which they cannot make.
        let _ = fs::remove_dir(paths.stopped(project));
    }
    for dir in [
        paths.unit_specs(project),
        paths.project(project),
        paths.logs(project),
        paths.volumes(project),
    ] {
        // Most often there is something in it; an empty directory that cannot be removed is no harm.
        let _ = super::atomic::remove_unfinished(&dir);
    }
}

/// The records of all projects by name. A directory without a record, or with one that is damaged, of a newer locker
/// or of another project (a copy), is passed over: it keeps nobody else from work, and the subnet of such a project is
/// seen on its bridge.
///
/// # Errors
/// A record cannot be read.
pub fn load_records(paths: &Paths) -> Result<Vec<ProjectRecord>, StoreError> {
    let mut records = Vec::new();
    for project in project_names(paths)? {
        match load_record(paths, &project) {
            Ok(record) => records.extend(record),
            Err(StoreError::Newer { .. } | StoreError::Misplaced { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Subnets;

    fn record(name: &str) -> ProjectRecord {
        ProjectRecord {
            version: RECORD_VERSION,
            name: Name::new(name).unwrap(),
            directory: "/srv/shop".into(),
            moved: None,
            lxcpath: "/var/lib/lxc".into(),
            subnets: Subnets::new("10.77.0.0/24".parse().unwrap(), "fd77::/64".parse().ok()),
            networks: Default::default(),
            applications: false,
            leaving: Default::default(),
            addresses: [(Name::new("db").unwrap(), 2)].into(),
            added_ports: Default::default(),
            withdrawn: Default::default(),
            ids: Default::default(),
            picked_ports: Default::default(),
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_saved_and_goes_without_a_trace() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let (one, two) = (record("one"), record("two"));
        assert_eq!(load_record(&paths, &one.name).unwrap(), None);
        save_record(&paths, &two).unwrap();
        save_record(&paths, &one).unwrap();
        assert_eq!(load_record(&paths, &one.name).unwrap(), Some(one.clone()));
        assert_eq!(load_records(&paths).unwrap(), [one.clone(), two.clone()]);
        let web = Name::new("web").unwrap();
        let note = |of: &Name| [paths.ready(of, &web), paths.attended(of, &web)];
        for path in note(&one.name).iter().chain(&note(&two.name)) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        remove_record(&paths, &one.name).unwrap();
        remove_record(&paths, &one.name).unwrap();
        assert!(note(&one.name).iter().all(|path| !path.exists()));
        assert!(note(&two.name).iter().all(|path| path.exists()));
        assert!(!paths.project(&one.name).exists());
        assert_eq!(load_records(&paths).unwrap(), [two]);
    }

    #[test]
    fn a_damaged_record_is_as_good_as_lost_and_newer_and_misplaced_ones_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let name = Name::new("shop").unwrap();
        let put = |text: &str| write_atomic(&paths.record(&name), text.as_bytes(), 0o600).unwrap();
        for text in ["", "{\"version\": 1", "{}", "{\"version\": 1}", "\0\0"] {
            put(text);
            assert_eq!(load_record(&paths, &name).unwrap(), None, "{text}");
            assert_eq!(load_records(&paths).unwrap(), [], "{text}");
            let said = record_damage(&paths, &name).unwrap().to_string();
            assert!(said.contains("project.json` is damaged"), "{said}");
        }
        fs::remove_file(paths.record(&name)).unwrap();
        fs::create_dir(paths.record(&name)).unwrap();
        assert_eq!(load_record(&paths, &name).unwrap(), None, "a directory");
        let said = save_record(&paths, &record("shop"))
            .unwrap_err()
            .to_string();
        assert!(said.contains("it is a directory; move it away"), "{said}");
        fs::remove_dir(paths.record(&name)).unwrap();
        let foreign = serde_json::to_string(&record("other")).unwrap();
        for (text, expected) in [
            ("{\"version\": 2, \"what\": []}", "newer locker"),
            (foreign.as_str(), "project `other`"),
        ] {
            put(text);
            assert!(record_damage(&paths, &name).is_none());
            let error = load_record(&paths, &name).unwrap_err().to_string();
            assert!(
                error.contains(expected) && error.contains("project.json"),
                "{error}"
            );
            save_record(&paths, &record("one")).unwrap();
            let others = load_records(&paths).unwrap();
            assert_eq!(others, [record("one")], "nobody else is stopped by it");
        }
    }

    #[test]
    fn of_a_project_that_is_gone_only_what_holds_data_stays() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let shop = Name::new("shop").unwrap();
        let data = paths.volumes(&shop).join("data");
        let notes = paths.stopped(&shop);
        for dir in [&notes, &paths.logs(&shop), &data] {
            fs::create_dir_all(dir).unwrap();
        }
        save_record(&paths, &record("shop")).unwrap();
        remove_empty(&paths, &shop);
        assert!(notes.exists(), "a service may note something there");
        fs::remove_file(paths.record(&shop)).unwrap();
        remove_empty(&paths, &shop);
        assert!(!paths.project(&shop).exists() && !paths.logs(&shop).exists());
        assert!(data.exists());
    }
}
