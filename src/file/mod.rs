//! Words: find the project file, parse it, merge defaults, interpolate, check; every value keeps its
//! place. [`load`] is the door: text in, a checked [`crate::model::Project`] or all errors out.
// SEAM: minimal shapes so that `cli` compiles alone; the branch `words` replaces this file.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// How to find and read the file.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Where the search begins.
    pub cwd: PathBuf,
    /// `-f`.
    pub file: Option<PathBuf>,
    /// `-p`.
    pub project_name: Option<String>,
    /// `--project-directory`.
    pub project_directory: Option<PathBuf>,
    /// Variables for interpolation.
    pub environment: BTreeMap<String, String>,
}

/// Why there is no project.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No file.
    #[error("no project file in `{}` or above", searched.display())]
    NotFound {
        /// Where the search began.
        searched: PathBuf,
    },
    /// Unreadable.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Wrong.
    #[error("the project file is invalid")]
    Invalid(Vec<diagnostic::Diagnostic>),
}

#[allow(dead_code)] // SEAM
pub mod diagnostic;
