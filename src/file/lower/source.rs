//! What a container is made from: exactly one of the keys of a source.

use super::build;
use super::container::{Layers, Shared};
use crate::file::desk::Desk;
use crate::file::keys::{self, For};
use crate::file::tree::{Entry, Kind as Shape, Node, Spot};
use crate::model::{Key, Kind, Name, Source, SourceError, host_name_of, host_path};

type Reader = fn(&Desk<'_>, &Shared<'_>, &Layers<'_>, &Entry) -> Option<Source>;

const SOURCES: [(Key, Kind, Reader); 6] = [
    (Key::Template, Kind::System, template),
    (Key::Clone, Kind::System, clone),
    (Key::Download, Kind::System, download),
    (Key::Rootfs, Kind::System, rootfs),
    (Key::Image, Kind::Application, image),
    (Key::Build, Kind::Application, build::lower),
];

/// Which kind of container a body makes: by its source, that of `defaults`, its other keys, and
/// what the file says of containers without one.
pub(super) fn kind_of(shared: &Shared<'_>, body: &Node) -> Kind {
    let sources = |map: &Node| {
        let found = SOURCES
            .iter()
            .filter_map(|(key, kind, _)| Some((map.get(key.as_str())?.spot, *kind)));
        found.min_by_key(|(spot, _)| *spot).map(|(_, kind)| kind)
    };
    let by_key = || {
        let keys = body.entries().unwrap_or_default().iter();
        let keys = keys.filter_map(|entry| keys::container_key(&entry.key));
        let mut kinds = keys.filter_map(|key| match keys::whose(key) {
            For::Both => None,
            For::System => Some(Kind::System),
            For::Application => Some(Kind::Application),
        });
        kinds.next()
    };
    sources(body)
        .or_else(|| sources(shared.defaults?))
        .or_else(by_key)
        .unwrap_or(shared.backend)
}

/// The source of a container; `defaults` counts only where the container has none.
pub(super) fn lower(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    name: Spot,
) -> Option<Source> {
    let mut found = found(layers.own, layers.kind);
    if found.is_empty()
        && let Some(defaults) = layers.defaults
    {
        found = self::found(defaults, layers.kind);
    }
    found.sort_by_key(|(_, _, entry)| entry.spot);
    // A build may say what its image is called.
    if found.iter().any(|(key, ..)| *key == Key::Build) {
        found.retain(|(key, ..)| *key != Key::Image);
    }
    let mut found = found.into_iter();
    let Some((key, read, entry)) = found.next() else {
        nothing(desk, layers, name);
        return None;
    };
    for (second, _, other) in found {
        let message = format!("`{second}` and `{key}` exclude each other");
        let first = (desk.place(entry.spot), entry.spot.length);
        desk.push(desk.about(other.spot, message).with_related(
            first.0,
            first.1,
            "the first source",
        ));
    }
    read(desk, shared, layers, entry)
}

/// Reports that there is nothing to make a container from.
fn nothing(desk: &Desk<'_>, layers: &Layers<'_>, name: Spot) {
    // It would come from what it extends, which is wrong and has been reported.
    if layers.own.get("extends").is_some() {
        return;
    }
    let help = match layers.kind {
        Kind::System => {
            "give it one of `template`, `clone`, `download` and `rootfs`, or an `image` for Docker"
        }
        Kind::Application => "give it an `image` or a `build`",
    };
    desk.error_help(name, "this container has nothing to be made from", help);
}

fn found(map: &Node, kind: Kind) -> Vec<(Key, Reader, &Entry)> {
    let sources = SOURCES.into_iter().filter(|(_, of, _)| *of == kind);
    sources
        .filter_map(|(key, _, read)| Some((key, read, map.get(key.as_str())?)))
        .collect()
}

fn image(desk: &Desk<'_>, _: &Shared<'_>, layers: &Layers<'_>, entry: &Entry) -> Option<Source> {
    let text = desk.text(&entry.value, layers.scope(Key::Image), "image")?;
    desk.check(entry.value.spot, Source::image_named(&text))
}

/// The arguments of a template in the file's order.
fn arguments(
    desk: &Desk<'_>,
    layers: &Layers<'_>,
    key: Key,
    map: &Node,
) -> Vec<(String, String, Spot)> {
    let mut all = Vec::new();
    for entry in map.entries().unwrap_or_default() {
        let value = if entry.value.is_null() {
            Some(String::new())
        } else {
            desk.text(&entry.value, layers.scope(key), &entry.key)
        };
        all.push((
            entry.key.clone(),
            value.unwrap_or_default(),
            entry.value.spot,
        ));
    }
    all
}

fn template(desk: &Desk<'_>, _: &Shared<'_>, layers: &Layers<'_>, entry: &Entry) -> Option<Source> {
    let node: &Node = &entry.value;
    let mut args = arguments(desk, layers, Key::Template, node);
    let (name, spot) = match node.kind {
        Shape::Scalar(_) => {
            let name = desk.text(node, layers.scope(Key::Template), "template")?;
            (name, node.spot)
        }
        Shape::Mapping(_) | Shape::Null | Shape::Sequence(_) => {
            let Some(at) = args.iter().position(|(key, ..)| key == "name") else {
                let message = match node.kind_name() {
                    "a map" => "`template` has no `name`".to_string(),
                    kind => format!("`template` takes a name or a map, not {kind}"),
                };
                let help = "write `template: {name: debian, release: bookworm}`";
                desk.error_help(entry.spot, message, help);
                return None;
            };
            let (_, name, spot) = args.remove(at);
            (name, spot)
        }
    };
    let args = args
        .into_iter()
        .map(|(key, value, _)| (key, value))
        .collect();
    match Source::template(&name, args, &desk.directory_of(spot)) {
        Ok(source) => Some(source),
        Err(error) => {
            desk.error(
                spot_of_argument(node, &error).unwrap_or(spot),
                error.to_string(),
            );
            None
        }
    }
}

fn download(desk: &Desk<'_>, _: &Shared<'_>, layers: &Layers<'_>, entry: &Entry) -> Option<Source> {
    let node = &entry.value;
    if node.entries().is_none() {
        desk.error_help(
            entry.spot,
            format!("`download` takes a map, not {}", node.kind_name()),
            "write `download: {dist: debian, release: bookworm, arch: amd64}`",
        );
        return None;
    }
    let args = arguments(desk, layers, Key::Download, node);
    let args = args
        .into_iter()
        .map(|(key, value, _)| (key, value))
        .collect();
    match Source::download(args) {
        Ok(source) => Some(source),
        Err(error) => {
            desk.error(
                spot_of_argument(node, &error).unwrap_or(entry.spot),
                error.to_string(),
            );
            None
        }
    }
}

fn spot_of_argument(map: &Node, error: &SourceError) -> Option<Spot> {
    match error {
        SourceError::Argument(key)
        | SourceError::Reserved(key)
        | SourceError::Short(key, _)
        | SourceError::Control(key) => map.get(key).map(|entry| entry.spot),
        SourceError::Template(_) | SourceError::Missing(_) | SourceError::HostName(_) => None,
    }
}

/// A container of this project first, by its short or full name, then one of the host.
fn clone(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    entry: &Entry,
) -> Option<Source> {
    let text = desk.text(&entry.value, layers.scope(Key::Clone), "clone")?;
    let sibling =
        |name: &&Name| name.as_str() == text || host_name_of(shared.project, name) == text;
    if let Some(name) = shared.entries.keys().find(sibling) {
        return Some(Source::CloneSibling(name.clone()));
    }
    desk.check(entry.value.spot, Source::clone_of_host(&text))
}

fn rootfs(desk: &Desk<'_>, _: &Shared<'_>, layers: &Layers<'_>, entry: &Entry) -> Option<Source> {
    let text = desk.text(&entry.value, layers.scope(Key::Rootfs), "rootfs")?;
    let path = desk.check(
        entry.value.spot,
        host_path(&text, &desk.directory_of(entry.value.spot)),
    )?;
    if path == std::path::Path::new("/") {
        desk.error(
            entry.value.spot,
            "the host's own root is no source of a container",
        );
        return None;
    }
    Some(Source::Rootfs(path))
}
