//! One entry of `volumes` as it is written, in its short or long form.

use crate::file::desk::Desk;
use crate::file::keys;
use crate::file::lower::container::Layers;
use crate::file::lower::values::{Fields, warn};
use crate::file::tree::Spot;
use crate::model::{Kind, MountOptions, VolumeError, check_propagation};

/// What one entry asks for, before it is known what its name stands for.
#[derive(Default)]
pub(super) struct Wanted {
    pub source: Option<String>,
    pub target: String,
    pub read_only: bool,
    pub options: MountOptions,
    /// It is in the short form.
    pub short: bool,
    /// A missing path is not made.
    pub must_exist: bool,
    /// `type: bind`, or `type: volume`; none is told from the source.
    pub bind: Option<bool>,
}

/// `[SOURCE:]TARGET[:OPTIONS]`. A system container needs the source and knows `ro` and `rw` only.
pub(super) fn short(
    desk: &Desk<'_>,
    layers: &Layers<'_>,
    spot: Spot,
    text: &str,
) -> Option<Wanted> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match (&parts[..], layers.kind) {
        ([target], Kind::Application) => (None, *target, ""),
        ([source, target], Kind::System | Kind::Application) => (Some(*source), *target, ""),
        ([source, target, options], Kind::System | Kind::Application) => {
            (Some(*source), *target, *options)
        }
        (_, Kind::System | Kind::Application) => {
            desk.error(spot, VolumeError::Form(text.into()).to_string());
            return None;
        }
    };
    let mut wanted = Wanted {
        source: source.map(str::to_string),
        target: target.into(),
        short: true,
        must_exist: false,
        ..Wanted::default()
    };
    for word in options.split(',').filter(|_| parts.len() == 3) {
        match (word, layers.kind) {
            ("ro", _) => wanted.read_only = true,
            ("rw", _) => {}
            ("nocopy", Kind::Application) => wanted.options.no_copy = true,
            // Wishes to Docker on a Mac.
            ("cached" | "delegated" | "consistent", Kind::Application) => {}
            ("z" | "Z", Kind::Application) => {
                warn(
                    desk,
                    spot,
                    format!("`{word}` has no effect here: locker leaves marks of SELinux alone"),
                );
            }
            (word, Kind::Application) if check_propagation(word).is_ok() => {
                wanted.options.propagation = Some(word.into());
            }
            (word, Kind::System | Kind::Application) => {
                desk.error(spot, VolumeError::Mode(word.into()).to_string());
                return None;
            }
        }
    }
    Some(wanted)
}

pub(super) fn long(desk: &Desk<'_>, fields: Fields<'_, '_>) -> Option<Wanted> {
    let map = fields.map;
    keys::check(desk, map, keys::VOLUME, "a volume");
    let mut wanted = Wanted::default();
    let kind = fields.text(desk, "type");
    wanted.bind = match kind.as_ref().map(|(kind, spot)| (kind.as_str(), *spot)) {
        None => None,
        Some(("bind", _)) => Some(true),
        Some(("volume", _)) => Some(false),
        Some((other, spot)) => {
            let message = match other {
                "image" | "npipe" | "cluster" => {
                    format!(
                        "locker does not mount `{other}`; it mounts `bind`, `volume` and `tmpfs`"
                    )
                }
                _ => format!(
                    "`{other}` is not a type of a volume; it is `bind`, `volume` or `tmpfs`"
                ),
            };
            desk.error(spot, message);
            return None;
        }
    };
    wanted.source = match (map.get("source"), map.get("host")) {
        (Some(_), Some(host)) => {
            desk.error(host.spot, "`host` and `source` of a volume mean the same");
            None
        }
        (Some(_), None) => fields.text(desk, "source").map(|(text, _)| text),
        (None, Some(_)) => fields.text(desk, "host").map(|(text, _)| text),
        (None, None) if wanted.bind == Some(false) => None,
        (None, None) => {
            desk.error(map.spot, "a volume needs `source`");
            return None;
        }
    };
    wanted.target = target(desk, fields)?;
    wanted.read_only = match fields.node("read_only") {
        Some(_) => fields.flag(desk, "read_only")?,
        None => false,
    };
    options(desk, fields, &mut wanted);
    Some(wanted)
}

pub(super) fn target(desk: &Desk<'_>, fields: Fields<'_, '_>) -> Option<String> {
    if fields.map.get("target").is_none() {
        desk.error(fields.map.spot, "a volume needs `target`");
    }
    fields.text(desk, "target").map(|(text, _)| text)
}

/// The maps `bind` and `volume`.
fn options(desk: &Desk<'_>, fields: Fields<'_, '_>, wanted: &mut Wanted) {
    let scope = fields.scope;
    if let Some(map) = fields.node("bind") {
        keys::check(desk, map, keys::BIND, "`bind` of a volume");
        let bind = Fields { map, scope };
        let propagation = bind.parsed(desk, "propagation", |text| {
            check_propagation(text).map(|()| text.to_string())
        });
        wanted.options.propagation = propagation;
        wanted.must_exist = bind.flag(desk, "create_host_path") == Some(false);
    }
    if let Some(map) = fields.node("volume") {
        keys::check(desk, map, keys::VOLUME_OPTIONS, "`volume` of a volume");
        let volume = Fields { map, scope };
        wanted.options.no_copy = volume.flag(desk, "nocopy").unwrap_or_default();
    }
}

/// `~` is the user's home, as Compose has it.
pub(in crate::file::lower) fn home(desk: &Desk<'_>, spot: Spot, source: &str) -> String {
    let rest = source
        .strip_prefix('~')
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match (rest, desk.variable(spot, "HOME")) {
        (Some(rest), Some(home)) if home.starts_with('/') => format!("{home}{rest}"),
        (Some(_), Some(_) | None) | (None, Some(_) | None) => source.into(),
    }
}
