//! The settings of an application container in the resolved file.

mod system;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{list, pairs, put, text};
use crate::file::lower::THROTTLES;
use crate::model::{
    App, AppLimits, AppNetwork, Attachment, DeviceRequest, Granted, InnerFile, PullPolicy,
    default_network, show_time,
};

pub(super) use system::system;

type Out = Map<String, Value>;

/// Puts all settings in that say something.
pub(super) fn settings(map: &mut Out, app: &App) {
    let pull = match app.pull {
        PullPolicy::Always => "always".into(),
        PullPolicy::Missing => Value::Null,
        PullPolicy::Never => "never".into(),
        PullPolicy::Build => "build".into(),
        PullPolicy::Refresh(after) => format!("every_{}", show_time(after)).into(),
    };
    put(map, "pull", pull);
    // An empty list takes the image's away, so it is written too.
    for (key, words) in [("command", &app.command), ("entrypoint", &app.entrypoint)] {
        if let Some(words) = words {
            map.insert(key.into(), list(words));
        }
    }
    texts(map, app);
    flags(map, app);
    kernel(map, app);
    limits(map, &app.limits);
    network(map, app);
    let from = app.volumes_from.iter().map(|(name, read_only)| {
        format!("container:{name}:{}", if *read_only { "ro" } else { "rw" })
    });
    put(map, "volumes_from", list(&from.collect::<Vec<_>>()));
    for (key, secret) in [("secrets", true), ("configs", false)] {
        let files = app.files.iter().filter(|file| file.origin.secret == secret);
        put(map, key, files.map(file).collect());
    }
}

fn texts(map: &mut Out, app: &App) {
    for (key, value) in [
        ("platform", &app.platform),
        ("user", &app.user),
        ("working_dir", &app.working_dir),
        ("hostname", &app.hostname),
        ("domainname", &app.domainname),
        ("stop_signal", &app.stop_signal),
        ("pid", &app.pid),
        ("ipc", &app.ipc),
        ("uts", &app.uts),
        ("userns_mode", &app.userns_mode),
        ("cgroup_parent", &app.cgroup_parent),
        ("runtime", &app.runtime),
    ] {
        put(map, key, value.as_ref().map_or(Value::Null, text));
    }
    if let Some(word) = &app.cgroup {
        map.insert("cgroup".into(), text(word));
    }
    for (key, values) in [
        ("group_add", &app.group_add),
        ("security_opt", &app.security_opt),
        ("dns_search", &app.dns_search),
        ("dns_opt", &app.dns_opt),
    ] {
        put(map, key, list(values));
    }
    put(map, "storage_opt", pairs(&app.storage_opt));
    put(map, "expose", list(&app.expose));
    put(
        map,
        "gpus",
        app.device_requests.iter().map(device_request).collect(),
    );
    if let Some(logging) = &app.logging {
        let options = pairs(&logging.options);
        map.insert(
            "logging".into(),
            match &logging.driver {
                Some(driver) => json!({"driver": text(driver), "options": options}),
                None => json!({"options": options}),
            },
        );
    }
}

fn device_request(request: &DeviceRequest) -> Value {
    let mut map = Map::new();
    put(
        &mut map,
        "driver",
        request.driver.as_ref().map_or(Value::Null, text),
    );
    match request.count {
        -1 => put(&mut map, "count", "all".into()),
        0 => {}
        count => put(&mut map, "count", count.into()),
    }
    put(&mut map, "device_ids", list(&request.ids));
    put(&mut map, "capabilities", list(&request.capabilities));
    put(&mut map, "options", pairs(&request.options));
    Value::Object(map)
}

fn flags(map: &mut Out, app: &App) {
    for (key, value) in [
        ("init", app.init),
        ("tty", app.tty.then_some(true)),
        ("stdin_open", app.stdin_open.then_some(true)),
        ("oom_kill_disable", app.oom_kill_disable),
    ] {
        if let Some(value) = value {
            map.insert(key.into(), value.into());
        }
    }
}

fn kernel(map: &mut Out, app: &App) {
    granted(map, &app.granted);
    put(
        map,
        "oom_score_adj",
        app.oom_score_adj.map_or(Value::Null, text),
    );
}

/// What the kernel grants containers of both kinds.
fn granted(map: &mut Out, granted: &Granted) {
    let ulimits = granted.ulimits.iter().map(|(name, limit)| {
        (
            name.clone(),
            json!({"soft": limit.soft, "hard": limit.hard}),
        )
    });
    put(map, "ulimits", Value::Object(ulimits.collect()));
    put(map, "sysctls", pairs(&granted.sysctls));
    put(map, "cap_add", list(&granted.cap_add));
    put(map, "cap_drop", list(&granted.cap_drop));
    let devices = granted.devices.iter().map(|device| {
        json!({
            "source": text(device.host.display()),
            "target": text(device.target.display()),
            "permissions": text(&device.permissions),
        })
    });
    put(map, "devices", devices.collect());
    put(
        map,
        "device_cgroup_rules",
        list(&granted.device_cgroup_rules),
    );
    memory(map, &granted.tmpfs);
    put(map, "shm_size", granted.shm_size.map_or(Value::Null, text));
    for (key, value) in [
        ("privileged", granted.privileged),
        ("read_only", granted.read_only),
    ] {
        if value {
            map.insert(key.into(), true.into());
        }
    }
}

fn memory(map: &mut Out, all: &BTreeMap<PathBuf, String>) {
    let all = all.iter().map(|(path, options)| match options.as_str() {
        "" => path.display().to_string(),
        options => format!("{}:{options}", path.display()),
    });
    put(map, "tmpfs", list(&all.collect::<Vec<_>>()));
}

fn hosts(map: &mut Out, all: &[(String, String)]) {
    let all = all
        .iter()
        .map(|(name, address)| format!("{name}={address}"));
    put(map, "extra_hosts", list(&all.collect::<Vec<_>>()));
}

fn limits(map: &mut Out, limits: &AppLimits) {
    let cpus = limits
        .nano_cpus
        .map(|cpus| format!("{}.{:09}", cpus / 1_000_000_000, cpus % 1_000_000_000));
    for (key, value) in [
        ("mem_limit", limits.memory.map(|n| n.to_string())),
        (
            "mem_reservation",
            limits.memory_reservation.map(|n| n.to_string()),
        ),
        ("memswap_limit", limits.memory_swap.map(|n| n.to_string())),
        (
            "mem_swappiness",
            limits.memory_swappiness.map(|n| n.to_string()),
        ),
        ("cpus", cpus),
        ("cpu_shares", limits.cpu_shares.map(|n| n.to_string())),
        ("cpu_period", limits.cpu_period.map(|n| n.to_string())),
        ("cpu_quota", limits.cpu_quota.map(|n| n.to_string())),
        (
            "cpu_rt_runtime",
            limits.cpu_rt_runtime.map(|n| n.to_string()),
        ),
        ("cpu_rt_period", limits.cpu_rt_period.map(|n| n.to_string())),
        ("cpuset", limits.cpuset.clone()),
        ("pids_limit", limits.pids.map(|n| n.to_string())),
    ] {
        put(map, key, value.map_or(Value::Null, text));
    }
    put(map, "blkio_config", blkio(limits));
}

fn blkio(limits: &AppLimits) -> Value {
    let mut blkio = Map::new();
    put(
        &mut blkio,
        "weight",
        limits.blkio_weight.map_or(Value::Null, Value::from),
    );
    for (key, kind) in THROTTLES {
        let rate = if key == "weight_device" {
            "weight"
        } else {
            "rate"
        };
        let all = limits
            .blkio_throttle
            .iter()
            .filter(|throttle| throttle.kind == kind);
        let all =
            all.map(|throttle| json!({"path": text(throttle.path.display()), rate: throttle.rate}));
        put(&mut blkio, key, all.collect());
    }
    Value::Object(blkio)
}

fn network(map: &mut Out, app: &App) {
    match &app.network {
        AppNetwork::Host => put(map, "network_mode", "host".into()),
        AppNetwork::None => put(map, "network_mode", "none".into()),
        AppNetwork::Bridge => put(map, "network_mode", "bridge".into()),
        AppNetwork::Container(name) => put(map, "network_mode", text(format!("service:{name}"))),
        AppNetwork::Foreign(name) => put(map, "network_mode", text(format!("container:{name}"))),
        AppNetwork::Networks(all) if *all == [Attachment::new(default_network())] => {}
        AppNetwork::Networks(all) => {
            // Their order, which the reader would else work out anew.
            let ranks = (1..=all.len())
                .rev()
                .map(|rank| (all.len() > 1).then_some(rank));
            let all = all.iter().zip(ranks);
            let all = all.map(|(one, rank)| (one.network.to_string(), attachment(one, rank)));
            put(map, "networks", Value::Object(all.collect()));
        }
    }
    hosts(map, &app.extra_hosts);
}

pub(super) fn attachment(attachment: &Attachment, rank: Option<usize>) -> Value {
    let mut map = Map::new();
    put(&mut map, "aliases", list(&attachment.aliases));
    put(
        &mut map,
        "ipv4_address",
        attachment.v4.map_or(Value::Null, text),
    );
    put(
        &mut map,
        "ipv6_address",
        attachment.v6.map_or(Value::Null, text),
    );
    put(
        &mut map,
        "mac_address",
        attachment.mac.as_ref().map_or(Value::Null, text),
    );
    put(
        &mut map,
        "gw_priority",
        rank.map_or(Value::Null, Value::from),
    );
    match map.is_empty() {
        true => Value::Null,
        false => Value::Object(map),
    }
}

fn file(file: &InnerFile) -> Value {
    json!({
        "source": text(&file.origin.name),
        "target": text(file.target.display()),
        "uid": file.uid,
        "gid": file.gid,
        "mode": format!("{:04o}", file.mode),
    })
}
