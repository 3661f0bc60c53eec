//! Kernel parameters that a new container's namespaces do not have.
//!
//! Some of the host's are not in a network namespace of its own, or may only be read there. Only a process in new
//! namespaces can tell: this program starts itself as one, which opens them for writing and writes nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use rustix::io::Errno;
use rustix::thread::UnshareFlags;

/// The hidden first argument.
const ARGUMENT: &str = "__sysctls";

/// Those of `names` that a container cannot set, each with why. Empty when that cannot be found out.
pub fn lacking_sysctls(names: &[String]) -> BTreeMap<String, String> {
    let known: Vec<&String> = names.iter().filter(|name| !is_of_card(name)).collect();
    if known.is_empty() {
        return BTreeMap::new();
    }
    let child = Command::new("/proc/self/exe")
        .arg(ARGUMENT)
        .args(known)
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let told = child.ok().filter(|child| child.status.success());
    let told = told.map(|child| String::from_utf8_lossy(&child.stdout).into_owned());
    let lines = told.iter().flat_map(|told| told.lines());
    lines
        .filter_map(|line| line.split_once(' '))
        .map(|(name, why)| (name.to_owned(), why.to_owned()))
        .collect()
}

/// Whether it is a parameter of one network interface, which is there later or never.
fn is_of_card(name: &str) -> bool {
    let words: Vec<&str> = name.split(['.', '/']).collect();
    let of = |pair: &[&str]| {
        matches!(pair[0], "conf" | "neigh") && !matches!(pair[1], "all" | "default" | "lo")
    };
    words.windows(2).any(of)
}

/// The file of a parameter: dots and slashes change places (sysctl(8)).
fn file(name: &str) -> PathBuf {
    let first = name.find(['.', '/']).map(|at| name.as_bytes()[at]);
    let path = match first {
        Some(b'/') => name.to_owned(),
        Some(_) | None => name.replace('.', "/"),
    };
    Path::new("/proc/sys").join(path)
}

/// Tells which of the parameters cannot be set in new namespaces, when the program was started for that.
#[allow(deprecated)] // what is unsafe of unshare(2) is sharing descriptors, which this does not touch
pub fn run_if_asked(mut args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if args.nth(1)? != ARGUMENT {
        return None;
    }
    let spaces = UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    if rustix::thread::unshare(spaces).is_err() {
        return Some(ExitCode::FAILURE);
    }
    for name in args.filter_map(|name| name.into_string().ok()) {
        let opened = std::fs::File::options().write(true).open(file(&name));
        let reason = opened.err().and_then(|error| error.raw_os_error());
        match reason.map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => println!("{name} this kernel does not have it"),
            Some(Errno::ACCESS | Errno::PERM) => println!("{name} it is the host's alone"),
            Some(_) | None => {}
        }
    }
    Some(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_of_an_interface_is_nobodys_yet_and_names_lead_to_files() {
        for (name, of_card) in [
            ("net.ipv4.conf.eth0.forwarding", true),
            ("net/ipv6/conf/eth0.5/disable_ipv6", true),
            ("net.ipv4.conf.all.forwarding", false),
            ("net.ipv6.neigh.default.gc_thresh1", false),
            ("net.core.somaxconn", false),
        ] {
            assert_eq!(is_of_card(name), of_card, "{name}");
        }
        assert_eq!(
            file("net.core.somaxconn"),
            Path::new("/proc/sys/net/core/somaxconn")
        );
        assert_eq!(
            file("net/ipv4/conf/all/forwarding"),
            Path::new("/proc/sys/net/ipv4/conf/all/forwarding")
        );
        assert!(lacking_sysctls(&["net.ipv4.conf.eth0.forwarding".into()]).is_empty());
    }
}
