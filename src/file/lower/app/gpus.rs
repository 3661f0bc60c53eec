//! Devices that a driver of the engine hands out: `gpus`, and `devices` of reservations.

use std::collections::BTreeMap;

use super::kept;
use crate::file::desk::Desk;
use crate::file::keys;
use crate::file::lower::container::Layers;
use crate::file::lower::deploy;
use crate::file::lower::values::{Fields, items};
use crate::file::tree::{Kind as Shape, Node};
use crate::model::{DeviceRequest, Key, check_plain};

/// All of them, those of `deploy` first.
pub(super) fn lower(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<DeviceRequest> {
    let reserved = deploy::reserved_devices(desk, layers);
    let mut all: Vec<DeviceRequest> = reserved
        .into_iter()
        .filter_map(|fields| request(desk, fields, false))
        .collect();
    let Some(entry) = layers.last(Key::Gpus) else {
        return all;
    };
    let scope = layers.scope(Key::Gpus);
    if let Shape::Scalar(_) = &entry.value.kind {
        all.extend(word(desk, layers, &entry.value));
        return all;
    }
    for map in items(desk, entry) {
        all.extend(request(desk, Fields { map, scope }, true));
    }
    all
}

/// `all`: the only word that Compose knows.
fn word(desk: &Desk<'_>, layers: &Layers<'_>, node: &Node) -> Option<DeviceRequest> {
    let text = desk.text(node, layers.scope(Key::Gpus), "gpus")?;
    if text.is_empty() {
        return None;
    }
    if text != "all" {
        let message = format!("`gpus` is `all` or a list of maps, not `{text}`");
        desk.error_help(
            node.spot,
            message,
            "write `gpus: [{driver: nvidia, count: 1}]`",
        );
        return None;
    }
    Some(DeviceRequest {
        driver: None,
        count: -1,
        ids: Vec::new(),
        capabilities: vec!["gpu".into()],
        options: BTreeMap::new(),
    })
}

/// One map. What is below `gpus` can do `gpu`; any other must say what it can do.
fn request(desk: &Desk<'_>, fields: Fields<'_, '_>, gpu: bool) -> Option<DeviceRequest> {
    let map = fields.map;
    if map.entries().is_none() {
        let message = format!(
            "a device that is handed out is a map, not {}",
            map.kind_name()
        );
        desk.error_help(
            map.spot,
            message,
            "write `{driver: nvidia, count: 1, capabilities: [gpu]}`",
        );
        return None;
    }
    keys::check(
        desk,
        map,
        keys::DEVICE_REQUEST,
        "a device that is handed out",
    );
    let plain = |text: &str| kept(text, |text| check_plain("driver", text));
    let words = |key: &'static str| -> Vec<String> {
        let texts = fields.texts(desk, key).into_iter();
        let checked = texts
            .filter_map(|(text, spot)| desk.check(spot, check_plain(key, &text)).map(|()| text));
        checked.collect()
    };
    let driver = fields.parsed(desk, "driver", plain);
    let count = fields.parsed(desk, "count", count);
    let (ids, mut capabilities) = (words("device_ids"), words("capabilities"));
    if let (Some(node), false) = (fields.node("count"), ids.is_empty()) {
        let message = "`count` and `device_ids` of a device exclude each other";
        desk.error_help(node.spot, message, "keep one of them");
    }
    match (gpu, capabilities.is_empty()) {
        (true, _) if !capabilities.iter().any(|word| word == "gpu") => {
            capabilities.push("gpu".into())
        }
        (false, true) => {
            let message = "a device that is handed out needs `capabilities`";
            desk.error_help(map.spot, message, "write `capabilities: [gpu]`");
        }
        (_, _) => {}
    }
    let options = fields.pairs(desk, "options").into_iter();
    Some(DeviceRequest {
        driver,
        count: count.unwrap_or(if ids.is_empty() { -1 } else { 0 }),
        ids,
        capabilities,
        options: options
            .map(|pair| (pair.key, pair.value.unwrap_or_default()))
            .collect(),
    })
}

/// A number, or `all`.
fn count(text: &str) -> Result<i64, String> {
    if text.eq_ignore_ascii_case("all") || text == "-1" {
        return Ok(-1);
    }
    let number = text.parse::<u32>().ok().filter(|number| *number > 0);
    let number = number.filter(|_| !text.starts_with('+'));
    number
        .map(i64::from)
        .ok_or_else(|| format!("`count` is `all` or a number of devices, not `{text}`"))
}
