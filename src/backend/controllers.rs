//! The cgroup controllers of this host in the words of the model.

use std::collections::BTreeMap;

use crate::model::CgroupVersion;
use crate::sys::{self, Hierarchies};

/// Which version holds each controller that a container can have here. A limit whose controller is not
/// among them is refused by the planner.
pub fn controllers() -> BTreeMap<String, CgroupVersion> {
    let version = |version| match version {
        sys::CgroupVersion::V1 => CgroupVersion::V1,
        sys::CgroupVersion::V2 => CgroupVersion::V2,
    };
    let all = Hierarchies::here().controllers().into_iter();
    all.map(|(name, found)| (name, version(found))).collect()
}
