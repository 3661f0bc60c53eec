//! How a wish of a system container is fulfilled inside it: a script for its own shell, with the values as
//! arguments, so that none of them is ever read as part of a script.

use std::path::PathBuf;

use crate::model::{Hook, InnerCommand, Provision, User};

/// A script for the shell inside, those that install something with what does so before them.
macro_rules! script {
    ($name:literal) => {
        include_str!(concat!("../../templates/provision/", $name))
    };
    (install, $name:literal) => {
        concat!(script!("install.sh"), script!($name))
    };
}

/// The commands that do it, in their order.
pub(super) fn commands(wish: &Provision) -> Vec<Hook> {
    match wish {
        Provision::Packages(names) => {
            vec![as_root(script!(install, "packages.sh"), names.clone())]
        }
        Provision::Timezone(zone) => {
            vec![as_root(script!(install, "timezone.sh"), vec![zone.clone()])]
        }
        Provision::Locale(locale) => {
            vec![as_root(script!(install, "locale.sh"), vec![locale.clone()])]
        }
        Provision::User(user) => vec![as_root(script!("user.sh"), words(user))],
        Provision::SshKeys { user, keys } => {
            let words: Vec<String> = std::iter::once(user).chain(keys).cloned().collect();
            let made = as_root(script!("ssh_dir.sh"), words.clone());
            // A home directory holds whatever links its user likes: what is written there is written as that user.
            let written = Hook {
                user: Some(user.clone()),
                ..as_root(script!("ssh_keys.sh"), words)
            };
            vec![made, written]
        }
    }
}

/// A command that fails where there is nothing to do for the wish: nobody has keys to lose who was deleted inside.
pub(super) fn needed(wish: &Provision) -> Option<Hook> {
    match wish {
        Provision::SshKeys { user, keys } if keys.is_empty() => {
            let words = ["id".to_owned(), user.clone()];
            Some(InnerCommand::Exec(words.into()).into())
        }
        Provision::SshKeys { .. }
        | Provision::Packages(_)
        | Provision::Timezone(_)
        | Provision::Locale(_)
        | Provision::User(_) => None,
    }
}

fn words(user: &User) -> Vec<String> {
    let path = |path: &Option<PathBuf>| {
        let path = path.as_ref();
        path.map_or(String::new(), |path| path.display().to_string())
    };
    let uid = user.uid.map_or(String::new(), |uid| uid.to_string());
    let mut words = vec![user.name.clone(), uid, path(&user.shell), path(&user.home)];
    words.extend(user.groups.iter().cloned());
    words
}

fn as_root(script: &str, arguments: Vec<String>) -> Hook {
    let shell = ["/bin/sh", "-c", script, "locker"].map(str::to_owned);
    InnerCommand::Exec(shell.into_iter().chain(arguments).collect()).into()
}

#[cfg(test)]
#[path = "provision_tests.rs"]
mod tests;
