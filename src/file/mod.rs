//! Words: find the project's files, parse and merge them, interpolate, check; every value keeps its
//! place. [`load`] is the door: text in, a checked [`crate::model::Project`] or all errors out.
//!
//! A file is read once into a tree in which everything knows its place ([`tree`]). Several are put
//! together as trees ([`reader`]): what they extend and include is merged in, containers without an
//! enabled profile are set aside and replicas are made. Then the one tree is lowered by hand rather
//! than by serde, so that one run shows every error. Nothing here looks at the host, except for the
//! files that the project's files name.

mod check;
pub mod config;
pub mod convert;
mod desk;
pub mod diagnostic;
mod dotenv;
mod extends;
mod find;
mod first_locker;
mod gather;
mod include;
mod interpolate;
mod keys;
mod layout;
mod lower;
mod merge;
mod naming;
mod origin;
mod profiles;
mod reader;
mod replica_ports;
mod scale;
mod schema;
mod secret;
mod spelling;
mod take_over;
mod text;
mod tree;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Name, Project};
use desk::Desk;
use diagnostic::{Diagnostic, Severity};
use gather::Gathered;
use layout::{Layout, Parts};
use origin::Origin;
use profiles::Choice;
use reader::{Given, Reader, Unit};
use tree::{Entry, Node, Spot};

pub use find::{NAMES, find};
use naming::project_name;
pub use schema::schema;

/// What decides how files are found and read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// The directory that the user stands in; absolute.
    pub cwd: PathBuf,
    /// `-f FILE`: merged in this order; none looks for one.
    pub files: Vec<PathBuf>,
    /// `-p NAME`: wins over the file's `name`.
    pub project_name: Option<String>,
    /// `--project-directory DIR`; else the directory of the first file.
    pub project_directory: Option<PathBuf>,
    /// The environment. The files of variables are read below it.
    pub environment: BTreeMap<String, String>,
    /// `--env-file FILE`: later ones win; none is `.env` in the project's directory.
    pub env_files: Vec<PathBuf>,
    /// `--profile NAME`; `*` is all.
    pub profiles: Vec<String>,
    /// `--scale NAME=N`: wins over the file.
    pub scale: BTreeMap<String, u32>,
    /// Containers that the command line names; their own profiles are enabled.
    pub named: Vec<String>,
}

/// A file that was read without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What it says.
    pub project: Project,
    /// The files that were merged, absolute.
    pub files: Vec<PathBuf>,
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

/// Finds and reads the project's files.
///
/// # Errors
/// See [`LoadError`]; [`LoadError::Invalid`] holds all that is wrong with the files.
pub fn load(options: &LoadOptions) -> Result<Loaded, LoadError> {
    let found = gather::gather(options)?;
    let (desk, given) = opened(&found);
    let project = lower_files(&desk, &given, options);
    let files = found.files.iter().map(|file| file.path.clone());
    finish(desk, project, files.collect())
}

/// A desk with the files on it.
fn opened(found: &Gathered) -> (Desk<'_>, Vec<Given>) {
    let variables = Arc::new(found.variables.clone());
    let shown = found.files.first().map(|file| file.shown.clone());
    let shown = shown.unwrap_or_else(|| Arc::from(Path::new("")));
    let desk = Desk::new(shown, &found.directory, variables);
    found
        .warnings
        .iter()
        .cloned()
        .for_each(|warning| desk.push(warning));
    let mut given = Vec::with_capacity(found.files.len());
    for (index, file) in found.files.iter().enumerate() {
        let origin = Origin {
            shown: file.shown.clone(),
            ..desk.origins.numbered(0)
        };
        let number = match index {
            0 => Some(0),
            _ => desk.origins.add(origin),
        };
        let Some(number) = number else {
            desk.error(Spot::start(0), "the project has too many files");
            break;
        };
        given.push(Given {
            number,
            path: file.path.clone(),
            text: file.text.clone(),
        });
    }
    (desk, given)
}

fn finish(
    desk: Desk<'_>,
    project: Option<Project>,
    files: Vec<PathBuf>,
) -> Result<Loaded, LoadError> {
    let clean = desk.is_clean();
    let diagnostics = desk.finish();
    match project {
        Some(project) if clean => Ok(Loaded {
            project,
            files,
            warnings: diagnostics,
        }),
        Some(_) | None => Err(LoadError::Invalid(diagnostics)),
    }
}

/// The one tree of all files, and its layout.
fn tree_of(desk: &Desk<'_>, files: &[Given], options: &LoadOptions) -> Option<(Node, Layout)> {
    let reader = Reader::new(desk, desk.directory.into(), options.cwd.clone());
    let Unit { mut root, decision } = reader.unit(files, None)?;
    merge::settle(&mut root);
    let Some(decision) = decision else {
        desk.error_help(
            root.spot,
            "the file names no containers",
            "write `containers:` and below it a name with its keys",
        );
        return None;
    };
    if decision.layout == Layout::Compose {
        desk.without_words();
    }
    first_locker::settle(desk, &mut root, decision.layout);
    Some((root, decision.layout))
}

/// The project of files that are merged; what is wrong lies on the desk.
fn lower_files(desk: &Desk<'_>, files: &[Given], options: &LoadOptions) -> Option<Project> {
    let (root, layout) = tree_of(desk, files, options)?;
    let entries = containers(desk, &root, layout);
    let variable = |name: &str| match layout {
        Layout::Compose => desk.variable(Spot::start(0), name),
        Layout::Locker | Layout::Early => None,
    };
    let profiles = enabled_profiles(options, variable("COMPOSE_PROFILES"));
    let choice = Choice {
        profiles: &profiles,
        named: &options.named,
    };
    let (entries, out) = profiles::apply(desk, entries, choice);
    let scaled = scale::apply(desk, entries, &options.scale, &out);
    let parts = Parts {
        top: Some(&root),
        containers: &scaled.entries,
        layout,
        out: &out,
    };
    let given = options.project_name.clone();
    let given = given.or_else(|| variable("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty()));
    // The rest is checked even without one, under a name that nobody will see.
    let name = project_name(desk, given.as_deref(), parts.top, root.spot)
        .or_else(|| Name::new("project").ok())?;
    if layout == Layout::Compose {
        desk.set_project(name.as_str());
    }
    let file = files.first()?.path.clone();
    let mut project = lower::lower(desk, &parts, name, file);
    scale::settle(desk, &mut project, &scaled);
    let known = out
        .into_iter()
        .filter_map(|(n, p)| Some((Name::new(&n).ok()?, p)));
    project.disabled = known.collect();
    check::across(desk, &project.containers);
    Some(project)
}

/// The containers of all files together; none is an error.
fn containers(desk: &Desk<'_>, root: &Node, layout: Layout) -> Vec<Entry> {
    let section = root.get(layout.section());
    let entries = section.and_then(|section| section.value.entries());
    let entries = entries.unwrap_or_default().to_vec();
    if entries.is_empty() {
        let message = format!("`{}` names no container", layout.section());
        desk.error(section.map_or(root.spot, |section| section.spot), message);
    }
    let defaults = root.get("defaults").and_then(|d| d.value.entries());
    for entry in defaults.unwrap_or_default() {
        if matches!(entry.key.as_str(), "extends" | "profiles" | "scale") {
            let message = format!("`{}` cannot stand in `defaults`", entry.key);
            desk.error_help(
                entry.spot,
                message,
                "write it in each container that has it",
            );
        }
    }
    entries
}

/// Those of `--profile`; without any, those of the environment.
fn enabled_profiles(options: &LoadOptions, variable: Option<String>) -> Vec<String> {
    if !options.profiles.is_empty() {
        return options.profiles.clone();
    }
    let list = variable.unwrap_or_default();
    let words = list
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    words.map(str::to_string).collect()
}

#[cfg(test)]
mod tests;
