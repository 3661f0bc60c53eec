//! Ring 3: the real binary on a real host, inside a test host of its own.
//!
//! A test host is a Debian system container with its own systemd, kernel namespaces, addresses and
//! LXC. It boots in half a second, so every scenario gets a fresh one and none can see another's
//! leftovers. Scenarios assert on what is (interfaces, rules, processes, files), not on our own
//! words, except where the words are the promise. A scenario must not touch the machine it runs on.

#[path = "../support/mod.rs"]
mod support;

mod beside;
mod beside_compose;
mod debian_image;
mod image;
mod machine;
mod project;
mod ran;
mod slot;
mod vm;
mod vm_image;

mod adopt;
mod away;
mod beyond;
mod boot;
mod boot_unwell;
mod booted;
mod both_fail;
mod callers;
mod compose;
mod contract;
mod crash;
mod cut_short;
mod debian;
mod dependents;
mod docker;
mod drivers;
mod early;
mod engines;
mod failures;
mod firewalls;
mod first_locker;
mod flows;
mod granted;
mod held;
mod hooks;
mod images;
mod interfered;
mod itself;
mod jobs;
mod kept_apart;
mod kept_failed;
mod life;
mod limits;
mod live;
mod logs;
mod looking;
mod lost;
mod missing_files;
mod mixed;
mod moved;
mod network;
mod networks;
mod once;
mod ports;
mod ready;
mod services;
mod sessions;
mod silent;
mod sources;
mod starts;
mod supervised;
mod top;
mod variants;
mod volume_ids;
mod volumes;
mod walk;
mod written;

use machine::Host;

/// Runs a scenario on a fresh host, then takes all its projects down and checks that nothing is left.
fn on_a_host(scenario: impl FnOnce(&Host)) {
    if !support::may_run(support::Ring::Host, machine::missing().as_deref()) {
        return;
    }
    walk(Host::boot(), scenario);
}

/// The same with a root file system of Debian in `/opt/debian`.
fn on_a_host_with_debian(scenario: impl FnOnce(&Host)) {
    if !support::may_run(support::Ring::Host, machine::missing().as_deref()) {
        return;
    }
    walk(Host::boot_with_debian(), scenario);
}

fn walk(host: Host, scenario: impl FnOnce(&Host)) {
    scenario(&host);
    host.assert_clean_after_down();
}
