//! From options to texts: which files a project has, where it lies and which variables it sees.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Severity};
use super::find::{self, Named};
use super::origin::Variables;
use super::{LoadError, LoadOptions, dotenv, text, tree};
use crate::model::Place;

/// A file of the project with its text.
pub(super) struct Text {
    /// Its canonical directory and its own name.
    pub path: PathBuf,
    /// As the user would name it.
    pub shown: Arc<Path>,
    pub text: String,
}

/// All that the reading of a project begins with.
pub(super) struct Gathered {
    /// The project's directory; canonical.
    pub directory: PathBuf,
    /// The environment, and the files of variables below it.
    pub variables: Variables,
    /// In the order in which they are merged; never empty.
    pub files: Vec<Text>,
    /// What the user should know about the files of variables.
    pub warnings: Vec<Diagnostic>,
}

/// Finds and reads everything.
pub(super) fn gather(options: &LoadOptions) -> Result<Gathered, LoadError> {
    let first = find::first(options);
    let for_compose = !first.as_deref().is_ok_and(find::is_lockers);
    let given = match &options.project_directory {
        Some(directory) => Some(canonical(&options.cwd.join(directory))?),
        None => None,
    };
    let env_files = env_files(options, for_compose);
    let mut warnings = Vec::new();
    let mut variables = named_variables(options, &env_files, first.is_ok(), &mut warnings)?;
    let wanted = env_files.is_empty() && !(for_compose && without_dot_env(options));
    let mut dot_env = |directory: &Path| match wanted {
        true => dot_env(&directory.join(".env"), &options.environment, &mut warnings),
        false => Ok(Variables::new()),
    };
    let near = match (&given, &first) {
        (Some(directory), _) => directory.clone(),
        (None, Ok(first)) => parent(&place_of(first)?),
        (None, Err(_)) => options.cwd.clone(),
    };
    variables.extend(dot_env(&near)?);
    variables.extend(options.environment.clone());
    let names = find::all(options, first, &variables)?;
    let several = find::several(options, &names);
    let files: Result<Vec<Text>, LoadError> = names.into_iter().map(read).collect();
    let files = files?;
    let directory = match (given, files.first()) {
        (Some(directory), _) => directory,
        (None, Some(first)) => parent(&first.path),
        (None, None) => near.clone(),
    };
    if directory != near {
        let mut below = dot_env(&directory)?;
        below.extend(variables);
        variables = below;
    }
    warnings.extend(several);
    Ok(Gathered {
        directory,
        variables,
        files,
        warnings,
    })
}

/// The variables of the files that are named. While it is not known whether there is a project file,
/// one that cannot be read is passed over: that there is none would be the worse news.
fn named_variables(
    options: &LoadOptions,
    files: &[PathBuf],
    certain: bool,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Variables, LoadError> {
    let mut variables = Variables::new();
    for file in files {
        let known = [&options.environment, &variables];
        match read_variables(&options.cwd.join(file), &known, warnings) {
            Ok(read) => variables.extend(read),
            Err(error) if certain => return Err(error),
            Err(_) => break,
        }
    }
    Ok(variables)
}

/// Those of `--env-file`, else those of the variable that Compose has for it.
fn env_files(options: &LoadOptions, for_compose: bool) -> Vec<PathBuf> {
    if !options.env_files.is_empty() || !for_compose {
        return options.env_files.clone();
    }
    let list = options.environment.get("COMPOSE_ENV_FILES");
    let names = list.map_or("", String::as_str).split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .collect()
}

/// Whether Compose's own variable says that `.env` does not count.
fn without_dot_env(options: &LoadOptions) -> bool {
    let said = options.environment.get("COMPOSE_DISABLE_ENV_FILE");
    let said = said.map(|said| said.trim().to_ascii_lowercase());
    matches!(said.as_deref(), Some("1" | "t" | "true"))
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_path_buf()
}

fn canonical(path: &Path) -> Result<PathBuf, LoadError> {
    path.canonicalize().map_err(not_found(path))
}

/// Where a project file lies: links among its directories are followed, itself is not.
fn place_of(path: &Path) -> Result<PathBuf, LoadError> {
    text::place_of(path).map_err(not_found(path))
}

fn not_found(path: &Path) -> impl FnOnce(io::Error) -> LoadError {
    move |source| LoadError::Io {
        verb: "find",
        path: path.into(),
        source,
    }
}

/// The text of a project file; one byte more than allowed is enough to know that it is too long.
fn read(named: Named) -> Result<Text, LoadError> {
    let path = place_of(&named.path)?;
    let shown: Arc<Path> = Arc::from(named.shown);
    let io = |source| LoadError::Io {
        verb: "read",
        path: named.path.clone(),
        source,
    };
    let wrong = |message: String, line: u32| {
        let place = Place::new(shown.clone(), line, 1);
        LoadError::Invalid(vec![Diagnostic::at(Severity::Error, message, place)])
    };
    let mut bytes = Vec::new();
    let file = fs::File::open(&named.path).map_err(io)?;
    file.take(tree::MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() > tree::MAX_BYTES {
        let message = format!("the file is larger than {} bytes", tree::MAX_BYTES);
        return Err(wrong(message, 1));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        wrong(
            "the file is not UTF-8".into(),
            u32::try_from(line).unwrap_or(u32::MAX),
        )
    })?;
    Ok(Text { path, shown, text })
}

/// The variables of `.env`, if there is one.
fn dot_env(
    path: &Path,
    environment: &BTreeMap<String, String>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Variables, LoadError> {
    match read_variables(path, &[environment], warnings) {
        Err(LoadError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Variables::new())
        }
        result => result,
    }
}

/// The variables of a file; those of `known` may stand in its values, the first that has one counts.
fn read_variables(
    path: &Path,
    known: &[&Variables],
    warnings: &mut Vec<Diagnostic>,
) -> Result<Variables, LoadError> {
    let text = text::read(path).map_err(|source| LoadError::Io {
        verb: "read",
        path: path.into(),
        source,
    })?;
    let look = |name: &str| known.iter().find_map(|known| known.get(name)).cloned();
    match dotenv::parse(&text, &look) {
        Ok(read) => {
            warnings.extend(unset(path, &read));
            Ok(read.variables.into_iter().collect())
        }
        Err(error) => {
            let place = Place::new(Arc::from(path), error.line, 1);
            let diagnostic = Diagnostic::at(Severity::Error, error.message, place);
            Err(LoadError::Invalid(vec![diagnostic.without_line()]))
        }
    }
}

/// What the user should know about a file of variables. Its lines are not shown: they hold secrets.
pub(super) fn unset<'r>(
    path: &Path,
    read: &'r dotenv::Dotenv,
) -> impl Iterator<Item = Diagnostic> + use<'r> {
    let path: Arc<Path> = Arc::from(path);
    read.unset.iter().map(move |unset| {
        let place = Place::new(path.clone(), unset.line, 1);
        let warning = Diagnostic::at(Severity::Warning, unset.message(), place);
        warning.with_help(dotenv::Unset::HELP).without_line()
    })
}
