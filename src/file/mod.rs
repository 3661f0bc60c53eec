//! Words: find the project file, parse it, merge defaults, interpolate, check; every value keeps its
//! place. [`load`] is the door: text in, a checked [`crate::model::Project`] or all errors out.
//!
//! A file is read once into a tree in which everything knows its place ([`tree`]), and lowered by
//! hand rather than by serde, so that one run shows every error. Nothing here looks at the host,
//! except for the files that the project file names.

mod check;
pub mod config;
mod desk;
pub mod diagnostic;
mod dotenv;
mod find;
mod interpolate;
mod keys;
mod layout;
mod lower;
mod naming;
mod schema;
mod text;
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Name, Place, Project};
use desk::Desk;
use diagnostic::{Diagnostic, Severity};
use tree::Node;

pub use find::{NAMES, find};
use naming::project_name;
pub use schema::schema;

/// What decides how a file is found and read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// The directory that the user stands in; absolute.
    pub cwd: PathBuf,
    /// `-f FILE`.
    pub file: Option<PathBuf>,
    /// `-p NAME`: wins over the file's `name`.
    pub project_name: Option<String>,
    /// `--project-directory DIR`; else the directory of the file.
    pub project_directory: Option<PathBuf>,
    /// The environment. `.env` beside the file is read below it.
    pub environment: BTreeMap<String, String>,
}

/// A file that was read without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What it says.
    pub project: Project,
    /// What the user should know.
    pub warnings: Vec<Diagnostic>,
}

/// Why there is no project.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No file.
    #[error("no project file: looked for {} in {}", list(&NAMES), paths(searched))]
    NotFound {
        /// The directories that were searched, nearest first.
        searched: Vec<PathBuf>,
    },
    /// The file, or a directory of the project, cannot be read.
    #[error("cannot {verb} `{}`", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is wrong: every error and warning of it, in its order.
    #[error("the project file has {} error{}", errors(.0), if errors(.0) == 1 { "" } else { "s" })]
    Invalid(Vec<Diagnostic>),
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn paths(searched: &[PathBuf]) -> String {
    match searched {
        [] => "no directory".into(),
        [one] => format!("`{}`", one.display()),
        [first, ..] => format!("`{}` and the directories above it", first.display()),
    }
}

fn errors(diagnostics: &[Diagnostic]) -> usize {
    let error = |d: &&Diagnostic| d.severity == Severity::Error;
    diagnostics.iter().filter(error).count()
}

/// Finds and reads the project file.
///
/// # Errors
/// See [`LoadError`]; [`LoadError::Invalid`] holds all that is wrong with the file.
pub fn load(options: &LoadOptions) -> Result<Loaded, LoadError> {
    let path = find(&options.cwd, options.file.as_deref())?;
    let canonical = canonical(&path)?;
    let parent = canonical.parent().unwrap_or(Path::new("/"));
    let directory = match &options.project_directory {
        Some(directory) => self::canonical(&options.cwd.join(directory))?,
        None => parent.to_path_buf(),
    };
    // What the user would call it: relative where it is below the directory they stand in.
    let shown = match (&options.file, path.strip_prefix(&options.cwd)) {
        (Some(given), _) => given.clone(),
        (None, Ok(below)) => below.to_path_buf(),
        (None, Err(_)) => path.clone(),
    };
    let shown: Arc<Path> = Arc::from(shown);
    let text = read(&path, &shown)?;
    let mut environment = dot_env(&parent.join(".env"), &options.environment)?;
    environment.extend(options.environment.clone());
    let desk = Desk::new(shown, &directory, &environment);
    let project = lower_text(
        &desk,
        &text,
        options.project_name.as_deref(),
        canonical.clone(),
    );
    finish(desk, project)
}

fn finish(desk: Desk<'_>, project: Option<Project>) -> Result<Loaded, LoadError> {
    let clean = desk.is_clean();
    let diagnostics = desk.finish();
    match project {
        Some(project) if clean => Ok(Loaded {
            project,
            warnings: diagnostics,
        }),
        Some(_) | None => Err(LoadError::Invalid(diagnostics)),
    }
}

fn canonical(path: &Path) -> Result<PathBuf, LoadError> {
    path.canonicalize().map_err(|source| LoadError::Io {
        verb: "find",
        path: path.into(),
        source,
    })
}

/// The text of the project file; one byte more than allowed is enough to know that it is too long.
fn read(path: &Path, shown: &Arc<Path>) -> Result<String, LoadError> {
    let io = |source| LoadError::Io {
        verb: "read",
        path: path.into(),
        source,
    };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(io)?;
    file.take(tree::MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() > tree::MAX_BYTES {
        let message = format!("the file is larger than {} bytes", tree::MAX_BYTES);
        let place = Place::new(shown.clone(), 1, 1);
        return Err(LoadError::Invalid(vec![Diagnostic::at(
            Severity::Error,
            message,
            place,
        )]));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let place = Place::new(shown.clone(), line, 1);
        LoadError::Invalid(vec![Diagnostic::at(
            Severity::Error,
            "the file is not UTF-8",
            place,
        )])
    })
}

/// The variables of `.env`, if there is one.
fn dot_env(
    path: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, LoadError> {
    let text = match text::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(source) => {
            return Err(LoadError::Io {
                verb: "read",
                path: path.into(),
                source,
            });
        }
    };
    match dotenv::parse(&text, &|name| environment.get(name).cloned()) {
        Ok(variables) => Ok(variables.into_iter().collect()),
        Err(error) => {
            let place = Place::new(Arc::from(path), error.line, 1);
            let diagnostic = Diagnostic::at(Severity::Error, error.message, place);
            Err(LoadError::Invalid(vec![diagnostic]))
        }
    }
}

/// The project of a text; what is wrong lies on the desk.
fn lower_text(desk: &Desk<'_>, text: &str, name: Option<&str>, file: PathBuf) -> Option<Project> {
    let root = match tree::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let mut diagnostic = desk.about(error.spot, error.message);
            diagnostic.help = error.help.map(str::to_string);
            desk.push(diagnostic);
            return None;
        }
    };
    let parts = layout::parts(desk, &root);
    // A body that lost its indentation has its keys twice; only the cause is worth telling.
    if parts.is_some() {
        duplicates(desk, &root);
    }
    let parts = parts?;
    // The rest is checked even so, under a name that nobody will see.
    let name =
        project_name(desk, name, parts.top, root.spot).or_else(|| Name::new("project").ok())?;
    Some(lower::lower(desk, &parts, name, file))
}

/// Reports every key that stands twice in its map.
fn duplicates(desk: &Desk<'_>, node: &Node) {
    match &node.kind {
        tree::Kind::Null | tree::Kind::Scalar(_) => {}
        tree::Kind::Sequence(nodes) => nodes.iter().for_each(|node| duplicates(desk, node)),
        tree::Kind::Mapping(entries) => {
            for entry in entries {
                if let Some(first) = entry.duplicate_of {
                    let error = desk.about(
                        entry.spot,
                        format!("the key `{}` stands here twice", entry.key),
                    );
                    desk.push(error.with_related(desk.place(first), first.length, "first here"));
                }
                duplicates(desk, &entry.value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
