//! What only system containers have: what their own init is granted and finds.
//!
//! The keys are those of application containers, and read by the same functions; what a system container
//! cannot have of them is refused here.

use super::app::{self, kernel, limits};
use super::container::{Layers, Shared};
use super::values::{flag, one, parsed};
use super::volumes::Mounts;
use super::{deploy, managed, provisions};
use crate::file::desk::Desk;
use crate::model::{
    Container, Fqdn, Idmap, Key, Limit, Place, SysctlOf, System, check_plain, check_signal,
    limits_of,
};

/// Puts all of it in.
pub(super) fn fill(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    mounts: Mounts,
    container: &mut Container,
) {
    container.system = System {
        nesting: flag(desk, layers, Key::Nesting).unwrap_or_default(),
        granted: kernel::lower(desk, layers, mounts.tmpfs),
        extra_hosts: app::all_extra_hosts(desk, layers),
        dns_search: app::plain_list(desk, layers, Key::DnsSearch),
        dns_opt: app::plain_list(desk, layers, Key::DnsOpt),
        oom_score_adj: app::oom_score_adj(desk, layers),
        stop_signal: parsed(desk, layers, Key::StopSignal, |text| {
            check_signal(text).map(|()| text.to_string())
        }),
        provisions: provisions::lower(desk, layers),
    };
    kernel::check_sysctls(desk, layers, |of| read_only(container, of));
    container.network = app::of_system(desk, shared, layers);
    // What `cgroup` says of the same comes later, and counts.
    let own = std::mem::take(&mut container.cgroup);
    let said = |key: &str| own.iter().any(|(limit, _)| limit.key == key);
    let mut limits = cgroup(desk, layers);
    limits.retain(|(limit, _)| !said(&limit.key));
    limits.extend(own);
    container.cgroup = limits;
    check(desk, layers, container);
}

/// The limits of the keys that Compose has for them.
fn cgroup(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<(Limit, Place)> {
    let all = limits::lower(desk, layers);
    if !all.blkio_throttle.is_empty()
        && let Some(entry) = layers.last(Key::BlkioConfig)
    {
        let message = "a limit for one device is for Docker containers";
        let help = "write `cgroup: [\"io.max=MAJOR:MINOR rbps=…\"]`";
        desk.error_help(entry.spot, message, help);
    }
    for request in deploy::reserved_devices(desk, layers) {
        let message = "devices that a driver hands out are for Docker containers";
        desk.error_help(request.map.spot, message, "name the devices in `devices`");
    }
    let place = |key: Key| {
        let entry = layers.last(key).or_else(|| layers.last(Key::Deploy));
        entry.map_or_else(Place::nowhere, |entry| desk.place(entry.spot))
    };
    let limits = limits_of(&all).into_iter();
    limits.map(|(limit, key)| (limit, place(key))).collect()
}

/// LXC sets a parameter when it has made the kernel's files read-only already, but for those of the network.
fn read_only(container: &Container, of: SysctlOf) -> Option<(String, &'static str)> {
    match of {
        SysctlOf::Network => None,
        SysctlOf::Ipc | SysctlOf::Uts if has_writable_proc(container) => None,
        SysctlOf::Ipc | SysctlOf::Uts => Some((
            "cannot be set in an LXC container, whose kernel files are read-only but for the network's".into(),
            "write `privileged: true`, which makes them writable, or run it as a Docker container",
        )),
    }
}

/// Whether it may write the kernel's files.
fn has_writable_proc(container: &Container) -> bool {
    let own = container.config.iter().map(|(line, _)| line);
    let mut mounts = own.filter(|line| line.key == "lxc.mount.auto");
    container.system.granted.privileged || mounts.any(|line| line.value.contains("proc:rw"))
}

/// What excludes each other.
fn check(desk: &Desk<'_>, layers: &Layers<'_>, container: &Container) {
    let mapped = matches!(container.idmap, Some(Idmap::Auto | Idmap::Ranges(_)));
    managed::check(desk, container);
    let Some(entry) = layers.last(Key::Privileged) else {
        return;
    };
    if container.system.granted.privileged && (mapped || container.isolate) {
        let other = if mapped { "idmap" } else { "isolate" };
        let message = format!("`privileged` makes its root the host's, and `{other}` another's");
        desk.error_help(entry.spot, message, "leave one of the two out");
    }
}

/// `hostname` and `domainname`, where `fqdn` does not say both.
pub(super) fn fqdn(desk: &Desk<'_>, layers: &Layers<'_>) -> Option<Fqdn> {
    let domain = parsed(desk, layers, Key::Domainname, |text| {
        check_plain("domainname", text).map(|()| text.to_string())
    });
    let (host, spot) = match (one(desk, layers, Key::Hostname), &domain) {
        (Some(host), _) => host,
        (None, Some(_)) => {
            let spot = layers.last(Key::Domainname)?.spot;
            (layers.words.name.to_string(), spot)
        }
        (None, None) => return None,
    };
    let full = match domain {
        Some(domain) if !host.contains('.') => format!("{host}.{domain}"),
        Some(_) | None => host,
    };
    desk.check(spot, Fqdn::new(&full))
}
