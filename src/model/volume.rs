//! Volumes: a host directory or file that a container sees at a path of its own.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Name, NameError};

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeSource {
    /// An absolute path of the host. Never removed by locker.
    Host(PathBuf),
    /// A named volume of the project, kept under the state directory.
    Named(Name),
}

/// One volume of a container.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Volume {
    /// What is mounted.
    pub source: VolumeSource,
    /// Absolute, normalised path in the container, never `/`.
    pub target: PathBuf,
    /// Whether the container may only read it.
    #[serde(default)]
    pub read_only: bool,
    /// It was written in the short form, which does not say whether a host path that is missing is a file.
    #[serde(default)]
    pub short: bool,
    /// `create_host_path: false`: the host path is never made.
    #[serde(default)]
    pub must_exist: bool,
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            VolumeSource::Host(path) => write!(f, "{}", path.display())?,
            VolumeSource::Named(name) => write!(f, "{name}")?,
        }
        write!(
            f,
            ":{}{}",
            self.target.display(),
            if self.read_only { ":ro" } else { "" }
        )
    }
}

/// Why a text is not a volume.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// No container path.
    #[error("`{0}` is not a volume; it is `HOST_PATH:CONTAINER_PATH[:ro]`")]
    Form(String),
    /// Something else than `ro` and `rw` at the end.
    #[error("`{0}` is not a mode of a volume; it is `ro` or `rw`")]
    Mode(String),
    /// The path in the container cannot be a mount point.
    #[error("`{path}` cannot be a mount point: {reason}")]
    Target {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The path on the host is none.
    #[error("`{path}` cannot be a host path: {reason}")]
    Host {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A word without a slash that is no name of a volume either.
    #[error("this is neither a host path nor the name of a volume: {0}")]
    Named(#[from] NameError),
}

impl Volume {
    /// Reads `HOST:CONTAINER[:ro|:rw]`. A host path that is not absolute is below `directory`.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, VolumeError> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            [host, target] => Self::new(host, target, false, directory),
            [host, target, "ro"] => Self::new(host, target, true, directory),
            [host, target, "rw"] => Self::new(host, target, false, directory),
            [_, _, mode] => Err(VolumeError::Mode(mode.into())),
            _ => Err(VolumeError::Form(text.into())),
        }
    }

    /// Puts a volume together. `host` is a path, absolute or below `directory`, or, without a
    /// slash, the name of a volume.
    pub fn new(
        host: &str,
        target: &str,
        read_only: bool,
        directory: &Path,
    ) -> Result<Self, VolumeError> {
        let source = if host.contains('/') || host == "." || host == ".." {
            VolumeSource::Host(host_path(host, directory)?)
        } else {
            VolumeSource::Named(Name::new(host)?)
        };
        Ok(Self {
            source,
            target: target_path(target)?,
            read_only,
            short: true,
            must_exist: false,
        })
    }
}

/// Whether the name of a path that is missing says that it is to be a file. Directories have names with
/// dots, too (`conf.d`), so only endings that no directory has count.
pub fn says_file(path: &Path) -> bool {
    const ENDINGS: &str = "bak cer cert cfg cnf conf crt csr css csv db env html ini jks js json key \
        keytab log lua p12 pem pfx php pid properties pub py rb sh sock sql sqlite sqlite3 toml txt xml yaml yml";
    const NAMES: &str = ".env Caddyfile Dockerfile Makefile htpasswd localtime passwd timezone";
    let name = path.file_name().and_then(|name| name.to_str());
    let ending = path.extension().and_then(|ending| ending.to_str());
    let listed = |list: &str, word: Option<&str>| {
        word.is_some_and(|word| list.split_whitespace().any(|known| known == word))
    };
    listed(ENDINGS, ending.map(str::to_ascii_lowercase).as_deref()) || listed(NAMES, name)
}

/// An absolute path of the host without `.` and `..`, from one that may be below `directory`.
pub fn host_path(text: &str, directory: &Path) -> Result<PathBuf, VolumeError> {
    let fail = |reason| {
        Err(VolumeError::Host {
            path: text.into(),
            reason,
        })
    };
    if text.is_empty() {
        return fail("it is empty");
    }
    if text.chars().any(char::is_control) {
        return fail("it holds a control character");
    }
    if text == "~" || text.starts_with("~/") {
        return fail("`~` is not expanded; write the directory or `$HOME`");
    }
    let mut path = PathBuf::from("/");
    for component in directory.join(text).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::ParentDir => {
                path.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(path)
}

/// A mount point in a container: absolute, without `.` and `..`, and not the root.
///
/// # Errors
/// When the path cannot be one.
pub fn target_path(text: &str) -> Result<PathBuf, VolumeError> {
    let fail = |reason| {
        Err(VolumeError::Target {
            path: text.into(),
            reason,
        })
    };
    if text.chars().any(char::is_control) {
        return fail("it holds a control character");
    }
    if !text.starts_with('/') {
        return fail("it must be an absolute path of the container");
    }
    let mut path = PathBuf::from("/");
    for component in Path::new(text).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::ParentDir => return fail("it must not hold `..`"),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if path == Path::new("/") {
        return fail("it is the container's root");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, VolumeError> {
        Volume::parse(text, Path::new("/srv/shop")).map(|v| v.to_string())
    }

    #[test]
    fn paths_become_absolute_and_plain() {
        for (text, expected) in [
            ("/a:/b", "/a:/b"),
            ("/a b:/c d:ro", "/a b:/c d:ro"),
            ("/a/:/b//c/:rw", "/a:/b/c"),
            ("./data:/b", "/srv/shop/data:/b"),
            ("data/x:/b", "/srv/shop/data/x:/b"),
            ("../data:/b", "/srv/data:/b"),
            (".:/b", "/srv/shop:/b"),
            ("pgdata:/b", "pgdata:/b"),
            ("/:/host:ro", "/:/host:ro"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn the_name_of_a_file_is_told_from_that_of_a_directory() {
        for file in [
            "/a/nginx.conf",
            "./.env",
            "/x/CA.PEM",
            "/run/docker.sock",
            "/a/Caddyfile",
        ] {
            assert!(says_file(Path::new(file)), "{file}");
        }
        for directory in [
            "/etc/conf.d",
            "/srv/v1.2",
            "/a/my.app",
            "/data",
            "/a/.config",
        ] {
            assert!(!says_file(Path::new(directory)), "{directory}");
        }
    }

    #[test]
    fn a_bad_volume_is_refused() {
        for text in [
            "",
            "/a",
            "/a:",
            ":/b",
            "/a:b",
            "/a:/",
            "/a:/b/../..",
            "/a:/b:z",
            "/a:/b:ro:x",
            "~/x:/b",
            "/a\n:/b",
            "/a:/b\0",
            "a b:/c",
        ] {
            assert!(parse(text).is_err(), "{text:?} was taken");
        }
    }
}
