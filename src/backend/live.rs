//! The limits that the kernel holds for a running container, read the same way for both engines.

use std::collections::BTreeMap;

use super::Meter;
use crate::model::{ContainerSpec, live_limits};

/// What its cgroup has in the place of each limit that it is to have, by the limits' keys; its init is `pid`. Nothing
/// where the kernel has no such file. `meter` is made only when there is a limit.
pub(super) fn read<'m>(
    spec: &ContainerSpec,
    pid: u32,
    meter: impl FnOnce() -> &'m Meter,
) -> BTreeMap<String, String> {
    let wanted = live_limits(spec);
    if wanted.is_empty() {
        return BTreeMap::new();
    }
    let cgroup = meter().cgroup(pid, &spec.host_name());
    let read = |key: String| {
        let controller = key.split('.').next().unwrap_or(&key);
        let value = cgroup.text(controller, &key, &key)?;
        Some((key, value))
    };
    wanted
        .into_iter()
        .filter_map(|limit| read(limit.key))
        .collect()
}
