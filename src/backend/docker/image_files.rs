//! What an image has at a path, asked of the engine without starting anything.
//!
//! The engine shows the files of containers alone. So one is made of the image, never started, asked and removed
//! again, with the volumes that the image asks for. It bears no name and no mark of a project, and no look shows it. One
//! that a killed process has left is removed by the next look at the engine, whichever project's that is.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::CreateContainerOptions;

use super::copy::stat;
use super::error::{image_failed, is_missing};
use super::list::{self, Entry};
use super::site::token;
use super::{mark, once};
use crate::backend::BackendError;
use crate::sys::process::Stat;

/// The mark of such a container: who has made it.
const LOOK: &str = "locker.look";
const VERB: &str = "look into";

/// Which of `paths` are no directories in the image.
pub(super) async fn find(
    docker: &Docker,
    image: &str,
    platform: Option<&str>,
    paths: &BTreeSet<PathBuf>,
) -> Result<BTreeSet<PathBuf>, BackendError> {
    let options = CreateContainerOptions {
        name: Some(format!("locker-look-{}", token())),
        platform: platform.unwrap_or_default().into(),
    };
    let made = match docker.create_container(Some(options), body(image)).await {
        Ok(made) => made,
        Err(error) if is_missing(&error) => return Ok(BTreeSet::new()),
        Err(error) => return Err(image_failed(VERB, image, &error)),
    };
    let found = files(docker, &made.id, paths).await;
    // Also after an error, which is the one to tell.
    let removed = once::remove(docker, &made.id, true).await;
    let found = found?;
    removed?;
    Ok(found)
}

async fn files(
    docker: &Docker,
    id: &str,
    paths: &BTreeSet<PathBuf>,
) -> Result<BTreeSet<PathBuf>, BackendError> {
    let mut files = BTreeSet::new();
    for path in paths {
        match stat(docker, id, path, VERB).await {
            Ok(Some(false)) => drop(files.insert(path.clone())),
            Ok(Some(true) | None) => {}
            // What the engine cannot tell (of a path below a file) shows when it starts the container.
            Err(BackendError::Engine { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// What the image says of itself is overwritten: an image may have been made of a container, and has its marks.
fn body(image: &str) -> ContainerCreateBody {
    let inherited = [
        mark::PROJECT,
        mark::DIRECTORY,
        mark::NAME,
        mark::NETWORK,
        mark::MARK,
        mark::TOKEN,
        list::COMPOSE_PROJECT,
        list::COMPOSE_DIRECTORY,
        list::COMPOSE_SERVICE,
    ];
    let mut labels: HashMap<String, String> = inherited
        .into_iter()
        .map(|key| (key.to_owned(), String::new()))
        .collect();
    labels.insert(LOOK.into(), maker());
    ContainerCreateBody {
        image: Some(image.into()),
        // It never runs; without a word for it the engine makes none of an image that has no command.
        entrypoint: Some(vec!["-".into()]),
        labels: Some(labels),
        host_config: Some(HostConfig {
            network_mode: Some("none".into()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// This process: its id, and its start, since ids are given again.
fn maker() -> String {
    let pid = std::process::id();
    let started = Stat::of(pid).map_or(0, |stat| stat.started);
    format!("{pid} {started}")
}

/// Whether a container of the list is one of these; it is nobody's.
pub(super) fn is_one(entry: &Entry) -> bool {
    entry.labels.0.contains_key(LOOK)
}

/// Whether its maker is no more.
fn is_left(entry: &Entry) -> bool {
    let maker = entry.labels.0.get(LOOK).map_or("", String::as_str);
    let parts = maker.split_once(' ');
    let parts = parts.and_then(|(pid, started)| Some((pid.parse().ok()?, started.parse().ok()?)));
    parts.is_none_or(|(pid, started): (u32, u64)| {
        Stat::of(pid).is_none_or(|stat| stat.started != started)
    })
}

/// Removes what killed processes have left among the containers of the list. What cannot be removed now is
/// by the next look.
pub(super) async fn sweep(docker: &Docker, list: &[Entry]) {
    for entry in list.iter().filter(|entry| is_one(entry) && is_left(entry)) {
        if let Some(id) = &entry.id {
            let _ = once::remove(docker, id, true).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;
    use std::sync::mpsc;

    use super::super::list::Labels;
    use super::*;

    #[test]
    fn one_whose_maker_lives_is_left_alone_and_one_of_a_dead_process_is_not() {
        let entry = |maker: &str| Entry {
            labels: Labels([(LOOK.to_owned(), maker.to_owned())].into()),
            ..Entry::default()
        };
        assert!(is_one(&entry("")) && !is_one(&Entry::default()));
        assert!(!is_left(&entry(&maker())));
        let later = maker() + "0";
        let ended = format!("{} 1", u32::MAX);
        for dead in [later.as_str(), &ended, "", "1"] {
            assert!(is_left(&entry(dead)), "{dead}");
        }
    }

    /// An engine that gives one answer after the other, and what it was asked.
    fn engine(
        dir: &tempfile::TempDir,
        answers: Vec<&'static str>,
    ) -> (Docker, mpsc::Receiver<String>) {
        let socket = dir.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for (mut client, answer) in listener.incoming().map(Result::unwrap).zip(answers) {
                let mut asked = [0; 4096];
                let length = client.read(&mut asked).unwrap();
                let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
                tell.send(asked.lines().next().unwrap().to_owned()).unwrap();
                client.write_all(answer.as_bytes()).unwrap();
            }
        });
        let place = socket.to_str().unwrap();
        let docker = Docker::connect_with_unix(place, 5, bollard::API_DEFAULT_VERSION);
        (docker.unwrap(), told)
    }

    /// `{"name":"f","size":1,"mode":MODE,"mtime":"2024-01-01T00:00:00Z","linkTarget":""}` for a file and a directory.
    fn shown(mode: u32) -> &'static str {
        use base64::Engine;
        let stat = format!(
            r#"{{"name":"f","size":1,"mode":{mode},"mtime":"2024-01-01T00:00:00Z","linkTarget":""}}"#
        );
        let stat = base64::engine::general_purpose::STANDARD.encode(stat);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nX-Docker-Container-Path-Stat: {stat}\r\nContent-Length: 0\r\n\r\n"
        );
        answer.leak()
    }

    #[tokio::test]
    async fn what_is_made_to_be_asked_is_removed_whatever_the_answers_are() {
        const MADE: &str = "HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{\"Id\":\"f00\",\"Warnings\":[]}";
        const GONE: &str = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
        const OOPS: &str = "HTTP/1.1 500 Oops\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let paths: BTreeSet<PathBuf> = ["/a".into(), "/b".into()].into();
        for (answers, files) in [
            ([shown(0o644), shown(1 << 31)], ["/a"]),
            ([OOPS, shown(0o644)], ["/b"]),
            // It hangs up.
            ([shown(0o644), ""], ["/a"]),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let all = [MADE, answers[0], answers[1], GONE];
            let (docker, told) = engine(&dir, all.into());
            let found = find(&docker, "x", None, &paths).await.unwrap();
            let asked: Vec<String> = told.try_iter().collect();
            assert!(asked[0].starts_with("POST /"), "{asked:?}");
            assert!(
                asked[3].starts_with("DELETE /") && asked[3].contains("v=true"),
                "{asked:?}"
            );
            assert_eq!(found, files.map(PathBuf::from).into());
        }
    }

    #[test]
    fn no_mark_of_an_image_makes_it_somebodys() {
        let labels = body("x").labels.unwrap();
        for key in [mark::PROJECT, mark::MARK, list::COMPOSE_PROJECT] {
            assert_eq!(labels[key], "", "{key}");
        }
    }
}
