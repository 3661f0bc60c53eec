//! Sources: what a container is made from.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Build, Key, Name, host_path};

/// What a container is made from. A change of it means a new container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An LXC template and its arguments, in the file's order.
    Template {
        /// The template: a name under the template directory, or an absolute path.
        name: String,
        /// `--key value` pairs for it; an empty value makes a bare `--key`.
        args: Vec<(String, String)>,
    },
    /// A copy of a container of this project.
    CloneSibling(Name),
    /// A copy of a container of the host, by its full name.
    CloneHost(String),
    /// LXC's image server download and its arguments (`dist`, `release`, `arch`, …).
    Download {
        /// `--key value` pairs for the `download` template.
        args: Vec<(String, String)>,
    },
    /// A root file system: a directory to copy or a tar archive to unpack. Absolute path.
    Rootfs(PathBuf),
    /// An image of the engine's, by the name that the file gives it.
    Image(String),
    /// An image that is built here.
    Build(Box<Build>),
}

/// The two kinds of containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A whole system with its own init. LXC runs it.
    System,
    /// A process in an image. Docker runs it.
    Application,
}

impl Kind {
    /// The word for it in tables: `lxc` or `docker`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "lxc",
            Self::Application => "docker",
        }
    }
}

impl Source {
    /// Which kind of container it makes.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Template { .. }
            | Self::CloneSibling(_)
            | Self::CloneHost(_)
            | Self::Download { .. }
            | Self::Rootfs(_) => Kind::System,
            Self::Image(_) | Self::Build(_) => Kind::Application,
        }
    }

    /// The image that it is made from, by name; none for a system container.
    pub fn image(&self) -> Option<&str> {
        match self {
            Self::Image(image) => Some(image),
            Self::Build(build) => Some(&build.image),
            Self::Template { .. }
            | Self::CloneSibling(_)
            | Self::CloneHost(_)
            | Self::Download { .. }
            | Self::Rootfs(_) => None,
        }
    }

    /// The key of the file it comes from.
    pub fn key(&self) -> Key {
        match self {
            Self::Template { .. } => Key::Template,
            Self::CloneSibling(_) | Self::CloneHost(_) => Key::Clone,
            Self::Download { .. } => Key::Download,
            Self::Rootfs(_) => Key::Rootfs,
            Self::Image(_) => Key::Image,
            Self::Build(_) => Key::Build,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template { name, .. } => write!(f, "template {name}"),
            Self::CloneSibling(name) => write!(f, "clone of {name}"),
            Self::CloneHost(name) => write!(f, "clone of the host's {name}"),
            Self::Download { args } => {
                f.write_str("download")?;
                for (key, value) in args {
                    if matches!(key.as_str(), "dist" | "release" | "arch") {
                        write!(f, " {value}")?;
                    }
                }
                Ok(())
            }
            Self::Rootfs(path) => write!(f, "root file system {}", path.display()),
            Self::Image(image) => write!(f, "image {image}"),
            Self::Build(build) => write!(f, "build of {}", build.context.display()),
        }
    }
}

/// Why a source is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The word is no name of a template.
    #[error("`{0}` is not the name of a template; it is a word such as `debian`, or a path")]
    Template(String),
    /// The argument's name cannot be one.
    #[error("`{0}` is not an argument of a template; it is made of letters, digits, `_` and `-`")]
    Argument(String),
    /// An argument that LXC itself gives to the template.
    #[error("the argument `{0}` is given to every template by LXC itself")]
    Reserved(String),
    /// An abbreviation of such an argument, which getopt(1) would take for it.
    #[error(
        "the argument `{0}` is short for `{1}`, which LXC itself gives to every template; write the whole word of the one that is meant"
    )]
    Short(String, &'static str),
    /// A value with a control character.
    #[error("the argument `{0}` holds a control character")]
    Control(String),
    /// An argument that the image server needs.
    #[error("a download needs `dist`, `release` and `arch`; `{0}` is missing")]
    Missing(&'static str),
    /// The word is no name of a container of the host.
    #[error("`{0}` is not the name of a container")]
    HostName(String),
}

impl Source {
    /// A template: a name under the template directory, or a path, absolute or below `directory`.
    pub fn template(
        name: &str,
        args: Vec<(String, String)>,
        directory: &Path,
    ) -> Result<Self, SourceError> {
        let bad = || SourceError::Template(name.into());
        let name = if name.contains('/') {
            let path = host_path(name, directory).map_err(|_| bad())?;
            path.into_os_string().into_string().map_err(|_| bad())?
        } else if is_word(name, &['_', '-', '.', '+']) {
            name.to_string()
        } else {
            return Err(bad());
        };
        check_args(&args)?;
        Ok(Self::Template { name, args })
    }

    /// A download with its arguments.
    pub fn download(args: Vec<(String, String)>) -> Result<Self, SourceError> {
        check_args(&args)?;
        for needed in ["dist", "release", "arch"] {
            if !args
                .iter()
                .any(|(key, value)| key == needed && !value.is_empty())
            {
                return Err(SourceError::Missing(needed));
            }
        }
        Ok(Self::Download { args })
    }

    /// A copy of a container of the host, by its full name.
    pub fn clone_of_host(name: &str) -> Result<Self, SourceError> {
        if name.len() > 200 || !is_word(name, &['_', '-', '.']) {
            return Err(SourceError::HostName(name.into()));
        }
        Ok(Self::CloneHost(name.into()))
    }
}

fn is_word(word: &str, signs: &[char]) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || signs.contains(&c))
}

/// The argument that LXC itself gives to every template, by its name or by a beginning of it, as getopt(1) takes them.
pub fn given_by_lxc(option: &str) -> Option<&'static str> {
    // lxc-create(1) passes these to each template.
    let all = ["name", "path", "rootfs", "mapped-uid", "mapped-gid"];
    all.into_iter().find(|given| given.starts_with(option))
}

fn check_args(args: &[(String, String)]) -> Result<(), SourceError> {
    for (key, value) in args {
        if !is_word(key, &['_', '-']) {
            return Err(SourceError::Argument(key.clone()));
        }
        match given_by_lxc(key) {
            Some(given) if given == key => return Err(SourceError::Reserved(key.clone())),
            Some(given) => return Err(SourceError::Short(key.clone(), given)),
            None => {}
        }
        if value.chars().any(char::is_control) {
            return Err(SourceError::Control(key.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_a_word_or_a_path_and_its_arguments_are_plain() {
        let make = |name: &str, args: &[(&str, &str)]| {
            let args = args.iter().map(|(k, v)| (k.to_string(), v.to_string()));
            Source::template(name, args.collect(), Path::new("/srv"))
        };
        assert_eq!(
            make("debian", &[("release", "bookworm")])
                .unwrap()
                .to_string(),
            "template debian"
        );
        assert_eq!(make("./own", &[]).unwrap().to_string(), "template /srv/own");
        assert_eq!(make("/t/x", &[]).unwrap().to_string(), "template /t/x");
        for (name, key, value) in [
            ("", "a", "b"),
            ("-x", "a", "b"),
            ("a b", "a", "b"),
            ("/a\n", "a", "b"),
            ("x", "-a", "b"),
            ("x", "a b", "b"),
            ("x", "rootfs", "/"),
            ("x", "name", "y"),
            ("x", "root", "/srv"),
            ("x", "r", "bookworm"),
            ("x", "mapped-u", "y"),
            ("x", "a", "b\n"),
        ] {
            assert!(
                make(name, &[(key, value)]).is_err(),
                "{name:?} {key:?} {value:?}"
            );
        }
    }

    #[test]
    fn a_download_names_all_three() {
        let args = |keys: &[&str]| {
            keys.iter()
                .map(|k| (k.to_string(), "x".to_string()))
                .collect()
        };
        assert!(Source::download(args(&["dist", "release", "arch", "server"])).is_ok());
        assert_eq!(
            Source::download(args(&["dist", "arch"])),
            Err(SourceError::Missing("release"))
        );
    }

    #[test]
    fn a_container_of_the_host_has_a_plain_name() {
        assert!(Source::clone_of_host("shop_db").is_ok());
        for bad in ["", "../x", "a/b", "-x", "a\n"] {
            assert!(Source::clone_of_host(bad).is_err(), "{bad:?} was taken");
        }
    }
}
