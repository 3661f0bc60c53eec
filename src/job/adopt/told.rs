//! What `adopt` says before it changes anything: why it cannot be done, and what it would do.

use std::collections::BTreeSet;

use crate::backend::{Former, FormerContainer, FormerNetwork, Started};
use crate::model::Project;
use crate::observed::{Adopted, Observed};
use crate::plan::WITHOUT_ADOPTED;

use super::super::JobError;
use super::super::road::Opened;
use super::{WAY_BACK, refused, service_of};

/// docker compose has nothing to take over.
pub(super) fn nothing(project: &Project, former: &Former) -> JobError {
    let name = &project.name;
    let message = format!("docker compose has nothing of project `{name}` that is not taken over");
    match former.other.first() {
        Some(other) => refused(
            message,
            &format!(
                "in this directory it calls its project `{other}`: `locker -p {other} adopt`, or `name: {other}` in the file"
            ),
        ),
        None => refused(message, "run `locker up`"),
    }
}

/// Refuses a project of the same name elsewhere, which is somebody else's, and one of which nobody knows what was
/// taken over.
pub(super) fn check(
    project: &Project,
    observed: &Observed,
    former: &Former,
) -> Result<(), JobError> {
    let mut all = former.containers.iter();
    if let Some(container) = all.find(|container| container.started == Started::Elsewhere) {
        return Err(refused(
            format!(
                "container `{}` of docker compose's project `{}` was started in `{}`",
                container.name,
                project.name,
                container.directory.display()
            ),
            "run `locker adopt` there, or give this project another name",
        ));
    }
    match &observed.adopted.damage {
        None => Ok(()),
        Some(damage) => Err(refused(
            format!("{damage}; it says which volumes the project has taken over already"),
            WITHOUT_ADOPTED,
        )),
    }
}

/// Takes out of `former` what `docker compose down` would leave as well: containers of services that the file does not
/// have, maybe of another file in the same directory, and those of `docker compose run`. They would not be started again.
/// Refused while one runs; what is said of the others.
pub(super) fn leave_strangers(project: &Project, former: &mut Former) -> Result<String, JobError> {
    let is_stranger = |of: &FormerContainer| of.one_off || service_of(project, of).is_none();
    let (strangers, own): (Vec<_>, Vec<_>) = former.containers.drain(..).partition(is_stranger);
    former.containers = own;
    let mut text = String::new();
    for container in &strangers {
        let name = &container.name;
        let why = match container.one_off {
            true => "is of `docker compose run`",
            false => "is of a service that the file does not have",
        };
        if container.runs {
            return Err(refused(
                format!(
                    "container `{name}` {why}: `locker up` would not start it again, and it runs"
                ),
                &format!(
                    "put its service into the file, name the file that has it with `-f` as well, or stop it (`docker stop {name}`)"
                ),
            ));
        }
        text.push_str(&format!(
            "  container {name} {why}: it rests and is left as it is\n"
        ));
        let networks = former.networks.iter_mut();
        for network in networks.filter(|network| container.networks.contains(&network.name)) {
            network.guests.insert(name.clone(), false);
        }
    }
    Ok(text)
}

/// Volumes without a name that are not handed on since an earlier one is: both are named, whether anybody is asked or not.
pub(super) fn twice(project: &Project, former: &Former, adopted: &Adopted) -> Vec<String> {
    let mut told = Vec::new();
    for container in former.containers.iter().filter(|container| container.first) {
        let service = service_of(project, container);
        let Some((service, known)) = service.and_then(|name| adopted.unnamed.get_key_value(&name))
        else {
            continue;
        };
        for (target, new) in &container.unnamed {
            if let Some(old) = known.get(target).filter(|old| *old != new) {
                told.push(format!(
                    "`{service}` goes on with the volume without a name at {} that was taken over earlier ({old}); docker compose has made another \
                     one since ({new}), which is kept in the engine and mounted by nobody: to use that one, name it in the file with `external: true`",
                    target.display()
                ));
            }
        }
    }
    told
}

/// Refuses to begin what could not be ended: the engine keeps a network on which others run.
pub(super) fn check_guests(former: &Former) -> Result<(), JobError> {
    let mut held = Vec::new();
    let mut cures = Vec::new();
    for FormerNetwork { name, guests, .. } in &former.networks {
        for (guest, _) in guests.iter().filter(|(_, runs)| **runs) {
            held.push(format!("container `{guest}` on network `{name}`"));
            cures.push(format!("`docker network disconnect {name} {guest}`"));
        }
    }
    if held.is_empty() {
        return Ok(());
    }
    Err(refused(
        format!(
            "networks that docker compose has made for this project are removed, and others run on them: {}",
            held.join(", ")
        ),
        &format!(
            "take them off, or stop them, and run this again: {}; after `locker up` they can join the network that the project has \
             then (`docker network connect NETWORK CONTAINER`)",
            cures.join(", ")
        ),
    ))
}

/// What is said when containers of docker compose were stopped and not all was done.
pub(super) fn half_way() -> String {
    format!(
        "containers of docker compose may be stopped or gone, and `adopt` did not come to its end. No volume is lost: \
         `locker adopt` goes on once the cause below is mended. The way back: {WAY_BACK}"
    )
}

/// All that would be done, a line for each part.
pub(super) fn question(
    opened: &Opened,
    observed: &Observed,
    former: &Former,
    adopted: &Adopted,
) -> String {
    let project = &opened.project;
    let mut text = String::from("docker compose has made these of this project:\n");
    for container in &former.containers {
        text.push_str(&of_container(project, adopted, container));
    }
    for FormerNetwork { name, guests, .. } in &former.networks {
        text.push_str(&format!("  network {name}, to be removed\n"));
        for guest in guests.keys() {
            text.push_str(&format!(
                "    container {guest}, not of this project and at rest, is on it, and starts again once it was taken off \
                 (docker network disconnect -f {name} {guest})\n"
            ));
        }
    }
    for volume in adopted.volumes.difference(&observed.adopted.volumes) {
        text.push_str(&format!(
            "  volume {volume}, to be taken over with its data\n"
        ));
    }
    text.push_str(&of_directories(opened, former));
    if !former.containers.is_empty() {
        text.push_str(&format!(
            "the way back, also when `locker up` fails after this: {WAY_BACK}\n"
        ));
    }
    text
}

fn of_container(project: &Project, adopted: &Adopted, container: &FormerContainer) -> String {
    let does = match container.runs {
        true => "stopped and removed",
        false => "removed",
    };
    let mut text = format!("  container {}, to be {does}\n", container.name);
    let service = service_of(project, container);
    let out = service.as_ref().and_then(|name| project.disabled.get(name));
    if let (Some(profiles), Some(name)) = (out, &service) {
        let profiles = profiles.join("`, `");
        text.push_str(&format!(
            "    `locker up` does not start {name}: its profile (`{profiles}`) is not enabled; `--profile` does that\n"
        ));
    }
    let service = service.filter(|_| container.first);
    let known = service.and_then(|name| adopted.unnamed.get(&name));
    for (target, volume) in &container.unnamed {
        let goes = match known.and_then(|known| known.get(target)) == Some(volume) {
            true => "handed on",
            false => "kept, and mounted by nobody",
        };
        let target = target.display();
        let short = volume.get(..12).unwrap_or(volume);
        text.push_str(&format!(
            "    its volume without a name at {target} ({short}…), {goes}\n"
        ));
    }
    text
}

/// From where it, or the project, was moved here.
fn of_directories(opened: &Opened, former: &Former) -> String {
    let gone = former.containers.iter();
    let gone = gone.filter(|container| container.started == Started::Gone);
    let from: BTreeSet<_> = gone.map(|container| &container.directory).collect();
    let theirs = from.into_iter().map(|from| {
        format!(
            "it was started in `{}`, where no project file is any more; it is taken to be this project's\n",
            from.display()
        )
    });
    let own = opened.moved.iter();
    let own = own.map(|moved| format!("{}\n", moved.told(&opened.project)));
    theirs.chain(own).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::Name;

    fn network(guests: &[(&str, bool)]) -> Former {
        let guests = guests.iter().map(|(name, runs)| (name.to_string(), *runs));
        Former {
            networks: vec![FormerNetwork {
                id: "0a".into(),
                name: "proxy".into(),
                guests: guests.collect(),
            }],
            ..Former::default()
        }
    }

    pub(in crate::job::adopt) fn container(service: &str, started: Started) -> FormerContainer {
        FormerContainer {
            id: "0b".into(),
            name: format!("shop-{service}-1"),
            service: Some(service.into()),
            number: 1,
            first: true,
            one_off: false,
            needs: Vec::new(),
            networks: vec!["proxy".into()],
            directory: "/srv/old".into(),
            started,
            runs: true,
            named: vec![format!("shop_{service}"), "others".into()],
            unnamed: vec![("/cache".into(), "0c".repeat(32))],
        }
    }

    #[test]
    fn who_runs_on_a_network_of_docker_compose_is_named_before_anything_is_stopped() {
        assert!(check_guests(&network(&[("other-1", false)])).is_ok());
        let told = check_guests(&network(&[("other-1", true), ("rests", false)]));
        let Err(JobError::Adopt { message, help }) = told else {
            panic!("{told:?}")
        };
        assert!(
            message.contains("container `other-1` on network `proxy`"),
            "{message}"
        );
        assert!(!message.contains("rests"), "{message}");
        assert!(
            help.contains("`docker network disconnect proxy other-1`"),
            "{help}"
        );
    }

    #[test]
    fn what_nothing_would_start_again_is_left_and_refused_while_it_runs() {
        let mut project = crate::job::images::tests::project();
        project
            .disabled
            .insert(Name::new("tool").unwrap(), vec!["debug".into()]);
        let with = |runs: bool, one_off: bool, service: &str| {
            let mut other = container(service, Started::Here);
            (other.runs, other.one_off) = (runs, one_off);
            let mut former = network(&[]);
            former.containers = vec![container("tool", Started::Here), other];
            (leave_strangers(&project, &mut former), former)
        };
        for (one_off, service) in [(true, "tool"), (false, "gone")] {
            let (told, _) = with(true, one_off, service);
            assert!(told.is_err_and(|e| e.to_string().contains("would not start it again")));
            let (told, former) = with(false, one_off, service);
            assert!(told.is_ok_and(|text| text.contains("is left as it is")));
            assert_eq!(former.containers.len(), 1, "its own goes");
            let guest = format!("shop-{service}-1");
            assert_eq!(former.networks[0].guests, [(guest, false)].into());
        }
        assert_eq!(with(true, false, "tool").1.containers.len(), 2);
    }

    #[test]
    fn only_what_was_started_in_a_directory_that_is_still_a_projects_is_somebody_elses() {
        let project = crate::job::images::tests::project();
        let told = |started| {
            let former = Former {
                containers: vec![container("web", started)],
                ..Former::default()
            };
            check(&project, &Observed::default(), &former).is_err()
        };
        assert!(told(Started::Elsewhere));
        assert!(!told(Started::Here) && !told(Started::Gone));
    }

    #[test]
    fn one_whose_profile_is_not_enabled_is_told_and_its_volumes_are_handed_on() {
        let mut project = crate::job::images::tests::project();
        let name = Name::new("tool").unwrap();
        project.disabled.insert(name.clone(), vec!["debug".into()]);
        let tool = container("tool", Started::Here);
        let mut adopted = Adopted::default();
        let unnamed = tool.unnamed.iter().cloned().collect();
        adopted.unnamed.insert(name, unnamed);
        let text = of_container(&project, &adopted, &tool);
        assert!(
            text.contains("(`debug`) is not enabled") && text.contains("handed on"),
            "{text}"
        );
        let text = of_container(&project, &adopted, &container("gone", Started::Here));
        assert!(text.contains("mounted by nobody"), "{text}");
    }
}
