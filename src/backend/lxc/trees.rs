//! Whole trees in and out of a container, from the host, without ever following a link out of it.

use std::path::Path;

use super::site::{Site, failed};
use crate::backend::BackendError;
use crate::model::Name;

/// Copies `from` of the host to `to` in the container.
pub(super) fn copy_in(
    site: &Site,
    name: &Name,
    from: &Path,
    _to: &Path,
) -> Result<(), BackendError> {
    let reason = format!("`{}` cannot be copied yet", from.display());
    Err(failed("copy into", &site.full(name), reason))
}

/// Copies `from` of the container to `to` on the host.
pub(super) fn copy_out(
    site: &Site,
    name: &Name,
    from: &Path,
    _to: &Path,
) -> Result<(), BackendError> {
    let reason = format!("`{}` cannot be copied yet", from.display());
    Err(failed("copy out of", &site.full(name), reason))
}
