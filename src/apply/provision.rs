//! How a wish of a system container is fulfilled inside it: a script for its own shell, with the values as
//! arguments, so that none of them is ever read as part of a script.

use crate::model::{Hook, InnerCommand, Provision};

/// The command that does it, as the user whose files it writes.
pub(super) fn command(wish: &Provision) -> Hook {
    let (script, arguments) = match wish {
        Provision::Packages(names) => (
            include_str!("../../templates/provision/packages.sh"),
            names.clone(),
        ),
        Provision::Timezone(zone) => (
            include_str!("../../templates/provision/timezone.sh"),
            vec![zone.clone()],
        ),
        Provision::Locale(locale) => (
            include_str!("../../templates/provision/locale.sh"),
            vec![locale.clone()],
        ),
        Provision::User(user) => {
            let path = |path: &Option<std::path::PathBuf>| {
                let path = path.as_ref();
                path.map_or(String::new(), |path| path.display().to_string())
            };
            let uid = user.uid.map_or(String::new(), |uid| uid.to_string());
            let mut words = vec![user.name.clone(), uid, path(&user.shell), path(&user.home)];
            words.extend(user.groups.iter().cloned());
            (include_str!("../../templates/provision/user.sh"), words)
        }
        Provision::SshKeys { user, keys } => {
            let words = std::iter::once(user).chain(keys).cloned().collect();
            (include_str!("../../templates/provision/ssh_keys.sh"), words)
        }
    };
    let shell = ["/bin/sh", "-c", script, "locker"].map(str::to_owned);
    let command = InnerCommand::Exec(shell.into_iter().chain(arguments).collect());
    Hook {
        user: owner(wish),
        ..command.into()
    }
}

/// Whose files it writes: a user's own home directory holds whatever links the user likes.
fn owner(wish: &Provision) -> Option<String> {
    match wish {
        Provision::SshKeys { user, .. } => Some(user.clone()),
        Provision::Packages(_)
        | Provision::Timezone(_)
        | Provision::Locale(_)
        | Provision::User(_) => None,
    }
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
        let argv = command(&Provision::User(user)).command.argv();
        assert_eq!(argv[..2], ["/bin/sh", "-c"]);
        assert_eq!(argv[3..], ["locker", "al", "1000", "", "/srv/al", "sudo"]);
        assert!(!argv[2].contains("al1000"));
    }
}
