//! Facts about the host that no driver owns: subordinate ids, volumes, ports of clients.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::backend::lxc::can_map_ids;
use crate::model::{IdKind, IdRange, Kind, Name, Project, VolumeSource};
use crate::observed::{Adopted, ObservedContainer, ObservedEngine, ObservedOwner};

use super::host::ObserveError;

/// The ranges of a subuid(5) or subgid(5) file: `name:first:count`, as ids of the host.
pub(super) fn subordinate_ids(text: &str, kind: IdKind) -> Vec<IdRange> {
    text.lines()
        .filter_map(|line| {
            let mut parts = line.trim().splitn(3, ':').skip(1);
            let host = parts.next()?.parse().ok()?;
            let count = parts.next()?.parse().ok()?;
            Some(IdRange {
                kind,
                container: 0,
                host,
                count,
            })
        })
        .collect()
}

/// The two ports of /proc/sys/net/ipv4/ip_local_port_range (ip(7)).
pub(super) fn ephemeral(text: &str) -> Option<RangeInclusive<u16>> {
    let mut words = text.split_whitespace().map(str::parse);
    let (first, last) = (words.next()?.ok()?, words.next()?.ok()?);
    Some(first..=last)
}

/// The most open files that a process may be allowed, from /proc/sys/fs/nr_open (proc_sys_fs(5)).
pub(super) fn nr_open() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/sys/fs/nr_open").ok()?;
    text.trim().parse().ok()
}

/// The named volumes in `dir`. What no volume can be called is none of ours.
pub(super) fn volumes(dir: &Path) -> Result<BTreeSet<Name>, ObserveError> {
    let failed = |source| ObserveError::Io {
        path: dir.into(),
        source,
    };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = BTreeSet::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        found.extend(name.to_str().and_then(|name| Name::new(name).ok()));
    }
    Ok(found)
}

/// What is to be known about owners where containers have ids of their own.
#[derive(Clone, Debug, Default)]
pub(super) struct OfIds {
    /// Named volumes, by name.
    volumes: BTreeSet<Name>,
    /// Paths of the host.
    paths: BTreeSet<PathBuf>,
    /// A system container has such a volume.
    mapped: bool,
    /// A container has ids of its own.
    own: bool,
}

impl OfIds {
    pub(super) fn of(project: &Project) -> Self {
        let mut found = Self::default();
        for container in project.containers.values() {
            let own = container.idmap.is_some() || container.isolate || container.ids_of.is_some();
            let system = container.kind() == Kind::System;
            found.own |= own;
            for (volume, _) in &container.volumes {
                match &volume.source {
                    VolumeSource::Host(path) if own => {
                        found.paths.insert(path.clone());
                    }
                    VolumeSource::Host(_) => {}
                    // One that has no map any more may have had one.
                    VolumeSource::Named(name) if own || system => {
                        found.mapped |= own && system;
                        found.volumes.insert(name.clone());
                    }
                    VolumeSource::Named(_) => {}
                }
            }
        }
        found
    }

    /// Who has what; what is not there, or cannot be looked at, has nobody.
    pub(super) fn owners(&self, volumes: &Path) -> BTreeMap<PathBuf, ObservedOwner> {
        let named = self.volumes.iter().map(|name| volumes.join(name.as_str()));
        let all = named.chain(self.paths.iter().cloned());
        all.filter_map(|path| Some((path.clone(), owner(&path)?)))
            .collect()
    }

    /// The same of what the engine keeps for the project, where a container has ids of its own.
    pub(super) fn owners_of_engine(
        &self,
        engine: &ObservedEngine,
        adopted: &Adopted,
        containers: &BTreeMap<Name, ObservedContainer>,
    ) -> BTreeMap<PathBuf, ObservedOwner> {
        if !self.own {
            return BTreeMap::new();
        }
        let unnamed = adopted.unnamed.values().flat_map(BTreeMap::values);
        let taken_over = adopted.volumes.iter().chain(unnamed);
        let taken_over = taken_over.filter_map(|name| engine.foreign_volumes.get(name));
        let kept = engine.volumes.values().chain(taken_over);
        let kept = kept.filter_map(|volume| volume.path.as_ref());
        let unnamed = containers.values().flat_map(|found| &found.unnamed);
        let all = kept.chain(unnamed.filter_map(|volume| volume.path_in(engine)));
        let with_maps = |path: &PathBuf| {
            let maps_ids = self.mapped && can_map_ids(path);
            Some((
                path.clone(),
                ObservedOwner {
                    maps_ids,
                    ..owner(path)?
                },
            ))
        };
        let mut found: BTreeMap<PathBuf, ObservedOwner> = all.filter_map(with_maps).collect();
        // Those of others are only looked at: nothing of them is changed.
        let others = engine.foreign_volumes.values();
        for path in others.filter_map(|volume| volume.path.as_ref()) {
            if let Some(owner) = owner(path).filter(|_| !found.contains_key(path)) {
                found.insert(path.clone(), owner);
            }
        }
        found
    }

    /// Whether ids of mounts can be mapped where the volumes are.
    pub(super) fn maps_ids(&self, state: &Path) -> bool {
        self.mapped && can_map_ids(state)
    }
}

fn owner(path: &Path) -> Option<ObservedOwner> {
    let found = std::fs::metadata(path).ok()?;
    let empty = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    Some(ObservedOwner {
        user: found.uid(),
        mode: found.mode() & 0o7777,
        empty,
        maps_ids: false,
    })
}

/// The first directory on the way to `path` through which nobody but its owner and its group can pass.
pub(crate) fn closed_to_others(path: &Path) -> Option<PathBuf> {
    const OTHERS_PASS: u32 = 0o001;
    let mut way: Vec<&Path> = path.ancestors().collect();
    way.reverse();
    let closed =
        |dir: &&Path| std::fs::metadata(dir).is_ok_and(|found| found.mode() & OTHERS_PASS == 0);
    way.into_iter().find(closed).map(Path::to_path_buf)
}

/// Those of `paths` that are not there. What cannot be looked at is left to whoever uses it.
pub(super) fn missing(paths: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let gone = |path: &PathBuf| {
        std::fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
    };
    paths.into_iter().filter(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_of_clients_are_read_as_the_kernel_writes_them() {
        assert_eq!(ephemeral("32768\t60999\n"), Some(32_768..=60_999));
        assert_eq!(ephemeral(""), None);
    }

    #[test]
    fn volumes_are_found_by_name_and_lost_host_paths_too() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("data");
        std::fs::create_dir(&there).unwrap();
        std::fs::create_dir(dir.path().join(".data.new")).unwrap();
        let found = volumes(dir.path()).unwrap();
        assert_eq!(found, BTreeSet::from([Name::new("data").unwrap()]));
        let gone = dir.path().join("gone");
        assert!(volumes(&gone).unwrap().is_empty());
        assert_eq!(missing([there, gone.clone()].into()), [gone].into());
    }

    #[test]
    fn broken_lines_of_subordinate_ids_are_left_out() {
        let text = "root:100000:65536\n# no\nada:x:1\n:5\n";
        let found = subordinate_ids(text, IdKind::User);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].host, found[0].count), (100_000, 65_536));
    }
}
