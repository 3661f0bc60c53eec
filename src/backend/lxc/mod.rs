//! LXC: system containers through liblxc.
//!
//! State is read in this process; everything that forks runs in a fresh small process of the same
//! binary ([`monitor`]). A container is ours when it bears our mark; all others are only listed.

mod asked;
mod attach;
mod attended;
mod attributes;
mod booted;
mod card;
mod carried;
mod console;
mod container;
mod copy;
mod create;
mod destroy;
mod ear;
mod ended;
mod events;
mod ffi;
mod frozen;
mod granted;
mod guard;
mod identity;
mod inherit;
mod inner_file;
mod inner_path;
mod inside;
mod keeper;
mod layout;
mod lease;
mod login;
mod logs;
pub mod look_inside;
mod mark;
mod memory;
mod mend;
pub mod monitor;
mod mount_point;
mod mounts;
mod names;
mod pack;
mod post;
mod pour;
mod processes;
mod render;
mod rtnl;
mod scratch;
mod seed;
mod session;
mod settings;
mod shift;
mod site;
mod start;
mod still;
mod stop;
mod streams;
pub mod supervised;
mod tether;
mod times;
mod transfer;
mod trees;
mod unpack;
mod view;
mod volume_ids;
mod watch;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use async_trait::async_trait;

use super::{
    AttachOptions, Backend, BackendError, BackendView, Body, End, Engine, Inside, Outer, Progress,
    Ran, Seeded, Sought, Watch,
};
use crate::model::{Hook, HostsLine, Kind, Mount, Name};
use crate::observed::Mark;
use crate::store::Paths;
pub use mark::directories_of;
use site::{Site, failed};
pub use still::thaw_left;

/// The LXC driver of one project. Dropping it stops nothing.
#[derive(Clone, Debug)]
pub struct LxcBackend {
    site: Arc<Site>,
}

/// Whether the file system of `dir` can map the ids of a mount.
pub fn can_map_ids(dir: &Path) -> bool {
    volume_ids::can_map(Path::new("/proc/self/exe"), dir)
}

impl LxcBackend {
    /// For `project` of `directory`, whose containers are kept under `lxcpath`. liblxc is opened when it
    /// is needed first; a look at a project with system containers tells when it is not installed.
    pub fn open(project: Name, directory: PathBuf, lxcpath: PathBuf, paths: Paths) -> Self {
        let site = Site {
            directory,
            ..Site::at(project, lxcpath, paths)
        };
        Self {
            site: Arc::new(site),
        }
    }

    /// The same with another program for the helper processes, for tests, whose own program is not
    /// `locker`. It must call [`monitor::run_if_asked`] first of all.
    pub fn with_program(self, program: PathBuf) -> Self {
        let old = &self.site;
        let site = Site {
            project: old.project.clone(),
            directory: old.directory.clone(),
            lxcpath: old.lxcpath.clone(),
            paths: old.paths.clone(),
            program,
            liblxc: OnceLock::new(),
            meter: OnceLock::new(),
        };
        Self {
            site: Arc::new(site),
        }
    }

    /// Runs blocking work where it does not hold up other tasks.
    async fn blocking<T: Send + 'static>(
        &self,
        verb: &'static str,
        work: impl FnOnce(&Site) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let site = Arc::clone(&self.site);
        match tokio::task::spawn_blocking(move || work(&site)).await {
            Ok(done) => done,
            Err(error) => Err(failed(verb, self.site.project.as_str(), error.to_string())),
        }
    }
}

#[async_trait]
impl Backend for LxcBackend {
    async fn observe(&self, sought: &Sought) -> Result<BackendView, BackendError> {
        let needed = sought.kinds.contains(&Kind::System);
        // A look at a directory wakes nobody, and leftovers are to be seen whatever the file has.
        let look = move |site: &Site| {
            if needed {
                site.liblxc()?;
            }
            view::observe(site)
        };
        self.blocking("observe", look).await
    }

    async fn create(
        &self,
        mark: &Mark,
        _renew: bool, // it has no volumes without a name
        progress: Progress<'_>,
    ) -> Result<(), BackendError> {
        let (mark, (lines, heard)) = (mark.clone(), mpsc::channel());
        let work = self.blocking("create", move |site| create::create(site, &mark, &lines));
        let mut work = std::pin::pin!(work);
        loop {
            let tick = tokio::time::sleep(Duration::from_millis(50));
            let done = tokio::select! { done = &mut work => Some(done), () = tick => None };
            heard.try_iter().for_each(|line| progress(&line));
            if let Some(done) = done {
                return done;
            }
        }
    }

    async fn configure(&self, mark: &Mark) -> Result<(), BackendError> {
        let mark = mark.clone();
        self.blocking("configure", move |site| settings::configure(site, &mark))
            .await
    }

    async fn start(&self, name: &Name, body: Body) -> Result<(), BackendError> {
        let name = name.clone();
        self.blocking("start", move |site| start::start(site, &name, body))
            .await
    }

    async fn stop(&self, name: &Name, body: Body, timeout: Duration) -> Result<End, BackendError> {
        let name = name.clone();
        self.blocking("stop", move |site| stop::stop(site, &name, body, timeout))
            .await
    }

    async fn destroy(&self, name: &Name, body: Body, _volumes: bool) -> Result<(), BackendError> {
        let name = name.clone();
        self.blocking("destroy", move |site| destroy::destroy(site, &name, body))
            .await
    }

    async fn set_aside(&self, name: &Name, back: bool) -> Result<(), BackendError> {
        let name = name.clone();
        self.blocking("set aside", move |site| {
            destroy::set_aside(site, &name, back)
        })
        .await
    }

    fn inside(&self) -> &dyn Inside {
        self
    }

    fn watch(&self) -> &dyn Watch {
        self
    }

    fn engine(&self) -> Option<&dyn Engine> {
        None
    }
}

#[async_trait]
impl Inside for LxcBackend {
    async fn write_names(
        &self,
        name: &Name,
        hosts: &[HostsLine],
        dns: &[IpAddr],
    ) -> Result<(), BackendError> {
        let (name, hosts, dns) = (name.clone(), hosts.to_vec(), dns.to_vec());
        self.blocking("write names of", move |site| {
            let mark = mark::ours(site, "write names of", &name)?;
            let (_, pid) = view::state(site, &site.full(&name))?;
            let inside = inner_file::Inside::of(site, &mark.spec, pid);
            names::write_names(&inside, &hosts, &dns)
        })
        .await
    }

    async fn seed(
        &self,
        name: &Name,
        mounts: &[Mount],
        copy: bool,
    ) -> Result<Seeded, BackendError> {
        let (name, mounts) = (name.clone(), mounts.to_vec());
        self.blocking("fill the volumes of", move |site| {
            let mark = mark::ours(site, "fill the volumes of", &name)?;
            seed::seed(site, &mark.spec, &mounts, copy)
        })
        .await
    }

    async fn set_frozen(&self, name: &Name, frozen: bool) -> Result<(), BackendError> {
        let name = name.clone();
        self.blocking("freeze", move |site| {
            let (verb, full) = (if frozen { "freeze" } else { "thaw" }, site.full(&name));
            mark::ours(site, verb, &name)?;
            let container = site.container(verb, &full)?;
            let done = match frozen {
                true => frozen::freeze(site, &container, &full),
                false => frozen::thaw(site, &container, &full),
            };
            events::ring(&site.dir(&name));
            done
        })
        .await
    }

    async fn run(
        &self,
        name: &Name,
        command: &Hook,
        timeout: Option<Duration>,
    ) -> Result<Ran, BackendError> {
        let (name, command) = (name.clone(), command.clone());
        let handle = attach::Handle::default();
        let leash = handle.0.clone();
        self.blocking("run a command in", move |site| {
            attach::run(site, &name, &command, timeout, &leash)
        })
        .await
    }

    async fn settle(
        &self,
        name: &Name,
        most: Option<Duration>,
    ) -> Result<Option<String>, BackendError> {
        let name = name.clone();
        let handle = attach::Handle::default();
        let leash = handle.0.clone();
        self.blocking("look at", move |site| {
            let mark = mark::read(&site.dir(&name))?;
            let ready = mark.and_then(|mark| mark.spec.hooks.ready);
            booted::wait(site, &name, ready.as_ref(), most, &leash)
        })
        .await
    }

    async fn attach(
        &self,
        name: &Name,
        argv: &[String],
        options: &AttachOptions,
    ) -> Result<i32, BackendError> {
        session::attach(self, name, argv, options).await
    }

    async fn copy_in(&self, name: &Name, from: Outer<'_>, to: &Path) -> Result<(), BackendError> {
        let (name, from, to) = (name.clone(), from.path(), to.to_owned());
        self.blocking("copy into", move |site| match from {
            Some(from) => trees::copy_in(site, &name, &from, &to),
            None => trees::unpack(site, &name, &to),
        })
        .await
    }

    async fn copy_out(&self, name: &Name, from: &Path, to: Outer<'_>) -> Result<(), BackendError> {
        let (name, from, to) = (name.clone(), from.to_owned(), to.path());
        self.blocking("copy out of", move |site| match to {
            Some(to) => trees::copy_out(site, &name, &from, &to),
            None => trees::pack(site, &name, &from),
        })
        .await
    }

    async fn size(&self, name: &Name) -> Result<u64, BackendError> {
        let name = name.clone();
        self.blocking("measure", move |site| {
            copy::size(&site.full(&name), &site.rootfs(&name))
        })
        .await
    }
}
