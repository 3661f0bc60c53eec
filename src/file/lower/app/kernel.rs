//! What the kernel grants a container: limits, parameters, capabilities, devices.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{checked_pairs, kept};
use crate::file::desk::{Desk, Scope};
use crate::file::keys;
use crate::file::lower::container::Layers;
use crate::file::lower::values::{Fields, flag, items, pairs_of, parsed, parsed_list, texts};
use crate::file::text;
use crate::file::tree::{Kind as Shape, Node, Spot};
use crate::model::{
    App, AppNetwork, Device, Granted, Key, SysctlOf, Ulimit, capability, check_device_rule,
    check_plain, check_sysctl, host_path, parse_size, sysctl_of,
};

/// What the kernel grants containers of both kinds; `tmpfs` comes with the volumes.
pub(in crate::file::lower) fn lower(
    desk: &Desk<'_>,
    layers: &Layers<'_>,
    tmpfs: BTreeMap<PathBuf, String>,
) -> Granted {
    let flag = |key: Key| flag(desk, layers, key).unwrap_or_default();
    Granted {
        privileged: flag(Key::Privileged),
        read_only: flag(Key::ReadOnly),
        ulimits: ulimits(desk, layers),
        sysctls: checked_pairs(desk, layers, Key::Sysctls, check_sysctl),
        cap_add: parsed_list(desk, layers, Key::CapAdd, capability),
        cap_drop: parsed_list(desk, layers, Key::CapDrop, capability),
        devices: devices(desk, layers),
        device_cgroup_rules: parsed_list(desk, layers, Key::DeviceCgroupRules, |text| {
            kept(text, check_device_rule)
        }),
        tmpfs,
        shm_size: parsed(desk, layers, Key::ShmSize, parse_size),
    }
}

/// Refuses parameters that are the whole host's; `refused` says why one of the container's own cannot be set, and what to
/// do instead.
pub(in crate::file::lower) fn check_sysctls(
    desk: &Desk<'_>,
    layers: &Layers<'_>,
    refused: impl Fn(SysctlOf) -> Option<(String, &'static str)>,
) {
    let scope = layers.scope(Key::Sysctls);
    for pair in layers
        .of(Key::Sysctls)
        .flat_map(|entry| pairs_of(desk, entry, scope, false))
    {
        // The form was checked before.
        if check_sysctl(&pair.key).is_err() {
            continue;
        }
        let Some(of) = desk.check(pair.spot, sysctl_of(&pair.key)) else {
            continue;
        };
        if let Some((reason, help)) = refused(of) {
            desk.error_help(pair.spot, format!("`{}` {reason}", pair.key), help);
        }
    }
}

/// A parameter of a namespace that the container shares with the host is the host's.
pub(super) fn shared_with_host(app: &App, of: SysctlOf) -> Option<(String, &'static str)> {
    let key = match of {
        SysctlOf::Network if app.network == AppNetwork::Host => Some("network_mode: host"),
        SysctlOf::Ipc if app.ipc.as_deref() == Some("host") => Some("ipc: host"),
        SysctlOf::Uts if app.uts.is_some() => Some("uts: host"),
        SysctlOf::Network | SysctlOf::Ipc | SysctlOf::Uts => None,
    }?;
    Some((
        format!("is the host's with `{key}`"),
        "leave one of the two out",
    ))
}

fn ulimits(desk: &Desk<'_>, layers: &Layers<'_>) -> BTreeMap<String, Ulimit> {
    let mut all = BTreeMap::new();
    let scope = layers.scope(Key::Ulimits);
    for entry in layers.of(Key::Ulimits) {
        if entry.value.entries().is_none() && !entry.value.is_null() {
            let message = format!("`ulimits` takes a map, not {}", entry.value.kind_name());
            desk.error_help(entry.value.spot, message, "write `ulimits: {nofile: 1024}`");
        }
        for limit in entry.value.entries().unwrap_or_default() {
            if desk
                .check(limit.spot, Ulimit::check_name(&limit.key))
                .is_some()
            {
                let value = ulimit(desk, &limit.value, scope, &limit.key);
                all.extend(value.map(|value| (limit.key.clone(), value)));
            }
        }
    }
    all
}

fn ulimit(desk: &Desk<'_>, node: &Node, scope: Scope<'_>, name: &str) -> Option<Ulimit> {
    if node.entries().is_none() {
        let text = desk.text(node, scope, name)?;
        let value = desk.check(node.spot, Ulimit::value(&text))?;
        let limit = desk.check(node.spot, Ulimit::new(value, value))?;
        return desk
            .check(node.spot, limit.check_least(name))
            .map(|()| limit);
    }
    keys::check(desk, node, keys::ULIMIT, &format!("the limit `{name}`"));
    let fields = Fields { map: node, scope };
    let soft = fields.parsed(desk, "soft", Ulimit::value);
    let hard = fields.parsed(desk, "hard", Ulimit::value);
    if node.get("soft").is_none() || node.get("hard").is_none() {
        desk.error(
            node.spot,
            format!("the limit `{name}` needs `soft` and `hard`"),
        );
    }
    let limit = desk.check(node.spot, Ulimit::new(soft?, hard?))?;
    desk.check(node.spot, limit.check_least(name))
        .map(|()| limit)
}

/// `devices`: of one path inside the last counts.
fn devices(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<Device> {
    let scope = layers.scope(Key::Devices);
    let mut all: Vec<Device> = Vec::new();
    for item in layers.of(Key::Devices).flat_map(|entry| items(desk, entry)) {
        let device = match item.kind {
            Shape::Mapping(_) => device_map(desk, item, scope),
            Shape::Null | Shape::Scalar(_) | Shape::Sequence(_) => desk
                .text(item, scope, "devices")
                .and_then(|text| desk.check(item.spot, Device::parse(&text))),
        };
        if let Some(device) = device {
            all.retain(|old| old.target != device.target);
            all.push(device);
        }
    }
    all
}

fn device_map(desk: &Desk<'_>, map: &Node, scope: Scope<'_>) -> Option<Device> {
    keys::check(desk, map, keys::DEVICE, "a device");
    let fields = Fields { map, scope };
    let Some((source, _)) = fields.text(desk, "source") else {
        desk.error(map.spot, "a device needs `source`");
        return None;
    };
    let text = |key: &str| fields.text(desk, key).map(|(text, _)| text);
    let target = text("target").unwrap_or_else(|| source.clone());
    let permissions = text("permissions").unwrap_or_else(|| "rwm".into());
    desk.check(map.spot, Device::new(&source, &target, &permissions))
}

/// `security_opt`. The engine wants a seccomp profile itself, the file names its path.
pub(super) fn security(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for (text, spot) in texts(desk, layers, Key::SecurityOpt) {
        if desk
            .check(spot, check_plain("security_opt", &text))
            .is_none()
        {
            continue;
        }
        let (name, value) = text
            .split_once('=')
            .or_else(|| text.split_once(':'))
            .unwrap_or((text.as_str(), ""));
        let option = match (name, value) {
            ("seccomp", "unconfined" | "builtin") => Some(format!("seccomp={value}")),
            ("seccomp", value) => profile(desk, spot, value),
            ("no-new-privileges", "") => Some("no-new-privileges:true".into()),
            ("no-new-privileges", "true" | "false") => Some(format!("{name}:{value}")),
            ("systempaths", "unconfined") => Some("systempaths=unconfined".into()),
            ("apparmor" | "label", value) if !value.is_empty() => Some(format!("{name}={value}")),
            _ => {
                let help = "write `no-new-privileges:true`, `seccomp=PATH`, `apparmor=PROFILE` or `label=…`";
                desk.error_help(spot, format!("`{text}` is not an option of security"), help);
                None
            }
        };
        all.extend(option.filter(|option| !all.contains(option)));
    }
    all
}

fn profile(desk: &Desk<'_>, spot: Spot, value: &str) -> Option<String> {
    let text = if value.starts_with('{') {
        value.to_string()
    } else {
        let path = desk.check(spot, host_path(value, &desk.directory_of(spot)))?;
        let read = text::read(&path);
        let path = path.display();
        desk.check(
            spot,
            read.map_err(|error| format!("cannot read the seccomp profile `{path}`: {error}")),
        )?
    };
    let json = serde_json::from_str::<serde_json::Value>(&text);
    let json = json.map_err(|error| format!("the seccomp profile is not valid JSON: {error}"));
    desk.check(spot, json).map(|json| format!("seccomp={json}"))
}
