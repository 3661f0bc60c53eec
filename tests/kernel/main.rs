//! Ring 2: the bridge and firewall drivers in private network namespaces, with real packets.
//!
//! Every test makes its own namespaces and refuses to run in the host's. Without root a test is
//! skipped with its reason; `LOCKER_REQUIRE=kernel` makes that a failure.

mod bridge;
mod contract;
mod roads;
mod world;

/// Whether this test can run; says why not.
fn ready() -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let required = std::env::var("LOCKER_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|ring| ring == "kernel"),
        "LOCKER_REQUIRE asks for the kernel ring, which needs root"
    );
    eprintln!("skipped: network namespaces need root");
    false
}
