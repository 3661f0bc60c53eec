//! Commands inside a container. Placeholder until the room of helper `images` is merged.
use std::time::Duration;

use bollard::Docker;

use super::error::refused;
use crate::backend::{AttachOptions, BackendError, Ran};
use crate::model::InnerCommand;

pub(super) async fn run(
    _: &Docker,
    full: &str,
    _: &InnerCommand,
    _: Option<Duration>,
) -> Result<Ran, BackendError> {
    Err(refused("run a command in", full, "not there yet"))
}
pub(super) async fn attach(
    _: &Docker,
    full: &str,
    _: &[String],
    _: &AttachOptions,
) -> Result<i32, BackendError> {
    Err(refused("attach to", full, "not there yet"))
}
