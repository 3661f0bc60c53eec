//! What the kernel grants a container of either kind, in the words of the Compose Specification.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Device, Key, Ulimit};

/// What a container may do and use beyond, or short of, the usual. What is none or empty is left to LXC's own
/// configuration, or to the image and the engine.
///
/// It stands flat among the settings of its kind on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Granted {
    /// All capabilities, all devices, and the kernel's files writable.
    #[serde(skip_serializing_if = "is_false")]
    pub privileged: bool,
    /// The root file system is read-only.
    #[serde(skip_serializing_if = "is_false")]
    pub read_only: bool,
    /// Resource limits by name (setrlimit(2)): soft and hard; -1 is none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Kernel parameters of its namespaces.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// Capabilities beyond those that the engine or LXC's configuration leaves it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    /// Capabilities taken away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    /// Host devices inside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Rules of the device cgroup, `c 1:3 mr`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_cgroup_rules: Vec<String>,
    /// Memory file systems by path inside, with their mount options (`size=64m,mode=1777`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tmpfs: BTreeMap<PathBuf, String>,
    /// Size of /dev/shm in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
pub(super) fn is_false(flag: &bool) -> bool {
    !flag
}

impl Granted {
    /// The keys of the file by which one differs from another, each set with whether it does.
    pub fn differences(&self, other: &Self) -> [(bool, &'static [Key]); 10] {
        [
            (self.privileged != other.privileged, &[Key::Privileged]),
            (self.read_only != other.read_only, &[Key::ReadOnly]),
            (self.ulimits != other.ulimits, &[Key::Ulimits]),
            (self.sysctls != other.sysctls, &[Key::Sysctls]),
            (self.cap_add != other.cap_add, &[Key::CapAdd]),
            (self.cap_drop != other.cap_drop, &[Key::CapDrop]),
            (self.devices != other.devices, &[Key::Devices]),
            (
                self.device_cgroup_rules != other.device_cgroup_rules,
                &[Key::DeviceCgroupRules],
            ),
            (self.tmpfs != other.tmpfs, &[Key::Tmpfs, Key::Volumes]),
            (self.shm_size != other.shm_size, &[Key::ShmSize]),
        ]
    }

    /// The memory file systems, that of `shm_size` among them.
    pub fn memory_mounts(&self) -> BTreeMap<PathBuf, String> {
        let mut all = self.tmpfs.clone();
        if let Some(size) = self.shm_size {
            let shm = all.entry("/dev/shm".into());
            shm.or_insert_with(|| format!("mode=1777,exec,size={size}"));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_shared_memory_is_a_memory_file_system_unless_one_is_there() {
        let mut granted = Granted {
            shm_size: Some(64 << 20),
            ..Granted::default()
        };
        let shm = PathBuf::from("/dev/shm");
        let expected = "mode=1777,exec,size=67108864";
        assert_eq!(granted.memory_mounts()[&shm], expected);
        granted.tmpfs.insert(shm.clone(), "size=1m".into());
        assert_eq!(granted.memory_mounts()[&shm], "size=1m");
    }

    #[test]
    fn settings_of_an_older_program_are_read_and_written_as_it_did() {
        let old = r#"{"privileged":true,"ulimits":{"nofile":{"soft":1,"hard":2}},"shm_size":1,"nesting":true}"#;
        let system: super::super::System = serde_json::from_str(old).unwrap();
        assert!(system.granted.privileged && system.nesting);
        let text = serde_json::to_value(&system).unwrap();
        let expected: serde_json::Value = serde_json::from_str(old).unwrap();
        assert_eq!(text, expected);
        let app: super::super::App = serde_json::from_str(r#"{"cap_add":["ALL"]}"#).unwrap();
        assert_eq!(app.granted.cap_add, ["ALL"]);
    }
}
