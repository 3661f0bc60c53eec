//! Ring 2: the bridge and firewall drivers in private network namespaces, with real packets.
//!
//! Every test makes its own namespaces and refuses to run in the host's. Without root a test is
//! skipped with its reason; `LOCKER_REQUIRE=kernel` makes that a failure.

#[path = "../support/mod.rs"]
mod support;

mod bridge;
mod contract;
mod flows;
mod keeper;
mod networks;
mod numbers;
mod roads;
mod values;
mod world;

/// Whether this test can run; says why not.
fn ready() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    let missing = (!is_root).then_some("network namespaces need root");
    support::may_run(support::Ring::Kernel, missing)
}
