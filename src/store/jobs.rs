//! What was written down about commands in containers of their own: a file for each.
//!
//! A note, never the truth about what runs. One that cannot be read counts as not there: its container
//! is then a leftover of the project, and shown as one.

use std::fs;
use std::io::ErrorKind;

use crate::model::{JobRecord, Name};

use super::{Paths, StoreError, write_atomic};

/// The form that this program writes, and the only one that it reads.
pub const JOB_VERSION: u32 = 1;

/// The jobs of `project`, by name.
///
/// # Errors
/// Their directory cannot be listed.
pub fn load_jobs(paths: &Paths, project: &Name) -> Result<Vec<JobRecord>, StoreError> {
    let dir = paths.jobs(project);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(StoreError::io("list", &dir)(source)),
    };
    let mut jobs = Vec::new();
    for entry in entries {
        let path = entry.map_err(StoreError::io("list", &dir))?.path();
        let Some(bytes) = fs::read(&path).ok().filter(|bytes| !bytes.is_empty()) else {
            continue; // it was forgotten meanwhile
        };
        let read = serde_json::from_slice::<JobRecord>(&bytes).ok();
        jobs.extend(read.filter(|job| job.version == JOB_VERSION));
    }
    jobs.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(jobs)
}

/// Writes a job down.
///
/// # Errors
/// The file cannot be written.
pub fn save_job(paths: &Paths, project: &Name, job: &JobRecord) -> Result<(), StoreError> {
    let path = paths.job(project, &job.name);
    let bytes = serde_json::to_vec(job).map_err(|error| StoreError::Damaged {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    // A command line may hold what is nobody else's business.
    write_atomic(&path, &bytes, 0o600)
}

/// Forgets a job; one that is not known is fine. The directory goes with the last one.
///
/// # Errors
/// The file cannot be removed.
pub fn remove_job(paths: &Paths, project: &Name, name: &Name) -> Result<(), StoreError> {
    let path = paths.job(project, name);
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(source) => return Err(StoreError::io("remove", &path)(source)),
    }
    // Most often others are in it.
    let _ = fs::remove_dir(paths.jobs(project));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_come_back_and_nothing_stays_of_the_last_one() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let shop = Name::new("shop").unwrap();
        let job = |word: &str| JobRecord {
            version: JOB_VERSION,
            name: Name::new(word).unwrap(),
            of: Name::new("web").unwrap(),
            argv: vec!["sh".into()],
            begun: "2026-01-31T12:00:00Z".into(),
            remove: true,
            unit: false,
            runner: None,
        };
        assert_eq!(load_jobs(&paths, &shop).unwrap(), []);
        let (one, two) = (job("one"), job("two"));
        save_job(&paths, &shop, &two).unwrap();
        save_job(&paths, &shop, &one).unwrap();
        let torn = paths.jobs(&shop).join("torn.json");
        fs::write(&torn, "{").unwrap();
        assert_eq!(
            load_jobs(&paths, &shop).unwrap(),
            [one.clone(), two.clone()]
        );
        fs::remove_file(torn).unwrap();
        for name in [&one.name, &two.name, &two.name] {
            remove_job(&paths, &shop, name).unwrap();
        }
        assert!(!paths.jobs(&shop).exists());
    }
}
