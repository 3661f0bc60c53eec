//! `volumes` of a container: paths of the host, named volumes, those of the engine, memory.

mod wanted;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::container::{Layers, Shared};
use super::stores::StoreVolume;
use super::values::{Fields, items, texts};
use crate::file::desk::Desk;
use crate::file::diagnostic::nearest;
use crate::file::keys;
use crate::file::tree::{Kind as Shape, Node, Spot};
use crate::model::{
    EngineMount, EngineVolume, Key, Kind, MountOptions, Name, Place, Volume, VolumeError,
    VolumeSource, check_tmpfs, host_path, parse_size, target_path,
};
use wanted::{Wanted, long, short, target};

pub(super) use wanted::home;

/// All that is mounted in a container.
#[derive(Default)]
pub(super) struct Mounts {
    pub volumes: Vec<(Volume, Place)>,
    pub engine: Vec<EngineMount>,
    pub tmpfs: BTreeMap<PathBuf, String>,
    pub options: BTreeMap<PathBuf, MountOptions>,
    taken: BTreeMap<PathBuf, Place>,
}

/// `volumes` and `tmpfs`: those of `defaults` first; no two on the same mount point.
pub(super) fn lower(desk: &Desk<'_>, shared: &Shared<'_>, layers: &Layers<'_>) -> Mounts {
    let mut mounts = Mounts::default();
    for item in layers.of(Key::Volumes).flat_map(|entry| items(desk, entry)) {
        add(desk, shared, layers, item, &mut mounts);
    }
    for (text, spot) in texts(desk, layers, Key::Tmpfs) {
        let (path, options) = text.split_once(':').unwrap_or((&text, ""));
        if let Some(target) = desk.check(spot, target_path(path))
            && take(desk, spot, &target, &mut mounts)
        {
            desk.check(spot, check_tmpfs(options));
            mounts.tmpfs.insert(target, options.into());
        }
    }
    mounts
}

fn add(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    item: &Node,
    mounts: &mut Mounts,
) {
    let scope = layers.scope(Key::Volumes);
    let wanted = match item.kind {
        Shape::Mapping(_) => {
            let fields = Fields { map: item, scope };
            if is_tmpfs(desk, fields) {
                return tmpfs(desk, fields, mounts);
            }
            long(desk, fields)
        }
        Shape::Null | Shape::Scalar(_) | Shape::Sequence(_) => desk
            .text(item, scope, "volumes")
            .and_then(|text| short(desk, layers, item.spot, &text)),
    };
    if let Some(wanted) = wanted {
        put(desk, shared, layers, item.spot, wanted, mounts);
    }
}

fn is_tmpfs(desk: &Desk<'_>, fields: Fields<'_, '_>) -> bool {
    let kind = fields.node("type");
    kind.is_some_and(|node| match &node.kind {
        Shape::Scalar(text) => {
            desk.expand(text, node.spot, fields.scope).as_deref() == Some("tmpfs")
        }
        Shape::Null | Shape::Sequence(_) | Shape::Mapping(_) => false,
    })
}

fn tmpfs(desk: &Desk<'_>, fields: Fields<'_, '_>, mounts: &mut Mounts) {
    let map = fields.map;
    keys::check(desk, map, keys::VOLUME, "a volume");
    if let Some(source) = map.get("source") {
        desk.error(source.spot, "a memory file system has no `source`");
    }
    let mut words = Vec::new();
    if let Some(map) = fields.node("tmpfs") {
        keys::check(desk, map, keys::TMPFS_OPTIONS, "`tmpfs` of a volume");
        let inner = Fields {
            map,
            scope: fields.scope,
        };
        let size = inner.parsed(desk, "size", parse_size);
        words.extend(size.map(|size| format!("size={size}")));
        let mode = inner.permissions(desk, "mode");
        words.extend(mode.map(|mode| format!("mode={mode:o}")));
    }
    if fields.flag(desk, "read_only") == Some(true) {
        words.push("ro".into());
    }
    let target = target(desk, fields).and_then(|text| desk.check(map.spot, target_path(&text)));
    if let Some(target) = target
        && take(desk, map.spot, &target, mounts)
    {
        mounts.tmpfs.insert(target, words.join(","));
    }
}

/// Whether the mount point is free; it is not any more.
fn take(desk: &Desk<'_>, spot: Spot, target: &Path, mounts: &mut Mounts) -> bool {
    let earlier = mounts.taken.insert(target.into(), desk.place(spot));
    if let Some(place) = earlier {
        let error = desk.about(spot, format!("two volumes on `{}`", target.display()));
        desk.push(error.with_related(place, 0, "the first"));
        return false;
    }
    true
}

fn put(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    spot: Spot,
    wanted: Wanted,
    mounts: &mut Mounts,
) {
    let Some(target) = desk.check(spot, target_path(&wanted.target)) else {
        return;
    };
    let engine = |volume: EngineVolume| EngineMount {
        volume,
        target: target.clone(),
        read_only: wanted.read_only,
        no_copy: wanted.options.no_copy,
    };
    let Some(source) = &wanted.source else {
        if take(desk, spot, &target, mounts) {
            mounts.engine.push(engine(EngineVolume::Anonymous));
        }
        return;
    };
    let kept = kept(desk, shared, layers, spot, source, wanted.bind);
    let Some(kept) = kept.filter(|_| take(desk, spot, &target, mounts)) else {
        return;
    };
    match kept {
        StoreVolume::Engine(volume) => mounts.engine.push(engine(volume)),
        StoreVolume::Host(source) => {
            if wanted.options != MountOptions::default() {
                mounts.options.insert(target.clone(), wanted.options);
            }
            let read_only = wanted.read_only;
            let volume = Volume {
                source,
                target,
                read_only,
                short: wanted.short,
                must_exist: wanted.must_exist,
            };
            mounts.volumes.push((volume, desk.place(spot)));
        }
    }
}

/// What a source stands for.
fn kept(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    spot: Spot,
    source: &str,
    bind: Option<bool>,
) -> Option<StoreVolume> {
    let source = match layers.kind {
        Kind::System => source.to_string(),
        Kind::Application => home(desk, spot, source),
    };
    // A name begins with a letter or digit: `.env` is a path, as in Compose.
    let path = source.contains('/') || source.starts_with('.');
    let bind = bind.unwrap_or(path);
    if !bind && path {
        let help = "write `type: bind`, or the name of a volume";
        desk.error_help(
            spot,
            format!("`{source}` is a path, not the name of a volume"),
            help,
        );
        return None;
    }
    if bind {
        let path = desk.check(spot, host_path(&source, &desk.directory_of(spot)));
        path.map(|path| StoreVolume::Host(VolumeSource::Host(path)))
    } else {
        named(desk, shared, layers, spot, &source)
    }
}

/// What the name of a volume stands for.
fn named(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    spot: Spot,
    word: &str,
) -> Option<StoreVolume> {
    let name = match Name::new(word) {
        Ok(name) => name,
        Err(error) => {
            desk.error(spot, VolumeError::Named(error).to_string());
            return None;
        }
    };
    match (shared.stores.volumes.get(&name), layers.kind) {
        (Some(StoreVolume::Engine(_)), Kind::System) => {
            let message =
                format!("an LXC container cannot mount `{name}`, which the engine of Docker keeps");
            desk.error_help(
                spot,
                message,
                "share a directory of the host, or a volume without a driver",
            );
            None
        }
        (Some(volume), Kind::System | Kind::Application) => Some(volume.clone()),
        (None, Kind::System | Kind::Application) if shared.compose => {
            let names = shared.stores.volumes.keys().map(Name::as_str);
            let help = match nearest(word, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("name it below `volumes:`, or write `./{word}` for a directory"),
            };
            desk.error_help(
                spot,
                format!("there is no volume `{name}` below `volumes`"),
                help,
            );
            None
        }
        (None, Kind::System | Kind::Application) => {
            Some(StoreVolume::Host(VolumeSource::Named(name)))
        }
    }
}
