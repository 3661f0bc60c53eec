//! The reading of whole files: texts in, projects or drawn errors out.

mod application;
mod compose_keys;
mod documents;
mod errors;
mod limits;
mod meaning;
mod round_trip;
mod values;
mod wrong;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::diagnostic::{Sources, render};
use super::*;

/// Reads a text as `/srv/shop/locker.yaml` with a few variables.
fn read_text(text: &str) -> Result<Loaded, LoadError> {
    let environment: BTreeMap<String, String> =
        [("TAG", "bookworm"), ("name", "never"), ("EMPTY", "")]
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .into();
    let shown: Arc<Path> = Arc::from(Path::new("locker.yaml"));
    let desk = Desk::new(shown, Path::new("/srv/shop"), Arc::new(environment));
    let file = Given {
        number: 0,
        path: PathBuf::from("/srv/shop/locker.yaml"),
        text: text.into(),
    };
    let project = lower_files(&desk, &[file], &LoadOptions::default());
    finish(desk, project)
}

/// All that is said about a text, as the user sees it; empty when nothing is.
#[track_caller]
fn drawn(text: &str) -> String {
    let diagnostics = match read_text(text) {
        Ok(loaded) => loaded.warnings,
        Err(LoadError::Invalid(diagnostics)) => diagnostics,
        Err(other) => panic!("{other}"),
    };
    let sources = Sources::new(Path::new("/")).with(Path::new("locker.yaml"), text);
    render(&diagnostics, &sources, false)
}

/// The project of a text that must be right, without a warning.
#[track_caller]
fn project(text: &str) -> Project {
    match read_text(text) {
        Ok(loaded) if loaded.warnings.is_empty() => loaded.project,
        Ok(_) | Err(_) => panic!("{}", drawn(text)),
    }
}
