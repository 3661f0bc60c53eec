//! The container of `run`: a copy of one of the file under another name.

use crate::model::{
    App, AppNetwork, Container, Kind, NAME_MAX, Name, Place, Restart, Supervisor, Volume,
};

use super::road::Opened;
use super::{JobError, OnceRequest, Setting};

/// The container of the file with another name and what the request says.
pub(super) fn copy_of(
    opened: &Opened,
    name: &Name,
    request: &OnceRequest,
    setting: &Setting,
) -> Result<Container, JobError> {
    let original = opened.project.containers.get(name);
    let original = original.ok_or_else(|| JobError::NotInFile { name: name.clone() })?;
    let app = original
        .app
        .as_deref()
        .filter(|_| original.kind() == Kind::Application);
    let Some(app) = app.cloned() else {
        return Err(JobError::NotOnce { name: name.clone() });
    };
    let called = match &request.called {
        Some(called) => called.clone(),
        None => fresh_name(name)?,
    };
    let mut copy = Container {
        name: called,
        groups: Vec::new(),
        setup: Vec::new(),
        restart: Restart::No,
        healthcheck: None,
        replica_of: None,
        autostart: false,
        // It ends with its command, and this process watches it.
        supervisor: Some(Supervisor::None),
        on_demand: false,
        idle: None,
        // With another user it is not kept apart, and reads and writes what the original has all the same.
        isolate: original.isolate && request.user.is_none(),
        ids_of: original.isolate.then(|| original.name.clone()),
        ..original.clone()
    };
    if !request.service_ports {
        copy.ports.clear();
    }
    if request.no_deps {
        copy.depends_on.clear();
    }
    copy.environment.extend(request.environment.iter().cloned());
    copy.labels.extend(request.labels.iter().cloned());
    mount(&mut copy, request, setting)?;
    copy.app = Some(Box::new(settings(app, request)));
    Ok(copy)
}

/// Adds the mounts of the request; one of the file at the same place gives way.
fn mount(copy: &mut Container, request: &OnceRequest, setting: &Setting) -> Result<(), JobError> {
    for text in &request.volumes {
        let volume = Volume::parse(text, &setting.load.cwd).map_err(|error| {
            let (message, help) = (error.to_string(), None);
            JobError::Selection { message, help }
        })?;
        copy.volumes
            .retain(|(other, _)| other.target != volume.target);
        copy.volumes.push((volume, Place::nowhere()));
    }
    Ok(())
}

/// The settings of the copy: nothing in them may be taken by the original.
fn settings(mut app: App, request: &OnceRequest) -> App {
    if let Some(entrypoint) = &request.entrypoint {
        app.entrypoint = Some(entrypoint.clone());
        app.command = None;
    }
    if !request.argv.is_empty() {
        app.command = Some(request.argv.clone());
    }
    if let Some(user) = &request.user {
        app.user = Some(user.clone());
    }
    if let Some(workdir) = &request.workdir {
        app.working_dir = Some(workdir.to_string_lossy().into_owned());
    }
    app.no_healthcheck = true;
    if let AppNetwork::Networks(networks) = &mut app.network {
        for attachment in networks {
            attachment.v4 = None;
            attachment.v6 = None;
            attachment.mac = None;
            if !request.use_aliases {
                attachment.aliases.clear();
            }
        }
    }
    app
}

/// `<name>_run_<8 hex>`, with as much of the name as fits.
fn fresh_name(name: &Name) -> Result<Name, JobError> {
    let mut bytes = [0_u8; 4];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).map_err(
        |error| JobError::Random {
            source: error.into(),
        },
    )?;
    let tail = format!("_run_{:08x}", u32::from_ne_bytes(bytes));
    let room = NAME_MAX - tail.len();
    let head: String = name.as_str().chars().take(room).collect();
    Name::new(&format!("{head}{tail}")).map_err(|_| JobError::NameTaken { name: name.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Attachment;

    fn name(word: &str) -> Name {
        Name::new(word).unwrap()
    }

    #[test]
    fn its_name_says_whose_it_is_and_always_fits() {
        let short = fresh_name(&name("web")).unwrap().to_string();
        assert!(
            short.starts_with("web_run_") && short.len() == 16,
            "{short}"
        );
        assert_ne!(fresh_name(&name("web")).unwrap().as_str(), short);
        let long = fresh_name(&name(&"x".repeat(NAME_MAX))).unwrap();
        assert_eq!(long.as_str().len(), NAME_MAX);
    }

    #[test]
    fn what_only_one_container_can_have_stays_with_the_original() {
        let mut attachment = Attachment::new(name("front"));
        attachment.v4 = Some([10, 0, 0, 9].into());
        attachment.aliases = vec!["www".into()];
        let app = App {
            network: AppNetwork::Networks(vec![attachment]),
            command: Some(vec!["serve".into()]),
            ..App::default()
        };
        let request = OnceRequest {
            argv: vec!["migrate".into()],
            ..OnceRequest::default()
        };
        let settings = settings(app, &request);
        assert_eq!(settings.command, Some(vec!["migrate".to_string()]));
        let networks = AppNetwork::Networks(vec![Attachment::new(name("front"))]);
        assert_eq!(settings.network, networks);
    }
}
