//! The hosts file of a container: a file of ours, mounted on its /etc/hosts.
//!
//! The engine writes a hosts file of its own at every start and change of networks, without the names
//! of other containers. Ours is right before the first process runs and stays so when the engine is
//! restarted. It is rewritten in place: the container has the file itself mounted, and another one of
//! the same name would never be seen inside.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::site::{io, write_whole};
use crate::backend::BackendError;
use crate::hosts::replace_block;
use crate::model::{AppNetwork, AppSpec, ContainerSpec, HostsLine};

/// What stands in front, as the engine writes it.
const HEAD: &str = "127.0.0.1 localhost\n\
    ::1 localhost ip6-localhost ip6-loopback\n\
    fe00::0 ip6-localnet\n\
    ff00::0 ip6-mcastprefix\n\
    ff02::1 ip6-allnodes\n\
    ff02::2 ip6-allrouters\n";

/// Its name.
pub(super) const FILE: &str = "hosts";

/// The path in the container.
pub(super) const TARGET: &str = "/etc/hosts";

/// The file of a container.
pub(super) fn path(home: &Path) -> PathBuf {
    home.join(FILE)
}

/// Whether the container gets a file of ours: not when it shares another one's network, nor when the
/// user mounts a file there.
pub(super) fn is_managed(spec: &ContainerSpec, app: &AppSpec) -> bool {
    let own = match &app.settings.network {
        AppNetwork::Networks(_) => app.network_of.is_none() && !app.attached.is_empty(),
        AppNetwork::Host
        | AppNetwork::Bridge
        | AppNetwork::None
        | AppNetwork::Container(_)
        | AppNetwork::Foreign(_) => false,
    };
    own && !spec
        .mounts
        .iter()
        .any(|mount| mount.target == Path::new(TARGET))
}

/// Writes the file of a container that is to be made.
pub(super) fn create(home: &Path, spec: &ContainerSpec, app: &AppSpec) -> Result<(), BackendError> {
    let path = path(home);
    let text = text(spec, app, &own(spec))?;
    write_whole(&path, text.as_bytes())?;
    open_to_all(&path)
}

/// Writes the file anew with these lines; in place while the container has it mounted.
pub(super) fn write(
    home: &Path,
    spec: &ContainerSpec,
    app: &AppSpec,
    lines: &[HostsLine],
) -> Result<(), BackendError> {
    let path = path(home);
    let text = text(spec, app, lines)?;
    let mut file = match File::options().write(true).open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            // It was lost; the engine finds the new one at the next start.
            fs::create_dir_all(home).map_err(io("create", home))?;
            write_whole(&path, text.as_bytes())?;
            return open_to_all(&path);
        }
        Err(e) => return Err(io("write", path)(e)),
    };
    // One write, then the end cut off: who reads meanwhile sees old lines or new ones, never none.
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    file.write_all(text.as_bytes())
        .and_then(|()| file.set_len(length))
        .map_err(io("write", path))
}

/// Every user inside reads it.
fn open_to_all(path: &Path) -> Result<(), BackendError> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).map_err(io("open to all", path))
}

fn text(spec: &ContainerSpec, app: &AppSpec, lines: &[HostsLine]) -> Result<String, BackendError> {
    let mut text = String::from(HEAD);
    for (name, address) in &app.settings.extra_hosts {
        text.push_str(&extra(spec, name, address)?);
    }
    replace_block(&text, spec.project.as_str(), lines).map_err(|e| refused(spec, e.to_string()))
}

/// A line of `extra_hosts`; `host-gateway` is the bridge, which is the host.
fn extra(spec: &ContainerSpec, name: &str, address: &str) -> Result<String, BackendError> {
    let gateway = spec
        .nic
        .as_ref()
        .map(|nic| nic.subnets.gateway4().to_string());
    let address = match (address, gateway) {
        ("host-gateway", Some(gateway)) => gateway,
        ("host-gateway", None) => {
            let reason = format!(
                "the host's address for `{name}` in `extra_hosts` is not known on a network that is not the project's"
            );
            return Err(refused(spec, reason));
        }
        (address, _) => address.trim_matches(['[', ']']).to_owned(),
    };
    let bad =
        |word: &str| word.is_empty() || word.contains(|c: char| c.is_whitespace() || c == '#');
    if bad(name) || address.parse::<std::net::IpAddr>().is_err() {
        let reason = format!("`{name}:{address}` in `extra_hosts` is not a name and an address");
        return Err(refused(spec, reason));
    }
    Ok(format!("{address} {name}\n"))
}

fn refused(spec: &ContainerSpec, reason: String) -> BackendError {
    super::error::refused("write names of", &spec.host_name(), reason)
}

/// A container's own lines, for the time until the names of the others are known.
fn own(spec: &ContainerSpec) -> Vec<HostsLine> {
    let mut names: Vec<String> = spec.fqdn.iter().map(|f| f.as_str().to_owned()).collect();
    names.push(spec.hostname.clone());
    let addresses = spec.nic.iter().map(|nic| nic.addresses);
    addresses
        .flat_map(|both| both.each())
        .map(|address| HostsLine {
            address,
            names: names.clone(),
        })
        .collect()
}
