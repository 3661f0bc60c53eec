//! A test host whose dockerd runs, for projects of both kinds, and what they may not leave in it.

use std::time::Duration;

use crate::machine::{self, Host};
use crate::support;

/// What the engine has besides its images.
const LEFT: &str = "docker ps -a --format 'container {{.Names}}' | sort; \
    docker network ls --format 'network {{.Name}}' | sort; docker volume ls --format 'volume {{.Name}}' | sort; \
    ls -A /var/lib/locker/containers /var/lib/locker/volumes 2>/dev/null | grep -v '^/\\|^$'";

/// Runs a scenario on a fresh host with dockerd, takes all its projects down with their volumes and checks
/// that neither the engine nor the host has anything left of them.
pub fn on_a_host_with_docker(scenario: impl FnOnce(&Host)) {
    if !support::may_run(support::Ring::Host, machine::missing().as_deref()) {
        return;
    }
    let host = Host::boot();
    host.docker();
    let before = left(&host);
    scenario(&host);
    host.sh(
        "for d in /srv/*/; do cd $d; locker down --yes --volumes --remove-orphans || exit 1; done",
    );
    assert_eq!(left(&host), before, "something is left in the engine");
    host.assert_clean_after_down();
}

/// What the engine has now.
pub fn left(host: &Host) -> String {
    host.try_sh(LEFT).out
}

/// The id of a container of the engine.
#[track_caller]
pub fn id(host: &Host, container: &str) -> String {
    host.sh(&format!("docker inspect -f '{{{{.Id}}}}' {container}"))
}

/// What a script prints in a container of the engine, trimmed.
#[track_caller]
pub fn inside(host: &Host, container: &str, script: &str) -> String {
    host.sh(&format!("docker exec {container} sh -c '{script}'"))
}

/// What a client outside gets, within ten seconds.
#[track_caller]
pub fn answers(host: &Host, port: u16, wanted: &str) {
    for _ in 0..50 {
        if host.fetch_from_outside(port).as_deref() == Some(wanted) {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let got = host.fetch_from_outside(port);
    panic!("port {port} answers {got:?}, not `{wanted}`");
}
