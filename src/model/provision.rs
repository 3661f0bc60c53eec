//! What a system container is furnished with from inside: packages, time zone, locale, users, keys.
//!
//! Each is a wish that can be fulfilled again and again. What a wish means on a distribution is the business
//! of whoever runs it.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Key;

/// One wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provision {
    /// Packages of the distribution.
    Packages(Vec<String>),
    /// The time zone, a name below /usr/share/zoneinfo.
    Timezone(String),
    /// The locale of all logins.
    Locale(String),
    /// A user.
    User(User),
    /// The public keys with which a user may log in; none takes away those of an earlier wish.
    SshKeys {
        /// Whose.
        user: String,
        /// Lines of authorized_keys (sshd(8)).
        keys: Vec<String>,
    },
}

/// A user of a system container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name of the account.
    pub name: String,
    /// A fixed id.
    pub uid: Option<u32>,
    /// The program of a login.
    pub shell: Option<PathBuf>,
    /// The home directory.
    pub home: Option<PathBuf>,
    /// Further groups; one that is missing is made.
    pub groups: Vec<String>,
}

impl Provision {
    /// The key of the file that asks for it.
    pub fn key(&self) -> Key {
        match self {
            Self::Packages(_) => Key::Packages,
            Self::Timezone(_) => Key::Timezone,
            Self::Locale(_) => Key::Locale,
            Self::User(_) => Key::Users,
            Self::SshKeys { user, .. } if user == "root" => Key::SshKeys,
            Self::SshKeys { .. } => Key::Users,
        }
    }
}

impl fmt::Display for Provision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packages(names) => write!(f, "packages {}", names.join(" ")),
            Self::Timezone(zone) => write!(f, "timezone {zone}"),
            Self::Locale(locale) => write!(f, "locale {locale}"),
            Self::User(user) => write!(f, "user {}", user.name),
            Self::SshKeys { user, .. } => write!(f, "ssh_keys of {user}"),
        }
    }
}

/// What is still to be done for `wanted` where `done` is: new wishes, and keys of users who have none any more.
pub fn still_to_do(wanted: &[Provision], done: &[Provision]) -> Vec<Provision> {
    let has_keys = |user: &str| {
        let of =
            |wish: &Provision| matches!(wish, Provision::SshKeys { user: of, .. } if of == user);
        wanted.iter().any(of)
    };
    let new = wanted.iter().filter(|wish| !done.contains(wish)).cloned();
    let gone = done.iter().filter_map(|wish| match wish {
        Provision::SshKeys { user, keys } if !keys.is_empty() && !has_keys(user) => {
            Some(Provision::SshKeys {
                user: user.clone(),
                keys: Vec::new(),
            })
        }
        Provision::SshKeys { .. }
        | Provision::Packages(_)
        | Provision::Timezone(_)
        | Provision::Locale(_)
        | Provision::User(_) => None,
    });
    new.chain(gone).collect()
}

/// Why a value of these keys is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvisionError {
    /// Not a package.
    #[error(
        "`{0}` is not the name of a package; it is letters, digits, `+`, `-`, `.`, `:`, `=`, `~` and `_`"
    )]
    Package(String),
    /// Not a time zone.
    #[error("`{0}` is not a time zone; it is a name such as `Europe/Berlin` or `UTC`")]
    Timezone(String),
    /// Not a locale.
    #[error("`{0}` is not a locale; it is a name such as `de_DE.UTF-8` or `C.UTF-8`")]
    Locale(String),
    /// Not the name of an account.
    #[error(
        "`{0}` is not the name of a user or group; it is small letters, digits, `-` and `_`, at most 32"
    )]
    Account(String),
    /// Not a path.
    #[error("`{0}` is not an absolute path in the container")]
    Path(String),
    /// Not a public key.
    #[error("`{0}…` is not a public key; it is a line such as `ssh-ed25519 AAAA… name`")]
    SshKey(String),
    /// Somebody has put a private key in.
    #[error("this is a private key; write the public one, which ends with `.pub`")]
    PrivateKey,
}

fn is_made_of(text: &str, further: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || further.contains(c);
    !text.is_empty() && text.chars().all(good)
}

/// Checks the name of a package. One that ends with a dash would be taken away by apt-get(8).
pub fn check_package(text: &str) -> Result<(), ProvisionError> {
    let ends = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && !text.ends_with('-');
    match ends && is_made_of(text, "+-.:=~_") {
        true => Ok(()),
        false => Err(ProvisionError::Package(text.into())),
    }
}

/// Checks the name of a time zone.
pub fn check_timezone(text: &str) -> Result<(), ProvisionError> {
    let good = |part: &str| is_made_of(part, "+-_");
    match text.split('/').all(good) {
        true => Ok(()),
        false => Err(ProvisionError::Timezone(text.into())),
    }
}

/// Checks the name of a locale (locale(7)).
pub fn check_locale(text: &str) -> Result<(), ProvisionError> {
    let language = text.split(['.', '@']).next().unwrap_or_default();
    let known = matches!(language, "C" | "POSIX")
        || language.split_once('_').is_some_and(|(language, land)| {
            matches!(language.len(), 2 | 3) && is_made_of(language, "") && is_made_of(land, "")
        });
    match known && is_made_of(text, "_.-@") {
        true => Ok(()),
        false => Err(ProvisionError::Locale(text.into())),
    }
}

/// Checks the name of a user or group (useradd(8)).
pub fn check_account(text: &str) -> Result<(), ProvisionError> {
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    match begins && text.len() <= 32 && text.chars().all(good) {
        true => Ok(()),
        false => Err(ProvisionError::Account(text.into())),
    }
}

/// An absolute path without control characters, as a line of passwd(5) has it: without a slash at its end.
pub fn account_path(text: &str) -> Result<PathBuf, ProvisionError> {
    match text.starts_with('/')
        && !text.contains([':', '\n'])
        && !text.chars().any(char::is_control)
    {
        true => Ok(match text.trim_end_matches('/') {
            "" => "/".into(),
            path => path.into(),
        }),
        false => Err(ProvisionError::Path(text.into())),
    }
}

/// A public key, as it stands in a line of authorized_keys; options before it are kept.
pub fn ssh_key(text: &str) -> Result<String, ProvisionError> {
    let line = text.trim();
    if line.contains("PRIVATE KEY") {
        return Err(ProvisionError::PrivateKey);
    }
    let kinds = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];
    let is_kind = |word: &str| kinds.iter().any(|kind| word.starts_with(kind));
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| is_kind(word));
    let body = at.and_then(|at| words.get(at + 1));
    let good = body.is_some_and(|body| body.len() >= 16 && is_made_of(body, "+/="));
    match good && !line.chars().any(char::is_control) {
        true => Ok(line.into()),
        false => Err(ProvisionError::SshKey(line.chars().take(20).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(user: &str, keys: &[&str]) -> Provision {
        Provision::SshKeys {
            user: user.into(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        }
    }

    #[test]
    fn what_is_new_is_done_and_keys_that_are_gone_are_taken_away() {
        let packages = |names: &[&str]| {
            Provision::Packages(names.iter().map(|name| (*name).to_owned()).collect())
        };
        let done = [
            packages(&["curl"]),
            keys("root", &["k"]),
            keys("al", &["k"]),
        ];
        assert!(still_to_do(&done, &done).is_empty());
        let wanted = [packages(&["curl", "git"]), keys("al", &["k"])];
        assert_eq!(
            still_to_do(&wanted, &done),
            [packages(&["curl", "git"]), keys("root", &[])]
        );
        assert!(still_to_do(&[], &[packages(&["x"]), keys("root", &[])]).is_empty());
    }

    #[test]
    fn values_that_a_program_would_take_for_something_else_are_refused() {
        for good in ["g++", "libc6:amd64", "nginx=1.22.1-9", "x"] {
            assert!(check_package(good).is_ok(), "{good}");
        }
        for bad in ["-y", "nginx-", "a b", "", "$(x)", "../x"] {
            assert!(check_package(bad).is_err(), "{bad}");
        }
        for good in [
            "Europe/Berlin",
            "UTC",
            "Etc/GMT+5",
            "America/Port-au-Prince",
        ] {
            assert!(check_timezone(good).is_ok(), "{good}");
        }
        for bad in ["", "/UTC", "../etc", "Europe//Berlin", "Europe/Ber lin"] {
            assert!(check_timezone(bad).is_err(), "{bad}");
        }
        for good in ["de_DE.UTF-8", "C", "C.UTF-8", "de_DE@euro", "POSIX"] {
            assert!(check_locale(good).is_ok(), "{good}");
        }
        for bad in ["german", "", "de_DE.UTF-8 x", "-x_Y"] {
            assert!(check_locale(bad).is_err(), "{bad}");
        }
        for bad in ["", "Root", "-x", "a:b", "a b", &"x".repeat(33)] {
            assert!(check_account(bad).is_err(), "{bad}");
        }
        assert!(account_path("/bin/bash").is_ok());
        for bad in ["bash", "/x:y", "/x\n"] {
            assert!(account_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_one_line_of_a_known_kind_and_never_a_private_one() {
        let body = "AAAAC3NzaC1lZDI1NTE5AAAAIJ";
        assert!(ssh_key(&format!("ssh-ed25519 {body} me@there\n")).is_ok());
        assert!(ssh_key(&format!("from=\"10.0.0.0/8\" ssh-rsa {body}")).is_ok());
        for bad in [
            "",
            "ssh-ed25519",
            "x y z",
            &format!("ssh-rsa {body}\nssh-rsa {body}"),
        ] {
            assert!(ssh_key(bad).is_err(), "{bad}");
        }
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----";
        assert_eq!(ssh_key(private), Err(ProvisionError::PrivateKey));
    }
}
