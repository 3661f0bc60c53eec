//! What tells about containers while time goes on: readiness, ends, processes, happenings.

use async_trait::async_trait;

use super::LxcBackend;
use super::site::failed;
use crate::backend::{BackendError, EventStream, LogStream, LogWish, Probe, Process, Watch};
use crate::model::{Healthcheck, Name};

#[async_trait]
impl Watch for LxcBackend {
    async fn probe(
        &self,
        name: &Name,
        _check: Option<&Healthcheck>,
    ) -> Result<Probe, BackendError> {
        Err(failed("probe", &self.site.full(name), "not known yet"))
    }

    async fn logs(&self, name: &Name, _wish: &LogWish) -> Result<LogStream, BackendError> {
        Err(failed(
            "read the log of",
            &self.site.full(name),
            "not known yet",
        ))
    }

    async fn processes(&self, name: &Name) -> Result<Vec<Process>, BackendError> {
        Err(failed(
            "list the processes of",
            &self.site.full(name),
            "not known yet",
        ))
    }

    async fn ended(&self, name: &Name) -> Result<i32, BackendError> {
        Err(failed("wait for", &self.site.full(name), "not known yet"))
    }

    async fn events(&self) -> Result<EventStream, BackendError> {
        Err(failed("watch", self.site.project.as_str(), "not known yet"))
    }
}
