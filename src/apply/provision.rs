//! How a wish of a system container is fulfilled inside it: a script for its own shell, with the values as
//! arguments, so that none of them is ever read as part of a script.

use crate::model::{Hook, InnerCommand, Provision};

/// The commands that do it, in their order.
pub(super) fn commands(wish: &Provision) -> Vec<Hook> {
    match wish {
        Provision::Packages(names) => vec![as_root(
            include_str!("../../templates/provision/packages.sh"),
            names.clone(),
        )],
        Provision::Timezone(zone) => vec![as_root(
            include_str!("../../templates/provision/timezone.sh"),
            vec![zone.clone()],
        )],
        Provision::Locale(locale) => vec![as_root(
            include_str!("../../templates/provision/locale.sh"),
            vec![locale.clone()],
        )],
        Provision::User(user) => {
            let path = |path: &Option<std::path::PathBuf>| {
                let path = path.as_ref();
                path.map_or(String::new(), |path| path.display().to_string())
            };
            let uid = user.uid.map_or(String::new(), |uid| uid.to_string());
            let mut words = vec![user.name.clone(), uid, path(&user.shell), path(&user.home)];
            words.extend(user.groups.iter().cloned());
            let script = include_str!("../../templates/provision/user.sh");
            vec![as_root(script, words)]
        }
        Provision::SshKeys { user, keys } => {
            let words: Vec<String> = std::iter::once(user).chain(keys).cloned().collect();
            let directory = include_str!("../../templates/provision/ssh_dir.sh");
            let file = include_str!("../../templates/provision/ssh_keys.sh");
            let made = as_root(directory, words.clone());
            // A home directory holds whatever links its user likes: what is written there is written as that user.
            let written = Hook {
                user: Some(user.clone()),
                ..as_root(file, words)
            };
            vec![made, written]
        }
    }
}

fn as_root(script: &str, arguments: Vec<String>) -> Hook {
    let shell = ["/bin/sh", "-c", script, "locker"].map(str::to_owned);
    InnerCommand::Exec(shell.into_iter().chain(arguments).collect()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::User;

    #[test]
    fn values_are_arguments_and_never_part_of_the_script() {
        let user = User {
            name: "al".into(),
            uid: Some(1000),
            shell: None,
            home: Some("/srv/al".into()),
            groups: vec!["sudo".into()],
        };
        let argv = commands(&Provision::User(user))[0].command.argv();
        assert_eq!(argv[..2], ["/bin/sh", "-c"]);
        assert_eq!(argv[3..], ["locker", "al", "1000", "", "/srv/al", "sudo"]);
        assert!(!argv[2].contains("al1000"));
    }
}
