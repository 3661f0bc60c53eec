//! What every driver of containers promises, asked of each in the same words.
//!
//! The driver must run where its engine is, so this test binary is copied into the test host and calls
//! itself there: the ignored tests of this file are its inside, and do nothing anywhere else.

mod promises;
pub mod rig;

use crate::machine::Host;
use crate::on_a_host;
use rig::Rig;

/// Says to the inside that it is in a test host.
const INSIDE: &str = "LOCKER_TEST_INSIDE";

/// Runs one of the ignored tests of this binary in the host.
#[track_caller]
pub fn run_inside(host: &Host, test: &str) {
    let own = std::env::current_exe().expect("a test knows its binary");
    host.copy_file(&own, "/usr/local/bin/inside");
    let script = format!("{INSIDE}=1 inside --exact {test} --ignored --nocapture 2>&1");
    let ran = host.try_sh(&script);
    assert!(
        ran.code == 0 && ran.out.contains("1 passed"),
        "{test} failed inside:\n{}",
        ran.out
    );
}

/// Runs the inside of a test, in a test host only.
pub fn inside<F: Future<Output = ()>>(rig: fn() -> Rig, test: impl FnOnce(Rig) -> F) {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime can be made")
        .block_on(test(rig()));
}

#[test]
fn lxc_keeps_the_promises_of_a_driver() {
    on_a_host(|host| {
        host.sh(rig::BRIDGE);
        run_inside(host, "contract::lxc_inside");
        host.sh("ip link delete lk-t");
    });
}

#[test]
fn docker_keeps_the_promises_of_a_driver() {
    on_a_host(|host| {
        host.docker();
        host.sh(rig::BRIDGE);
        run_inside(host, "contract::docker_inside");
        assert_eq!(
            host.sh("docker ps -aq; docker network ls -q -f label=locker.project"),
            ""
        );
        host.sh("ip link delete lk-t");
        host.remember_as_clean();
    });
}

#[test]
#[ignore = "the inside of `lxc_keeps_the_promises_of_a_driver`"]
fn lxc_inside() {
    inside(Rig::lxc, promises::all);
}

#[test]
#[ignore = "the inside of `docker_keeps_the_promises_of_a_driver`"]
fn docker_inside() {
    inside(Rig::docker, promises::all);
}
