//! Where the project's files are.

use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Severity};
use super::origin::Variables;
use super::{LoadError, LoadOptions};
use crate::model::Place;

/// The names that are looked for, in this order.
pub const NAMES: [&str; 6] = [
    "locker.yaml",
    "locker.yml",
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];
/// What Compose merges over a found file by itself: the first that is there.
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// Finds the project file: `file` if it is given (below `cwd`; reading it tells whether it is there),
/// else the first of [`NAMES`] in `cwd`, then upwards.
///
/// # Errors
/// [`LoadError::NotFound`] with every directory that was looked at.
pub fn find(cwd: &Path, file: Option<&Path>) -> Result<PathBuf, LoadError> {
    if let Some(file) = file {
        return Ok(cwd.join(file));
    }
    for directory in cwd.ancestors() {
        for name in NAMES {
            let path = directory.join(name);
            if path.is_file() {
                return Ok(path);
            }
        }
    }
    Err(LoadError::NotFound {
        searched: cwd.ancestors().map(Path::to_path_buf).collect(),
    })
}

/// A file to read, and what the user would call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub path: PathBuf,
    pub shown: PathBuf,
}

impl Named {
    fn given(cwd: &Path, file: &Path) -> Self {
        Self {
            path: cwd.join(file),
            shown: file.into(),
        }
    }

    /// Relative where it is below the directory that the user stands in.
    fn found(cwd: &Path, path: PathBuf) -> Self {
        let shown = path.strip_prefix(cwd).unwrap_or(&path).to_path_buf();
        Self { path, shown }
    }
}

/// Whether a file is one of Locker's by its name. Compose's own variables mean nothing to those.
pub(super) fn is_lockers(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("locker.")
}

/// The first file of a project, as far as it is known before any variable is.
///
/// # Errors
/// See [`find`].
pub(super) fn first(options: &LoadOptions) -> Result<PathBuf, LoadError> {
    if let Some(file) = options.files.first() {
        return find(&options.cwd, Some(file));
    }
    let Some(directory) = &options.project_directory else {
        return find(&options.cwd, None);
    };
    // As docker compose does, and as its first version did.
    find(&options.cwd.join(directory), None).or_else(|_| find(&options.cwd, None))
}

/// All files of a project in the order in which they are merged: those of `-f`, else those of the
/// variable `COMPOSE_FILE`, else the one that is found with its override.
///
/// # Errors
/// The one of `first` when there is nothing else.
pub(super) fn all(
    options: &LoadOptions,
    first: Result<PathBuf, LoadError>,
    variables: &Variables,
) -> Result<Vec<Named>, LoadError> {
    let given = |file: &PathBuf| Named::given(&options.cwd, file);
    if !options.files.is_empty() {
        return Ok(options.files.iter().map(given).collect());
    }
    let listed = variables
        .get("COMPOSE_FILE")
        .filter(|list| !list.is_empty());
    let for_compose = !first.as_deref().is_ok_and(is_lockers);
    if let Some(list) = listed.filter(|_| for_compose) {
        let separator = variables.get("COMPOSE_PATH_SEPARATOR");
        let separator = separator.map_or(":", String::as_str);
        let files: Vec<&str> = match separator {
            "" => vec![list],
            separator => list.split(separator).filter(|f| !f.is_empty()).collect(),
        };
        return Ok(files
            .into_iter()
            .map(PathBuf::from)
            .map(|f| given(&f))
            .collect());
    }
    let first = first?;
    let beside = overriding(&first);
    let files = std::iter::once(first).chain(beside);
    Ok(files.map(|path| Named::found(&options.cwd, path)).collect())
}

/// The file that Compose merges over a found one by itself.
fn overriding(first: &Path) -> Option<PathBuf> {
    if is_lockers(first) {
        return None;
    }
    OVERRIDES
        .map(|name| first.with_file_name(name))
        .into_iter()
        .find(|path| path.is_file())
}

/// Tells of Compose files beside those that were found, which do not count.
pub(super) fn several(options: &LoadOptions, found: &[Named]) -> Vec<Diagnostic> {
    let for_locker = found.first().is_none_or(|first| is_lockers(&first.path));
    if for_locker || !options.files.is_empty() {
        return Vec::new();
    }
    let among = |names: &'static [&'static str], used: &Named| {
        let used_name = used.path.file_name().unwrap_or_default();
        // Those that `COMPOSE_FILE` names are nobody's find.
        let is_found = names.iter().any(|name| used_name == *name);
        let other = |name: &&&str| used_name != **name && used.path.with_file_name(name).is_file();
        let others: Vec<&str> = names.iter().filter(other).copied().collect();
        (is_found && !others.is_empty()).then(|| {
            let message = format!(
                "`{}` is used; beside it `{}` does not count",
                used.shown.display(),
                others.join("`, `")
            );
            Diagnostic::at(Severity::Warning, message, Place::nowhere())
                .with_help("name the files with `-f`, or remove those that are not meant")
        })
    };
    match found {
        [first] => among(&NAMES[2..], first).into_iter().collect(),
        [first, over] if is_override(over) => {
            let all = [among(&NAMES[2..], first), among(&OVERRIDES, over)];
            all.into_iter().flatten().collect()
        }
        _ => Vec::new(),
    }
}

fn is_override(file: &Named) -> bool {
    let name = file.path.file_name().unwrap_or_default();
    OVERRIDES.iter().any(|known| name == *known)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_file_wins_and_locker_before_compose() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        let found = |cwd: &Path| find(cwd, None).ok();
        fs::write(dir.path().join("locker.yml"), "").unwrap();
        assert_eq!(found(&below), Some(dir.path().join("locker.yml")));
        fs::write(dir.path().join("a/docker-compose.yml"), "").unwrap();
        assert_eq!(found(&below), Some(dir.path().join("a/docker-compose.yml")));
        fs::write(dir.path().join("a/locker.yaml"), "").unwrap();
        assert_eq!(found(&below), Some(dir.path().join("a/locker.yaml")));
    }

    #[test]
    fn the_order_is_composes() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| fs::write(dir.path().join(name), "").unwrap();
        let options = LoadOptions {
            cwd: dir.path().into(),
            ..LoadOptions::default()
        };
        let found = || all(&options, first(&options), &Variables::new()).unwrap();
        let names = || -> Vec<String> {
            let found = found().into_iter();
            found
                .map(|named| named.shown.display().to_string())
                .collect()
        };
        write("docker-compose.yaml");
        assert_eq!(several(&options, &found()), []);
        for name in [
            "docker-compose.yml",
            "docker-compose.override.yaml",
            "compose.override.yml",
        ] {
            write(name);
        }
        assert_eq!(names(), ["docker-compose.yml", "compose.override.yml"]);
        let told = several(&options, &found());
        assert_eq!(told.len(), 2);
        let expected =
            "`docker-compose.yml` is used; beside it `docker-compose.yaml` does not count";
        assert_eq!(told[0].message, expected);
    }

    #[test]
    fn an_override_belongs_to_a_compose_file_only() {
        let dir = tempfile::tempdir().unwrap();
        let options = LoadOptions {
            cwd: dir.path().into(),
            ..LoadOptions::default()
        };
        let found = |variables: &Variables| -> Vec<String> {
            let files = all(&options, first(&options), variables).unwrap();
            let shown = files.iter().map(|file| file.shown.display().to_string());
            shown.collect()
        };
        for name in [
            "compose.yaml",
            "compose.override.yml",
            "locker.override.yml",
            "a.yaml",
        ] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let none = Variables::new();
        assert_eq!(found(&none), ["compose.yaml", "compose.override.yml"]);
        let set = |pairs: &[(&str, &str)]| -> Variables {
            let pairs = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
            pairs.collect()
        };
        let listed = set(&[("COMPOSE_FILE", "compose.yaml:a.yaml")]);
        assert_eq!(found(&listed), ["compose.yaml", "a.yaml"]);
        let other = set(&[
            ("COMPOSE_FILE", "b;a.yaml"),
            ("COMPOSE_PATH_SEPARATOR", ";"),
        ]);
        assert_eq!(found(&other), ["b", "a.yaml"]);
        fs::write(dir.path().join("locker.yaml"), "").unwrap();
        assert_eq!(found(&listed), ["locker.yaml"]);
    }

    #[test]
    fn a_named_file_is_taken_at_its_word() {
        let found = find(Path::new("/srv/shop"), Some(Path::new("x.yaml"))).ok();
        assert_eq!(found, Some(PathBuf::from("/srv/shop/x.yaml")));
    }
}
