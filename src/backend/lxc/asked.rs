//! A container as this process asks about it: every call has a limit.
//!
//! liblxc asks a container's monitor over a socket and waits for its answer without end, so a monitor that is
//! stopped, frozen or stuck in the kernel would hang whoever asks. Each object is kept by a thread of its own,
//! which is waited for no longer than a call may take; one that hangs is left behind and ends with the process.
//! Helper processes, in which liblxc forks, have [`super::container`] itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::container::Container;
use super::ffi::Liblxc;
use super::site::failed;
use super::{ended, keeper};
use crate::backend::BackendError;

/// How long an answer may take that a monitor gives at once: what takes longer hangs.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// The same for what the kernel does with all processes of a container.
const WORK: Duration = Duration::from_secs(30);

type Call = Box<dyn FnOnce(&Container<'_>) + Send>;

/// One container, asked for `verb`.
#[derive(Debug)]
pub(super) struct Asked {
    calls: Sender<Call>,
    verb: &'static str,
    full: String,
    /// Its monitor as far as the notes tell.
    keeper: Option<u32>,
}

impl Asked {
    /// The container `full` under `lxcpath`.
    ///
    /// # Errors
    /// liblxc cannot read its configuration, or hangs over it.
    pub(super) fn open(
        lxc: &Arc<Liblxc>,
        verb: &'static str,
        full: &str,
        lxcpath: &Path,
    ) -> Result<Self, BackendError> {
        let (calls, waiting) = channel();
        let (lxc, name, path) = (Arc::clone(lxc), full.to_owned(), lxcpath.to_owned());
        let (tell, opened) = channel();
        let keep = move || serve(&lxc, &name, &path, &tell, &waiting);
        let thread = std::thread::Builder::new().spawn(keep);
        thread.map_err(|error| failed(verb, full, format!("no thread to ask with: {error}")))?;
        let init = ended::started(&lxcpath.join(full)).map(|run| run.pid);
        let asked = Self {
            calls,
            verb,
            full: full.to_owned(),
            keeper: init.and_then(super::stop::parent_of),
        };
        match opened.recv_timeout(ANSWER) {
            Ok(true) => Ok(asked),
            Ok(false) | Err(RecvTimeoutError::Disconnected) => {
                let reason = "liblxc cannot read its configuration";
                Err(failed(verb, full, reason))
            }
            Err(RecvTimeoutError::Timeout) => Err(asked.silent(ANSWER)),
        }
    }

    /// `STOPPED`, `RUNNING`, `FROZEN`, …
    pub(super) fn state(&self) -> Result<String, BackendError> {
        self.state_within(ANSWER)
    }

    /// The same; `most` is how long the answer may take.
    pub(super) fn state_within(&self, most: Duration) -> Result<String, BackendError> {
        self.call(most, |container| container.state())
    }

    /// Process id of its init while it runs.
    pub(super) fn init_pid(&self) -> Result<Option<u32>, BackendError> {
        self.call(ANSWER, |container| container.init_pid())
    }

    /// Reads a file of settings into this object; false when liblxc refuses one.
    pub(super) fn load_config(&self, file: &Path) -> Result<bool, BackendError> {
        let file = file.to_owned();
        self.call(ANSWER, move |container| container.load_config(&file))
    }

    /// Freezes it; false when liblxc refuses.
    pub(super) fn freeze(&self) -> Result<bool, BackendError> {
        self.call(WORK, |container| container.freeze())
    }

    /// Thaws it; false when liblxc refuses.
    pub(super) fn unfreeze(&self) -> Result<bool, BackendError> {
        self.call(WORK, |container| container.unfreeze())
    }

    /// Kills it; false when liblxc refuses.
    pub(super) fn stop(&self) -> Result<bool, BackendError> {
        self.call(WORK, |container| container.stop())
    }

    /// Sets a limit of a running container; false when the kernel refuses.
    pub(super) fn set_cgroup(&self, key: &str, value: &str) -> Result<bool, BackendError> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.call(WORK, move |container| container.set_cgroup(&key, &value))
    }

    /// A limit of a running container; none when the kernel has no such limit.
    pub(super) fn cgroup(&self, key: &str) -> Result<Option<String>, BackendError> {
        let key = key.to_owned();
        self.call(ANSWER, move |container| container.cgroup(&key))
    }

    /// The value of a key as its file has it; empty when it is unset.
    pub(super) fn config(&self, key: &str) -> Result<String, BackendError> {
        let key = key.to_owned();
        self.call(ANSWER, move |container| container.config(&key))
    }

    fn call<T: Send + 'static>(
        &self,
        most: Duration,
        call: impl FnOnce(&Container<'_>) -> T + Send + 'static,
    ) -> Result<T, BackendError> {
        let (tell, told) = channel();
        let call = move |container: &Container<'_>| {
            // Nobody may wait any more.
            let _ = tell.send(call(container));
        };
        // The thread takes calls for as long as this value lives.
        let _ = self.calls.send(Box::new(call));
        told.recv_timeout(most).map_err(|_| self.silent(most))
    }

    fn silent(&self, waited: Duration) -> BackendError {
        keeper::silent(self.verb, &self.full, self.keeper, waited)
    }
}

/// Keeps one object and makes the calls on it, in order, until nobody can ask any more.
fn serve(lxc: &Liblxc, full: &str, lxcpath: &Path, tell: &Sender<bool>, calls: &Receiver<Call>) {
    let Some(container) = Container::open(lxc, full, lxcpath) else {
        let _ = tell.send(false);
        return;
    };
    if tell.send(true).is_ok() {
        calls.iter().for_each(|call| call(&container));
    }
}
