//! The one connection to the engine, made when it is first needed.
//!
//! A project without application containers must not wake an engine, so nothing happens before
//! [`Client::link`]. The version is read from the header of a ping: the engine's own version call runs
//! other programs and takes longer than a whole look. Requests bear no version, so the engine answers
//! with its newest; [`Api`] says what may be asked for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{SystemInfo, SystemInfoCgroupDriverEnum};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OnceCell;

use super::context::{self, Endpoint};
use super::error::{ENGINE, failed, unreachable};
use crate::backend::BackendError;
use crate::model::{Name, slice_of};

/// Engine 20.10, the oldest that locker works with.
const OLDEST: Api = Api(1, 41);
/// The first that joins a new container to several networks at once.
const SEVERAL_NETWORKS: Api = Api(1, 44);
/// Engine 28: the first that closes a network's addresses by rules of its own, which are not to fight
/// with locker's, and that can be told which network is the way out.
const OWN_RULES: Api = Api(1, 48);
/// How long an engine may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take for an answer: what takes longer hangs.
pub(super) const ANSWER: Duration = Duration::from_secs(120);
/// How long for work that grows with what it is about: making a container may copy an image's content to
/// volumes, a context or a file is read whole before it is answered, a large file system is removed.
pub(super) const WORK: Duration = Duration::from_secs(1800);

/// A version of the engine's interface: major and minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Api(u16, u16);

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// An engine that answered.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// The client; cloning it is cheap.
    pub(super) docker: Docker,
    /// Where it listens.
    pub(super) endpoint: Endpoint,
    api: Api,
    /// What it says of itself; asked at most once, and only where it matters.
    info: Arc<OnceCell<SystemInfo>>,
}

impl Link {
    /// Whether a new container can be joined to all its networks in the request that makes it.
    pub(super) fn joins_several(&self) -> bool {
        self.api >= SEVERAL_NETWORKS
    }

    /// Whether the engine knows `nat-unprotected` networks and priorities among them.
    pub(super) fn has_own_rules(&self) -> bool {
        self.api >= OWN_RULES
    }

    /// The project's slice as the engine's cgroup driver wants it named (dockerd(8), `--cgroup-parent`):
    /// systemd's driver takes the unit, the other one the path that the unit has.
    pub(super) async fn slice(&self, project: &Name) -> Result<Option<String>, BackendError> {
        let info = self.info().await;
        let info = info.map_err(|error| failed("look at", "the engine", &error))?;
        let slice = slice_of(project);
        Ok(Some(match info.cgroup_driver {
            Some(SystemInfoCgroupDriverEnum::SYSTEMD) => slice,
            Some(_) | None => format!("/locker.slice/{slice}"),
        }))
    }

    /// What the engine says of itself. It asks other programs for it, so this takes its time.
    pub(super) async fn info(&self) -> Result<&SystemInfo, bollard::errors::Error> {
        self.info.get_or_try_init(|| self.docker.info()).await
    }

    /// The client with a limit for requests that are known to take `time`.
    pub(super) fn patient(&self, time: Duration) -> Docker {
        self.docker
            .clone()
            .with_timeout(ANSWER.saturating_add(time))
    }

    /// The client for work that grows with what it is about.
    pub(super) fn at_work(&self) -> Docker {
        self.docker.clone().with_timeout(WORK)
    }
}

/// The engine, reached or not yet.
#[derive(Debug, Default)]
pub(super) struct Client {
    link: OnceCell<Link>,
}

impl Client {
    /// The engine; the first call finds it and asks for its version.
    ///
    /// # Errors
    /// [`BackendError::Unavailable`] when it is not there, closed to this user, on another host or too old.
    pub(super) async fn link(&self) -> Result<&Link, BackendError> {
        self.link.get_or_try_init(reach).await
    }

    /// The same, but one that was reached before must answer now as well.
    pub(super) async fn link_now(&self) -> Result<&Link, BackendError> {
        match self.link.get() {
            Some(link) => greet(&link.endpoint).await.map(|_| link),
            None => self.link().await,
        }
    }
}

/// Where the engine listens, by the environment and the user's settings.
pub(super) fn endpoint() -> Result<Endpoint, BackendError> {
    context::endpoint(&|name| std::env::var(name).ok())
}

/// The version of the engine that listens there.
async fn greet(endpoint: &Endpoint) -> Result<Api, BackendError> {
    let answer = tokio::time::timeout(PATIENCE, ping(endpoint));
    let head = match answer.await {
        Ok(Ok(head)) => head,
        Ok(Err(err)) => {
            let error = bollard::errors::Error::IOError { err };
            return Err(unreachable(&error).unwrap_or_else(|| silent(endpoint, error.to_string())));
        }
        Err(_) => {
            let reason = format!("it did not answer within {} s", PATIENCE.as_secs());
            return Err(silent(endpoint, reason));
        }
    };
    api_of(&head).map_err(|reason| silent(endpoint, reason))
}

async fn reach() -> Result<Link, BackendError> {
    let endpoint = endpoint()?;
    let api = greet(&endpoint).await?;
    if api < OLDEST {
        return Err(BackendError::Unavailable {
            engine: ENGINE,
            reason: format!(
                "the engine on {endpoint} speaks version {api} of its interface; locker needs {OLDEST} (Engine 20.10) or newer"
            ),
            help: "install a newer engine: apt-get install docker.io".into(),
        });
    }
    let seconds = ANSWER.as_secs();
    let docker = match &endpoint {
        Endpoint::Socket(path) => Docker::connect_with_unix(
            &path.to_string_lossy(),
            seconds,
            bollard::API_DEFAULT_VERSION,
        ),
        Endpoint::Tcp(address) => {
            Docker::connect_with_http(address, seconds, bollard::API_DEFAULT_VERSION)
        }
    };
    let docker = docker.map_err(|error| {
        unreachable(&error).unwrap_or_else(|| silent(&endpoint, error.to_string()))
    })?;
    Ok(Link {
        docker,
        endpoint,
        api,
        info: Arc::default(),
    })
}

/// The engine's answer to a ping.
async fn ping(endpoint: &Endpoint) -> std::io::Result<String> {
    const ENOUGH: u64 = 16 << 10;
    let request = "GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";
    let answer = ask(endpoint, request, 0, ENOUGH).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The whole answer to a request after which the engine closes the connection, up to `most` bytes.
pub(super) async fn ask(
    endpoint: &Endpoint,
    request: &str,
    usual: usize,
    most: u64,
) -> std::io::Result<Vec<u8>> {
    match endpoint {
        Endpoint::Socket(path) => {
            talk(UnixStream::connect(path).await?, request, usual, most).await
        }
        Endpoint::Tcp(address) => {
            let address = address
                .split_once("://")
                .map_or(address.as_str(), |(_, rest)| rest);
            talk(TcpStream::connect(address).await?, request, usual, most).await
        }
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
    usual: usize,
    most: u64,
) -> std::io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(usual);
    stream.take(most).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// The version in the head of an answer, or what is wrong with it.
fn api_of(head: &str) -> Result<Api, String> {
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if status.split_whitespace().nth(1) != Some("200") {
        return Err(format!("it answered `{}`", status.escape_debug()));
    }
    let version = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case("api-version"))
        .and_then(|(_, value)| value.trim().split_once('.'));
    let number = |text: &str| text.parse().ok();
    version
        .and_then(|(major, minor)| Some(Api(number(major)?, number(minor)?)))
        .ok_or_else(|| "it does not tell its version, as an engine does".into())
}

fn silent(endpoint: &Endpoint, reason: String) -> BackendError {
    BackendError::Unavailable {
        engine: ENGINE,
        reason: format!("{endpoint}: {reason}"),
        help: "look at what it says: systemctl status docker".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_head_of_a_ping() {
        let head = "HTTP/1.1 200 OK\r\napi-version: 1.41\r\nDocker-Experimental: false\r\n\r\nOK";
        assert_eq!(api_of(head), Ok(Api(1, 41)));
        assert!(Api(1, 9) < OLDEST && Api(1, 100) > SEVERAL_NETWORKS && Api(2, 0) > OLDEST);
    }

    #[test]
    fn what_is_no_engine_is_told_with_what_it_said() {
        for (head, word) in [
            ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "502 Bad Gateway"),
            (
                "HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\nApi-Version: 1.41",
                "version",
            ),
            ("HTTP/1.1 200 OK\r\nApi-Version: new\r\n\r\n", "version"),
            ("", "``"),
        ] {
            let error = api_of(head).unwrap_err();
            assert!(error.contains(word), "{head:?}: {error}");
        }
    }
}
