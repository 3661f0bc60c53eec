//! Ports of a bridge that may send back where something came from (bridge(8), `hairpin on`).
//!
//! Without it, and with br_netfilter, whoever is on the bridge does not reach itself by an address of
//! the host.

use std::fs;
use std::path::Path;

/// Switches it on for every port of `bridge`. A bridge or port that is gone meanwhile needs nothing.
pub fn let_ports_reach_themselves(bridge: &str) {
    switch_on(&Path::new("/sys/class/net").join(bridge).join("brif"));
}

fn switch_on(ports: &Path) {
    let entries = fs::read_dir(ports).into_iter().flatten().flatten();
    for entry in entries {
        let switch = entry.path().join("hairpin_mode");
        if fs::read_to_string(&switch).is_ok_and(|now| now.trim() == "0") {
            // Refused or gone: the port is as reachable for all others as before.
            let _ = fs::write(&switch, "1");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_switched_on_and_nothing_else_is_written() {
        let dir = tempfile::tempdir().unwrap();
        for (port, mode) in [("veth1", "0\n"), ("veth2", "1\n")] {
            fs::create_dir(dir.path().join(port)).unwrap();
            fs::write(dir.path().join(port).join("hairpin_mode"), mode).unwrap();
        }
        fs::create_dir(dir.path().join("odd")).unwrap();
        switch_on(dir.path());
        let mode = |port: &str| fs::read_to_string(dir.path().join(port).join("hairpin_mode"));
        assert_eq!(mode("veth1").unwrap(), "1");
        assert_eq!(mode("veth2").unwrap(), "1\n");
        assert!(mode("odd").is_err());
        switch_on(&dir.path().join("gone"));
    }
}
