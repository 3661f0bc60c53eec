//! Variables and labels, with the files that hold them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::container::Layers;
use super::values::{Fields, Pair, pairs, texts, warn};
use crate::file::desk::Desk;
use crate::file::diagnostic::{Diagnostic, Severity};
use crate::file::tree::{Kind as Shape, Node, Spot};
use crate::file::{dotenv, gather, keys, text};
use crate::model::{
    Key, Kind, Place, VariableError, check_app_label, check_app_variable, check_label,
    check_variable, host_path,
};

/// `environment` over `env_file`. A variable without a value has that of the environment.
pub(super) fn environment(desk: &Desk<'_>, layers: &Layers<'_>) -> BTreeMap<String, String> {
    let check = match layers.kind {
        Kind::System => check_variable,
        Kind::Application => check_app_variable,
    };
    let mut all = BTreeMap::new();
    for file in env_files(desk, layers) {
        for (name, value) in read(desk, &file, &all) {
            if desk.check(file.spot, check(&name, &value)).is_some() {
                all.insert(name, value);
            }
        }
    }
    merge(
        desk,
        layers.kind,
        pairs(desk, layers, Key::Environment, false),
        &mut all,
    );
    all
}

/// The variables of a map or list.
pub(super) fn variables(desk: &Desk<'_>, kind: Kind, pairs: Vec<Pair>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    merge(desk, kind, pairs, &mut all);
    all
}

fn merge(desk: &Desk<'_>, kind: Kind, pairs: Vec<Pair>, all: &mut BTreeMap<String, String>) {
    let check = match kind {
        Kind::System => check_variable,
        Kind::Application => check_app_variable,
    };
    for pair in pairs {
        let Some(value) = value_of(desk, kind, &pair) else {
            all.remove(&pair.key);
            continue;
        };
        if desk.check(pair.spot, check(&pair.key, &value)).is_some() {
            all.insert(pair.key, value);
        }
    }
}

/// The value that is written, else that of the environment.
fn value_of(desk: &Desk<'_>, kind: Kind, pair: &Pair) -> Option<String> {
    if let Some(value) = &pair.value {
        return Some(value.clone());
    }
    let value = desk.variable(pair.spot, &pair.key);
    if value.is_none() && kind == Kind::System {
        let name = &pair.key;
        let message = format!("`{name}` has no value here and none in the environment");
        warn(desk, pair.spot, message);
    }
    value
}

/// A file of variables.
struct EnvFile {
    path: String,
    spot: Spot,
    required: bool,
    raw: bool,
}

fn env_files(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<EnvFile> {
    let scope = layers.scope(Key::EnvFile);
    let mut all = Vec::new();
    for entry in layers.of(Key::EnvFile) {
        let single = std::slice::from_ref(&entry.value);
        let nodes = match &entry.value.kind {
            Shape::Sequence(nodes) => nodes.as_slice(),
            Shape::Scalar(_) | Shape::Mapping(_) => single,
            Shape::Null => &[],
        };
        for node in nodes {
            if node.entries().is_some() {
                all.extend(env_file_map(desk, Fields { map: node, scope }));
            } else if let Some(path) = desk.text(node, scope, "env_file")
                // An empty single value counts as not given.
                && !(path.is_empty() && entry.value.as_text().is_some())
            {
                all.push(EnvFile {
                    path,
                    spot: node.spot,
                    required: true,
                    raw: false,
                });
            }
        }
    }
    all
}

fn env_file_map(desk: &Desk<'_>, fields: Fields<'_, '_>) -> Option<EnvFile> {
    let map: &Node = fields.map;
    keys::check(desk, map, keys::ENV_FILE, "a file of variables");
    let Some((path, spot)) = fields.text(desk, "path") else {
        desk.error(map.spot, "a file of variables needs `path`");
        return None;
    };
    let raw = match fields.text(desk, "format") {
        None => false,
        Some((format, _)) if format == "raw" => true,
        Some((format, spot)) => {
            let message = format!("`{format}` is not a format of variables; it is `raw`");
            desk.error(spot, message);
            false
        }
    };
    Some(EnvFile {
        path,
        spot,
        required: fields.flag(desk, "required").unwrap_or(true),
        raw,
    })
}

/// The variables of a file; those of earlier files may stand in its values.
fn read(
    desk: &Desk<'_>,
    file: &EnvFile,
    earlier: &BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let directory = desk.directory_of(file.spot);
    let Some(path) = desk.check(file.spot, host_path(&file.path, &directory)) else {
        return Vec::new();
    };
    let text = match text::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !file.required => {
            return Vec::new();
        }
        Err(error) => {
            let path = path.display();
            desk.error(
                file.spot,
                format!("cannot read the variables in `{path}`: {error}"),
            );
            return Vec::new();
        }
    };
    if file.raw {
        return raw(&text);
    }
    let look = |name: &str| {
        let known = earlier.get(name).cloned();
        known.or_else(|| desk.variable(file.spot, name))
    };
    parse(desk, &text, &path, &look)
}

fn parse(
    desk: &Desk<'_>,
    text: &str,
    path: &Path,
    look: &dyn Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    match dotenv::parse(text, look) {
        Ok(read) => {
            gather::unset(path, &read).for_each(|warning| desk.push(warning));
            read.variables
        }
        Err(error) => {
            let place = Place::new(Arc::from(path), error.line, 1);
            desk.push(Diagnostic::at(Severity::Error, error.message, place).without_line());
            Vec::new()
        }
    }
}

/// `NAME=VALUE` in each line, values as they stand.
fn raw(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(|line| line.trim_end_matches('\r'));
    let lines = lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once('=').unwrap_or((line, "")))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// `labels` over `label_file`: the container's own win.
pub(super) fn labels(desk: &Desk<'_>, layers: &Layers<'_>) -> BTreeMap<String, String> {
    let check: fn(&str, &str) -> Result<(), VariableError> = match layers.kind {
        Kind::System => check_label,
        Kind::Application => check_app_label,
    };
    let mut all = BTreeMap::new();
    for (path, spot) in texts(desk, layers, Key::LabelFile) {
        let file = EnvFile {
            path,
            spot,
            required: true,
            raw: false,
        };
        for (name, value) in read(desk, &file, &BTreeMap::new()) {
            if desk.check(spot, check(&name, &value)).is_some() {
                all.insert(name, value);
            }
        }
    }
    for pair in pairs(desk, layers, Key::Labels, false) {
        let value = pair.value.unwrap_or_default();
        if desk.check(pair.spot, check(&pair.key, &value)).is_some() {
            all.insert(pair.key, value);
        }
    }
    all
}
