//! Docker: application containers through the engine's interface.
//!
//! The engine is reached when it is first needed and asked as little as possible: one look is a handful
//! of requests, whatever the number of containers. Containers, networks and volumes are ours when
//! they bear our labels; all others are only listed. Addresses, published ports and names are locker's
//! work for both kinds of containers, so the engine is told about addresses and never about ports.

mod archive;
mod attach;
mod beside;
mod body;
mod build;
mod build_log;
mod buildkit;
mod client;
mod config;
mod context;
mod context_tar;
mod copy;
mod create;
mod dockerignore;
mod ended;
mod engine;
mod error;
mod events;
mod files;
mod former;
mod handed;
mod header;
mod homes;
mod hosts;
mod image_files;
mod images;
mod init;
mod inside;
mod known;
mod late;
mod limits;
mod list;
mod logs;
mod mark;
mod mounts;
mod network;
mod observe;
mod older;
mod once;
mod owners;
mod place;
mod power;
mod probe;
mod processes;
mod raw;
pub mod reach;
mod registry;
mod remove;
mod shares;
mod site;
mod status;
mod unframed;
mod unheld;
mod unpack;
mod update;
mod volume;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Backend, BackendError, BackendView, Body, End, Engine, Inside, Progress, Sought, Watch,
};
use crate::model::{Kind, Name};
use crate::observed::Mark;
use crate::store::{self, Paths};
use crate::sys;
use client::{Client, Link};
use error::refused;
use homes::Homes;
use known::{All, Bodies, Known};
pub use mark::directories_of;
use site::Site;

/// The Docker driver of one project. Dropping it stops nothing.
#[derive(Clone, Debug)]
pub struct DockerBackend {
    site: Arc<Site>,
    client: Arc<Client>,
    /// None before the first look.
    known: Arc<Mutex<Option<All>>>,
    stops: Arc<power::Stops>,
    /// What the engine has remarked and nobody has been told yet.
    remarks: Arc<Mutex<Vec<String>>>,
    /// Networks that could not be removed and are left: a look does not see them.
    left: Arc<Mutex<BTreeSet<Name>>>,
}

impl DockerBackend {
    /// The driver for `project` of `directory`, which is canonical. The engine is not touched: it is
    /// found and reached when it is first needed.
    pub fn open(project: Name, directory: PathBuf, paths: Paths) -> Self {
        let site = Site {
            project,
            here: directory.clone(),
            directory,
            paths,
        };
        Self {
            site: Arc::new(site),
            client: Arc::default(),
            known: Arc::default(),
            stops: Arc::default(),
            remarks: Arc::default(),
            left: Arc::default(),
        }
    }

    /// The same for a project that is in another directory than its marks bear, since it was moved.
    pub fn moved_to(self, here: PathBuf) -> Self {
        let site = Site {
            here,
            ..(*self.site).clone()
        };
        Self {
            site: Arc::new(site),
            ..self
        }
    }

    async fn link(&self) -> Result<&Link, BackendError> {
        self.client.link().await
    }

    fn remarked(&self) -> MutexGuard<'_, Vec<String>> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> MutexGuard<'_, BTreeSet<Name>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> MutexGuard<'_, Option<All>> {
        // Every change of the map is one call, so it is whole even after a panic elsewhere.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The selves of a container as they were last seen; looks first when nothing was seen yet.
    async fn bodies(&self, name: &Name) -> Result<Bodies, BackendError> {
        let seen = |all: &Option<All>| {
            all.as_ref()
                .map(|all| all.get(name).cloned().unwrap_or_default())
        };
        let bodies = seen(&self.all());
        if let Some(bodies) = bodies {
            return Ok(bodies);
        }
        let list = list::containers(&self.link().await?.endpoint).await?;
        let all = observe::known(&self.site, &list);
        let mut known = self.all();
        Ok(known.insert(all).get(name).cloned().unwrap_or_default())
    }

    /// One of the selves of a container, which must be there.
    async fn body(
        &self,
        verb: &'static str,
        name: &Name,
        body: Body,
    ) -> Result<Known, BackendError> {
        let known = self.bodies(name).await?.of(body).cloned();
        known.ok_or_else(|| {
            let full = match body {
                Body::Present => self.site.full(name),
                Body::Aside => self.site.aside(name),
            };
            refused(verb, &full, "there is none of this project")
        })
    }

    /// Keeps what is known true after a change of ours.
    fn note(&self, name: &Name, change: impl FnOnce(&mut Bodies)) {
        if let Some(all) = self.all().as_mut() {
            change(all.entry(name.clone()).or_default());
        }
    }

    /// Runs work on files where it does not hold up other tasks.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Site) -> T + Send + 'static,
    ) -> Result<T, BackendError> {
        let site = Arc::clone(&self.site);
        let done = tokio::task::spawn_blocking(move || work(&site)).await;
        done.map_err(|e| refused("work for", self.site.project.as_str(), e.to_string()))
    }
}

/// What the engine leaves to do for the cards that it has just made.
fn fit_cards(mark: &Mark) {
    let nics = mark.spec.app.iter().flat_map(|app| &app.attached);
    for nic in nics.filter_map(|attached| attached.nic.as_ref()) {
        sys::let_ports_reach_themselves(&nic.bridge);
        // A network that was made before its MTU changed has cards as they were. What does not fit is
        // seen by the next look; the container runs.
        let _ = sys::fit_cables(&nic.bridge);
    }
}

#[async_trait]
impl Backend for DockerBackend {
    async fn observe(&self, sought: &Sought) -> Result<BackendView, BackendError> {
        if !sought.kinds.contains(&Kind::Application) {
            return Ok(BackendView::default());
        }
        let homes = self.blocking(Homes::read);
        let look = observe::look(&self.site, &self.client, sought, homes).await?;
        let (mut view, all) = self.blocking(move |site| observe::view(site, look)).await?;
        *self.all() = Some(all);
        let left = self.left();
        view.engine.networks.retain(|name, _| !left.contains(name));
        Ok(view)
    }

    async fn create(
        &self,
        mark: &Mark,
        renew: bool,
        _progress: Progress<'_>,
    ) -> Result<(), BackendError> {
        let (name, link) = (&mark.spec.name, self.link().await?);
        let older = self.bodies(name).await?;
        let made = create::create(&self.site, link, mark, &older, renew, |_| {}).await?;
        if older.aside.is_none() {
            // Of one that others have removed.
            store::forget_stopped(&self.site.paths, &self.site.project, name);
        }
        self.note(name, |bodies| bodies.present = Some(made.known));
        self.remarked().extend(made.remarks);
        Ok(())
    }

    fn remarks(&self) -> Vec<String> {
        std::mem::take(&mut *self.remarked())
    }

    async fn configure(&self, mark: &Mark) -> Result<(), BackendError> {
        let name = &mark.spec.name;
        let known = self.body("configure", name, Body::Present).await?;
        update::configure(&self.site, self.link().await?, &known, mark).await?;
        if !known.unplugged.is_empty() {
            fit_cards(mark);
        }
        self.note(name, |bodies| {
            if let Some(present) = &mut bodies.present {
                present.mark = mark.clone();
                present.unplugged.clear();
            }
        });
        Ok(())
    }

    async fn start(&self, name: &Name, body: Body) -> Result<(), BackendError> {
        let known = self.body("start", name, body).await?;
        power::start(self.link().await?, &self.site.full(name), &known).await?;
        store::forget_stopped(&self.site.paths, &self.site.project, name);
        fit_cards(&known.mark);
        Ok(())
    }

    async fn stop(&self, name: &Name, body: Body, timeout: Duration) -> Result<End, BackendError> {
        let bodies = self.bodies(name).await?;
        let Some(known) = bodies.of(body) else {
            return Ok(End::Own);
        };
        let (link, full) = (self.link().await?, self.site.full(name));
        let home = self.site.home(name, &known.token);
        mark::begin_stop(&home, init::init_of(&known.id));
        if body == Body::Present && self.site.notes_stops(known) && power::runs(link, known).await {
            // Without the note an exit code of 0 counts as the end of its work.
            let (paths, project) = (&self.site.paths, &self.site.project);
            let _ = store::note_stopped(paths, project, name, &known.id);
        }
        let stop = power::stop(link, &full, known, timeout);
        let nic = known.mark.spec.nic.as_ref();
        let has_ipv6 = nic.is_some_and(|nic| nic.addresses.v6.is_some());
        let end = self.stops.in_turn(has_ipv6, stop).await?;
        mark::end_stop(&home);
        self.note(name, |bodies| {
            if let Some(known) = bodies.slot(body) {
                known.frozen = false;
            }
        });
        Ok(end)
    }

    async fn destroy(&self, name: &Name, body: Body, volumes: bool) -> Result<(), BackendError> {
        let bodies = self.bodies(name).await?;
        let link = self.link().await?;
        remove::destroy(&self.site, link, name, &bodies, body, volumes).await?;
        self.note(name, |bodies| bodies.gone(body, volumes));
        Ok(())
    }

    async fn set_aside(&self, name: &Name, back: bool) -> Result<(), BackendError> {
        let (from, verb) = match back {
            true => (Body::Aside, "bring back"),
            false => (Body::Present, "set aside"),
        };
        let known = self.body(verb, name, from).await?;
        remove::set_aside(&self.site, self.link().await?, name, &known, back).await?;
        self.note(name, |bodies| {
            let moved = bodies.slot(from).take();
            let to = match from {
                Body::Present => Body::Aside,
                Body::Aside => Body::Present,
            };
            *bodies.slot(to) = moved;
        });
        Ok(())
    }

    fn inside(&self) -> &dyn Inside {
        self
    }

    fn watch(&self) -> &dyn Watch {
        self
    }

    fn engine(&self) -> Option<&dyn Engine> {
        Some(self)
    }
}
