//! The engine's list of all containers, as little of it as locker needs.
//!
//! An entry has some sixty values and labels of thousands of letters, and with two hundred containers a
//! model of all of them takes longer to make than everything that is then done with it. So this one
//! request is a plain one of HTTP/1.0, whose answer is whole when the engine closes the connection, and
//! what is not needed is passed over while it is read. Any other request is the client's.

use std::collections::HashMap;
use std::fmt;

use bollard::models::ContainerSummaryStateEnum;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::client::{ANSWER, ask};
use super::context::Endpoint;
use super::error::{ENGINE, unreachable};
use crate::backend::BackendError;

/// With labels of ours an entry has 2 KiB.
const USUAL: usize = 512 << 10;
/// How all labels of ours begin.
const OURS: &str = "locker.";
/// Those by which docker compose says whose a container is.
pub(super) const COMPOSE_PROJECT: &str = "com.docker.compose.project";
pub(super) const COMPOSE_DIRECTORY: &str = "com.docker.compose.project.working_dir";
/// And by which files it was made, of which service, and whether for one command.
pub(super) const COMPOSE_FILES: &str = "com.docker.compose.project.config_files";
pub(super) const COMPOSE_SERVICE: &str = "com.docker.compose.service";
pub(super) const COMPOSE_ONE_OFF: &str = "com.docker.compose.oneoff";
const OF_COMPOSE: [&str; 5] = [
    COMPOSE_PROJECT,
    COMPOSE_DIRECTORY,
    COMPOSE_FILES,
    COMPOSE_SERVICE,
    COMPOSE_ONE_OFF,
];

/// A container in the list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Entry {
    pub(super) id: Option<String>,
    pub(super) names: Option<Vec<String>>,
    /// Its image as it was named at creation, or its id where that name leads elsewhere by now.
    pub(super) image: Option<String>,
    #[serde(rename = "ImageID")]
    pub(super) image_id: Option<String>,
    pub(super) state: Option<ContainerSummaryStateEnum>,
    /// The sentence for people.
    pub(super) status: Option<String>,
    pub(super) labels: Labels,
    pub(super) network_settings: Option<Settings>,
    pub(super) host_config: Option<HostConfig>,
    pub(super) mounts: Option<Vec<Mount>>,
    pub(super) ports: Option<Vec<Published>>,
}

/// A port of the container, and where it is on the host.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Published {
    #[serde(rename = "IP")]
    pub(super) address: Option<String>,
    pub(super) public_port: Option<u16>,
    pub(super) r#type: Option<String>,
}

/// Whose network it is in.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct HostConfig {
    pub(super) network_mode: Option<String>,
}

/// Its networks.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Settings {
    pub(super) networks: Option<HashMap<String, Place>>,
}

/// Its place in one of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    /// The network by its id; empty before the first start.
    #[serde(rename = "NetworkID")]
    pub(super) network: Option<String>,
    /// Its addresses there; empty while it does not run.
    #[serde(rename = "IPAddress")]
    pub(super) v4: Option<String>,
    #[serde(rename = "GlobalIPv6Address")]
    pub(super) v6: Option<String>,
}

/// One of its mounts.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Mount {
    pub(super) r#type: Option<String>,
    pub(super) name: Option<String>,
    pub(super) destination: Option<String>,
    pub(super) source: Option<String>,
    #[serde(rename = "RW")]
    pub(super) writable: Option<bool>,
}

/// Labels of ours and some of docker compose; others are passed over.
#[derive(Debug, Default)]
pub(super) struct Labels(pub(super) HashMap<String, String>);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OnlyOurs)
    }
}

struct OnlyOurs;

impl<'de> Visitor<'de> for OnlyOurs {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")
    }

    fn visit_unit<E>(self) -> Result<Labels, E> {
        Ok(Labels::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let mut labels = HashMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if key.starts_with(OURS) || OF_COMPOSE.contains(&key.as_str()) {
                labels.insert(key, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Labels(labels))
    }
}

/// All containers.
pub(super) async fn containers(endpoint: &Endpoint) -> Result<Vec<Entry>, BackendError> {
    let request = "GET /containers/json?all=true HTTP/1.0\r\nHost: docker\r\n\r\n";
    let answer = tokio::time::timeout(ANSWER, ask(endpoint, request, USUAL, u64::MAX));
    match answer.await {
        Ok(Ok(answer)) => entries(&answer).map_err(unlisted),
        Ok(Err(err)) => {
            let error = bollard::errors::Error::IOError { err };
            Err(unreachable(&error).unwrap_or_else(|| unlisted(error.to_string())))
        }
        Err(_) => Err(unlisted(format!(
            "it did not answer within {} s",
            ANSWER.as_secs()
        ))),
    }
}

/// The engine's list could not be had.
pub(super) fn unlisted(reason: String) -> BackendError {
    BackendError::Unavailable {
        engine: ENGINE,
        reason: format!("it does not tell what it holds: {reason}"),
        help: "look at what it says: journalctl -u docker".into(),
    }
}

/// Reads a whole answer, or says what is wrong with it. One that was cut short is no list.
fn entries(answer: &[u8]) -> Result<Vec<Entry>, String> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|window| window == END);
    let (head, body) = answer.split_at(end.map_or(answer.len(), |at| at + END.len()));
    let head = String::from_utf8_lossy(head);
    let status = head.lines().next().unwrap_or_default();
    if status.split_whitespace().nth(1) != Some("200") {
        #[derive(Deserialize)]
        struct Refusal {
            message: String,
        }
        let said = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.message);
        return Err(said.unwrap_or_else(|_| format!("it answered `{}`", status.escape_debug())));
    }
    serde_json::from_slice(body).map_err(|error| format!("its answer cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_of_an_entry_is_read_and_the_rest_passed_over() {
        let body = r#"[{"Id":"0a","Names":["/shop_web"],"Image":"busybox","ImageID":"sha256:1",
            "Created":1,"Ports":[],"Labels":{"locker.project":"shop","tier":"front"},"State":"running",
            "Status":"Up 5 seconds","HostConfig":{"NetworkMode":"x"},
            "NetworkSettings":{"Networks":{"shop_default":{"IPAMConfig":null,"NetworkID":"0c"}}},
            "Mounts":[{"Type":"volume","Name":"v","Destination":"/data","RW":true}]},
            {"Id":"0b","Names":null,"Labels":null,"NetworkSettings":{"Networks":null},"Mounts":null}]"#;
        let head = "HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\n\r\n";
        let read = entries(format!("{head}{body}").as_bytes()).unwrap();
        let one = &read[0];
        assert_eq!(one.state, Some(ContainerSummaryStateEnum::RUNNING));
        assert_eq!(one.labels.0.keys().collect::<Vec<_>>(), ["locker.project"]);
        assert_eq!(one.image_id.as_deref(), Some("sha256:1"));
        assert_eq!(one.status.as_deref(), Some("Up 5 seconds"));
        let networks = one.network_settings.as_ref().unwrap().networks.as_ref();
        let place = &networks.unwrap()["shop_default"];
        assert_eq!(place.network.as_deref(), Some("0c"));
        assert_eq!(
            one.mounts.as_ref().unwrap()[0].destination.as_deref(),
            Some("/data")
        );
        assert!(read[1].labels.0.is_empty() && read[1].names.is_none());
    }

    #[test]
    fn an_answer_that_is_no_whole_list_is_an_error_that_says_why() {
        for (answer, word) in [
            (
                "HTTP/1.0 500 Internal Server Error\r\n\r\n{\"message\":\"disk is gone\"}",
                "disk is gone",
            ),
            ("HTTP/1.0 502 Bad Gateway\r\n\r\n<html>", "502 Bad Gateway"),
            ("HTTP/1.0 200 OK\r\n\r\n[{\"Id\":\"0a\"}", "cannot be read"),
            ("HTTP/1.0 200 OK\r\n", "cannot be read"),
            ("", "``"),
        ] {
            let error = entries(answer.as_bytes()).unwrap_err();
            assert!(error.contains(word), "{answer:?}: {error}");
        }
    }
}
