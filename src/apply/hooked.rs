//! `post_start` and `pre_stop` of containers that locker itself starts and stops.
//!
//! A supervised container's supervisor runs them when systemd starts and stops it, at boot for one. What
//! locker stops it asks here first, so that a command that fails stops nothing, as with Compose; the
//! supervisor is told by a note that they have run.

use crate::backend::{BackendError, Body, Probe, StartWait};
use crate::model::{HookAt, Name, STOP_GRACE, SupervisorStatus, UnitState, host_name_of};
use crate::plan::usual_grace;

use super::supervised::Supervised;

/// How many of its last lines are told of a command that failed.
const LAST_LINES: usize = 10;

impl Supervised {
    /// Starts it without a supervisor, and runs what comes after the start. A container whose commands fail
    /// has not been started: it is stopped. One that ran before stays as it is, and a bare start runs nothing.
    pub(super) async fn start_here(
        &self,
        name: &Name,
        body: Body,
        bare: bool,
    ) -> Result<(), BackendError> {
        let follows = !bare && self.of(name).hooks.follow_start();
        let hooked = body == Body::Present && follows && !self.runs(name).await;
        self.engines.start(name, body).await?;
        if !hooked {
            return Ok(());
        }
        let follows = Following::begin(self, name);
        let done = self.run_hooks(name, HookAt::PostStart).await;
        drop(follows);
        let Err(error) = done else {
            return Ok(());
        };
        if self.has_ended(name).await {
            // It cannot run them; that it has ended by itself is told as of any other.
            return Ok(());
        }
        let usual = self.of(name).kind.map_or(STOP_GRACE, usual_grace);
        let grace = self.of(name).grace.unwrap_or(usual);
        // The first error is the one to tell.
        let _ = self.engines.stop(name, body, grace).await;
        Err(error)
    }

    /// Runs what comes before a stop, when there is anything to stop.
    pub(super) async fn pre_stop(&self, name: &Name, body: Body) -> Result<(), BackendError> {
        let none = self.of(name).hooks.pre_stop.is_empty();
        if body == Body::Aside || none || self.has_ended(name).await || self.is_stopping(name).await
        {
            return Ok(());
        }
        match self.run_hooks(name, HookAt::PreStop).await {
            // It has ended meanwhile, which is what was wanted.
            Err(_) if self.has_ended(name).await => Ok(()),
            done => done,
        }
    }

    /// What its service waits for: it has not got to the container yet, since others come first, or a pause; or it has
    /// got past it, to what follows the start.
    pub(super) async fn service_waits(&self, name: &Name) -> Option<StartWait> {
        let state = self.state(name).await.ok()?;
        let follows = state.supervisor().is_at_post_start();
        if !follows && !is_held(&state) {
            return None;
        }
        // What is said may be of an older self, to which the service attends while this one is made.
        match self.runs(name).await {
            true => follows.then_some(StartWait::Service),
            false => (state.active != "active").then_some(StartWait::Others),
        }
    }

    /// Whether systemd stops it already, and has its supervisor run what comes before that.
    async fn is_stopping(&self, name: &Name) -> bool {
        let state = self.is_supervised(name, Body::Present);
        state
            && self
                .state(name)
                .await
                .is_ok_and(|state| state.active == "deactivating")
    }

    async fn has_ended(&self, name: &Name) -> bool {
        let probe = self.engines.watch().probe(name, None).await;
        matches!(probe, Ok(Probe::Ended(_)))
    }

    async fn run_hooks(&self, name: &Name, at: HookAt) -> Result<(), BackendError> {
        let verb = match at {
            HookAt::PostStart => "start",
            HookAt::PreStop => "stop",
        };
        let inside = self.engines.inside();
        if at == HookAt::PostStart {
            let state = inside.settle(name, None).await?;
            // Without a word of the file one that is slow is met as it is: its commands tell what they lack.
            if let (Some(state), Some(ready)) = (state, &self.of(name).hooks.ready) {
                return Err(BackendError::Engine {
                    verb,
                    container: host_name_of(&self.project, name),
                    reason: ready.failure(&state),
                    log: Vec::new(),
                });
            }
        }
        for hook in self.of(name).hooks.at(at) {
            let ran = match inside.run(name, hook, None).await {
                // A frozen one runs nothing, and is thawed by the stop anyway.
                Err(_) if verb == "stop" && inside.set_frozen(name, false).await.is_ok() => {
                    inside.run(name, hook, None).await?
                }
                ran => ran?,
            };
            if ran.code == 0 {
                continue;
            }
            let lines: Vec<&str> = ran.output.lines().collect();
            let last = lines.len().saturating_sub(LAST_LINES);
            let last = lines.get(last..).unwrap_or_default();
            return Err(BackendError::Engine {
                verb,
                container: host_name_of(&self.project, name),
                reason: hook.failure(at, ran.code.into(), &ran.output),
                log: last.iter().map(|line| line.to_string()).collect(),
            });
        }
        Ok(())
    }
}

/// A start without a supervisor whose container runs, while what follows the start is done.
struct Following<'a>(&'a Supervised, &'a Name);

impl<'a> Following<'a> {
    fn begin(of: &'a Supervised, name: &'a Name) -> Self {
        of.following().insert(name.clone());
        Self(of, name)
    }
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        self.0.following().remove(self.1);
    }
}

/// Whether what is said of a service is about this start: what an older run said last stays until systemd begins.
pub(super) fn has_begun(state: &UnitState) -> bool {
    !(state.active == "activating" && matches!(state.sub.as_str(), "dead" | "failed"))
}

/// How often systemd may have tried without a word of the supervisor about it.
const WORDLESS: u32 = 3;

/// Whether it is started again though it has not run at all: a program that is not there, limits that the
/// kernel does not grant. A supervisor whose container has run has said so. Without any words it was just
/// begun anew, or the supervisor itself does not start.
pub(super) fn never_ran(state: &UnitState) -> bool {
    let said = state.supervisor();
    let told = said != SupervisorStatus::Silent || state.restarts >= WORDLESS;
    state.sub == "auto-restart" && told && !said.is_past_post_start()
}

/// Whether a start waits: for systemd to begin it, for what the container needs, or for the next try.
fn is_held(state: &UnitState) -> bool {
    state.supervisor().waits() && state.active != "active"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_waits_for_others_is_told_from_one_under_way() {
        let says = |active: &str, status: &str| UnitState {
            active: active.into(),
            status: status.into(),
            ..UnitState::default()
        };
        assert!(is_held(&says("inactive", "")), "queued behind another one");
        assert!(is_held(&says("activating", "waiting until `db` is ready")));
        assert!(is_held(&says(
            "activating",
            "failed 4 times in a row; waits 2s"
        )));
        assert!(!is_held(&says("activating", "its post_start commands run")));
        assert!(!is_held(&says("activating", "not ready yet: exit code 1")));
        assert!(!is_held(&says("active", "running")));
    }

    #[test]
    fn what_systemd_tries_again_has_failed_only_when_it_never_ran() {
        let again = |status: &str, restarts| UnitState {
            active: "activating".into(),
            sub: "auto-restart".into(),
            status: status.into(),
            restarts,
            ..UnitState::default()
        };
        let refused =
            "cannot start container `shop_web`: exec: \"serv\": executable file not found";
        assert!(never_ran(&again(refused, 0)));
        assert!(!never_ran(&again("running", 7)), "it ran and ended");
        assert!(!never_ran(&again("not ready yet: exit code 1", 7)));
        assert!(!never_ran(&again("", 1)), "it was just begun anew");
        assert!(never_ran(&again("", 5)), "its supervisor does not start");
        let begins = UnitState {
            sub: "start".into(),
            ..again(refused, 1)
        };
        assert!(!never_ran(&begins));
    }
}
