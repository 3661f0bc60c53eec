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

/// One finding in a file.
pub mod diagnostic {
    use crate::model::Place;
    use serde::Serialize;

    /// How bad.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Severity {
        /// Stops.
        Error,
        /// Does not.
        Warning,
    }

    /// One finding.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
    pub struct Diagnostic {
        /// How bad.
        pub severity: Severity,
        /// What.
        pub message: String,
        /// Where.
        pub place: Place,
        /// What to do.
        pub help: Option<String>,
    }

    impl Diagnostic {
        /// A finding at a place.
        pub fn at(severity: Severity, message: impl Into<String>, place: Place) -> Self {
            Self {
                severity,
                message: message.into(),
                place,
                help: None,
            }
        }

        /// With a hint.
        pub fn with_help(mut self, help: impl Into<String>) -> Self {
            self.help = Some(help.into());
            self
        }
    }

    /// The text form.
    pub fn render(diagnostics: &[Diagnostic], _colour: bool) -> String {
        diagnostics
            .iter()
            .map(|d| {
                let word = match d.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                };
                let mut text = format!("{word}: {}\n", d.message);
                if d.place.is_somewhere() {
                    text.push_str(&format!(" --> {}\n", d.place));
                }
                if let Some(help) = &d.help {
                    text.push_str(&format!("help: {help}\n"));
                }
                text
            })
            .collect()
    }
}
