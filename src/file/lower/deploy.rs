//! `deploy`: what of it has a meaning on one machine.

use super::container::Layers;
use super::values::{Fields, items, number};
use crate::file::desk::Desk;
use crate::file::keys::{self, KeySpec};
use crate::file::tree::Spot;
use crate::model::{AppLimits, Key, Restart, nano_cpus, parse_size};

/// The map `deploy`, else nothing; what is no map is reported by [`limits`].
fn deploy<'a>(layers: &Layers<'a>) -> Option<Fields<'a, 'a>> {
    let entry = layers.last(Key::Deploy)?;
    let scope = layers.scope(Key::Deploy);
    entry.value.entries().map(|_| Fields {
        map: &entry.value,
        scope,
    })
}

/// A map within a map, its keys checked.
fn inner<'n, 's>(
    desk: &Desk<'_>,
    fields: Fields<'n, 's>,
    key: &str,
    table: &[KeySpec],
) -> Option<Fields<'n, 's>> {
    let map = fields.node(key)?;
    if map.entries().is_none() {
        desk.error(
            map.spot,
            format!("`{key}` takes a map, not {}", map.kind_name()),
        );
        return None;
    }
    keys::check(desk, map, table, &format!("`{key}`"));
    Some(Fields {
        map,
        scope: fields.scope,
    })
}

/// The restart policy, which wins over `restart`.
pub(super) fn restart(desk: &Desk<'_>, layers: &Layers<'_>) -> Option<Restart> {
    let policy = inner(
        desk,
        deploy(layers)?,
        "restart_policy",
        keys::RESTART_POLICY,
    )?;
    let most = policy.parsed(desk, "max_attempts", |text| {
        number("max_attempts", text, 0, u32::MAX)
    });
    match policy.text(desk, "condition") {
        None => Some(Restart::Always),
        Some((word, spot)) => match word.as_str() {
            // The words of `restart` count as well, as in docker compose.
            "none" | "no" => Some(Restart::No),
            "any" | "always" => Some(Restart::Always),
            "unless-stopped" => Some(Restart::UnlessStopped),
            "on-failure" => Some(Restart::OnFailure {
                most: most.filter(|most| *most > 0),
            }),
            other => {
                let message = format!(
                    "`{other}` is not a condition; it is `none`, `on-failure`, `unless-stopped` or `any`"
                );
                desk.error(spot, message);
                None
            }
        },
    }
}

/// Puts limits and reservations in; a limit that another key gives as well must be the same.
pub(super) fn limits(desk: &Desk<'_>, layers: &Layers<'_>, limits: &mut AppLimits) {
    let Some(entry) = layers
        .last(Key::Deploy)
        .filter(|entry| !entry.value.is_null())
    else {
        return;
    };
    let Some(deploy) = deploy(layers) else {
        let kind = entry.value.kind_name();
        desk.error(
            entry.value.spot,
            format!("`deploy` takes a map, not {kind}"),
        );
        return;
    };
    keys::check(desk, deploy.map, keys::DEPLOY, "`deploy`");
    mode(desk, deploy);
    if let Some(resources) = inner(desk, deploy, "resources", keys::RESOURCES) {
        self::resources(desk, resources, limits);
    }
}

fn resources(desk: &Desk<'_>, resources: Fields<'_, '_>, limits: &mut AppLimits) {
    if let Some(most) = inner(desk, resources, "limits", keys::LIMITS) {
        same(
            desk,
            most,
            "memory",
            most.parsed(desk, "memory", parse_size),
            "mem_limit",
            &mut limits.memory,
        );
        same(
            desk,
            most,
            "cpus",
            most.parsed(desk, "cpus", nano_cpus),
            "cpus",
            &mut limits.nano_cpus,
        );
        let pids = most.parsed(desk, "pids", |text| number("pids", text, -1, i64::MAX));
        same(desk, most, "pids", pids, "pids_limit", &mut limits.pids);
    }
    if let Some(kept) = inner(desk, resources, "reservations", keys::RESERVATIONS) {
        let memory = kept.parsed(desk, "memory", parse_size);
        same(
            desk,
            kept,
            "memory",
            memory,
            "mem_reservation",
            &mut limits.memory_reservation,
        );
    }
}

/// `deploy.resources.reservations.devices`; shapes of what stands above are reported with the limits.
pub(super) fn reserved_devices<'n>(desk: &Desk<'_>, layers: &Layers<'n>) -> Vec<Fields<'n, 'n>> {
    let scope = layers.scope(Key::Deploy);
    let reservations = layers.last(Key::Deploy).and_then(|entry| {
        let resources = entry.value.get("resources")?;
        resources.value.get("reservations")?.value.get("devices")
    });
    let Some(entry) = reservations else {
        return Vec::new();
    };
    let items = items(desk, entry).iter();
    items.map(|map| Fields { map, scope }).collect()
}

fn same<T: PartialEq>(
    desk: &Desk<'_>,
    fields: Fields<'_, '_>,
    key: &str,
    value: Option<T>,
    other: &str,
    slot: &mut Option<T>,
) {
    let Some(value) = value else { return };
    let spot: Option<Spot> = fields.node(key).map(|node| node.spot);
    if let (Some(old), Some(spot)) = (&*slot, spot)
        && *old != value
    {
        desk.error(
            spot,
            format!("`{other}` of this container says something else"),
        );
    }
    *slot = Some(value);
}

fn mode(desk: &Desk<'_>, deploy: Fields<'_, '_>) {
    match deploy.text(desk, "mode") {
        None => {}
        Some((mode, _)) if matches!(mode.as_str(), "replicated" | "global") => {}
        Some((mode, spot)) => {
            let message =
                format!("`{mode}` is not a mode of `deploy`; it is `replicated` or `global`");
            desk.error(spot, message);
        }
    }
}
