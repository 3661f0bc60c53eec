//! An engine that is not on this host: every request is answered with the reason.
//!
//! A project without containers of its kind never notices; see [`super::engines::Engines`].

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use super::{
    AttachOptions, Backend, BackendError, BackendView, Body, Engine, EventStream, Inside,
    LogStream, LogWish, Outer, Probe, Process, Progress, Ran, Sought, Watch,
};
use crate::model::{Healthcheck, Hook, HostsLine, Mount, Name};
use crate::observed::Mark;

/// An engine that is not there, with the reason.
#[derive(Clone, Debug)]
pub struct AbsentBackend {
    engine: &'static str,
    reason: String,
    help: String,
}

impl AbsentBackend {
    /// In the place of an engine that could not be opened; any other error is given back.
    ///
    /// # Errors
    /// `error` itself when it does not say that the engine is not available.
    pub fn instead(error: BackendError) -> Result<Self, BackendError> {
        match error {
            BackendError::Unavailable {
                engine,
                reason,
                help,
            } => Ok(Self {
                engine,
                reason,
                help,
            }),
            other => Err(other),
        }
    }

    fn answer<T>(&self) -> Result<T, BackendError> {
        Err(BackendError::Unavailable {
            engine: self.engine,
            reason: self.reason.clone(),
            help: self.help.clone(),
        })
    }
}

#[async_trait]
impl Backend for AbsentBackend {
    async fn observe(&self, _: &Sought) -> Result<BackendView, BackendError> {
        self.answer()
    }

    async fn create(&self, _: &Mark, _: bool, _: Progress<'_>) -> Result<(), BackendError> {
        self.answer()
    }

    async fn configure(&self, _: &Mark) -> Result<(), BackendError> {
        self.answer()
    }

    async fn start(&self, _: &Name, _: Body) -> Result<(), BackendError> {
        self.answer()
    }

    async fn stop(&self, _: &Name, _: Body, _: Duration) -> Result<(), BackendError> {
        self.answer()
    }

    async fn destroy(&self, _: &Name, _: Body, _: bool) -> Result<(), BackendError> {
        self.answer()
    }

    async fn set_aside(&self, _: &Name, _: bool) -> Result<(), BackendError> {
        self.answer()
    }

    fn inside(&self) -> &dyn Inside {
        self
    }

    fn watch(&self) -> &dyn Watch {
        self
    }

    fn engine(&self) -> Option<&dyn Engine> {
        None
    }
}

#[async_trait]
impl Inside for AbsentBackend {
    async fn write_names(
        &self,
        _: &Name,
        _: &[HostsLine],
        _: &[IpAddr],
    ) -> Result<(), BackendError> {
        self.answer()
    }

    async fn seed(&self, _: &Name, _: &[Mount], _: bool) -> Result<Vec<PathBuf>, BackendError> {
        self.answer()
    }

    async fn set_frozen(&self, _: &Name, _: bool) -> Result<(), BackendError> {
        self.answer()
    }

    async fn run(&self, _: &Name, _: &Hook, _: Option<Duration>) -> Result<Ran, BackendError> {
        self.answer()
    }

    async fn attach(&self, _: &Name, _: &[String], _: &AttachOptions) -> Result<i32, BackendError> {
        self.answer()
    }

    async fn copy_in(&self, _: &Name, _: Outer<'_>, _: &Path) -> Result<(), BackendError> {
        self.answer()
    }

    async fn copy_out(&self, _: &Name, _: &Path, _: Outer<'_>) -> Result<(), BackendError> {
        self.answer()
    }

    async fn size(&self, _: &Name) -> Result<u64, BackendError> {
        self.answer()
    }
}

#[async_trait]
impl Watch for AbsentBackend {
    async fn probe(&self, _: &Name, _: Option<&Healthcheck>) -> Result<Probe, BackendError> {
        self.answer()
    }

    async fn logs(&self, _: &Name, _: &LogWish) -> Result<LogStream, BackendError> {
        self.answer()
    }

    async fn processes(&self, _: &Name) -> Result<Vec<Process>, BackendError> {
        self.answer()
    }

    async fn ended(&self, _: &Name) -> Result<i32, BackendError> {
        self.answer()
    }

    async fn events(&self) -> Result<EventStream, BackendError> {
        self.answer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_engine_that_is_not_there_is_stood_in_for() {
        let missing = BackendError::Unavailable {
            engine: "LXC",
            reason: "no liblxc".into(),
            help: "apt-get install lxc".into(),
        };
        let absent = AbsentBackend::instead(missing).unwrap();
        let said = absent.answer::<()>().unwrap_err().to_string();
        assert_eq!(said, "LXC is not available: no liblxc");
        let other = BackendError::Mark {
            path: "/x".into(),
            reason: "not JSON".into(),
        };
        assert!(AbsentBackend::instead(other).is_err());
    }
}
