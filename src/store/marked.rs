//! What unit files with our mark tell by themselves, for when what was written down beside them is lost.
//!
//! The mark alone says whose a unit is. What a file does not tell is what it is without a wish of the file's, so
//! that such a service is enough to end it or to write it anew, and never to be kept as it is.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{DemandPort, Kind, Name, Restart, UnitSpec};

use super::{Paths, StoreError};

/// Containers by project and name.
type Units = BTreeMap<(Name, Name), UnitSpec>;

/// The services, with the ports that systemd holds for them, that unit files show; `files` are texts by name.
pub fn units_of_files(files: &BTreeMap<String, String>) -> Units {
    let mut found = Units::new();
    for (file, text) in files {
        let Some((project, name)) = mark(text) else {
            continue;
        };
        let demand = file.contains("-on\\x2ddemand-");
        if let Some(port) = demand.then(|| demand_port(file, text, files)).flatten() {
            let unit = found.entry((project.clone(), name.clone()));
            let unit = unit.or_insert_with(|| bare(project, name));
            unit.on_demand.push(port);
        } else if !demand && file.ends_with(".service") {
            let unit = found.entry((project.clone(), name.clone()));
            fill(unit.or_insert_with(|| bare(project, name)), text);
        }
    }
    found
}

/// The services of `project` by what is written beside their unit files and by those files, where both are of this state.
///
/// # Errors
/// A directory or a file in it cannot be read.
pub fn services_left(paths: &Paths, project: &Name) -> Result<Vec<UnitSpec>, StoreError> {
    let mut services: Vec<UnitSpec> = super::load_unit_specs(paths, project)?
        .into_values()
        .collect();
    let files = unit_files(paths, &|name| name.ends_with(".service"))?;
    let ours = |unit: &UnitSpec| {
        let state = unit.state_dir.as_deref().map(Paths::under);
        let state = state.unwrap_or_else(Paths::system);
        &unit.project == project && state.state() == paths.state()
    };
    services.extend(units_of_files(&files).into_values().filter(ours));
    Ok(services)
}

/// The same of all projects, as far as systemd holds ports for them.
///
/// # Errors
/// The directory of units or a file in it cannot be read.
pub(super) fn demand_units(paths: &Paths) -> Result<Units, StoreError> {
    let files = unit_files(paths, &|name| name.contains("-on\\x2ddemand-"))?;
    Ok(units_of_files(&files))
}

/// The texts of locker's unit files whose name is a `wanted` one.
fn unit_files(
    paths: &Paths,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, String>, StoreError> {
    let dir = paths.units();
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(source) => return Err(StoreError::io("list", &dir)(source)),
    };
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(StoreError::io("list", &dir))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let plain = || fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file());
        if name.starts_with("locker-") && wanted(&name) && plain() {
            // It may be taken away just now, or hold anything.
            let text = fs::read_to_string(&path).unwrap_or_default();
            files.insert(name.into_owned(), text);
        }
    }
    Ok(files)
}

/// The words of the command that a unit file of ours runs, as they were before they were quoted.
pub fn command_of(text: &str) -> Vec<String> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let mut letters = line.unwrap_or_default().chars();
    let (mut words, mut word) = (Vec::new(), None::<String>);
    while let Some(letter) = letters.next() {
        match (&mut word, letter) {
            (Some(_), '"') => words.extend(word.take()),
            (Some(word), '\\') => word.extend(letters.next()),
            // Doubled by the writer, so that it stands for itself.
            (Some(word), twice @ ('%' | '$')) => {
                word.push(twice);
                letters.next();
            }
            (Some(word), letter) => word.push(letter),
            (None, '"') => word = Some(String::new()),
            (None, _) => {}
        }
    }
    words
}

fn mark(text: &str) -> Option<(Name, Name)> {
    let mark = text.lines().next()?.strip_prefix("# locker:")?;
    let (project, name) = mark.split_once(':')?;
    Some((Name::new(project).ok()?, Name::new(name).ok()?))
}

/// The port of a socket's file; none for other files.
fn demand_port(file: &str, text: &str, files: &BTreeMap<String, String>) -> Option<DemandPort> {
    let way = format!("{}.service", file.strip_suffix(".socket")?);
    let listens = text
        .lines()
        .filter_map(|line| line.strip_prefix("ListenStream="));
    let listens: Vec<&str> = listens.collect();
    let number = listens.first()?.rsplit(':').next()?;
    let to = files.get(&way).and_then(|text| command_of(text).pop());
    let to = to.and_then(|to| to.parse().ok());
    let to = to.unwrap_or_else(|| std::net::SocketAddrV4::new([0, 0, 0, 0].into(), 0));
    let inner = match to.port() {
        0 => number.to_string(),
        inner => inner.to_string(),
    };
    let port = match listens.as_slice() {
        [one] => format!("{one}:{inner}"),
        _ => format!("{number}:{inner}"),
    };
    let (port, to) = (port.parse().ok()?, *to.ip());
    Some(DemandPort { port, to })
}

fn bare(project: Name, name: Name) -> UnitSpec {
    UnitSpec {
        project,
        name,
        kind: Kind::Application,
        program: PathBuf::new(),
        directory: PathBuf::new(),
        state_dir: None,
        lxcpath: PathBuf::new(),
        engine: None,
        requires: Default::default(),
        conditions: Default::default(),
        after: Default::default(),
        binds: Default::default(),
        oneshot: false,
        groups: Default::default(),
        restart: Restart::No,
        healthcheck: None,
        hooks: Default::default(),
        start_timeout: None,
        stop_timeout: Duration::ZERO,
        properties: Default::default(),
        isolate: false,
        on_demand: Vec::new(),
        idle: None,
        ports: None,
        mounts: Default::default(),
        at_boot: None,
    }
}

/// What the file of a container's own service tells.
fn fill(unit: &mut UnitSpec, text: &str) {
    let mut words = command_of(text).into_iter();
    unit.program = words.next().map(PathBuf::from).unwrap_or_default();
    unit.state_dir = words.nth(3).map(PathBuf::from);
    if text.lines().any(|line| line.starts_with("ExecStop=")) {
        unit.kind = Kind::System;
    }
    let made = text.lines().nth(1);
    let made = made.and_then(|line| line.strip_prefix("# Written by locker for "));
    let directory = made.and_then(|line| line.split_once("; `locker up`"));
    unit.directory = directory.map(|(path, _)| path.into()).unwrap_or_default();
}
