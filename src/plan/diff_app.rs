//! What differs between an application container and what would be made today.
//!
//! Live is what the engine can change in a container that runs. All else means a new container: an
//! engine of applications changes nothing else in one that it made.

use crate::model::{App, AppLimits, AppSpec, ContainerSpec, Key};

use super::diff::{Reach, Row};

/// The rows of an application's own settings.
pub(super) fn rows(old: &ContainerSpec, new: &ContainerSpec) -> Vec<Row> {
    let (Some(old), Some(new)) = (&old.app, &new.app) else {
        // A mark of ours always has them; one without is made anew.
        return vec![(true, Reach::Recreate, &[Key::Image])];
    };
    let check = old.healthcheck != new.healthcheck
        || old.settings.health_times != new.settings.health_times;
    let mut rows = vec![
        (
            check || old.settings.no_healthcheck != new.settings.no_healthcheck,
            Reach::Recreate,
            &[Key::Healthcheck][..],
        ),
        (
            old.settings.network != new.settings.network
                || old.network_of != new.network_of
                || names(old) != names(new),
            Reach::Recreate,
            &[Key::NetworkMode, Key::Networks, Key::MacAddress],
        ),
    ];
    rows.extend(limits(&old.settings.limits, &new.settings.limits));
    let (old, new) = (&old.settings, &new.settings);
    let parts = process(old, new).into_iter();
    let parts = parts.chain(old.granted.differences(&new.granted));
    let parts = parts.chain(rights(old, new));
    let parts = parts.chain(surroundings(old, new));
    rows.extend(parts.map(|(differs, keys)| (differs, Reach::Recreate, keys)));
    rows
}

/// The networks that it is on, as the engine knows them, and whether each is the project's own.
fn names(app: &AppSpec) -> Vec<(&String, bool)> {
    let all = app.attached.iter();
    all.map(|at| (&at.network, at.nic.is_some())).collect()
}

type Part = (bool, &'static [Key]);

/// What runs inside, and how.
fn process(old: &App, new: &App) -> [Part; 14] {
    [
        (old.platform != new.platform, &[Key::Platform]),
        (old.command != new.command, &[Key::Command]),
        (old.entrypoint != new.entrypoint, &[Key::Entrypoint]),
        (old.user != new.user, &[Key::User]),
        (old.group_add != new.group_add, &[Key::GroupAdd]),
        (old.working_dir != new.working_dir, &[Key::WorkingDir]),
        (old.hostname != new.hostname, &[Key::Hostname]),
        (old.domainname != new.domainname, &[Key::Domainname]),
        (old.init != new.init, &[Key::Init]),
        (old.tty != new.tty, &[Key::Tty]),
        (old.stdin_open != new.stdin_open, &[Key::StdinOpen]),
        (old.stop_signal != new.stop_signal, &[Key::StopSignal]),
        (old.runtime != new.runtime, &[Key::Runtime]),
        (old.logging != new.logging, &[Key::Logging]),
    ]
}

/// What it may do.
fn rights(old: &App, new: &App) -> [Part; 8] {
    [
        (old.security_opt != new.security_opt, &[Key::SecurityOpt]),
        (old.userns_mode != new.userns_mode, &[Key::UsernsMode]),
        (old.cgroup != new.cgroup, &[Key::Cgroup]),
        (old.cgroup_parent != new.cgroup_parent, &[Key::CgroupParent]),
        (old.oom_score_adj != new.oom_score_adj, &[Key::OomScoreAdj]),
        (
            old.oom_kill_disable != new.oom_kill_disable,
            &[Key::OomKillDisable],
        ),
        (old.pid != new.pid, &[Key::Pid]),
        (
            old.device_requests != new.device_requests,
            &[Key::Gpus, Key::Deploy],
        ),
    ]
}

/// What it sees.
fn surroundings(old: &App, new: &App) -> [Part; 11] {
    [
        (old.ipc != new.ipc, &[Key::Ipc]),
        (old.uts != new.uts, &[Key::Uts]),
        (old.storage_opt != new.storage_opt, &[Key::StorageOpt]),
        (old.extra_hosts != new.extra_hosts, &[Key::ExtraHosts]),
        (old.dns_search != new.dns_search, &[Key::DnsSearch]),
        (old.dns_opt != new.dns_opt, &[Key::DnsOpt]),
        (old.engine_volumes != new.engine_volumes, &[Key::Volumes]),
        (old.mount_options != new.mount_options, &[Key::Volumes]),
        (old.files != new.files, &[Key::Secrets, Key::Configs]),
        (old.volumes_from != new.volumes_from, &[Key::VolumesFrom]),
        (old.expose != new.expose, &[Key::Expose]),
    ]
}

/// The engine changes limits in a running container, but has no word for taking one out.
fn limits(old: &AppLimits, new: &AppLimits) -> [Row; 15] {
    use Key::{Cgroup, Deploy};
    let fixed = |differs: bool| match differs {
        true => Some(Reach::Recreate),
        false => None,
    };
    [
        row(
            live(&old.memory, &new.memory),
            &[Key::MemLimit, Deploy, Cgroup],
        ),
        row(
            live(&old.memory_reservation, &new.memory_reservation),
            &[Key::MemReservation, Deploy, Cgroup],
        ),
        row(
            live(&old.memory_swap, &new.memory_swap),
            &[Key::MemswapLimit, Cgroup],
        ),
        row(
            fixed(old.memory_swappiness != new.memory_swappiness),
            &[Key::MemSwappiness, Cgroup],
        ),
        row(live(&old.nano_cpus, &new.nano_cpus), &[Key::Cpus, Deploy]),
        row(
            live(&old.cpu_shares, &new.cpu_shares),
            &[Key::CpuShares, Cgroup],
        ),
        row(
            live(&old.cpu_period, &new.cpu_period),
            &[Key::CpuPeriod, Cgroup],
        ),
        row(
            live(&old.cpu_quota, &new.cpu_quota),
            &[Key::CpuQuota, Cgroup],
        ),
        row(
            live(&old.cpu_rt_runtime, &new.cpu_rt_runtime),
            &[Key::CpuRtRuntime, Cgroup],
        ),
        row(
            live(&old.cpu_rt_period, &new.cpu_rt_period),
            &[Key::CpuRtPeriod, Cgroup],
        ),
        row(live(&old.cpuset, &new.cpuset), &[Key::Cpuset, Cgroup]),
        row(live(&old.cpuset_mems, &new.cpuset_mems), &[Cgroup]),
        row(
            live(&old.pids, &new.pids),
            &[Key::PidsLimit, Deploy, Cgroup],
        ),
        row(
            live(&old.blkio_weight, &new.blkio_weight),
            &[Key::BlkioConfig, Cgroup],
        ),
        row(
            fixed(old.blkio_throttle != new.blkio_throttle),
            &[Key::BlkioConfig],
        ),
    ]
}

fn row(reach: Option<Reach>, keys: &'static [Key]) -> Row {
    (reach.is_some(), reach.unwrap_or(Reach::Live), keys)
}

/// None when nothing differs.
fn live<T: PartialEq>(old: &Option<T>, new: &Option<T>) -> Option<Reach> {
    match (old, new) {
        (Some(_), None) => Some(Reach::Recreate),
        (old, new) if old != new => Some(Reach::Live),
        (_, _) => None,
    }
}
