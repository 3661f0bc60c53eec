//! Both ends of cables made as wide as the bridge that they are plugged into (veth(4), `mtu`).
//!
//! A packet that is longer than what the other end takes is dropped, and nobody is told. The end inside a
//! container is reached through the namespace of any process that is in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::cards::{self, Cable};

/// The MTU of the interface `name`; none when it is gone.
pub fn mtu_of(name: &str) -> Option<u32> {
    cards::width_of(name).map(|(_, mtu)| mtu)
}

/// Gives both ends of each cable on `bridge` the bridge's MTU. A bridge or cable that is gone meanwhile needs
/// nothing; the end of one whose namespace has no process is left.
///
/// # Errors
/// The kernel refuses.
pub fn fit_cables(bridge: &str) -> io::Result<()> {
    let Some((number, mtu)) = cards::width_of(bridge) else {
        return Ok(());
    };
    let mut misfits = cards::cables_on(number)?;
    // A kernel before 4.16 gives them all.
    misfits.retain(|cable| cable.bridge == Some(number) && cable.mtu != mtu);
    if misfits.is_empty() {
        return Ok(());
    }
    fit_inside(&misfits, mtu);
    for cable in misfits {
        cards::set_mtu(cable.number, mtu).or_else(gone)?;
    }
    Ok(())
}

fn gone(error: io::Error) -> io::Result<()> {
    match error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) {
        true => Ok(()),
        false => Err(error),
    }
}

/// The other ends. What cannot be entered or set shows as a cable that does not fit when somebody looks
/// again: no container may hold up the others.
fn fit_inside(cables: &[Cable], mtu: u32) {
    let mut wanted: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for cable in cables {
        if let Some(hardware) = cards::hardware_behind(cable) {
            wanted.entry(cable.behind()).or_default().push(hardware);
        }
    }
    for space in spaces() {
        if wanted.is_empty() {
            return;
        }
        let mine = wanted.clone();
        let work = move || -> io::Result<Vec<(u32, String)>> {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(fit_here(&mine, mtu))
        };
        let done = std::thread::spawn(work).join();
        for (number, hardware) in done.unwrap_or_else(|_| Ok(Vec::new())).unwrap_or_default() {
            if let Some(left) = wanted.get_mut(&number) {
                left.retain(|other| *other != hardware);
            }
            wanted.retain(|_, left| !left.is_empty());
        }
    }
}

/// Those of `wanted`, numbers with hardware addresses, that are in this thread's namespace.
fn fit_here(wanted: &BTreeMap<u32, Vec<String>>, mtu: u32) -> Vec<(u32, String)> {
    let mut done = Vec::new();
    for (number, all) in wanted {
        let own = cards::hardware_of(*number);
        if let Some(hardware) = own.filter(|own| all.contains(own))
            && cards::set_mtu(*number, mtu).is_ok()
        {
            done.push((*number, hardware));
        }
    }
    done
}

/// The network namespaces of all processes but this one's, each once.
fn spaces() -> Vec<File> {
    let id = |path: &Path| {
        fs::metadata(path)
            .ok()
            .map(|found| (found.dev(), found.ino()))
    };
    let mut seen: Vec<(u64, u64)> = Vec::new();
    seen.extend(id(Path::new("/proc/thread-self/ns/net")));
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found = Vec::new();
    for process in processes {
        let path = process.path().join("ns/net");
        let Some(space) = id(&path) else { continue };
        if seen.contains(&space) {
            continue;
        }
        if let Ok(file) = File::open(&path) {
            seen.push(space);
            found.push(file);
        }
    }
    found
}
