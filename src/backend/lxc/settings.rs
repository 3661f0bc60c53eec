//! A container's settings on disk and, for what the kernel can change, in a running container.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use super::mark;
use super::render::{RenderError, Surroundings, render, with_include};
use super::site::{Site, failed, io, write_whole};
use crate::backend::BackendError;
use crate::model::{CgroupVersion, ContainerSpec};
use crate::observed::Mark;

/// Which cgroup version holds the controller of a limit's key on this host (cgroups(7)).
fn version_of(key: &str) -> CgroupVersion {
    let controller = key.split('.').next().unwrap_or(key);
    // A v1 controller is a hierarchy (or a link to one) of its name; cgroup v2 has no such directory.
    if Path::new("/sys/fs/cgroup")
        .join(controller)
        .join("tasks")
        .exists()
    {
        CgroupVersion::V1
    } else {
        CgroupVersion::V2
    }
}

/// Writes `locker.conf` anew and sees to it that the container's `config` includes it, last.
pub(super) fn write_conf(site: &Site, spec: &ContainerSpec) -> Result<(), BackendError> {
    let dir = site.dir(&spec.name);
    let logs = site.paths.logs(&site.project);
    std::fs::create_dir_all(&logs).map_err(io("create", &logs))?;
    let refuse = |e: RenderError| failed("configure", &spec.host_name(), e.to_string());
    let text = render(
        spec,
        &Surroundings {
            unprivileged: Path::new("/usr/share/lxc/config/userns.conf"),
            console_log: &site.console_log(&spec.name),
            cgroup: &version_of,
            is_file: &|path| path.exists() && !path.is_dir(),
        },
    )
    .map_err(refuse)?;
    let ours = dir.join("locker.conf");
    if std::fs::read_to_string(&ours).ok().as_deref() != Some(&text) {
        write_whole(&ours, text.as_bytes())?;
    }
    let config = dir.join("config");
    let before = std::fs::read_to_string(&config).map_err(io("read", &config))?;
    let after = with_include(&before, &ours).map_err(refuse)?;
    if before != after {
        write_whole(&config, after.as_bytes())?;
    }
    Ok(())
}

/// Writes settings and mark anew; a running container gets its limits and host name at once.
pub(super) fn configure(site: &Site, mark: &Mark) -> Result<(), BackendError> {
    let (name, full) = (&mark.spec.name, mark.spec.host_name());
    mark::ours(site, "configure", name)?;
    write_conf(site, &mark.spec)?;
    let container = site.container("configure", &full)?;
    if let Some(pid) = container.init_pid() {
        let refused: Vec<String> = mark
            .spec
            .limits
            .iter()
            .filter(|limit| !container.set_cgroup(&limit.key, &limit.value))
            .map(|limit| format!("the kernel refused `{limit}`"))
            .collect();
        if !refused.is_empty() {
            let reason = refused.join(", ");
            return Err(failed("configure", &full, reason));
        }
        set_host_name(pid, &mark.spec.hostname)
            .map_err(|e| failed("configure", &full, format!("cannot set its host name: {e}")))?;
    }
    mark::write(site, mark)
}

/// Sets the host name in the UTS namespace of `pid`, from a thread that ends with it.
fn set_host_name(pid: u32, hostname: &str) -> std::io::Result<()> {
    let namespace = File::open(format!("/proc/{pid}/ns/uts"))?;
    let hostname = hostname.to_owned();
    let work = move || -> std::io::Result<()> {
        rustix::thread::move_into_link_name_space(
            namespace.as_fd(),
            Some(rustix::thread::LinkNameSpaceType::HostNameAndNISDomainName),
        )?;
        Ok(rustix::system::sethostname(hostname.as_bytes())?)
    };
    std::thread::spawn(work)
        .join()
        .unwrap_or_else(|_| Err(std::io::Error::other("the thread that sets it ended early")))
}
