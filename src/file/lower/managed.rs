//! Files of a system container that locker writes, and what may be mounted in their place.
//!
//! What is written into one that is mounted is written into its source: never into the host's own files.

use std::path::Path;

use crate::file::desk::Desk;
use crate::file::diagnostic::{Diagnostic, Severity};
use crate::model::{Container, Dns, VolumeSource};

/// Each with what gives it its content.
const FILES: [(&str, &str); 3] = [
    ("/etc/hosts", "`links` and `extra_hosts` give it names"),
    ("/etc/hostname", "`hostname` says how it is called"),
    (
        "/etc/resolv.conf",
        "without `dns` it has the name servers of the host; with `dns: none` it may be mounted to be read only",
    ),
];

/// Refuses the host's own files in the place of those that locker writes, and any that cannot be written.
pub(super) fn check(desk: &Desk<'_>, container: &Container) {
    for (volume, place) in &container.volumes {
        let file = FILES
            .iter()
            .find(|(file, _)| volume.target == Path::new(file));
        let Some((file, cure)) = file else { continue };
        let unwritten = *file == "/etc/resolv.conf" && container.dns == [Dns::None];
        let of_host = match &volume.source {
            VolumeSource::Host(path) => is_hosts_own(path),
            VolumeSource::Named(_) => false,
        };
        let can_be = unwritten && volume.read_only;
        if can_be || !(of_host || volume.read_only) {
            continue;
        }
        let message = match of_host {
            true => format!(
                "locker writes `{file}` of an LXC container, which would be the host's own here"
            ),
            false => {
                format!("locker writes `{file}` of an LXC container, which could only be read here")
            }
        };
        let error = Diagnostic::at(Severity::Error, message, place.clone());
        desk.push(error.with_help(format!("leave the volume out: {cure}")));
    }
}

fn is_hosts_own(path: &Path) -> bool {
    let real = path.canonicalize();
    let is = |path: &Path| {
        FILES.iter().any(|(file, _)| path == Path::new(file))
            || path.starts_with("/run/systemd/resolve")
    };
    is(path) || real.is_ok_and(|real| is(&real))
}
