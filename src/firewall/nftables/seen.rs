//! What was seen last, for as long as the kernel says that its rules are the same.
//!
//! A look costs three processes and the reading of every rule, most often to find what was there before.
//! The kernel numbers the changes of its rules ([`Generation`]): under the same number, with the same
//! settings and by the same program the same would be found. What is kept here is never needed: whatever
//! is wrong with it, the rules are read.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::firewall::{gate, loopback6};
use crate::observed::ObservedFirewall;
use crate::store::Paths;
use crate::sys::Generation;

/// Everything that a look depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct At {
    rules: Generation,
    loopback6: bool,
    /// Another locker may expect other rules.
    program: (u64, u64, i64, i64),
}

impl At {
    /// None where that cannot be known: the older kind of iptables is not counted by the kernel.
    pub(super) fn now() -> Option<Self> {
        if gate::has_legacy() {
            return None;
        }
        let program = fs::metadata(std::env::current_exe().ok()?).ok()?;
        Some(Self {
            rules: Generation::now()?,
            loopback6: loopback6(),
            program: (
                program.dev(),
                program.ino(),
                program.mtime(),
                program.mtime_nsec(),
            ),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Seen {
    at: At,
    firewall: ObservedFirewall,
}

/// What was seen when everything was as it is now.
pub(super) fn recall(paths: &Paths, at: &At) -> Option<ObservedFirewall> {
    let text = fs::read(paths.firewall_seen()).ok()?;
    let seen: Seen = serde_json::from_slice(&text).ok()?;
    (seen.at == *at).then_some(seen.firewall)
}

/// Whether somebody has looked, and the kernel's rules have changed since.
pub(super) fn is_outdated(paths: &Paths) -> bool {
    paths.firewall_seen().exists() && At::now().is_none_or(|at| recall(paths, &at).is_none())
}

/// Keeps what was seen. That it cannot be kept costs time and nothing else.
pub(super) fn keep(paths: &Paths, at: At, observed: &ObservedFirewall) {
    let seen = Seen {
        at,
        firewall: observed.clone(),
    };
    let _ = write(&paths.firewall_seen(), &seen);
}

/// As a whole, but not flushed: it does not outlive the boot.
fn write(path: &Path, seen: &Seen) -> std::io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    crate::store::make_private(dir)?;
    let mut file = tempfile::Builder::new()
        .prefix(".locker-")
        .tempfile_in(dir)?;
    file.write_all(&serde_json::to_vec(seen)?)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
