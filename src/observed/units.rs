//! What systemd has of a project: services, who starts at boot, held ports, and commands in containers of
//! their own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::model::{Held, JobRecord, JobState, Name, UnitSpec, UnitState};

/// What systemd has of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedUnits {
    /// Whether systemd runs this host.
    pub available: bool,
    /// The services that were written.
    pub services: BTreeMap<Name, UnitSpec>,
    /// Those of the services that are known by their unit files alone: what was written down of them is lost.
    pub lost: BTreeSet<Name>,
    /// Files on disk differ from what belongs to `services`.
    pub drifted: bool,
    /// What systemd says of the services.
    pub states: BTreeMap<Name, UnitState>,
    /// The ports that systemd holds, by the container that they start.
    pub held: BTreeMap<Name, Held>,
    /// Containers that start with the project at boot.
    pub enabled: BTreeSet<Name>,
    /// Whether the project itself starts at boot.
    pub project_enabled: bool,
    /// What is wrong with `locker-network.service`, on which all ports and bridges depend at boot.
    pub network_fault: Option<&'static str>,
    /// Services that run and whose cgroup the kernel does not keep to the limits of their unit.
    pub unkept: BTreeSet<Name>,
    /// Limits that drop-ins of somebody else's set for services; they win over the unit.
    pub overruled: Vec<Overruled>,
    /// Something is left of units that are no more: a file, a link or a unit that runs without its file; or what all
    /// projects share (that service, the copy of the program), and no project has a unit any more.
    pub left_over: bool,
}

/// A limit of a service that a drop-in sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overruled {
    /// The container.
    pub name: Name,
    /// The property: `MemoryMax`.
    pub property: String,
    /// What the drop-in says.
    pub value: String,
    /// The drop-in.
    pub path: PathBuf,
}

impl ObservedUnits {
    /// Containers whose held ports are open, at least some of them.
    pub fn open(&self) -> BTreeSet<Name> {
        let open = self.held.iter().filter(|(_, held)| **held != Held::Closed);
        open.map(|(name, _)| name.clone()).collect()
    }

    /// Whether the container has a service that does not attend to it. One that runs all the same was started
    /// past systemd, with its engine's own tools, or its service has given up.
    pub fn is_unattended(&self, name: &Name) -> bool {
        let state = self.states.get(name);
        let rests = state.is_some_and(|s| matches!(s.active.as_str(), "" | "inactive" | "failed"));
        rests && self.services.contains_key(name)
    }

    /// Whether systemd is about to start the container: it is tried again after it has ended, or waits for
    /// its turn.
    pub fn starts(&self, name: &Name) -> bool {
        let state = self.states.get(name);
        state.is_some_and(|state| state.active == "activating")
    }

    /// Whether the container's service runs.
    pub fn is_active(&self, name: &Name) -> bool {
        let state = self.states.get(name);
        state.is_some_and(|state| state.active == "active")
    }

    /// Whether the container's supervisor lives. One that rests all the same has just ended, and is about to be
    /// started again, or is about to run for the first time.
    pub fn is_attended(&self, name: &Name) -> bool {
        let state = self.states.get(name);
        state.is_some_and(|state| state.active == "active" && state.sub == "running")
    }

    /// Whether systemd is about to stop the container, or is stopping it: it may run yet, and will not for long.
    pub fn stops(&self, name: &Name) -> bool {
        let state = self.states.get(name);
        state.is_some_and(|state| state.active == "deactivating")
    }
}

/// A command in a container of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedJob {
    /// What was written down when it began.
    pub record: JobRecord,
    /// What systemd says of its service; none when it has none, or none any more.
    pub unit: Option<JobState>,
    /// The process that was to stay with it is there.
    pub attended: bool,
}

impl ObservedJob {
    /// Whether its container should have gone with its end, and nobody is left who would see to that;
    /// `there` says whether the container is there.
    pub fn is_lost(&self, there: bool) -> bool {
        let unit = self.unit.as_ref().is_some_and(JobState::runs);
        // Of a service the exit code is kept when all went well; otherwise the engine sees to it.
        let left = self.record.runner.is_some() || (self.record.unit && there);
        self.record.remove && !self.attended && !unit && left
    }
}
