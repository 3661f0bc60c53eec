//! Running once. Placeholder until the room of helper `images` is merged.
use bollard::Docker;
use bollard::models::ContainerCreateBody;

use super::error::refused;
use crate::backend::{BackendError, RunOptions};

pub(super) fn adapt(_: &mut ContainerCreateBody, _: &RunOptions) {}
pub(super) async fn run(_: &Docker, full: &str, _: &RunOptions) -> Result<i32, BackendError> {
    Err(refused("run", full, "not there yet"))
}
