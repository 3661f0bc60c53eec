//! One step, one driver call.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;

use crate::backend::{Body, Progress, Seeded};
use crate::firewall::FirewallChange;
use crate::model::{ContainerSpec, Mount, Name, SYSTEM_GRACE, Subnets};
use crate::network::{BridgeRemoval, BridgeWish};
use crate::observed::{Mark, Observed, ProjectRecord};
use crate::plan::{Plan, Step, StepId, usual_grace};
use crate::store;

use super::back::Back;
use super::before::Before;
use super::events::{Event, Events};
use super::halt::Halts;
use super::health;
use super::kept::before_boot;
use super::life::body;
use super::perform::{AnonymousVolumes, ApplyOptions};
use super::undo::unseed;
use super::{Host, StepError};

/// What came of a step.
pub(super) enum Outcome {
    /// It was so before.
    Already,
    /// Done by us, and what brings back how it was.
    Done(Back),
}

/// Does steps and takes them back; knows the host and how it was before.
pub(super) struct Worker<'a> {
    pub(super) host: &'a Host,
    pub(super) plan: &'a Plan,
    pub(super) before: Before<'a>,
    pub(super) events: &'a dyn Events,
    /// How long a container that we started gets to stop again when the user says it.
    pub(super) stop_timeout: Option<Duration>,
    /// What becomes of volumes without a name.
    pub(super) volumes: AnonymousVolumes,
    /// The marks as they are now.
    pub(super) marks: Mutex<BTreeMap<Name, Mark>>,
    pub(super) halts: Halts,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        observed: &'a Observed,
        host: &'a Host,
        events: &'a dyn Events,
        options: &ApplyOptions,
    ) -> Self {
        let marks = observed
            .containers
            .iter()
            .filter_map(|(name, container)| Some((name.clone(), container.mark.clone()?)))
            .collect();
        Self {
            host,
            plan,
            before: Before::new(plan, observed),
            events,
            stop_timeout: options.stop_timeout,
            volumes: options.volumes,
            marks: Mutex::new(marks),
            halts: Halts::default(),
        }
    }

    /// The marks as they are now.
    pub(super) fn marks_now(&self) -> BTreeMap<Name, Mark> {
        let marks = self.marks.lock();
        marks.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes what another run knows of the marks.
    pub(super) fn know(&self, marks: BTreeMap<Name, Mark>) {
        *self.marks.lock().unwrap_or_else(PoisonError::into_inner) = marks;
    }

    /// Does `step` as [`Self::act`] does; work that may take without end is given up once the run, or its
    /// container's part in it, ends.
    pub(super) async fn act_until_halted(
        &self,
        id: StepId,
        step: &Step,
    ) -> Result<Outcome, StepError> {
        // Whoever does it ends what was begun as soon as nobody waits for it any more.
        if at_end(step) != AtEnd::Dropped {
            return self.act(id, step).await;
        }
        let mut halt = self.halts.listen(step.container());
        tokio::select! {
            biased;
            () = health::halted(&mut halt) => Err(StepError::GivenUp),
            done = self.act(id, step) => done,
        }
    }

    /// Whether a step may be given up when the run is told to end; a start may by what follows it.
    pub(super) fn may_give_up(&self, step: &Step) -> bool {
        let follows = |name: &Name| {
            let marks = self.marks();
            let mark = marks.get(name);
            mark.is_some_and(|mark| mark.spec.hooks.follow_start())
        };
        match step {
            Step::Start { container } => follows(container),
            other => at_end(other) != AtEnd::Finished,
        }
    }

    /// How long a container gets to end.
    pub(super) fn grace(&self, name: &Name) -> Duration {
        let mark = self
            .marks()
            .get(name)
            .map(|mark| (mark.spec.stop_grace, mark.spec.kind()));
        let own = mark.map(|(grace, kind)| grace.unwrap_or_else(|| usual_grace(kind)));
        self.stop_timeout.or(own).unwrap_or(SYSTEM_GRACE)
    }

    /// Does `step`; what is so already is left alone.
    pub(super) async fn act(&self, id: StepId, step: &Step) -> Result<Outcome, StepError> {
        if self.before.already(step) {
            return Ok(Outcome::Already);
        }
        let back = self.before.back(step);
        let (host, backend) = (self.host, &*self.host.backend);
        let told = |line: &str| self.events.tell(Event::Output { id, step, line });
        match step {
            Step::SaveRecord(record) => self.claim(record).await?,
            Step::ForgetProject(_) => self.forget().await?,
            Step::EnsureBridge {
                bridge,
                subnets,
                cards,
                adopt,
                mtu,
            } => {
                let wish = BridgeWish {
                    bridge,
                    subnets,
                    cards,
                    adopt: *adopt,
                    mtu: *mtu,
                };
                return self.ensure_bridge(&wish, back).await;
            }
            Step::RemoveBridge { bridge, adopt, .. } => self.remove_bridge(bridge, *adopt).await?,
            Step::OpenNetwork(rules) => {
                let open = vec![rules.clone()];
                self.change_firewall(FirewallChange {
                    open,
                    ..FirewallChange::default()
                })
                .await?;
            }
            Step::CloseNetwork(rules) => {
                let close = vec![rules.clone()];
                self.change_firewall(FirewallChange {
                    close,
                    ..FirewallChange::default()
                })
                .await?;
            }
            Step::Publish { add, remove } => {
                self.change_firewall(self.before.publish(add, remove))
                    .await?;
            }
            Step::Sweep(left) => host.firewall.sweep(left, false).await?,
            Step::WriteHostNames { hosts } => {
                host.hosts.write(host.project.as_str(), hosts).await?;
            }
            Step::Pull { image, platform } => {
                let engine = self.engine()?;
                engine.pull(image, platform.as_deref(), &told).await?;
            }
            Step::Build(build) => self.engine()?.build(build, &told).await?,
            Step::EnsureNetwork(network) => self.engine()?.ensure_network(network).await?,
            Step::RemoveNetwork(network) => self.remove_network(network).await?,
            Step::InstallProgram(copy) => {
                let copy = copy.clone();
                blocking(move || store::install(&copy)).await?;
            }
            Step::WriteUnits(change) => {
                // A host that crashes in a moment boots what is written now.
                before_boot(host, self.plan, self.before.observed()).await?;
                host.units.write(change, host).await?;
            }
            Step::Seed {
                container,
                mounts,
                copy,
            } => return self.seed(container, mounts, *copy).await,
            Step::Create(spec) => self.create(spec, &told).await?,
            Step::Configure(spec) => self.configure(spec).await?,
            Step::WriteNames {
                container,
                hosts,
                dns,
            } => backend.inside().write_names(container, hosts, dns).await?,
            Step::Setup { container, .. } => {
                self.settle(container).await?;
                self.set_up(id, step, container).await?;
            }
            Step::AwaitHealthy {
                container,
                check,
                most,
                may_end,
                settle,
            } => {
                let wanted = health::Wanted {
                    check: check.as_ref(),
                    most: *most,
                    may_end: *may_end,
                    settle: *settle,
                };
                self.await_healthy(container, &wanted).await?;
            }
            Step::AwaitCompleted { container, most } => {
                let halt = self.halts.listen(Some(container));
                health::await_completed(backend.watch(), container, *most, halt).await?;
            }
            Step::RemoveWreck { container } => {
                backend.destroy(container, Body::Present, false).await?;
            }
            Step::BringBack { container } => backend.set_aside(container, true).await?,
            Step::SetAside { container } => backend.set_aside(container, false).await?,
            Step::Start { container } => self.start(container).await?,
            Step::Stop {
                container,
                timeout,
                aside,
            } => self.stop(container, body(*aside), *timeout).await?,
            Step::Freeze { container } => self.set_frozen(container, true).await?,
            Step::Unfreeze { container } => self.set_frozen(container, false).await?,
            Step::Destroy {
                container, aside, ..
            } => {
                let volumes = self.volumes.destroy && !aside;
                backend.destroy(container, body(*aside), volumes).await?;
            }
            Step::EndJob { job, timeout } => self.end_job(job, *timeout).await?,
            Step::RemoveVolume {
                path,
                engine,
                adopted,
            } => {
                let (path, engine) = (path.as_deref(), engine.as_deref());
                self.remove_volume(path, engine, *adopted).await?;
            }
        }
        Ok(Outcome::Done(back))
    }

    async fn ensure_bridge(&self, wish: &BridgeWish<'_>, back: Back) -> Result<Outcome, StepError> {
        let made = self.host.network.ensure(&self.host.project, wish).await?;
        let changed = matches!(back, Back::MakeBridge(..));
        Ok(Outcome::Done(match made {
            true => Back::RemoveBridge(wish.bridge.into()),
            false if changed => back,
            false => Back::Nothing,
        }))
    }

    async fn change_firewall(&self, change: FirewallChange) -> Result<(), StepError> {
        Ok(self.host.firewall.apply(&change).await?)
    }

    async fn create(&self, spec: &ContainerSpec, told: Progress<'_>) -> Result<(), StepError> {
        let backend = &*self.host.backend;
        let mark = self.mark_of(spec, spec.setup.is_empty());
        backend.create(&mark, self.volumes.renew, told).await?;
        for remark in backend.remarks() {
            self.events.tell(Event::Note(&remark));
        }
        self.marks().insert(spec.name.clone(), mark);
        Ok(())
    }

    /// What the way back has left.
    pub(super) fn tell_left(&self, left: &[String]) {
        for line in left {
            self.events.tell(Event::Note(line));
        }
    }

    async fn seed(
        &self,
        container: &Name,
        mounts: &[Mount],
        copy: bool,
    ) -> Result<Outcome, StepError> {
        let inside = self.host.backend.inside();
        let seeded = inside.seed(container, mounts, copy).await?;
        let mounts = mounts.to_vec();
        let marked = match self.mark_seeded(container, true).await {
            Ok(marked) => marked,
            Err(error) => {
                let left = blocking(move || unseed(seeded, &mounts)).await?;
                self.tell_left(&left);
                return Err(error);
            }
        };
        let back = Back::Unseed(marked.then(|| container.clone()), seeded, mounts);
        Ok(match back {
            Back::Unseed(None, seeded, _) if seeded == Seeded::default() => Outcome::Already,
            back => Outcome::Done(back),
        })
    }

    pub(super) async fn set_frozen(&self, name: &Name, frozen: bool) -> Result<(), StepError> {
        let inside = self.host.backend.inside();
        Ok(inside.set_frozen(name, frozen).await?)
    }

    pub(super) async fn save_record(&self, record: &ProjectRecord) -> Result<(), StepError> {
        let (paths, record) = (self.host.paths.clone(), record.clone());
        blocking(move || store::save_record(&paths, &record)).await
    }

    /// Writes the record, unless another project has got one of its new subnets or ids since the look. Looking at
    /// the others and writing are one thing under the host's lock: of two runs at once one is second.
    async fn claim(&self, record: &ProjectRecord) -> Result<(), StepError> {
        let had = self.before.nets();
        let new: Vec<IpNet> = nets_of(record).filter(|net| !had.contains(net)).collect();
        let ids = self.before.new_ids(record);
        if new.is_empty() && ids.is_empty() {
            return self.save_record(record).await;
        }
        let _lock = store::acquire_host(&self.host.paths, "claim subnets and ids").await?;
        let (paths, record) = (self.host.paths.clone(), record.clone());
        blocking(move || {
            let others = store::load_records(&paths)?;
            let others = others.iter().filter(|other| other.name != record.name);
            for (other, net) in others
                .clone()
                .flat_map(|o| nets_of(o).map(move |net| (o, net)))
            {
                let meets = |mine: &&IpNet| mine.contains(&net) || net.contains(*mine);
                if let Some(mine) = new.iter().find(meets) {
                    return Err(StepError::Claimed {
                        what: format!("the subnet `{mine}` is now that"),
                        project: other.name.clone(),
                    });
                }
            }
            for (other, range) in others.flat_map(|o| o.ids.iter().map(move |range| (o, range))) {
                if let Some(mine) = ids.iter().find(|mine| mine.meets(range)) {
                    return Err(StepError::Claimed {
                        what: format!("the ids from {} on are now those", mine.host),
                        project: other.name.clone(),
                    });
                }
            }
            Ok(store::save_record(&paths, &record)?)
        })
        .await
    }

    pub(super) async fn forget(&self) -> Result<(), StepError> {
        let (paths, project) = (self.host.paths.clone(), self.host.project.clone());
        blocking(move || store::remove_record(&paths, &project)).await
    }

    /// Whether another project is left is looked at now, not taken from the snapshot: it decides
    /// about kernel settings that all projects share.
    pub(super) async fn remove_bridge(&self, bridge: &str, adopt: bool) -> Result<(), StepError> {
        let (paths, project) = (self.host.paths.clone(), self.host.project.clone());
        let records = blocking(move || store::load_records(&paths)).await?;
        let last = records.iter().all(|record| record.name == project);
        let host = self.host;
        let wish = BridgeRemoval {
            bridge,
            last,
            adopt,
        };
        Ok(host.network.remove(&host.project, &wish).await?)
    }
}

/// What becomes of a step that is under way when the run is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtEnd {
    /// It is finished.
    Finished,
    /// It is dropped: what it fetches or runs may take without end.
    Dropped,
    /// It hears of the end by itself: it only waits.
    Hears,
}

fn at_end(step: &Step) -> AtEnd {
    match step {
        Step::Pull { .. } | Step::Build(_) | Step::Setup { .. } => AtEnd::Dropped,
        Step::AwaitHealthy { .. } | Step::AwaitCompleted { .. } => AtEnd::Hears,
        Step::SaveRecord(_)
        | Step::ForgetProject(_)
        | Step::RemoveWreck { .. }
        | Step::BringBack { .. }
        | Step::EnsureBridge { .. }
        | Step::RemoveBridge { .. }
        | Step::OpenNetwork(_)
        | Step::CloseNetwork(_)
        | Step::Sweep(_)
        | Step::EnsureNetwork(_)
        | Step::RemoveNetwork(_)
        | Step::InstallProgram(_)
        | Step::WriteUnits(_)
        | Step::Create(_)
        | Step::Seed { .. }
        | Step::Configure(_)
        | Step::WriteNames { .. }
        | Step::Start { .. }
        | Step::Stop { .. }
        | Step::Freeze { .. }
        | Step::Unfreeze { .. }
        | Step::Publish { .. }
        | Step::WriteHostNames { .. }
        | Step::SetAside { .. }
        | Step::EndJob { .. }
        | Step::Destroy { .. }
        | Step::RemoveVolume { .. } => AtEnd::Finished,
    }
}

/// Whether a step only waits.
pub(super) fn is_wait(step: &Step) -> bool {
    at_end(step) == AtEnd::Hears
}

/// All subnets of a record.
pub(super) fn nets_of(record: &ProjectRecord) -> impl Iterator<Item = IpNet> + '_ {
    let all = std::iter::once(&record.subnets).chain(record.networks.values());
    all.flat_map(Subnets::each)
}

/// Removes a file or a directory with all in it, never following a link; an absent one is fine. Nothing goes while something is
/// mounted there or below: that is not of the tree.
pub(super) fn remove_tree(path: PathBuf) -> Result<(), StepError> {
    let removed = match std::fs::symlink_metadata(&path) {
        Ok(data) if data.is_dir() => unmounted(&path).and_then(|()| std::fs::remove_dir_all(&path)),
        Ok(_) => std::fs::remove_file(&path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(StepError::Remove { path, source }),
    }
}

fn unmounted(dir: &Path) -> std::io::Result<()> {
    let real = dir.canonicalize()?;
    let points = crate::sys::mount_points()?;
    match points.iter().find(|point| point.starts_with(&real)) {
        None => Ok(()),
        Some(point) => Err(std::io::Error::other(format!(
            "`{0}` is still mounted in it; nothing of it was removed; unmount that first: umount '{0}'",
            point.display()
        ))),
    }
}

/// Runs file work on a thread that may block.
pub(super) async fn blocking<T: Send + 'static, E: Into<StepError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, StepError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Into::into),
        Err(source) => Err(StepError::Thread { source }),
    }
}
