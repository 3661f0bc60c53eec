//! `include`: further files whose containers, networks, volumes, secrets and configs belong to the
//! project.
//!
//! Each item is read as a project of its own, with its own directory and variables, and then taken
//! over; the same name twice is an error, since nobody said which one counts. A file outside the
//! project's directory is taken with a warning, since its owner may be another one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::desk::{Desk, Scope};
use super::diagnostic::{Diagnostic, Severity};
use super::extends::without_entry;
use super::layout::Decision;
use super::origin::{Origin, Variables};
use super::reader::{Given, Reader, Unit};
use super::take_over::take_over;
use super::tree::{Entry, Kind, Node, Spot};
use super::{dotenv, gather, text};

/// The tree of a file with all that it includes; none when something included is wrong, which has
/// been reported.
pub(super) fn apply(
    reader: &Reader<'_, '_>,
    root: Node,
    decision: Option<Decision>,
) -> Option<Unit> {
    let Some(include) = root.get("include").cloned() else {
        return Some(Unit { root, decision });
    };
    let mut unit = Unit {
        root: without_entry(root, "include"),
        decision,
    };
    let items = match &include.value.kind {
        Kind::Sequence(items) => items.as_slice(),
        Kind::Null => &[],
        Kind::Scalar(_) | Kind::Mapping(_) => {
            let kind = include.value.kind_name();
            let message = format!("`include` takes a list, not {kind}");
            let help = "write `include: [FILE]`";
            reader.desk.error_help(include.value.spot, message, help);
            return None;
        }
    };
    let mut intact = true;
    for item in items {
        match one(reader, item, unit.decision) {
            Some(included) => take_over(reader.desk, &mut unit, included),
            None => intact = false,
        }
    }
    intact.then_some(unit)
}

/// One item, read as a project of its own.
fn one(reader: &Reader<'_, '_>, item: &Node, before: Option<Decision>) -> Option<Unit> {
    let desk = reader.desk;
    let wish = Wish::of(desk, item)?;
    let base = desk.directory_of(item.spot);
    let mut paths = Vec::new();
    for (text, spot) in &wish.paths {
        let path = found(reader, &base, text, *spot)?;
        circle(reader, &path, *spot)?;
        paths.push((path, *spot));
    }
    let first = paths.first()?.0.parent().unwrap_or(Path::new("/"));
    let directory = match &wish.directory {
        Some((text, spot)) => found(reader, &base, text, *spot)?,
        None => first.to_path_buf(),
    };
    let outer = desk.origins.of(item.spot);
    let variables = variables(reader, &wish, &base, &directory, &outer)?;
    let like = Origin {
        shown: outer.shown,
        directory: directory.into(),
        variables: Arc::new(variables),
    };
    let files: Option<Vec<Given>> = paths
        .into_iter()
        .map(|(path, spot)| reader.open(path, spot, like.clone()))
        .collect();
    reader.unit(&files?, before)
}

/// What an item asks for.
struct Wish {
    paths: Vec<(String, Spot)>,
    directory: Option<(String, Spot)>,
    env_files: Option<Vec<(String, Spot)>>,
}

impl Wish {
    fn of(desk: &Desk<'_>, item: &Node) -> Option<Self> {
        let Kind::Mapping(entries) = &item.kind else {
            let text = desk.text(item, Scope::Project, "include")?;
            return Some(Self {
                paths: vec![(text, item.spot)],
                directory: None,
                env_files: None,
            });
        };
        for entry in entries {
            let known = ["path", "project_directory", "env_file"];
            if !known.contains(&entry.key.as_str()) && !entry.key.starts_with("x-") {
                let message = format!("unknown key `{}` in `include`", entry.key);
                let help = "known keys: `path`, `project_directory`, `env_file`";
                desk.error_help(entry.spot, message, help);
            }
        }
        let Some(path) = item.get("path") else {
            desk.error(item.spot, "an item of `include` needs `path`");
            return None;
        };
        let directory = match item.get("project_directory") {
            Some(entry) => Some((
                desk.text(&entry.value, Scope::Project, "project_directory")?,
                entry.value.spot,
            )),
            None => None,
        };
        Some(Self {
            paths: texts(desk, path)?,
            directory,
            env_files: match item.get("env_file") {
                Some(entry) => Some(texts(desk, entry)?),
                None => None,
            },
        })
    }
}

/// A single text or a list of them.
fn texts(desk: &Desk<'_>, entry: &Entry) -> Option<Vec<(String, Spot)>> {
    let items = match &entry.value.kind {
        Kind::Sequence(items) if !items.is_empty() => items.as_slice(),
        Kind::Null | Kind::Scalar(_) | Kind::Sequence(_) | Kind::Mapping(_) => {
            std::slice::from_ref(&entry.value)
        }
    };
    let text = |item: &Node| Some((desk.text(item, Scope::Project, &entry.key)?, item.spot));
    items.iter().map(text).collect()
}

/// The path of something on this host, without links among its directories. What it is must be there
/// as well, also when it is a link.
fn found(reader: &Reader<'_, '_>, base: &Path, text: &str, spot: Spot) -> Option<PathBuf> {
    let desk = reader.desk;
    if is_remote(text) {
        let message = format!("`{text}` is not on this host; only local files are included");
        let help = "fetch it into the project's directory and name the file there";
        desk.error_help(spot, message, help);
        return None;
    }
    let named = base.join(text);
    let real = named.canonicalize();
    let places = real.and_then(|real| match real.is_dir() {
        true => Ok((real.clone(), real)),
        false => Ok((real, text::place_of(&named)?)),
    });
    let (real, path) = match places {
        Ok(found) => found,
        Err(error) => {
            desk.error(spot, format!("cannot find `{text}`: {error}"));
            return None;
        }
    };
    if !real.starts_with(&reader.root) || !path.starts_with(&reader.root) {
        outside(reader, text, spot);
    }
    Some(path)
}

/// Tells that a file is not of the project's directory: whoever may write there says what runs here.
fn outside(reader: &Reader<'_, '_>, text: &str, spot: Spot) {
    let root = reader.root.display();
    let message = format!("`{text}` leads out of the project's directory `{root}`");
    let warning = Diagnostic::at(Severity::Warning, message, reader.desk.place(spot));
    reader.desk.push(warning.with_length(spot.length));
}

/// What Compose would fetch from a registry or a Git repository.
fn is_remote(text: &str) -> bool {
    let schemes = [
        "https://",
        "http://",
        "git://",
        "ssh://",
        "oci://",
        "docker://",
    ];
    schemes.iter().any(|scheme| text.starts_with(scheme))
        || text.starts_with("git@")
        || text.starts_with("github.com/")
        || text.ends_with(".git")
        || text.contains(".git#")
}

/// Reports a file that is included by itself.
fn circle(reader: &Reader<'_, '_>, path: &Path, spot: Spot) -> Option<()> {
    let chain = reader.chain.borrow();
    let Some(at) = chain.iter().position(|known| known == path) else {
        return Some(());
    };
    let names = chain[at..].iter().map(PathBuf::as_path).chain([path]);
    let names: Vec<String> = names
        .map(|path| format!("`{}`", reader.shown(path).display()))
        .collect();
    let message = format!("a circle: {}", names.join(" includes "));
    reader.desk.error(spot, message);
    None
}

/// The variables of an included project: those of the files it names, else of its `.env`; what the
/// including one knows wins.
fn variables(
    reader: &Reader<'_, '_>,
    wish: &Wish,
    base: &Path,
    directory: &Path,
    outer: &Origin,
) -> Option<Variables> {
    let mut all: Variables = BTreeMap::new();
    let mut files: Vec<(PathBuf, Spot)> = Vec::new();
    match &wish.env_files {
        Some(named) => {
            for (text, spot) in named {
                files.push((found(reader, base, text, *spot)?, *spot));
            }
        }
        None => {
            let path = directory.join(".env");
            let spot = wish.paths.first()?.1;
            files.extend(path.is_file().then_some((path, spot)));
        }
    }
    for (path, spot) in files {
        let fault = |reason: String| {
            let message = format!(
                "cannot read the variables in `{}`: {reason}",
                path.display()
            );
            reader.desk.error(spot, message);
        };
        let text = text::read(&path)
            .map_err(|error| fault(error.to_string()))
            .ok()?;
        let look = |name: &str| outer.variables.get(name).or_else(|| all.get(name)).cloned();
        let read = dotenv::parse(&text, &look)
            .map_err(|error| fault(format!("line {}: {}", error.line, error.message)))
            .ok()?;
        gather::unset(&path, &read).for_each(|warning| reader.desk.push(warning));
        all.extend(read.variables);
    }
    all.extend(outer.variables.iter().map(|(k, v)| (k.clone(), v.clone())));
    Some(all)
}
