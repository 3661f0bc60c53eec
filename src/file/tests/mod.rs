//! The reading of whole files: texts in, projects or drawn errors out.

mod application;
mod compose_keys;
mod converting;
mod documents;
mod errors;
mod granted;
mod include;
mod like_compose;
mod like_compose_files;
mod limits;
mod meaning;
mod merging;
mod mtu;
mod replicas;
mod round_trip;
mod several_files;
mod system_networks;
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
    finish(desk, project, Vec::new())
}

/// A directory of files that are read as a project.
struct Home(tempfile::TempDir);

impl Home {
    fn new(files: &[(&str, &str)]) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        home
    }

    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn options(&self) -> LoadOptions {
        LoadOptions {
            cwd: self.path(),
            project_name: Some("shop".into()),
            ..LoadOptions::default()
        }
    }

    /// The project, which must be right.
    #[track_caller]
    fn project(&self, options: &LoadOptions) -> Project {
        match load(options) {
            Ok(loaded) if loaded.warnings.is_empty() => loaded.project,
            Ok(_) | Err(_) => panic!("{}", self.drawn(options)),
        }
    }

    /// All that is said, as the user sees it.
    #[track_caller]
    fn drawn(&self, options: &LoadOptions) -> String {
        let diagnostics = match load(options) {
            Ok(loaded) => loaded.warnings,
            Err(LoadError::Invalid(diagnostics)) => diagnostics,
            Err(other) => panic!("{other}"),
        };
        render(&diagnostics, &Sources::new(&self.path()), false)
    }

    /// The first lines of all that is said.
    #[track_caller]
    fn titles(&self, options: &LoadOptions) -> Vec<String> {
        let drawn = self.drawn(options);
        let title = |line: &&str| line.starts_with("error: ") || line.starts_with("warning: ");
        let titles = drawn.lines().filter(title);
        titles.map(str::to_string).collect()
    }
}

/// All that is said about a text, as the user sees it; empty when nothing is.
#[track_caller]
pub(super) fn drawn(text: &str) -> String {
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
pub(super) fn project(text: &str) -> Project {
    match read_text(text) {
        Ok(loaded) if loaded.warnings.is_empty() => loaded.project,
        Ok(_) | Err(_) => panic!("{}", drawn(text)),
    }
}
