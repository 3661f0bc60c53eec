//! The ways back: what undoes a step, worked out before it runs.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::backend::{Body, Seeded};
use crate::firewall::FirewallChange;
use crate::model::{EngineNetwork, HostsLine, Mount, Name, Subnets, UnitsChange};
use crate::observed::{Leftover, Mark, ProjectRecord};
use crate::plan::Step;

/// What brings back how it was before a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Back {
    /// There is nothing to bring back, or another step's way back covers it.
    Nothing,
    /// Write the record as it was; none removes it.
    Record(Option<Box<ProjectRecord>>),
    /// Remove the bridge that was made.
    RemoveBridge(String),
    /// Make the bridge that was removed, or give it the MTU that it had.
    MakeBridge(String, Subnets, Option<u32>),
    /// Another transaction of the firewall.
    Firewall(FirewallChange),
    /// Put the rules of another firewall driver in again.
    Unsweep(Box<Leftover>),
    /// Destroy the container that was made.
    Destroy(Name),
    /// Give old owners back and remove the host paths that were made for these mounts; the mark of the
    /// container, where one is named, had not said that they are filled.
    Unseed(Option<Name>, Seeded, Vec<Mount>),
    /// Write the settings as they were.
    Configure(Box<Mark>),
    /// Write the names as they were.
    Names(Name, Vec<HostsLine>, Vec<IpAddr>),
    /// Remove the network that was made.
    RemoveNetwork(Box<EngineNetwork>),
    /// Make the network that was removed.
    MakeNetwork(Box<EngineNetwork>),
    /// The copy of the program as it was.
    Program(PathBuf),
    /// Write the units as they were.
    Units(Box<UnitsChange>),
    /// Stop what was started.
    Stop(Name),
    /// Start what was stopped, and freeze it where it was frozen.
    Start(Name, Body, bool),
    /// Freeze or thaw.
    Freeze(Name, bool),
    /// Write the host's block as it was.
    HostNames(Vec<HostsLine>),
    /// Rename what was set aside back.
    Rename(Name),
}

/// Whether a failed step may have been half done, and bringing back how it was is harmless.
pub(super) fn may_be_half_done(step: &Step) -> bool {
    match step {
        Step::SaveRecord(_)
        | Step::ForgetProject(_)
        | Step::EnsureBridge { .. }
        | Step::RemoveBridge { .. }
        | Step::Configure(_)
        | Step::WriteNames { .. }
        | Step::InstallProgram(_)
        | Step::WriteHostNames { .. } => true,
        // Their drivers promise all or nothing.
        Step::RemoveWreck { .. }
        | Step::BringBack { .. }
        | Step::OpenNetwork(_)
        | Step::CloseNetwork(_)
        | Step::Sweep(_)
        | Step::Pull { .. }
        | Step::Build(_)
        | Step::EnsureNetwork(_)
        | Step::RemoveNetwork(_)
        | Step::WriteUnits(_)
        | Step::Create(_)
        | Step::Seed { .. }
        | Step::Start { .. }
        | Step::AwaitHealthy { .. }
        | Step::AwaitCompleted { .. }
        | Step::Setup { .. }
        | Step::Stop { .. }
        | Step::Freeze { .. }
        | Step::Unfreeze { .. }
        | Step::Publish { .. }
        | Step::SetAside { .. }
        | Step::EndJob { .. }
        | Step::Destroy { .. }
        | Step::RemoveVolume { .. } => false,
    }
}
