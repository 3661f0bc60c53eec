//! A container's settings on disk and, for what the kernel can change, in a running container.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use super::asked::Asked;
use super::inner_file::Inside;
use super::names::{write_host_name, write_resolver};
use super::render::{RenderError, Surroundings, render, with_include};
use super::site::{Site, failed, io, write_whole};
use super::{granted, mark};
use crate::backend::owners::host_id;
use crate::backend::{BackendError, controllers};
use crate::model::{CgroupVersion, ContainerSpec, IdKind, Limit};
use crate::observed::Mark;
use crate::sys;

/// Where settings are tried out, and the container that they are tried for; no name of a project's begins so.
const TRIAL: &str = ".locker-trial";

/// Writes what a stopped container starts with: its settings, and the names that it may have changed inside.
pub(super) fn write_for_start(site: &Site, spec: &ContainerSpec) -> Result<(), BackendError> {
    write_conf(site, spec)?;
    // A file that cannot be written (a volume that it may only read) does not keep it from starting; that the
    // names are others then is told as drift.
    let inside = Inside::of(site, spec, None);
    let _ = write_host_name(&inside);
    let _ = write_resolver(&inside);
    Ok(())
}

/// Writes `locker.conf` anew and sees to it that the container's `config` includes it, last.
pub(super) fn write_conf(site: &Site, spec: &ContainerSpec) -> Result<(), BackendError> {
    let dir = site.dir(&spec.name);
    let logs = site.paths.logs(&site.project);
    crate::store::make_private(&logs).map_err(io("create", &logs))?;
    close(&dir, spec).map_err(io("close", &dir))?;
    let text = text_of(site, spec)?;
    let ours = dir.join("locker.conf");
    if std::fs::read_to_string(&ours).ok().as_deref() != Some(&text) {
        try_out(site, spec, &dir, &text)?;
        write_whole(&ours, text.as_bytes())?;
    }
    let config = dir.join("config");
    let before = std::fs::read_to_string(&config).map_err(io("read", &config))?;
    let after = with_include(&before, &ours).map_err(|e| refused(spec, &e))?;
    if before != after {
        write_whole(&config, after.as_bytes())?;
    }
    Ok(())
}

/// Has liblxc read the settings before they take the place of others: with a line that it refuses it would never read
/// anything of the container again.
fn try_out(site: &Site, spec: &ContainerSpec, dir: &Path, text: &str) -> Result<(), BackendError> {
    let trial = dir.join(TRIAL);
    // A container that nobody has, so that what is there already does not count.
    let reads = |text: &str| -> Result<bool, BackendError> {
        let file = crate::store::create_private(&trial);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(io("write", &trial))?;
        site.container("configure", TRIAL)?.load_config(&trial)
    };
    let read = reads(text).map(|whole| match whole {
        true => None,
        false => {
            // Some lines mean nothing without those before.
            let ends = text.match_indices('\n').map(|(end, _)| end);
            let mut upto = ends.filter_map(|end| text.get(..=end));
            let wrong = upto.find(|lines| !reads(lines).unwrap_or(true));
            let line = wrong.and_then(|lines| lines.lines().next_back());
            Some(line.unwrap_or("its settings as a whole").to_owned())
        }
    });
    let _ = std::fs::remove_file(&trial); // the next one replaces it
    match read? {
        None => Ok(()),
        Some(line) => Err(failed(
            "configure",
            &spec.host_name(),
            format!("liblxc refuses `{line}`"),
        )),
    }
}

/// Keeps all others out of a container's directory: a file of its root file system that sets an id works
/// for whoever reaches it. The root of one with an id map must come through, and no more.
fn close(dir: &Path, spec: &ContainerSpec) -> std::io::Result<()> {
    let found = std::fs::metadata(dir)?;
    let (group, mode) = match spec.idmap.is_empty() {
        true => (None, found.mode() & 0o770),
        false => (host_id(&spec.idmap, IdKind::Group, 0), 0o710),
    };
    if group.is_some_and(|group| group != found.gid()) {
        chown(dir, None, group)?;
    }
    if found.mode() & 0o7777 != mode {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

fn refused(spec: &ContainerSpec, error: &RenderError) -> BackendError {
    failed("configure", &spec.host_name(), error.to_string())
}

/// Which version holds the controller of a limit's key. What went since the limit was planned is told by
/// liblxc when it starts the container.
fn version_of(key: &str, controllers: &BTreeMap<String, CgroupVersion>) -> CgroupVersion {
    let controller = key.split('.').next().unwrap_or(key);
    let found = controllers.get(controller).copied();
    found.unwrap_or(CgroupVersion::V2)
}

fn text_of(site: &Site, spec: &ContainerSpec) -> Result<String, BackendError> {
    // Looked up only where a limit needs it.
    let controllers = LazyCell::new(controllers);
    let dir = site.dir(&spec.name);
    let dropped =
        match spec.system.granted.cap_add.is_empty() && spec.system.granted.cap_drop.is_empty() {
            true => Vec::new(),
            false => {
                let config = dir.join("config");
                let text = std::fs::read_to_string(&config).map_err(io("read", &config))?;
                granted::dropped_by(&text, &dir.join("locker.conf"))
            }
        };
    let around = Surroundings {
        unprivileged: Path::new("/usr/share/lxc/config/userns.conf"),
        console_log: &site.console_log(&spec.name),
        cgroup: &|key| version_of(key, &controllers),
        dropped: &dropped,
        rules: &granted::device_rules(&spec.system),
        nesting: Path::new("/usr/share/lxc/config/nesting.conf"),
        mtu: spec.nic.as_ref().and_then(|nic| sys::mtu_of(&nic.bridge)),
    };
    render(spec, &around).map_err(|e| refused(spec, &e))
}

/// Writes settings and mark anew; a running container gets its limits and host name first. What cannot
/// be done is told after all that was done is taken back, so that mark and container never disagree.
pub(super) fn configure(site: &Site, mark: &Mark) -> Result<(), BackendError> {
    let (spec, full) = (&mark.spec, mark.spec.host_name());
    let before = mark::ours(site, "configure", &spec.name)?;
    text_of(site, spec)?; // what can never be written is refused before anything changes
    // One that does not run needs no liblxc: what that cannot read is mended by what is written here.
    let pid = match super::view::read_state(site, &full)? {
        Some((_, pid)) => pid,
        None if super::ended::may_run(&site.dir(&spec.name)) => unread(site, spec)?,
        None => None,
    };
    let live = match pid {
        Some(pid) => {
            let container = site.container("configure", &full)?;
            let done = Live::apply(&container, &before.spec, spec)?;
            Some((done, container, pid))
        }
        None => None,
    };
    // A stopped one gets it when it starts.
    let named = match &live {
        Some((_, _, pid)) => rename(&Inside::of(site, spec, Some(*pid)), &before.spec),
        None => Ok(()),
    };
    let done = named
        .and_then(|()| write_conf(site, spec))
        .and_then(|()| mark::write(site, mark));
    if done.is_err() {
        // The first error is the one to tell.
        if let Some((live, container, pid)) = &live {
            live.take_back(container);
            let _ = rename(&Inside::of(site, &before.spec, Some(*pid)), spec);
        }
        let _ = write_conf(site, &before.spec);
    }
    done
}

/// The init of a container that runs and whose settings liblxc cannot read, so that it takes it for a stopped one; once the
/// new ones are written it can be told of them.
fn unread(site: &Site, spec: &ContainerSpec) -> Result<Option<u32>, BackendError> {
    write_conf(site, spec)?;
    let dir = site.dir(&spec.name);
    let Some((_, pid)) = super::view::read_state(site, &spec.host_name())? else {
        let reason = format!(
            "it runs, and liblxc cannot read `{}`, so that nothing can be changed in it: mend that file and run the command again",
            dir.join("config").display()
        );
        return Err(failed("configure", &spec.host_name(), reason));
    };
    Ok(pid)
}

/// Writes what differs of the names that a running container bears and knows.
fn rename(inside: &Inside<'_>, before: &ContainerSpec) -> Result<(), BackendError> {
    let spec = inside.spec;
    let resolver = |spec: &ContainerSpec| {
        let system = &spec.system;
        (system.dns_search.clone(), system.dns_opt.clone())
    };
    if before.hostname != spec.hostname {
        write_host_name(inside)?;
    }
    match resolver(before) == resolver(spec) {
        true => Ok(()),
        false => write_resolver(inside),
    }
}

/// Limits that were set in a running container, each with the value it had before, in order.
struct Live(Vec<(String, String)>);

impl Live {
    /// Sets all limits, and lifts those that are gone, or changes nothing.
    fn apply(
        container: &Asked,
        before: &ContainerSpec,
        spec: &ContainerSpec,
    ) -> Result<Self, BackendError> {
        let mut done = Self(Vec::new());
        let mut waiting = gone(before, spec);
        waiting.extend(Limit::usual_period(&spec.limits));
        waiting.extend(spec.limits.iter().map(Limit::with_period));
        // One may have to wait for another: memory cannot rise above memory and swap together.
        while !waiting.is_empty() {
            let count = waiting.len();
            let mut left = Vec::new();
            for limit in waiting {
                match done.set(container, &limit) {
                    Ok(true) => {}
                    Ok(false) => left.push(limit),
                    // Whoever does not answer takes nothing back either.
                    Err(error) => return Err(error),
                }
            }
            waiting = left;
            if waiting.len() == count {
                done.take_back(container);
                let reason = format!("the kernel refused `{}`", waiting[0]);
                return Err(failed("configure", &spec.host_name(), reason));
            }
        }
        Ok(done)
    }

    fn set(&mut self, container: &Asked, limit: &Limit) -> Result<bool, BackendError> {
        let before = container.cgroup(&limit.key)?;
        let set = container.set_cgroup(&limit.key, &limit.value)?;
        // What cannot be read (a key that is only written) cannot be put back either.
        let before = before.filter(|_| set);
        self.0
            .extend(before.map(|value| (limit.key.clone(), value.trim_end().to_owned())));
        Ok(set)
    }

    fn take_back(&self, container: &Asked) {
        for (key, value) in self.0.iter().rev() {
            let _ = container.set_cgroup(key, value); // the error that led here is the one to tell
        }
    }
}

/// The limits that the file no longer has, as no limits. A key without such a value (a set of
/// processors, say) stays as it is until the next start.
fn gone(before: &ContainerSpec, spec: &ContainerSpec) -> Vec<Limit> {
    let kept = |key: &str| spec.limits.iter().any(|limit| limit.key == key);
    let old = before.limits.iter().filter(|old| !kept(&old.key));
    old.filter_map(Limit::lifted).collect()
}
