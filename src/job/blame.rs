//! Which line of the file a failed step is about, where the engine's words tell.
//!
//! Whether an image has a user, a group or a program shows only when its container is made or started: an engine
//! does not tell the files of an image. So the plan cannot refuse it, and the error of the step gets the line.

use crate::apply::StepError;
use crate::backend::BackendError;
use crate::model::{Container, Key, Place, Project, host_name_of};

use super::JobError;
use super::error::Blame;

/// A change that failed, as the error of the line that it is about; as it is when no line is known.
pub(super) fn blame(error: JobError, project: &Project) -> JobError {
    let JobError::Apply(error) = error else {
        return error;
    };
    let found = error
        .failures()
        .iter()
        .find_map(|failure| line_of(&failure.error, project));
    match found {
        Some((place, help)) => JobError::OfLine {
            error,
            blame: Box::new(Blame { place, help }),
        },
        None => JobError::Apply(error),
    }
}

fn line_of(error: &StepError, project: &Project) -> Option<(Place, String)> {
    let StepError::Backend(BackendError::Engine {
        container, reason, ..
    }) = error
    else {
        return None;
    };
    let mut containers = project.containers.values();
    let owner = containers.find(|one| host_name_of(&project.name, &one.name) == *container)?;
    let (key, help) = key_of(reason, owner)?;
    let place = owner.places.get(&key)?;
    Some((place.clone(), help))
}

/// The key that Docker's words are about, and what to write there instead.
fn key_of(said: &str, owner: &Container) -> Option<(Key, String)> {
    let (key, help) = own_key(said, owner)?;
    if said.contains("the post_start command") {
        return Some((Key::PostStart, help));
    }
    Some((key, help))
}

fn own_key(said: &str, owner: &Container) -> Option<(Key, String)> {
    if let Some(user) = after(said, "nable to find user ", ':') {
        let help = format!(
            "the image has no user `{user}`: name one of its /etc/passwd, or write a number"
        );
        return Some((Key::User, help));
    }
    if let Some(group) = after(said, "nable to find group ", ':') {
        let user = owner.app.as_ref().and_then(|app| app.user.as_deref());
        let of_user = user.is_some_and(|user| user.split_once(':').is_some_and(|u| u.1 == group));
        let key = if of_user { Key::User } else { Key::GroupAdd };
        let help = format!(
            "the image has no group `{group}`: name one of its /etc/group, or write a number"
        );
        return Some((key, help));
    }
    if let Some(program) = after(said, "exec: \"", '"') {
        let own = owner.places.contains_key(&Key::Entrypoint);
        let key = if own { Key::Entrypoint } else { Key::Command };
        let help = format!(
            "the image has no program `{program}` that can be run: look into it with `docker run --rm -it \
             --entrypoint sh IMAGE`"
        );
        return Some((key, help));
    }
    if let Some(driver) = after(said, "could not select device driver \"", '"') {
        let keys = [Key::Gpus, Key::Devices, Key::Deploy];
        let key = keys
            .into_iter()
            .find(|key| owner.places.contains_key(key))?;
        let help = format!("the engine has no device driver `{driver}`: install it on the host");
        return Some((key, help));
    }
    if said.contains("only when connecting to networks with user configured subnets") {
        let help = "make that network anew with a subnet (`docker network create --subnet`), or leave the address out";
        return Some((Key::Networks, help.into()));
    }
    let directory = after(said, "chdir to cwd (\"", '"')?;
    let help =
        format!("`{directory}` is no directory of the image that the container's user may enter");
    Some((Key::WorkingDir, help))
}

/// The words between `before` and `end`.
fn after<'a>(said: &'a str, before: &str, end: char) -> Option<&'a str> {
    let (_, rest) = said.split_once(before)?;
    let found = rest.split(end).next()?;
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{App, Name};

    fn owner(user: &str, keys: &[Key]) -> Container {
        let mut owner = Container::bare(Name::new("a").unwrap());
        owner.app = Some(Box::new(App {
            user: Some(user.into()),
            ..App::default()
        }));
        for key in keys {
            owner.places.insert(*key, Place::nowhere());
        }
        owner
    }

    #[test]
    fn the_engines_words_lead_to_the_key_that_they_are_about() {
        let program = [Key::Entrypoint, Key::Command];
        for (said, owner, key) in [
            (
                "its service `locker-u-a.service` ended with `exit-code`: unable to find user nobody2: no matching entries in passwd file",
                owner("nobody2", &[]),
                Some((Key::User, "`nobody2`")),
            ),
            (
                "unable to find group grp9: no matching entries in group file",
                owner("root:grp9", &[]),
                Some((Key::User, "`grp9`")),
            ),
            (
                "Unable to find group grp9: no matching entries in group file",
                owner("root", &[]),
                Some((Key::GroupAdd, "`grp9`")),
            ),
            (
                "runc create failed: exec: \"serv\": executable file not found in $PATH",
                owner("", &program[1..]),
                Some((Key::Command, "`serv`")),
            ),
            (
                "runc create failed: exec: \"/serv\": permission denied",
                owner("", &program),
                Some((Key::Entrypoint, "`/serv`")),
            ),
            (
                "chdir to cwd (\"/root\") set in config.json failed: permission denied",
                owner("", &[]),
                Some((Key::WorkingDir, "`/root`")),
            ),
            (
                "the post_start command `id` ended with exit code 126: unable to find user nobody2: no matching entries",
                owner("", &[]),
                Some((Key::PostStart, "`nobody2`")),
            ),
            (
                "could not select device driver \"nvidia\" with capabilities: [[gpu]]",
                owner("", &[Key::Gpus]),
                Some((Key::Gpus, "`nvidia`")),
            ),
            (
                "could not select device driver \"nvidia\" with capabilities: [[gpu]]",
                owner("", &[Key::Deploy]),
                Some((Key::Deploy, "`nvidia`")),
            ),
            (
                "user specified IP address is supported only when connecting to networks with user configured subnets",
                owner("", &[]),
                Some((Key::Networks, "--subnet")),
            ),
            (
                "driver failed: address already in use",
                owner("", &[]),
                None,
            ),
        ] {
            let found = key_of(said, &owner);
            assert_eq!(
                found.as_ref().map(|found| found.0),
                key.map(|k| k.0),
                "{said}"
            );
            if let (Some((_, help)), Some((_, named))) = (found, key) {
                assert!(help.contains(named), "{help}");
            }
        }
    }
}
