//! Which engine: `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context, else the usual socket.
//!
//! The order is that of Docker's command line. The engine must be on this host: the bridge, the
//! addresses and the rules of the ports are made here, so a container elsewhere could never be reached.

use std::fmt;
use std::net::{IpAddr, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::config::{self, Env};
use super::error::ENGINE;
use crate::backend::BackendError;
use crate::model::ENGINE_SOCKET;
use crate::observed::EngineAt;

/// The name of no context.
const DEFAULT: &str = "default";
/// Below it are the sockets of engines of users.
const ROOTLESS: &str = "/run/user/";

/// Where the engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// A socket.
    Socket(PathBuf),
    /// `tcp://ADDRESS:PORT`, an address of this host.
    Tcp(String),
}

impl Endpoint {
    /// In the planner's words.
    pub(super) fn observed(&self) -> EngineAt {
        match self {
            Self::Socket(path) => EngineAt::Socket(path.clone()),
            Self::Tcp(address) => EngineAt::Network(address.clone()),
        }
    }
}

/// As `DOCKER_HOST` has it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
        }
    }
}

/// A context's file, as far as it is used.
#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Name")]
    name: String,
    #[serde(default, rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<Host>,
}

#[derive(Deserialize)]
struct Host {
    #[serde(default, rename = "Host")]
    host: String,
}

/// The engine that this user chose.
pub(super) fn endpoint(env: Env<'_>) -> Result<Endpoint, BackendError> {
    if let Some(host) = env("DOCKER_HOST").filter(|host| !host.is_empty()) {
        let tls = env("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty());
        return parse(&host, tls, "DOCKER_HOST");
    }
    let directory = config::directory(env);
    let (name, origin) = match env("DOCKER_CONTEXT").filter(|name| !name.is_empty()) {
        Some(name) => (name, "DOCKER_CONTEXT"),
        None => {
            let config = config::read(directory.as_deref()).map_err(|reason| {
                let help = "mend or remove the file";
                unavailable(reason, help.into())
            })?;
            (config.context, "`docker context use`")
        }
    };
    if name.is_empty() || name == DEFAULT {
        return Ok(Endpoint::Socket(ENGINE_SOCKET.into()));
    }
    let contexts = directory.map(|directory| directory.join("contexts"));
    let found = contexts.and_then(|contexts| find(&contexts, &name));
    let Some((host, tls)) = found else {
        return Err(unavailable(
            format!("{origin} names the context `{name}`, which does not exist"),
            "see `docker context ls`, or set DOCKER_CONTEXT=default".into(),
        ));
    };
    if host.is_empty() {
        return Ok(Endpoint::Socket(ENGINE_SOCKET.into()));
    }
    parse(&host, tls, &format!("the context `{name}`"))
}

/// A context's host and whether it has certificates. The directories are named by a digest of the
/// name; the name itself is in the file.
fn find(contexts: &Path, name: &str) -> Option<(String, bool)> {
    let entries = std::fs::read_dir(contexts.join("meta")).ok()?;
    entries.flatten().find_map(|entry| {
        let text = std::fs::read(entry.path().join("meta.json")).ok()?;
        let meta: Meta = serde_json::from_slice(&text).ok()?;
        let tls = contexts
            .join("tls")
            .join(entry.file_name())
            .join("docker")
            .exists();
        let host = meta.endpoints.docker.map(|endpoint| endpoint.host);
        (meta.name == name).then(|| (host.unwrap_or_default(), tls))
    })
}

/// `unix://` and `tcp://` of this host; everything else is refused with the reason.
fn parse(host: &str, tls: bool, origin: &str) -> Result<Endpoint, BackendError> {
    let refuse = |reason: &str| {
        Err(unavailable(
            format!("{origin} says `{host}`, {reason}"),
            "use an engine of this host: unset DOCKER_HOST, or `docker context use default`".into(),
        ))
    };
    match host.split_once("://") {
        Some(("unix", path)) if path.starts_with(ROOTLESS) => refuse(
            "a rootless engine, whose network is not this host's; locker needs the engine of the system",
        ),
        Some(("unix", path)) if path.starts_with('/') => Ok(Endpoint::Socket(path.into())),
        Some(("unix", _)) => refuse("which is no absolute path of a socket"),
        Some(("tcp" | "http", _)) if tls => {
            refuse("which wants TLS; on this host its socket does as well")
        }
        Some(("tcp" | "http", address)) => match local(address.trim_end_matches('/')) {
            Ok(address) => Ok(Endpoint::Tcp(format!("tcp://{address}"))),
            Err(reason) => refuse(reason),
        },
        Some(("ssh" | "https", _)) => refuse(ELSEWHERE),
        Some((_, _)) | None => refuse("which is no `unix:///PATH` and no `tcp://ADDRESS:PORT`"),
    }
}

const ELSEWHERE: &str = "an engine of another host; bridge and ports are made on this one, \
     so run locker there";

/// `ADDRESS:PORT` when all that the name stands for are addresses of this host.
fn local(address: &str) -> Result<String, &'static str> {
    let with_port = match address.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => address.to_owned(),
        Some(_) | None => format!("{address}:2375"),
    };
    let mut addresses = with_port
        .to_socket_addrs()
        .map_err(|_| "whose address cannot be found")?
        .peekable();
    if addresses.peek().is_some() && addresses.all(|one| is_ours(one.ip())) {
        Ok(with_port)
    } else {
        Err(ELSEWHERE)
    }
}

/// Only addresses of this host can be bound.
fn is_ours(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

fn unavailable(reason: String, help: String) -> BackendError {
    BackendError::Unavailable {
        engine: ENGINE,
        reason,
        help,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(pairs: &[(&str, &str)]) -> Result<Endpoint, String> {
        let env = |name: &str| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.to_string())
        };
        endpoint(&env).map_err(|error| error.to_string())
    }

    fn with_context(host: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let docker = home.path().join(".docker");
        let meta = docker.join("contexts/meta/3f5e");
        std::fs::create_dir_all(&meta).unwrap();
        let text = format!(
            r#"{{"Name":"other","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#
        );
        std::fs::write(meta.join("meta.json"), text).unwrap();
        std::fs::write(docker.join("config.json"), r#"{"currentContext":"other"}"#).unwrap();
        home
    }

    #[test]
    fn the_variable_wins_over_the_context_and_the_context_over_the_usual_socket() {
        let home = with_context("unix:///run/other.sock");
        let home = home.path().to_str().unwrap();
        let socket = |path: &str| Ok(Endpoint::Socket(path.into()));
        assert_eq!(chosen(&[]), socket(ENGINE_SOCKET));
        assert_eq!(chosen(&[("HOME", home)]), socket("/run/other.sock"));
        assert_eq!(
            chosen(&[("HOME", home), ("DOCKER_CONTEXT", "default")]),
            socket(ENGINE_SOCKET)
        );
        assert_eq!(
            chosen(&[("HOME", home), ("DOCKER_HOST", "unix:///x")]),
            socket("/x")
        );
        assert_eq!(
            chosen(&[("HOME", "/nowhere"), ("DOCKER_HOST", "")]),
            socket(ENGINE_SOCKET)
        );
    }

    #[test]
    fn a_context_that_is_not_there_is_an_error_that_names_it() {
        let error = chosen(&[("DOCKER_CONTEXT", "lost")]).unwrap_err();
        assert!(
            error.contains("`lost`") && error.contains("DOCKER_CONTEXT"),
            "{error}"
        );
    }

    #[test]
    fn an_engine_elsewhere_is_refused_with_the_reason() {
        for host in [
            "ssh://root@far",
            "tcp://192.0.2.7:2375",
            "https://192.0.2.7",
        ] {
            let error = chosen(&[("DOCKER_HOST", host)]).unwrap_err();
            assert!(
                error.contains("another host") && error.contains(host),
                "{error}"
            );
        }
        let home = with_context("ssh://far");
        let error = chosen(&[("HOME", home.path().to_str().unwrap())]).unwrap_err();
        assert!(error.contains("the context `other`"), "{error}");
        for host in [
            "/run/x.sock",
            "unix://x",
            "unix:///run/user/1000/docker.sock",
        ] {
            assert!(chosen(&[("DOCKER_HOST", host)]).is_err(), "{host}");
        }
        let tls = [
            ("DOCKER_HOST", "tcp://127.0.0.1"),
            ("DOCKER_TLS_VERIFY", "1"),
        ];
        assert!(chosen(&tls).unwrap_err().contains("TLS"));
    }

    #[test]
    fn a_port_of_this_host_is_taken() {
        let tcp = |text: &str| Ok(Endpoint::Tcp(text.into()));
        assert_eq!(
            chosen(&[("DOCKER_HOST", "tcp://127.0.0.1:2375")]),
            tcp("tcp://127.0.0.1:2375")
        );
        assert_eq!(
            chosen(&[("DOCKER_HOST", "tcp://127.0.0.1")]),
            tcp("tcp://127.0.0.1:2375")
        );
        assert_eq!(
            chosen(&[("DOCKER_HOST", "tcp://[::1]:99/")]),
            tcp("tcp://[::1]:99")
        );
    }
}
