//! Unit files and what locker remembers of them, on disk.
//!
//! A unit file is ours when its first line is our mark. Beside it, in locker's state, each service's
//! [`UnitSpec`] is kept: `locker __supervise` reads it, and what is there is compared with it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::sandbox::Walls;
use super::{UnitsError, names, render};
use crate::model::{Name, ProjectUnits, UnitSpec};
use crate::store::{self, Paths, StoreError, write_atomic};

/// Where what is.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) paths: Paths,
    walls: Walls,
}

/// What is on disk of a project.
#[derive(Clone, Debug, Default)]
pub(super) struct OnDisk {
    /// Unit files with our mark, by name.
    pub(super) files: BTreeMap<String, String>,
    /// What each service is to be.
    pub(super) services: BTreeMap<Name, UnitSpec>,
    /// Those of them that are known by their files alone.
    pub(super) lost: BTreeSet<Name>,
}

/// Files as they were, so that a change can be taken back.
#[derive(Debug)]
pub(super) struct Undo {
    /// The note that systemd has something to read, which a reboot takes with what systemd knows.
    due: PathBuf,
    for_systemd: bool,
    before: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Files {
    pub(super) fn new(paths: &Paths) -> Self {
        Self::with_walls(paths, Walls::of_this_host())
    }

    /// As on a host whose kernel can do this.
    pub(super) fn with_walls(paths: &Paths, walls: Walls) -> Self {
        Self {
            paths: paths.clone(),
            walls,
        }
    }

    /// What a service is to be; none when it has none.
    pub(super) fn service(
        &self,
        project: &Name,
        name: &Name,
    ) -> Result<Option<UnitSpec>, UnitsError> {
        match store::load_unit_spec(&self.paths, project, name)? {
            None => Ok(self.read(project)?.services.remove(name)),
            known => Ok(known),
        }
    }

    /// Everything of a project.
    pub(super) fn read(&self, project: &Name) -> Result<OnDisk, UnitsError> {
        let files = self.unit_files(project)?;
        let mut services = store::load_unit_specs(&self.paths, project)?;
        let mut lost = BTreeSet::new();
        for ((_, name), unit) in store::units_of_files(&files) {
            if let Entry::Vacant(unknown) = services.entry(name) {
                lost.insert(unknown.key().clone());
                unknown.insert(unit);
            }
        }
        Ok(OnDisk {
            files,
            services,
            lost,
        })
    }

    fn unit_files(&self, project: &Name) -> Result<BTreeMap<String, String>, UnitsError> {
        let dir = self.paths.units();
        let mut found = BTreeMap::new();
        if self
            .other_state()?
            .is_some_and(|there| there.unit_specs(project).exists())
        {
            // A project of the same name, kept in another state directory.
            return Ok(found);
        }
        let stems = names::stems(project);
        for name in list(&dir)? {
            if !stems.iter().any(|stem| name.starts_with(stem)) || name.ends_with(".wants") {
                continue;
            }
            let path = dir.join(&name);
            // A link is somebody's own arrangement (`systemctl mask`, an alias), never a file of ours.
            let plain = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file());
            if let Some(text) = plain.then(|| read(&path)).transpose()?.flatten()
                && is_ours(&text, project)
            {
                found.insert(name, text);
            }
        }
        Ok(found)
    }

    /// Whether everything on disk is as `units` would have it.
    pub(super) fn differs(&self, disk: &OnDisk, units: &ProjectUnits) -> Result<bool, UnitsError> {
        let wanted = match units.services.is_empty() {
            true => BTreeMap::new(),
            false => render::project(units, self.walls)?,
        };
        Ok(disk.files != wanted)
    }

    /// Whether files were changed that systemd has not read: a run was killed in between.
    pub(super) fn is_reload_due(&self) -> bool {
        self.paths.reload_due().exists()
    }

    /// systemd has read its files.
    pub(super) fn reload_done(&self) {
        let _ = fs::remove_file(self.paths.reload_due()); // Not there is what is wanted.
    }

    /// Writes what is to be and removes what is not; on an error everything is as it was.
    pub(super) fn write(&self, units: &ProjectUnits) -> Result<Undo, UnitsError> {
        let mut undo = Undo {
            due: self.paths.reload_due(),
            for_systemd: false,
            before: Vec::new(),
        };
        match self.try_write(units, &mut undo) {
            Ok(()) => Ok(undo),
            Err(error) => {
                undo.back();
                Err(error)
            }
        }
    }

    /// Whether the files of `units` can be written: changes nothing.
    pub(super) fn check(&self, units: &ProjectUnits) -> Result<(), UnitsError> {
        if units.services.is_empty() {
            return Ok(());
        }
        let wanted = render::project(units, self.walls)?;
        self.refuse_foreign(&units.project, &self.paths.units(), wanted.keys())?;
        if let Some(path) = self.foreign_network()? {
            let project = "~".to_string();
            return Err(UnitsError::Foreign { path, project });
        }
        if let Some(there) = self.other_state()? {
            let named = |paths: &Paths| paths.moved().unwrap_or_else(|| paths.state().into());
            let (here, there) = (named(&self.paths), named(&there));
            return Err(UnitsError::OtherState { here, there });
        }
        // A file of ours would take the place of theirs.
        let taken = self.paths.other_units().into_iter().find_map(|dir| {
            let names = wanted.keys().map(String::as_str).chain([names::NETWORK]);
            let mut paths = names.map(|name| dir.join(name));
            paths.find(|path| fs::symlink_metadata(path).is_ok())
        });
        match taken {
            Some(path) => Err(UnitsError::Foreign {
                path,
                project: units.project.to_string(),
            }),
            None => Ok(()),
        }
    }

    fn try_write(&self, units: &ProjectUnits, undo: &mut Undo) -> Result<(), UnitsError> {
        let project = &units.project;
        let mut wanted = BTreeMap::new();
        if !units.services.is_empty() {
            wanted = render::project(units, self.walls)?;
        }
        let dir = self.paths.units();
        self.refuse_foreign(project, &dir, wanted.keys())?;
        let there = self.unit_files(project)?;
        if units.services.values().any(|spec| spec.oneshot) {
            let notes = self.paths.stopped(project);
            store::make_private(&notes).map_err(StoreError::io("make", &notes))?;
        }
        for (name, spec) in &units.services {
            let path = self.paths.unit_specs(project).join(format!("{name}.json"));
            let text = serde_json::to_vec(spec).map_err(|error| StoreError::Damaged {
                path: path.clone(),
                reason: error.to_string(),
            })?;
            undo.note(&path, &text)?;
            if !spec.oneshot {
                // Its supervisor could not take the note away.
                store::forget_stopped(&self.paths, project, name);
            }
        }
        for (name, text) in &wanted {
            if there.get(name) != Some(text) {
                undo.put(&dir.join(name), text.as_bytes())?;
            }
        }
        for name in there.keys().filter(|name| !wanted.contains_key(*name)) {
            undo.remove(&dir.join(name))?;
        }
        let kept: BTreeSet<String> = units.services.keys().map(|n| format!("{n}.json")).collect();
        let specs = self.paths.unit_specs(project);
        for file in list(&specs)?.into_iter().filter(|f| !kept.contains(f)) {
            undo.drop_note(&specs.join(&file))?;
            self.forget_notes(project, &file);
        }
        if kept.is_empty() {
            let _ = fs::remove_dir(&specs); // Not there, or something foreign is in it: both are fine.
        }
        Ok(())
    }

    /// What supervisors have noted below /run about a container that has no service any more.
    fn forget_notes(&self, project: &Name, file: &str) {
        let Some(Ok(name)) = file.strip_suffix(".json").map(Name::new) else {
            return;
        };
        store::forget_stopped(&self.paths, project, &name);
        for note in [
            self.paths.backoff(project, &name),
            self.paths.unwell(project, &name),
            self.paths.hook_failed(project, &name),
            self.paths.handed_on(project, &name),
        ] {
            let _ = fs::remove_file(note); // Not there is what is wanted.
        }
    }

    fn refuse_foreign<'a>(
        &self,
        project: &Name,
        dir: &Path,
        wanted: impl Iterator<Item = &'a String>,
    ) -> Result<(), UnitsError> {
        for name in wanted {
            let path = dir.join(name);
            let linked = fs::symlink_metadata(&path).is_ok_and(|meta| !meta.is_file());
            let foreign = match read(&path) {
                Ok(Some(text)) => !is_ours(&text, project),
                Ok(None) => false,
                Err(_) => true,
            };
            if linked || foreign {
                let project = project.to_string();
                return Err(UnitsError::Foreign { path, project });
            }
        }
        Ok(())
    }

    /// A file of somebody else's in the place of the host's network service.
    fn foreign_network(&self) -> Result<Option<PathBuf>, UnitsError> {
        let path = self.paths.units().join(names::NETWORK);
        let linked = fs::symlink_metadata(&path).is_ok_and(|meta| !meta.is_file());
        let foreign = read(&path)?.is_some_and(|there| !is_network(&there));
        Ok(Some(path).filter(|_| linked || foreign))
    }

    /// Writes the host's network service; whether it was not so before.
    pub(super) fn write_network(&self, text: &str) -> Result<bool, UnitsError> {
        let path = self.paths.units().join(names::NETWORK);
        if read(&path)?.as_deref() == Some(text) {
            return Ok(false);
        }
        if let Some(path) = self.foreign_network()? {
            let project = "~".to_string();
            return Err(UnitsError::Foreign { path, project });
        }
        write_atomic(&path, text.as_bytes(), 0o644)?;
        Ok(true)
    }

    /// The file of the host's network service.
    pub(super) fn network(&self) -> Result<Option<String>, UnitsError> {
        read(&self.paths.units().join(names::NETWORK))
    }

    /// Whether the host's network service starts at boot.
    pub(super) fn network_enabled(&self) -> bool {
        let wants = self.paths.units().join("multi-user.target.wants");
        fs::symlink_metadata(wants.join(names::NETWORK)).is_ok()
    }

    /// Whether something is there that all projects share, and no project has a unit any more.
    pub(super) fn network_is_over(&self) -> Result<bool, UnitsError> {
        let dir = self.paths.units();
        // What somebody else calls by such a name needs nothing of ours.
        let needs = |name: &String| {
            let text = read(&dir.join(name)).ok().flatten();
            text.is_some_and(|text| text.starts_with("# locker:"))
        };
        let units = list(&dir)?.into_iter();
        let mut units = units.filter(|name| name.starts_with("locker-") && name != names::NETWORK);
        let others = units.any(|name| needs(&name));
        let text = self.network()?;
        let ours = text.is_some_and(|text| is_network(&text));
        let left = ours || self.network_enabled() || self.paths.program().exists();
        Ok(left && !others)
    }

    /// Removes the host's network service, and a link to it that leads nowhere.
    pub(super) fn remove_network(&self) -> Result<(), UnitsError> {
        let wants = self.paths.units().join("multi-user.target.wants");
        let _ = fs::remove_file(wants.join(names::NETWORK)); // Not there is what is wanted.
        let _ = fs::remove_file(self.paths.network_socket()); // The same.
        let path = self.paths.units().join(names::NETWORK);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(StoreError::io("remove", &path)(error).into())
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes the copy of the program that no unit runs any more.
    pub(super) fn remove_program(&self) -> Result<(), UnitsError> {
        Ok(store::remove_program(&self.paths.program())?)
    }

    /// Containers that start with the project, and whether the project starts at boot.
    pub(super) fn enabled(&self, project: &Name, all: &OnDisk) -> (BTreeSet<Name>, bool) {
        let dir = self.paths.units();
        let linked = |target: &str, unit: &str| {
            let link = dir.join(format!("{target}.wants")).join(unit);
            fs::symlink_metadata(link).is_ok()
        };
        let target = names::target(project);
        let is_on = |unit: &&UnitSpec| names::at_boot(unit).iter().all(|u| linked(&target, u));
        let enabled = all.services.values().filter(is_on);
        let enabled = enabled.map(|unit| unit.name.clone()).collect();
        (enabled, linked("multi-user.target", &target))
    }
}

/// A unit is everybody's to read, as all of them are; what a service is to be holds commands and variables.
fn mode_of(path: &Path) -> u32 {
    match path.extension().is_some_and(|word| word == "json") {
        true => 0o600,
        false => 0o644,
    }
}

impl Undo {
    fn remember(&mut self, path: &Path) -> Result<(), StoreError> {
        let before = match fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(source) => return Err(StoreError::io("read", path)(source)),
        };
        self.before.push((path.into(), before));
        Ok(())
    }

    /// A file that systemd reads.
    fn put(&mut self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        write_atomic(&self.due, b"", 0o600)?;
        self.for_systemd = true;
        self.note(path, bytes)
    }

    /// A file of our own, which is left alone when it says so already.
    fn note(&mut self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.remember(path)?;
        let before = self.before.last().and_then(|(_, bytes)| bytes.as_deref());
        if before == Some(bytes) {
            self.before.pop();
            return Ok(());
        }
        write_atomic(path, bytes, mode_of(path))
    }

    fn remove(&mut self, path: &Path) -> Result<(), StoreError> {
        write_atomic(&self.due, b"", 0o600)?;
        self.for_systemd = true;
        self.drop_note(path)
    }

    fn drop_note(&mut self, path: &Path) -> Result<(), StoreError> {
        self.remember(path)?;
        fs::remove_file(path).map_err(StoreError::io("remove", path))
    }

    /// Whether anything was changed that systemd must read.
    pub(super) fn changed(&self) -> bool {
        self.for_systemd
    }

    /// Brings all files back, as far as that goes: it is called while another error is told.
    pub(super) fn back(self) {
        for (path, before) in self.before.into_iter().rev() {
            let _ = match before {
                Some(bytes) => write_atomic(&path, &bytes, mode_of(&path)),
                None => fs::remove_file(&path).map_err(StoreError::io("remove", &path)),
            };
            let notes = path.parent().filter(|dir| dir.ends_with("units"));
            if let Some(dir) = notes {
                let _ = fs::remove_dir(dir); // What other services are to be stays, and its directory.
            }
        }
    }
}

/// The same of the host's network service.
pub(super) fn is_network(text: &str) -> bool {
    text.is_empty() || text.starts_with("# locker:~")
}

/// A file that lost its content with the host's power is under a name of ours and says nothing else.
fn is_ours(text: &str, project: &Name) -> bool {
    if text.is_empty() {
        return true;
    }
    let mark = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("# locker:"));
    let owner = mark.map(|mark| mark.split_once(':').map_or(mark, |(owner, _)| owner));
    owner == Some(project.as_str())
}

pub(super) fn list(dir: &Path) -> Result<Vec<String>, UnitsError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(StoreError::io("list", dir)(source).into()),
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
    let names: Result<Vec<String>, std::io::Error> = names.collect();
    Ok(names.map_err(StoreError::io("list", dir))?)
}

fn read(path: &Path) -> Result<Option<String>, UnitsError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::io("read", path)(source).into()),
    }
}
