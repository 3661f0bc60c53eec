//! The names that a container knows: its own, those of others, and who answers for all the rest.
//!
//! Its host name is the kernel's (UTS namespace) and the one of `/etc/hostname`, which its init sets at each boot.

mod resolver;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::inner_file::Inside;
use super::site::failed;
use crate::backend::BackendError;
use crate::model::HostsLine;
use crate::observed::Touched;

pub(super) use resolver::write_resolver;

/// What an init takes the host name from at each boot (hostname(5)).
const HOST_NAME: &str = "/etc/hostname";

/// Writes the managed names: hosts block, name servers and host name.
pub(super) fn write_names(
    inside: &Inside<'_>,
    lines: &[HostsLine],
    dns: &[IpAddr],
) -> Result<(), BackendError> {
    let tag = inside.spec.project.as_str();
    let before = inside.read("/etc/hosts")?;
    let text = match before {
        Some(text) => {
            let earlier = earlier_self(inside)?;
            crate::hosts::without_earlier_self(&text, tag, earlier.as_deref())
        }
        None => LOCALHOST.into(),
    };
    let refused = |e: crate::hosts::HostsError| {
        failed("write names of", &inside.spec.host_name(), e.to_string())
    };
    let after = crate::hosts::put_block(&text, tag, lines).map_err(refused)?;
    let mut wanted = vec![("/etc/hosts", after)];
    if !dns.is_empty() {
        let text = inside.read("/etc/resolv.conf")?.unwrap_or_default();
        wanted.push(("/etc/resolv.conf", with_name_servers(&text, dns)));
    }
    for (path, text) in wanted {
        if inside.read(path)?.as_deref() != Some(&text) {
            inside.write(path, &text)?;
        }
    }
    write_resolver(inside)?;
    write_host_name(inside)
}

/// Makes the host name what the spec has: that of the next boot, and that of a running container.
pub(super) fn write_host_name(inside: &Inside<'_>) -> Result<(), BackendError> {
    let wanted = &inside.spec.hostname;
    if noted_name(inside)?.as_ref() != Some(wanted) {
        inside.write(HOST_NAME, &format!("{wanted}\n"))?;
    }
    let Some(pid) = inside.pid else { return Ok(()) };
    if kernel_name(pid).ok().as_ref() != Some(wanted) {
        set_kernel_name(pid, wanted).map_err(|error| {
            let reason = format!("cannot set its host name: {error}");
            failed("configure", &inside.spec.host_name(), reason)
        })?;
    }
    Ok(())
}

/// What the files of a running container have in place of what its spec says; `resolv` is its resolv.conf(5).
pub(super) fn touched(inside: &Inside<'_>, resolv: &str) -> Option<Touched> {
    inside.pid?;
    let next = noted_name(inside).ok().flatten();
    let other = next.filter(|name| *name != inside.spec.hostname);
    let resolver = || resolver::differs(inside, resolv).then_some(Touched::Resolver);
    other.map(Touched::HostName).or_else(resolver)
}

/// The name in `/etc/hostname`: the first line that is no remark.
fn noted_name(inside: &Inside<'_>) -> Result<Option<String>, BackendError> {
    let text = inside.read(HOST_NAME)?.unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    let name = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(name.map(str::to_owned))
}

fn kernel_name(pid: u32) -> std::io::Result<String> {
    in_uts_of(&[pid], || Ok(own_name())).map(|mut names| names.remove(0))?
}

/// The kernel's host names of these processes; one that has ended has none.
pub(super) fn kernel_names(pids: &[u32]) -> BTreeMap<u32, String> {
    if pids.is_empty() {
        return BTreeMap::new();
    }
    let names = in_uts_of(pids, || Ok(own_name())).unwrap_or_default();
    let known = pids.iter().zip(names);
    known
        .filter_map(|(pid, name)| Some((*pid, name.ok()?)))
        .collect()
}

fn own_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

fn set_kernel_name(pid: u32, name: &str) -> std::io::Result<()> {
    let set = || Ok(rustix::system::sethostname(name.as_bytes())?);
    in_uts_of(&[pid], set).map(|mut done| done.remove(0))?
}

/// Does something in the UTS namespace of each of `pids`, one after the other, in a thread that ends with it: it cannot
/// be used for anything else.
fn in_uts_of<T: Send>(
    pids: &[u32],
    work: impl Fn() -> std::io::Result<T> + Sync,
) -> std::io::Result<Vec<std::io::Result<T>>> {
    let one = |pid: &u32| {
        let namespace = File::open(format!("/proc/{pid}/ns/uts"))?;
        let kind = LinkNameSpaceType::HostNameAndNISDomainName;
        move_into_link_name_space(namespace.as_fd(), Some(kind))?;
        work()
    };
    let all = || pids.iter().map(one).collect();
    let done = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, all)?;
        Ok::<_, std::io::Error>(thread.join())
    });
    done?.map_err(|_| std::io::Error::other("the thread ended early"))
}

/// The host name that a copy brought along, as long as it is not ours. The first Locker ended it with
/// the letters `\\d`.
fn earlier_self(inside: &Inside<'_>) -> Result<Option<String>, BackendError> {
    let name = noted_name(inside)?;
    let name = name
        .as_deref()
        .map(|name| name.strip_suffix("\\d").unwrap_or(name));
    let host = name.and_then(|name| name.split('.').next());
    let other = host.filter(|host| !host.is_empty() && *host != inside.spec.hostname);
    Ok(other.map(str::to_owned))
}

pub(super) const LOCALHOST: &str =
    "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";

/// The name servers of a resolv.conf(5).
pub(super) fn parse_name_servers(text: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok())?
    };
    text.lines().filter_map(server).collect()
}

/// The text with these name servers and no others; all other lines stay.
pub(super) fn with_name_servers(text: &str, dns: &[IpAddr]) -> String {
    let mut out: String = dns.iter().map(|ip| format!("nameserver {ip}\n")).collect();
    for line in text.lines() {
        if line.split_whitespace().next() != Some("nameserver") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}
