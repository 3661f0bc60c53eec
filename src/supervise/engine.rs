//! The engine of application containers, as far as a supervisor needs it.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::http::{self, Answer, Body};
use super::stream::{Hear, copy};
use crate::backend::docker::reach::{LONGEST, Reach, reach};
use crate::model::{ENGINE_SOCKET, Hook, UnitSpec, tells_to_end};

/// How long an answer may take that needs no waiting.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often an engine that is away is asked again.
const AWAY: Duration = Duration::from_millis(200);

/// The engine by its socket.
pub(super) struct Engine {
    socket: PathBuf,
}

/// A container as the engine shows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Shown {
    pub(super) id: String,
    pub(super) state: ShownState,
    pub(super) config: ShownConfig,
    #[serde(default)]
    host_config: ShownMode,
    #[serde(default)]
    network_settings: ShownNetworks,
}

/// How it is on the network.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShownMode {
    #[serde(default)]
    network_mode: String,
}

/// Its networks.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShownNetworks {
    #[serde(default)]
    networks: BTreeMap<String, ShownCard>,
}

/// One of its network cards.
#[derive(Debug, Deserialize)]
struct ShownCard {
    #[serde(rename = "IPAddress", default)]
    v4: String,
    #[serde(rename = "GlobalIPv6Address", default)]
    v6: String,
}

/// Its state.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShownState {
    pub(super) running: bool,
    pub(super) exit_code: i64,
    #[serde(default)]
    pub(super) started_at: String,
    #[serde(default)]
    pub(super) finished_at: String,
    pub(super) health: Option<ShownHealth>,
}

/// What its health check says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShownHealth {
    pub(super) status: String,
    #[serde(default)]
    log: Option<Vec<ShownTry>>,
}

/// One try of its check.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShownTry {
    exit_code: i64,
    #[serde(default)]
    output: String,
}

impl ShownHealth {
    /// Exit code and output of the last try, when that did not pass.
    pub(super) fn last(&self) -> Option<(i64, &str)> {
        let tries = self.log.as_ref()?;
        let last = tries.last().filter(|last| last.exit_code != 0)?;
        Some((last.exit_code, &last.output))
    }
}

/// What it was made with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShownConfig {
    #[serde(default)]
    pub(super) tty: bool,
    /// The signal that asks it to end; empty for SIGTERM.
    #[serde(default)]
    stop_signal: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ended {
    status_code: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Made {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExecShown {
    exit_code: Option<i64>,
}

/// Something that has happened to a container.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Happened {
    #[serde(default)]
    action: String,
    #[serde(default)]
    actor: Happening,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Happening {
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Said {
    message: String,
}

/// Whether an error says nothing of a container, since the engine has not answered: it is away, begins, or goes just now.
pub(super) fn is_away(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotFound, Other, TimedOut};
    // Those are what it has said, what it has said that nobody understands, and the end of the time of a command.
    !matches!(error.kind(), NotFound | Other | InvalidData | TimedOut)
}

impl Engine {
    /// The one that has the unit's container.
    pub(super) fn of(unit: &UnitSpec) -> Self {
        let usual = || ENGINE_SOCKET.into();
        Self::new(unit.engine.clone().unwrap_or_else(usual))
    }

    /// The one that listens there.
    pub(super) fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    fn ask(
        &self,
        method: &str,
        target: &str,
        json: Option<&str>,
        patience: Option<Duration>,
    ) -> io::Result<Body> {
        let Answer { status, body } = http::send(&self.socket, method, target, json, patience)?;
        match status {
            200..=299 | 304 => Ok(body),
            _ => {
                let text = body.text()?;
                let said = serde_json::from_str::<Said>(&text).map(|said| said.message);
                let kind = match status {
                    404 => io::ErrorKind::NotFound,
                    _ => io::ErrorKind::Other,
                };
                Err(io::Error::new(kind, said.unwrap_or(text)))
            }
        }
    }

    fn value<T: for<'a> Deserialize<'a>>(body: Body) -> io::Result<T> {
        serde_json::from_str(&body.text()?).map_err(io::Error::other)
    }

    /// Waits until the engine answers; at most so long.
    pub(super) fn await_engine(&self, most: Duration) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            match self.ask("GET", "/_ping", None, Some(PATIENCE)) {
                Ok(_) => return Ok(()),
                Err(error) if begun.elapsed() > most => return Err(error),
                Err(_) => std::thread::sleep(AWAY),
            }
        }
    }

    /// Waits until the engine answers, however long it is away: what it keeps alive meanwhile goes on, and is attended to.
    pub(super) fn await_back(&self) {
        while self.await_engine(PATIENCE).is_err() {}
    }

    /// Shows it as soon as the engine answers.
    pub(super) fn show_at_last(&self, container: &str) -> io::Result<Shown> {
        loop {
            self.await_back();
            match self.show(container) {
                Err(error) if is_away(&error) => std::thread::sleep(AWAY),
                shown => return shown,
            }
        }
    }

    pub(super) fn show(&self, container: &str) -> io::Result<Shown> {
        let target = format!("/containers/{container}/json");
        Self::value(self.ask("GET", &target, None, Some(PATIENCE))?)
    }

    /// Where it is reached from the host, if anywhere.
    pub(super) fn address(&self, container: &str) -> io::Result<Option<IpAddr>> {
        let mut container = container.to_string();
        for _ in 0..LONGEST {
            let shown = self.show(&container)?;
            let cards = shown.network_settings.networks.values();
            let addresses = cards.flat_map(|card| [card.v4.as_str(), &card.v6]);
            match reach(&shown.host_config.network_mode, addresses) {
                Reach::At(at) => return Ok(Some(at)),
                Reach::Like(other) => container = other,
                Reach::Nowhere => break,
            }
        }
        Ok(None)
    }

    /// Starts it; one that runs is fine.
    pub(super) fn start(&self, container: &str) -> io::Result<()> {
        let target = format!("/containers/{container}/start");
        self.ask("POST", &target, None, Some(PATIENCE)).map(drop)
    }

    /// Asks it to end, and ends it by force after `grace`.
    pub(super) fn stop(&self, container: &str, grace: Duration) -> io::Result<()> {
        let target = format!("/containers/{container}/stop?t={}", grace.as_secs());
        let patience = Some(PATIENCE + grace);
        self.ask("POST", &target, None, patience).map(drop)
    }

    /// Ends it by force.
    pub(super) fn kill(&self, container: &str) -> io::Result<()> {
        let target = format!("/containers/{container}/kill");
        self.ask("POST", &target, None, Some(PATIENCE)).map(drop)
    }

    /// Removes one that has ended, with its volumes without a name; an absent one is fine.
    pub(super) fn remove(&self, container: &str) -> io::Result<()> {
        let target = format!("/containers/{container}?v=1");
        match self.ask("DELETE", &target, None, Some(PATIENCE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Its exit code, as soon as it has ended.
    pub(super) fn wait(&self, container: &str) -> io::Result<i64> {
        let target = format!("/containers/{container}/wait");
        let ended: Ended = Self::value(self.ask("POST", &target, None, None)?)?;
        Ok(ended.status_code)
    }

    /// Whether it was told to end since it was started last, as far as the engine remembers: some hundred events of all
    /// containers.
    pub(super) fn was_told_to_end(&self, shown: &Shown) -> io::Result<bool> {
        let since: Timestamp = shown.state.started_at.parse().map_err(io::Error::other)?;
        let until = Timestamp::now();
        let seconds = |at: Timestamp| format!("{}.{:09}", at.as_second(), at.subsec_nanosecond());
        // `{"container":["<id>"]}`
        let filters = format!("%7B%22container%22%3A%5B%22{}%22%5D%7D", shown.id);
        let target = format!(
            "/events?since={}&until={}&filters={filters}",
            seconds(since),
            seconds(until)
        );
        let text = self.ask("GET", &target, None, Some(PATIENCE))?.text()?;
        let events = serde_json::Deserializer::from_str(&text).into_iter::<Happened>();
        let told = |event: Happened| {
            let signal = event.actor.attributes.get("signal");
            let own = Some(shown.config.stop_signal.as_str());
            tells_to_end(&event.action, signal.map(String::as_str), own)
        };
        Ok(events.map_while(Result::ok).any(told))
    }

    /// Its output from `since` on, seconds since 1970 with a fraction, with `follow` as it comes; each frame
    /// begins with its time when it is `timed`.
    pub(super) fn logs(
        &self,
        container: &str,
        since: &str,
        timed: bool,
        follow: bool,
    ) -> io::Result<Body> {
        let (follow, timed) = (u8::from(follow), u8::from(timed));
        let wish = format!("follow={follow}&stdout=1&stderr=1&timestamps={timed}&since={since}");
        let target = format!("/containers/{container}/logs?{wish}");
        let patience = (follow == 0).then_some(PATIENCE);
        self.ask("GET", &target, None, patience)
    }

    /// Runs a command inside, its output is told to `hear`; its exit code. One that takes longer than `most`
    /// has failed.
    pub(super) fn run(
        &self,
        container: &str,
        hook: &Hook,
        most: Option<Duration>,
        hear: Hear<'_>,
    ) -> io::Result<i64> {
        let variables = hook.environment.iter();
        let variables: Vec<String> = variables.map(|(k, v)| format!("{k}={v}")).collect();
        let wish = json!({
            "Cmd": hook.command.argv(),
            "AttachStdout": true,
            "AttachStderr": true,
            "User": hook.user,
            "WorkingDir": hook.working_dir,
            "Privileged": hook.privileged,
            "Env": variables,
        });
        let target = format!("/containers/{container}/exec");
        let made: Made =
            Self::value(self.ask("POST", &target, Some(&wish.to_string()), Some(PATIENCE))?)?;
        let begin = format!("/exec/{}/start", made.id);
        let end = most.map(|most| Instant::now() + most);
        let output = self.ask("POST", &begin, Some(r#"{"Detach":false}"#), most);
        // The stream ends with the command.
        let heard = output.and_then(|output| copy(output.until(end), true, hear));
        heard.map_err(|error| match (error.kind(), most) {
            (io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock, Some(most)) => {
                let most = most.as_secs_f64();
                let text = format!("`{hook}` did not end within {most} s");
                io::Error::new(io::ErrorKind::TimedOut, text)
            }
            _ => error,
        })?;
        let shown = format!("/exec/{}/json", made.id);
        let shown = self.ask("GET", &shown, None, Some(PATIENCE));
        // An engine that has begun anew meanwhile knows of no command: how it has ended is not known.
        let shown = shown.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::ConnectionReset, error),
            _ => error,
        })?;
        let shown: ExecShown = Self::value(shown)?;
        Ok(shown.exit_code.unwrap_or(-1))
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
pub(super) mod tests;
