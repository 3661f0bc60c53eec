//! The settings of Docker's own command line, `config.json`: contexts and registry accounts.
//!
//! People log in with `docker login` and choose an engine with `docker context`; what they did there
//! counts here. It is only read. What is in `auths` is secret and has no `Debug`.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// How the environment is asked, so that tests bring their own.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's environment.
pub(super) fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What is used of the file.
#[derive(Default, Deserialize)]
pub(super) struct Config {
    /// The context that is used when no variable says another.
    #[serde(default, rename = "currentContext")]
    pub context: String,
    /// Accounts by registry.
    #[serde(default)]
    pub auths: BTreeMap<String, Account>,
    /// The program that keeps accounts: `docker-credential-<word>`.
    #[serde(default, rename = "credsStore")]
    pub store: String,
    /// Programs for single registries.
    #[serde(default, rename = "credHelpers")]
    pub helpers: BTreeMap<String, String>,
}

/// One account as the file has it.
#[derive(Clone, Default, Deserialize)]
pub(super) struct Account {
    /// `user:password` in base64.
    #[serde(default)]
    pub auth: String,
    /// Instead of a password.
    #[serde(default)]
    pub identitytoken: String,
    /// The user when `auth` does not have it.
    #[serde(default)]
    pub username: String,
    /// The password when `auth` does not have it.
    #[serde(default)]
    pub password: String,
}

/// The directory of the settings: `DOCKER_CONFIG`, else `~/.docker`; none without a home.
pub(super) fn directory(env: Env<'_>) -> Option<PathBuf> {
    let set = |name| env(name).filter(|value| !value.is_empty());
    set("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".docker")))
}

/// Reads the file; an absent one is empty. The error names the file and never quotes it.
pub(super) fn read(directory: Option<&Path>) -> Result<Config, String> {
    let Some(directory) = directory else {
        return Ok(Config::default());
    };
    let path = directory.join("config.json");
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Config::default()),
        Err(error) => return Err(format!("cannot read `{}`: {error}", path.display())),
    };
    serde_json::from_slice(&text).map_err(|error| {
        // The parser's own words may quote a value; the place is enough.
        let (line, column) = (error.line(), error.column());
        format!(
            "cannot read `{}`: it is not what `docker` writes there (line {line}, column {column})",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_file_is_empty_and_a_broken_one_is_named_without_its_content() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(Some(dir.path())).is_ok_and(|config| config.auths.is_empty()));
        assert!(read(None).is_ok());
        let path = dir.path().join("config.json");
        std::fs::write(&path, r#"{"auths": {"a": {"auth": ["hunter2"]}}}"#).unwrap();
        let error = read(Some(dir.path())).err().unwrap();
        assert!(error.contains("config.json") && error.contains("line 1"));
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn the_directory_is_that_of_the_variable_else_below_the_home() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| {
                let found = pairs.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| value.to_string())
            }
        };
        let both = env(&[("DOCKER_CONFIG", "/x"), ("HOME", "/root")]);
        assert_eq!(directory(&both), Some("/x".into()));
        let home = env(&[("DOCKER_CONFIG", ""), ("HOME", "/root")]);
        assert_eq!(directory(&home), Some("/root/.docker".into()));
        assert_eq!(directory(&env(&[])), None);
    }
}
