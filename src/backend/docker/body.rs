//! What the engine is asked to make, from a spec: a pure translation, value by value.
//!
//! No port is published here: locker's own rules lead to the container's address, so that a changed
//! port never makes a new container. Values are handed over as they are; none is ever part of a line
//! for a shell.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum,
    HostConfigLogConfig, ResourcesUlimits,
};

use super::limits::{self, number};
use super::{hosts, mounts, place};
use crate::model::{
    App, AppNetwork, AppSpec, ContainerSpec, HealthTimes, Healthcheck, InnerCommand, Name, Test,
    host_name_of,
};

/// What stands around a container that is made, beside its spec.
pub(super) struct Around<'a> {
    /// Where its files are.
    pub(super) home: &'a Path,
    /// All its labels.
    pub(super) labels: HashMap<String, String>,
    /// The volumes without a name that it takes over: path inside and the engine's word for each.
    pub(super) held: &'a [(std::path::PathBuf, String)],
    /// Whether the engine can join it to all its networks at once.
    pub(super) joins_several: bool,
    /// Whether the engine can be told which network is the way out.
    pub(super) ranks: bool,
    /// The cgroup below which its own is made, when the file does not say it.
    pub(super) cgroup_parent: Option<String>,
}

/// The engine's form of a container.
pub(super) fn body(spec: &ContainerSpec, app: &AppSpec, around: Around<'_>) -> ContainerCreateBody {
    let settings = &app.settings;
    let (hostname, domainname) = host_names(spec, app);
    ContainerCreateBody {
        hostname,
        domainname,
        user: settings.user.clone(),
        tty: Some(settings.tty),
        open_stdin: Some(settings.stdin_open),
        env: filled(
            spec.environment
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect(),
        ),
        // An empty command is the image's. An empty entrypoint takes the image's away and keeps its
        // command, as in Compose.
        cmd: settings.command.clone().filter(|words| !words.is_empty()),
        entrypoint: settings.entrypoint.clone(),
        healthcheck: healthcheck(app),
        exposed_ports: filled(app.exposed.clone()),
        image: spec.source.image().map(str::to_owned),
        working_dir: settings.working_dir.clone(),
        labels: Some(around.labels.clone()),
        stop_signal: settings.stop_signal.clone(),
        stop_timeout: spec.stop_grace.map(|grace| number(seconds(grace))),
        networking_config: place::networking(&spec.name, app, around.joins_several, around.ranks),
        host_config: Some(host_config(spec, app, &around)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(spec: &ContainerSpec, app: &AppSpec, around: &Around<'_>) -> HostConfig {
    let settings = &app.settings;
    let (security_opt, open_paths) = security(settings);
    let shares = shares_network(app);
    let base = HostConfig {
        devices: filled(settings.granted.devices.iter().map(device).collect()),
        device_requests: filled(
            settings
                .device_requests
                .iter()
                .map(device_request)
                .collect(),
        ),
        device_cgroup_rules: filled(settings.granted.device_cgroup_rules.clone()),
        mounts: filled(mounts::mounts(spec, app, around.home, around.held)),
        tmpfs: filled_map(
            settings
                .granted
                .tmpfs
                .iter()
                .map(|(path, options)| (path.to_string_lossy().into_owned(), options.clone())),
        ),
        volumes_from: filled(settings.volumes_from.iter().map(volumes_from).collect()),
        network_mode: Some(place::mode(app)),
        dns: if shares {
            None
        } else {
            filled(spec.dns.iter().map(ToString::to_string).collect())
        },
        dns_search: if shares {
            None
        } else {
            filled(settings.dns_search.clone())
        },
        dns_options: if shares {
            None
        } else {
            filled(settings.dns_opt.clone())
        },
        extra_hosts: extra_hosts(spec, app),
        cap_add: filled(settings.granted.cap_add.clone()),
        cap_drop: filled(settings.granted.cap_drop.clone()),
        cgroupns_mode: match settings.cgroup.as_deref() {
            Some("host") => Some(HostConfigCgroupnsModeEnum::HOST),
            Some("private") => Some(HostConfigCgroupnsModeEnum::PRIVATE),
            Some(_) | None => None,
        },
        cgroup_parent: settings
            .cgroup_parent
            .clone()
            .or_else(|| around.cgroup_parent.clone()),
        group_add: filled(settings.group_add.clone()),
        ipc_mode: settings.ipc.as_deref().map(|mode| of_sibling(spec, mode)),
        pid_mode: settings.pid.as_deref().map(|mode| of_sibling(spec, mode)),
        uts_mode: settings.uts.clone(),
        userns_mode: settings.userns_mode.clone(),
        log_config: settings
            .logging
            .as_ref()
            .map(|logging| HostConfigLogConfig {
                typ: logging.driver.clone(),
                config: Some(logging.options.clone().into_iter().collect()),
            }),
        init: settings.init,
        oom_score_adj: settings.oom_score_adj,
        oom_kill_disable: settings.oom_kill_disable,
        privileged: Some(settings.granted.privileged),
        readonly_rootfs: Some(settings.granted.read_only),
        restart_policy: Some(limits::restart_policy(spec)),
        runtime: settings.runtime.clone(),
        security_opt: filled(security_opt),
        masked_paths: open_paths.then(Vec::new),
        readonly_paths: open_paths.then(Vec::new),
        shm_size: settings.granted.shm_size.map(number),
        storage_opt: filled_map(settings.storage_opt.clone()),
        sysctls: filled_map(settings.granted.sysctls.clone()),
        ulimits: filled(ulimits(settings)),
        ..HostConfig::default()
    };
    limits::of_host_config(&settings.limits, base)
}

/// Host and domain name; one who shares them with another must not bring his own.
fn host_names(spec: &ContainerSpec, app: &AppSpec) -> (Option<String>, Option<String>) {
    let settings = &app.settings;
    if shares_network(app) || settings.uts.is_some() {
        return (None, None);
    }
    let domain = spec.fqdn.as_ref().and_then(|fqdn| {
        let (_, domain) = fqdn.as_str().split_once('.')?;
        Some(domain.to_owned())
    });
    let domain = settings.domainname.clone().or(domain);
    // On the host's network the host's own name is the right one, unless the file says another.
    let chosen = settings.hostname.is_some() || spec.fqdn.is_some();
    if settings.network == AppNetwork::Host && !chosen {
        return (None, domain);
    }
    (Some(spec.hostname.clone()), domain)
}

/// Whether its network is another container's.
fn shares_network(app: &AppSpec) -> bool {
    app.network_of.is_some()
        || matches!(
            app.settings.network,
            AppNetwork::Container(_) | AppNetwork::Foreign(_)
        )
}

fn healthcheck(app: &AppSpec) -> Option<HealthConfig> {
    if app.settings.no_healthcheck {
        return Some(no_check());
    }
    let times = &app.settings.health_times;
    match &app.healthcheck {
        Some(check) => Some(self::check(check, times)),
        // The engine puts the image's test to them.
        None if *times != HealthTimes::default() => Some(timed(Vec::new(), times)),
        None => None,
    }
}

/// Without it the engine would do that of the image.
fn no_check() -> HealthConfig {
    HealthConfig {
        test: Some(vec!["NONE".into()]),
        ..HealthConfig::default()
    }
}

fn check(check: &Healthcheck, times: &HealthTimes) -> HealthConfig {
    let mut test = vec![];
    match &check.test {
        // The engine has no such check: locker asks.
        Test::Port { .. } => return no_check(),
        Test::Command(InnerCommand::Shell(line)) => {
            test.extend(["CMD-SHELL".into(), line.clone()]);
        }
        Test::Command(InnerCommand::Exec(argv)) => {
            test.push("CMD".into());
            test.extend(argv.iter().cloned());
        }
    }
    timed(test, times)
}

/// A test with the times that the file says; the image has the others.
fn timed(test: Vec<String>, times: &HealthTimes) -> HealthConfig {
    let nanoseconds = |time: std::time::Duration| number(time.as_nanos());
    HealthConfig {
        test: filled(test),
        interval: times.interval.map(nanoseconds),
        timeout: times.timeout.map(nanoseconds),
        retries: times.retries.map(Into::into),
        start_period: times.start_period.map(nanoseconds),
        start_interval: times.start_interval.map(nanoseconds),
    }
}

fn device_request(request: &crate::model::DeviceRequest) -> bollard::models::DeviceRequest {
    bollard::models::DeviceRequest {
        driver: request.driver.clone(),
        count: Some(request.count),
        device_ids: filled(request.ids.clone()),
        capabilities: Some(vec![request.capabilities.clone()]),
        options: filled_map(request.options.clone()),
    }
}

/// Lines that the engine itself must write, where the hosts file is not ours.
fn extra_hosts(spec: &ContainerSpec, app: &AppSpec) -> Option<Vec<String>> {
    if hosts::is_managed(spec, app) || shares_network(app) {
        return None;
    }
    let lines = app.settings.extra_hosts.iter();
    filled(
        lines
            .map(|(name, address)| format!("{name}:{address}"))
            .collect(),
    )
}

/// `service:NAME` in the engine's word, which is the container's name on the host.
fn of_sibling(spec: &ContainerSpec, mode: &str) -> String {
    let name = mode.strip_prefix("service:").map(Name::new);
    match name {
        Some(Ok(name)) => format!("container:{}", host_name_of(&spec.project, &name)),
        Some(Err(_)) | None => mode.to_owned(),
    }
}

/// The options for the engine, and whether the paths of /proc that it hides are to be open: that one
/// is known to clients only.
fn security(app: &App) -> (Vec<String>, bool) {
    const OPEN: [&str; 2] = ["systempaths=unconfined", "systempaths:unconfined"];
    let (open, rest): (Vec<_>, Vec<_>) = app
        .security_opt
        .iter()
        .cloned()
        .partition(|option| OPEN.contains(&option.as_str()));
    (rest, !open.is_empty())
}

fn device(device: &crate::model::Device) -> DeviceMapping {
    DeviceMapping {
        path_on_host: Some(device.host.to_string_lossy().into_owned()),
        path_in_container: Some(device.target.to_string_lossy().into_owned()),
        cgroup_permissions: Some(device.permissions.clone()),
    }
}

fn volumes_from((name, read_only): &(String, bool)) -> String {
    format!("{name}:{}", if *read_only { "ro" } else { "rw" })
}

fn ulimits(app: &App) -> Vec<ResourcesUlimits> {
    let one = |(name, limit): (&String, &crate::model::Ulimit)| ResourcesUlimits {
        name: Some(name.clone()),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    };
    app.granted.ulimits.iter().map(one).collect()
}

/// Whole seconds, upwards: the engine knows no shorter ones, and 0 would leave no time at all.
pub(super) fn seconds(time: std::time::Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// A list for the engine; an empty one is left out, so that the engine's own default holds.
fn filled<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn filled_map(
    pairs: impl IntoIterator<Item = (String, String)>,
) -> Option<HashMap<String, String>> {
    let map: HashMap<_, _> = pairs.into_iter().collect();
    (!map.is_empty()).then_some(map)
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
