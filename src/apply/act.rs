//! One step, one driver call.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use ipnet::IpNet;

use crate::backend::Seeded;
use crate::firewall::FirewallChange;
use crate::model::{Mount, Name, SYSTEM_GRACE, Subnets};
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

    /// Does `step` as [`Self::act`] does; work that may take without end is given up once the run, or its
    /// container's part in it, ends.
    pub(super) async fn act_until_halted(
        &self,
        id: StepId,
        step: &Step,
    ) -> Result<Outcome, StepError> {
        // Whoever does it ends what was begun as soon as nobody waits for it any more.
        if !is_given_up(step) || is_wait(step) {
            return self.act(id, step).await;
        }
        let mut halt = self.halts.listen(step.container());
        tokio::select! {
            biased;
            () = health::halted(&mut halt) => Err(StepError::GivenUp),
            done = self.act(id, step) => done,
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
        match step {
            Step::SaveRecord(record) => self.claim(record).await?,
            Step::ForgetProject(_) => self.forget().await?,
            Step::Sweep(left) => self.host.firewall.sweep(left, false).await?,
            Step::EnsureBridge { .. }
            | Step::RemoveBridge { .. }
            | Step::OpenNetwork(_)
            | Step::CloseNetwork(_)
            | Step::Publish { .. }
            | Step::WriteHostNames { .. } => return self.act_on_host(step, back).await,
            Step::Pull { .. }
            | Step::Build(_)
            | Step::EnsureNetwork(_)
            | Step::RemoveNetwork(_) => self.act_on_engine(id, step).await?,
            Step::InstallProgram(copy) => {
                let copy = copy.clone();
                blocking(move || store::install(&copy)).await?;
            }
            Step::WriteUnits(change) => {
                // A host that crashes in a moment boots what is written now.
                before_boot(self.host, self.plan, self.before.observed()).await?;
                self.host.units.write(change, self.host).await?;
            }
            Step::Seed {
                container,
                mounts,
                copy,
            } => return self.seed(container, mounts, *copy).await,
            Step::Create(_) | Step::Configure(_) | Step::WriteNames { .. } | Step::Setup { .. } => {
                self.act_on_inside(id, step).await?;
            }
            Step::AwaitHealthy { .. } | Step::AwaitCompleted { .. } => self.wait_for(step).await?,
            Step::RemoveWreck { .. }
            | Step::BringBack { .. }
            | Step::Start { .. }
            | Step::Stop { .. }
            | Step::Freeze { .. }
            | Step::Unfreeze { .. }
            | Step::SetAside { .. }
            | Step::Destroy { .. } => self.act_on_body(step).await?,
            Step::EndJob { job, timeout } => self.end_job(job, *timeout).await?,
            Step::RemoveVolume {
                path,
                engine,
                adopted,
            } => {
                self.remove_volume(path.as_deref(), engine.as_deref(), *adopted)
                    .await?;
            }
        }
        Ok(Outcome::Done(back))
    }

    /// The steps that change the host around the containers.
    async fn act_on_host(&self, step: &Step, back: Back) -> Result<Outcome, StepError> {
        let host = self.host;
        if let Step::EnsureBridge {
            bridge,
            subnets,
            cards,
            adopt,
            mtu,
        } = step
        {
            let wish = BridgeWish {
                bridge,
                subnets,
                cards,
                adopt: *adopt,
                mtu: *mtu,
            };
            let made = host.network.ensure(&host.project, &wish).await?;
            let changed = matches!(back, Back::MakeBridge(..));
            return Ok(Outcome::Done(match made {
                true => Back::RemoveBridge(bridge.clone()),
                false if changed => back,
                false => Back::Nothing,
            }));
        }
        if let Step::RemoveBridge { bridge, adopt, .. } = step {
            self.remove_bridge(bridge, *adopt).await?;
        } else if let Step::WriteHostNames { hosts } = step {
            host.hosts.write(host.project.as_str(), hosts).await?;
        } else {
            host.firewall.apply(&self.firewall_change(step)).await?;
        }
        Ok(Outcome::Done(back))
    }

    fn firewall_change(&self, step: &Step) -> FirewallChange {
        let mut change = FirewallChange::default();
        if let Step::OpenNetwork(rules) = step {
            change.open.push(rules.clone());
        } else if let Step::CloseNetwork(rules) = step {
            change.close.push(rules.clone());
        } else if let Step::Publish { add, remove } = step {
            change = self.before.publish(add, remove);
        }
        change
    }

    /// The steps that make a container or change its inside.
    async fn act_on_inside(&self, id: StepId, step: &Step) -> Result<(), StepError> {
        let backend = &*self.host.backend;
        if let Step::Create(spec) = step {
            let mark = self.mark_of(spec, spec.setup.is_empty());
            let told = |line: &str| self.events.tell(Event::Output { id, step, line });
            backend.create(&mark, self.volumes.renew, &told).await?;
            for remark in backend.remarks() {
                self.events.tell(Event::Note(&remark));
            }
            self.marks().insert(spec.name.clone(), mark);
        } else if let Step::Configure(spec) = step {
            self.configure(spec).await?;
        } else if let Step::Setup { container, .. } = step {
            self.settle(container).await?;
            self.set_up(id, step, container).await?;
        } else if let Step::WriteNames {
            container,
            hosts,
            dns,
        } = step
        {
            let inside = backend.inside();
            inside.write_names(container, hosts, dns).await?;
        }
        Ok(())
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
                blocking(move || unseed(seeded, &mounts)).await?;
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

/// Whether a step is not finished when the run is told to end: what it waits for may never come, and what it
/// fetches may come later.
pub(super) fn is_given_up(step: &Step) -> bool {
    let work = matches!(
        step,
        Step::Pull { .. } | Step::Build(_) | Step::Setup { .. }
    );
    work || is_wait(step)
}

/// Whether a step only waits; it hears of the end by itself.
pub(super) fn is_wait(step: &Step) -> bool {
    matches!(
        step,
        Step::AwaitHealthy { .. } | Step::AwaitCompleted { .. }
    )
}

/// All subnets of a record.
pub(super) fn nets_of(record: &ProjectRecord) -> impl Iterator<Item = IpNet> + '_ {
    let all = std::iter::once(&record.subnets).chain(record.networks.values());
    all.flat_map(Subnets::each)
}

/// Removes a file or a directory with all in it, never following a link; an absent one is fine.
pub(super) fn remove_tree(path: PathBuf) -> Result<(), StepError> {
    let removed = match std::fs::symlink_metadata(&path) {
        Ok(data) if data.is_dir() => std::fs::remove_dir_all(&path),
        Ok(_) => std::fs::remove_file(&path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(StepError::Remove { path, source }),
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
