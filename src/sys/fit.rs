//! Both ends of cables made as wide as the bridge that they are plugged into (veth(4), `mtu`).
//!
//! A packet that is longer than what the other end takes is dropped, and nobody is told. The end inside a
//! container is reached through the namespace of any process that is in it.

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
    // The end outside last: it shows whether both are done.
    for number in fit_inside(&misfits, mtu) {
        cards::set_mtu(number, mtu).or_else(gone)?;
    }
    Ok(())
}

fn gone(error: io::Error) -> io::Result<()> {
    match error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) {
        true => Ok(()),
        false => Err(error),
    }
}

/// Sets the other ends; the numbers of the cables for which that is done. One whose namespace has no process
/// is nobody's card.
fn fit_inside(cables: &[Cable], mtu: u32) -> Vec<u32> {
    let mut left: Vec<(&Cable, String)> = cables
        .iter()
        .filter_map(|cable| Some((cable, cards::hardware_behind(cable)?)))
        .collect();
    let mut done = Vec::new();
    for space in spaces() {
        if left.is_empty() {
            break;
        }
        let wanted: Vec<(u32, String)> = left
            .iter()
            .map(|(cable, hardware)| (cable.behind(), hardware.clone()))
            .collect();
        let work = move || -> io::Result<Vec<(u32, String)>> {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(fit_here(wanted, mtu))
        };
        // A namespace that cannot be entered is not that of a container.
        let fitted = std::thread::spawn(work).join();
        let fitted = fitted
            .unwrap_or_else(|_| Ok(Vec::new()))
            .unwrap_or_default();
        left.retain(|(cable, hardware)| {
            let is_done = fitted.contains(&(cable.behind(), hardware.clone()));
            done.extend(is_done.then_some(cable.number));
            !is_done
        });
    }
    done
}

/// Those of `wanted`, numbers with hardware addresses, that are in this thread's namespace.
fn fit_here(wanted: Vec<(u32, String)>, mtu: u32) -> Vec<(u32, String)> {
    let fits = |(number, hardware): &(u32, String)| {
        cards::hardware_of(*number).as_ref() == Some(hardware)
            && cards::set_mtu(*number, mtu).is_ok()
    };
    wanted.into_iter().filter(fits).collect()
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
