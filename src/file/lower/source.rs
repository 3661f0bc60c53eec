//! What a container is made from: exactly one of four keys.

use super::container::{Layers, Shared};
use crate::file::desk::Desk;
use crate::file::tree::{Entry, Kind, Node, Spot};
use crate::model::{Key, Name, Source, SourceError, host_name_of, host_path};

type Reader = fn(&Desk<'_>, &Shared<'_>, &Layers<'_>, &Entry) -> Option<Source>;

const SOURCES: [(Key, Reader); 4] = [
    (Key::Template, template),
    (Key::Clone, clone),
    (Key::Download, download),
    (Key::Rootfs, rootfs),
];

/// The source of a container; `defaults` counts only where the container has none.
pub(super) fn lower(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    name: Spot,
) -> Option<Source> {
    let mut keys = found(layers.own);
    if keys.is_empty()
        && let Some(defaults) = layers.defaults
    {
        keys = found(defaults);
    }
    keys.sort_by_key(|(_, _, entry)| entry.spot);
    let mut keys = keys.into_iter();
    let Some((key, read, entry)) = keys.next() else {
        // A Docker key has been refused already; a second error about it would only distract.
        if layers.own.get("image").is_none() && layers.own.get("build").is_none() {
            desk.error_help(
                name,
                "this container has nothing to be made from",
                "give it one of `template`, `clone`, `download` and `rootfs`",
            );
        }
        return None;
    };
    for (second, _, other) in keys {
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

fn found(map: &Node) -> Vec<(Key, Reader, &Entry)> {
    let entry = |(key, read): (Key, Reader)| map.get(key.as_str()).map(|entry| (key, read, entry));
    SOURCES.into_iter().filter_map(entry).collect()
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
    let node = &entry.value;
    let mut args = arguments(desk, layers, Key::Template, node);
    let (name, spot) = match node.kind {
        Kind::Scalar(_) => {
            let name = desk.text(node, layers.scope(Key::Template), "template")?;
            (name, node.spot)
        }
        Kind::Mapping(_) | Kind::Null | Kind::Sequence(_) => {
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
        SourceError::Argument(key) | SourceError::Reserved(key) | SourceError::Control(key) => {
            map.get(key).map(|entry| entry.spot)
        }
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
