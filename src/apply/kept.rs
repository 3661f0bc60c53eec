//! What a finished change leaves in the kernel, for the service that keeps it there.
//!
//! Worked out from the look before and the steps that were done; nothing is looked at again.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Name, NetworkRules, PortRule, Seat, bridge_of, bridge_of_network};
use crate::observed::{Observed, ProjectRecord};
use crate::plan::{Plan, PlannedStep, Step, StepId};
use crate::store::{self, KEPT_VERSION, Kept, KeptBridge, StoreError};

use super::Host;
use super::act::{Worker, blocking};
use super::error::StepError;

/// Before a change: what it takes out is kept no more, so that whenever it is killed nothing of that
/// comes back.
pub(super) async fn let_go(host: &Host, plan: &Plan, observed: &Observed) -> Result<(), StepError> {
    let now = after(host, &[], observed);
    let then = after(host, &plan.steps, observed);
    save(host, common(now, &then)).await
}

/// Before anything is enabled for boot: what the containers stand on is kept from now on, so that a host
/// that goes down in the middle of a change makes it again when it boots.
pub(super) async fn before_boot(
    host: &Host,
    plan: &Plan,
    observed: &Observed,
) -> Result<(), StepError> {
    let now = after(host, &[], observed);
    let then = after(host, &plan.steps, observed);
    let kept = Kept {
        bridges: then.bridges.clone(),
        networks: then.networks.clone(),
        ..common(now, &then)
    };
    save(host, kept).await
}

/// After a change: all that is there now.
pub(super) async fn keep(host: &Host, plan: &Plan, observed: &Observed) -> Result<(), StepError> {
    save(host, after(host, &plan.steps, observed)).await
}

/// After a change that has come to a part of its end: what was there and has not `gone`, and what these steps made.
pub(super) async fn keep_done(
    worker: &Worker<'_>,
    done: &[StepId],
    gone: &BTreeSet<Name>,
) -> Result<(), StepError> {
    let steps = done.iter().map(|id| worker.plan.steps[*id].clone());
    let steps: Vec<PlannedStep> = steps.collect();
    let mut observed = worker.before.observed().clone();
    observed.containers.retain(|name, _| !gone.contains(name));
    save(worker.host, after(worker.host, &steps, &observed)).await
}

/// What is there, as it was looked at, is what is kept: for a run that finds nothing left to do of an
/// earlier one that was killed.
///
/// # Errors
/// The file cannot be written.
pub async fn remember(host: &Host, observed: &Observed) -> Result<(), StepError> {
    save(host, after(host, &[], observed)).await
}

/// What is wrong with what is kept: nothing was written down, or less than is there. What is there beyond it is gone
/// after the next boot.
pub(super) fn note_fault(host: &Host, observed: &Observed) -> Option<&'static str> {
    let now = after(host, &[], observed);
    if now.is_empty() {
        return None;
    }
    match store::load_kept(&host.paths, &host.project) {
        Ok(None) => Some("the note for the next boot is lost"),
        Ok(Some(kept)) if lacks(&kept, &now) => Some("the note for the next boot lacks a network"),
        Err(StoreError::Damaged { .. }) => Some("the note for the next boot is damaged"),
        // One of a newer locker is refused with the record.
        Ok(Some(_)) | Err(_) => None,
    }
}

/// Port rules are left out: supervisors put them in and take them out between two changes.
fn lacks(kept: &Kept, now: &Kept) -> bool {
    let bridge = |name: &String| kept.bridges.contains_key(name);
    let network = |rules: &NetworkRules| kept.networks.iter().any(|k| k.bridge == rules.bridge);
    !now.bridges.keys().all(bridge) || !now.networks.iter().all(network)
}

async fn save(host: &Host, kept: Kept) -> Result<(), StepError> {
    let (paths, project) = (host.paths.clone(), host.project.clone());
    blocking(move || store::save_kept(&paths, &project, &kept)).await
}

/// What is in both.
fn common(mut one: Kept, other: &Kept) -> Kept {
    one.bridges
        .retain(|bridge, kept| other.bridges.get(bridge) == Some(kept));
    one.networks
        .retain(|network| other.networks.contains(network));
    let rules: BTreeSet<&PortRule> = other.rules.iter().collect();
    one.rules.retain(|rule| rules.contains(rule));
    one.cards.retain(|card| other.cards.contains(card));
    one
}

/// What is there once all of `steps` are done.
fn after(host: &Host, steps: &[PlannedStep], observed: &Observed) -> Kept {
    let mine = |of: &Name| *of == host.project;
    let (there, engine) = (&observed.firewall, &observed.engine);
    let open = there.networks.values().filter(|n| mine(&n.project));
    let mut networks: BTreeMap<String, NetworkRules> =
        open.map(|n| (n.bridge.clone(), n.clone())).collect();
    let rules = there.rules.iter().filter(|rule| mine(&rule.project));
    let mut rules: BTreeSet<PortRule> = rules.cloned().collect();
    let mut bridges: BTreeSet<String> = observed.network.bridges.keys().cloned().collect();
    let there_now = observed.network.bridges.iter();
    let mut mtus: BTreeMap<String, u32> = there_now
        .map(|(name, bridge)| (name.clone(), bridge.mtu))
        .collect();
    let mut adopt: BTreeSet<String> = engine.networks.values().map(|n| n.bridge.clone()).collect();
    let mut record = observed.record.clone();
    let marks = observed.containers.iter();
    let mut cards: BTreeMap<Name, Vec<Seat>> = marks
        .filter_map(|(name, found)| Some((name.clone(), found.mark.as_ref()?.spec.seats())))
        .collect();
    for planned in steps {
        match &planned.step {
            Step::SaveRecord(new) => record = Some((**new).clone()),
            Step::ForgetProject(_) => record = None,
            Step::EnsureBridge { bridge, mtu, .. } => {
                bridges.insert(bridge.clone());
                mtus.extend(mtu.map(|mtu| (bridge.clone(), mtu)));
            }
            Step::RemoveBridge { bridge, .. } => {
                bridges.remove(bridge);
            }
            Step::OpenNetwork(rules) => {
                networks.insert(rules.bridge.clone(), rules.clone());
            }
            Step::CloseNetwork(rules) => {
                networks.remove(&rules.bridge);
            }
            Step::Create(spec) | Step::Configure(spec) => {
                cards.insert(spec.name.clone(), spec.seats());
            }
            Step::Destroy {
                container,
                aside: false,
                ..
            } => {
                cards.remove(container);
            }
            Step::EnsureNetwork(network) => {
                adopt.insert(network.bridge.clone());
            }
            Step::Publish { add, remove } => {
                rules.retain(|rule| !remove.contains(rule));
                rules.extend(add.iter().cloned());
            }
            Step::Destroy { aside: true, .. }
            | Step::RemoveWreck { .. }
            | Step::BringBack { .. }
            | Step::Sweep(_)
            | Step::Pull { .. }
            | Step::Build(_)
            | Step::RemoveNetwork(_)
            | Step::InstallProgram(_)
            | Step::WriteUnits(_)
            | Step::Seed { .. }
            | Step::WriteNames { .. }
            | Step::Start { .. }
            | Step::AwaitHealthy { .. }
            | Step::AwaitCompleted { .. }
            | Step::Setup { .. }
            | Step::Stop { .. }
            | Step::Freeze { .. }
            | Step::Unfreeze { .. }
            | Step::WriteHostNames { .. }
            | Step::SetAside { .. }
            | Step::EndJob { .. }
            | Step::RemoveVolume { .. } => {}
        }
    }
    Kept {
        version: KEPT_VERSION,
        firewall: host.firewall.choice(),
        bridges: record.map_or_else(BTreeMap::new, |record| {
            subnets(&record, &bridges, (&adopt, &mtus))
        }),
        networks: networks.into_values().collect(),
        rules: rules.into_iter().collect(),
        cards: cards.into_values().flatten().collect(),
    }
}

/// The bridges that are there, with the subnets that the record gives them.
fn subnets(
    record: &ProjectRecord,
    bridges: &BTreeSet<String>,
    (adopt, mtus): (&BTreeSet<String>, &BTreeMap<String, u32>),
) -> BTreeMap<String, KeptBridge> {
    let own = std::iter::once((bridge_of(&record.name), record.subnets));
    let further = record.networks.iter();
    let further = further.map(|(key, subnets)| (bridge_of_network(&record.name, key), *subnets));
    let all = own.chain(further);
    all.filter(|(bridge, _)| bridges.contains(bridge))
        .map(|(bridge, subnets)| {
            let kept = KeptBridge {
                subnets,
                adopt: adopt.contains(&bridge),
                mtu: mtus.get(&bridge).copied(),
            };
            (bridge, kept)
        })
        .collect()
}
