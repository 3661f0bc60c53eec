//! The way back: what was done by us, in reverse order, side by side where the graph allows.
//!
//! What was so before is never touched. When something cannot be undone, what it stands on is kept
//! too: a container that will not stop keeps its bridge, its settings and its record.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::backend::{Body, Seeded, owners};
use crate::model::Mount;
use crate::network::BridgeWish;
use crate::plan::StepId;
use crate::store;
use crate::sys::{Made, Taken};

use super::act::{Worker, blocking};
use super::back::Back;
use super::cancel::Cancel;
use super::error::{Aftermath, StepFailure};
use super::events::Event;
use super::journal::Journal;
use super::lanes::Lanes;
use super::{StepError, label};

/// What is to be undone, by step; [`Back::Nothing`] only keeps the order.
pub(super) type Ways = BTreeMap<StepId, Back>;

struct Undoing<'w> {
    ways: &'w Ways,
    /// Steps of `ways` that must be settled before a step may be undone.
    blocked_by: BTreeMap<StepId, usize>,
    kept: BTreeSet<StepId>,
    ready: Vec<StepId>,
}

impl<'w> Undoing<'w> {
    fn new(worker: &Worker<'_>, ways: &'w Ways) -> Self {
        let mut blocked_by: BTreeMap<StepId, usize> = ways.keys().map(|id| (*id, 0)).collect();
        for id in ways.keys() {
            for earlier in &worker.plan.steps[*id].after {
                if let Some(count) = blocked_by.get_mut(earlier) {
                    *count += 1;
                }
            }
        }
        let ready = blocked_by
            .iter()
            .filter(|(_, count)| **count == 0)
            .map(|(id, _)| *id)
            .collect();
        Self {
            ways,
            blocked_by,
            kept: BTreeSet::new(),
            ready,
        }
    }

    /// The next step that is to be undone and finds room. What needs nothing, and what must be kept,
    /// is settled on the way.
    fn next(
        &mut self,
        worker: &Worker<'_>,
        lanes: &mut Lanes,
        aftermath: &mut Aftermath,
    ) -> Option<StepId> {
        while let Some(id) = self.ready.pop() {
            let step = &worker.plan.steps[id].step;
            let is_kept = self.kept.contains(&id);
            let is_nothing = self.ways[&id] == Back::Nothing;
            if is_kept && !is_nothing {
                aftermath.kept.push(label(step));
            }
            if is_kept || is_nothing {
                self.settle(worker, id, is_kept);
            } else if lanes.enter(step) {
                return Some(id);
            } else {
                self.ready.push(id);
                return None;
            }
        }
        None
    }

    /// `id` is settled; `keep` when it is still in place, so that what it stands on must stay.
    fn settle(&mut self, worker: &Worker<'_>, id: StepId, keep: bool) {
        for earlier in &worker.plan.steps[id].after {
            let Some(count) = self.blocked_by.get_mut(earlier) else {
                continue;
            };
            *count -= 1;
            if keep {
                self.kept.insert(*earlier);
            }
            if *count == 0 {
                self.ready.push(*earlier);
            }
        }
    }
}

/// Undoes all of `ways`. The first signal that comes meanwhile is answered, and nothing else; a second one,
/// that which ended the run included, leaves at once.
pub(super) async fn undo(
    worker: &Worker<'_>,
    journal: &Journal,
    ways: &Ways,
    cancel: &mut Cancel,
    mut lanes: Lanes,
) -> Aftermath {
    let mut aftermath = Aftermath::default();
    let mut undoing = Undoing::new(worker, ways);
    let mut running = FuturesUnordered::new();
    let mut open: BTreeSet<StepId> = ways.keys().copied().collect();
    loop {
        if cancel.is_urgent() {
            open.retain(|id| ways[id] != Back::Nothing);
            let labels = open.iter().map(|id| label(&worker.plan.steps[*id].step));
            aftermath.left = labels.collect();
            return aftermath;
        }
        while let Some(id) = undoing.next(worker, &mut lanes, &mut aftermath) {
            let way = &ways[&id];
            running.push(async move { (id, go_back(worker, way).await) });
        }
        let ended = tokio::select! {
            ended = running.next() => ended,
            signal = cancel.next() => {
                if !cancel.is_urgent() {
                    let note = format!("{signal}: undoing what was done; once more leaves at once");
                    worker.events.tell(Event::Note(&note));
                }
                continue;
            }
        };
        let Some((id, result)) = ended else { break };
        lanes.leave(&worker.plan.steps[id].step);
        open.remove(&id);
        let failed = result.is_err();
        record(worker, journal, id, result, &mut aftermath);
        undoing.settle(worker, id, failed);
    }
    aftermath
}

fn record(
    worker: &Worker<'_>,
    journal: &Journal,
    id: StepId,
    result: Result<(), StepError>,
    aftermath: &mut Aftermath,
) {
    let step = &worker.plan.steps[id].step;
    match result {
        Ok(()) => {
            worker.events.tell(Event::Undone { id, step });
            aftermath.undone.push(label(step));
            if let Err(error) = journal.undone(id) {
                worker.events.tell(Event::Note(&error.to_string()));
            }
        }
        Err(error) => {
            let text = error.to_string();
            worker.events.tell(Event::UndoFailed {
                id,
                step,
                error: &text,
            });
            aftermath.not_undone.push(StepFailure {
                id,
                what: label(step),
                error,
            });
        }
    }
}

async fn go_back(worker: &Worker<'_>, way: &Back) -> Result<(), StepError> {
    let host = worker.host;
    match way {
        Back::Nothing => {}
        Back::Record(Some(record)) => worker.save_record(record).await?,
        Back::Record(None) => worker.forget().await?,
        Back::RemoveBridge(bridge) => worker.remove_bridge(bridge, false).await?,
        Back::MakeBridge(bridge, subnets, mtu) => {
            // One that was removed had nothing running on it any more: there is no card to put back.
            let wish = BridgeWish {
                mtu: *mtu,
                ..BridgeWish::plain(bridge, subnets)
            };
            host.network.ensure(&host.project, &wish).await?;
        }
        Back::Firewall(change) => host.firewall.apply(change).await?,
        Back::Unsweep(left) => host.firewall.sweep(left, true).await?,
        Back::RemoveNetwork(network) => {
            if let Some(left) = worker.engine()?.remove_network(network, false).await? {
                worker.events.tell(Event::Note(&left));
            }
        }
        Back::MakeNetwork(network) => worker.engine()?.ensure_network(network).await?,
        // Its own volumes without a name were made with it. Those that it took over are still held by
        // the older self, and no engine removes what is held.
        Back::Destroy(name) => host.backend.destroy(name, Body::Present, true).await?,
        Back::Unseed(name, seeded, mounts) => {
            if let Some(name) = name {
                worker.mark_seeded(name, false).await?;
            }
            let (seeded, mounts) = (seeded.clone(), mounts.clone());
            let left = blocking(move || unseed(seeded, &mounts)).await?;
            worker.tell_left(&left);
        }
        Back::Configure(mark) => worker.configure_back(mark).await?,
        Back::Program(path) => {
            let path = path.clone();
            blocking(move || store::bring_back(&path)).await?;
        }
        Back::Units(change) => host.units.write(change, host).await?,
        Back::Names(name, hosts, dns) => {
            host.backend.inside().write_names(name, hosts, dns).await?;
        }
        Back::Stop(name) => {
            worker.take_back(name).await?;
        }
        Back::Start(name, body, frozen) => {
            worker.start_again(name, *body).await?;
            if *frozen {
                worker.set_frozen(name, true).await?;
            }
        }
        Back::Freeze(name, frozen) => worker.set_frozen(name, *frozen).await?,
        Back::HostNames(hosts) => host.hosts.write(host.project.as_str(), hosts).await?,
        Back::Rename(name) => host.backend.set_aside(name, true).await?,
    }
    Ok(())
}

/// Takes back what filling the volumes did; what of it is somebody's by now is left and told.
pub(super) fn unseed(seeded: Seeded, mounts: &[Mount]) -> Result<Vec<String>, StepError> {
    for note in &seeded.given {
        owners::give_back(note)?;
    }
    remove_made(seeded.made, mounts)
}

/// Removes what filling the volumes made: the mounts' own paths with all in them as long as they are as they were made, and
/// the directories above only where nothing else has come to lie in them.
fn remove_made(mut made: Vec<Made>, mounts: &[Mount]) -> Result<Vec<String>, StepError> {
    made.sort_by_key(|made| std::cmp::Reverse(made.path().components().count()));
    let whole = |path: &Path| mounts.iter().any(|mount| path.starts_with(&mount.host));
    let roots: Vec<PathBuf> = made.iter().map(|made| made.path().into()).collect();
    let inside = |path: &Path| {
        let mut above = roots.iter().filter(|root| whole(root) && *root != path);
        above.any(|root| path.starts_with(root))
    };
    // What lies in another one goes with it.
    made.retain(|made| !inside(made.path()));
    let mut left = Vec::new();
    for made in made {
        let removed = match whole(made.path()) {
            true => made.remove(),
            false => made.remove_if_empty().map(|()| Taken::Back),
        };
        let taken = removed.map_err(|source| StepError::Remove {
            path: made.path().into(),
            source,
        })?;
        let why = match taken {
            Taken::Back => continue,
            Taken::Written => "something was written to it since it was made",
            Taken::Mounted => "something else has it mounted",
        };
        left.push(format!("`{}` is left: {why}", made.path().display()));
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_directory_with_somebody_elses_data_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let parent = dir.path().join("data");
        let mine = parent.join("web");
        std::fs::create_dir_all(mine.join("deep")).unwrap();
        std::fs::write(parent.join("foreign"), "x").unwrap();
        let mount = Mount {
            host: mine.clone(),
            target: "/data".into(),
            read_only: false,
            named: false,
        };
        let made = [&parent, &mine].map(|path| Made::at(path.clone()).unwrap());
        let left = remove_made(made.to_vec(), std::slice::from_ref(&mount)).unwrap();
        assert!(left.is_empty() && !mine.exists());
        assert!(parent.join("foreign").exists());
        std::fs::remove_file(parent.join("foreign")).unwrap();
        remove_made(made.to_vec(), &[mount]).unwrap();
        assert!(!parent.exists());
    }

    #[test]
    fn a_volume_in_another_one_is_no_writing() {
        let dir = tempfile::tempdir().unwrap();
        let outer = dir.path().join("web");
        let inner = outer.join("data");
        std::fs::create_dir_all(&inner).unwrap();
        let mount = |host: &Path| Mount {
            host: host.into(),
            target: "/data".into(),
            read_only: false,
            named: false,
        };
        let made = [&outer, &inner].map(|path| Made::at(path.clone()).unwrap());
        let left = remove_made(made.to_vec(), &[mount(&outer), mount(&inner)]).unwrap();
        assert!(left.is_empty() && !outer.exists(), "{left:?}");
    }

    #[test]
    fn a_volume_that_somebody_has_written_to_is_left_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let mine = dir.path().join("web");
        std::fs::create_dir(&mine).unwrap();
        let made = Made::at(mine.clone()).unwrap();
        std::fs::write(mine.join("theirs"), "x").unwrap();
        let mount = Mount {
            host: mine.clone(),
            target: "/data".into(),
            read_only: false,
            named: true,
        };
        let left = remove_made(vec![made], &[mount]).unwrap();
        assert!(left[0].ends_with("` is left: something was written to it since it was made"));
        assert!(mine.join("theirs").exists());
    }
}
