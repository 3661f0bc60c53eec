//! Events. Placeholder until the room of helper `images` is merged.
use bollard::Docker;

use super::error::refused;
use crate::backend::{BackendError, EventStream};
use crate::model::Name;

pub(super) async fn events(_: &Docker, project: &Name) -> Result<EventStream, BackendError> {
    Err(refused("watch", project.as_str(), "not there yet"))
}
