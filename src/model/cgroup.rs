//! Limits: cgroup keys and values, and what the host's cgroup layout calls them.

mod app;
mod keys;
mod live;
mod translate;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use app::app_limits;
pub use live::live_limits;
pub use translate::{translate, translate_all};

/// The kernel's period of a quota that names none, microseconds.
const PERIOD: &str = "100000";

/// One `key=value` of `cgroup`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Limit {
    /// File name in the cgroup directory (`memory.max`, `cpuset.cpus`, …).
    pub key: String,
    /// What is written to it.
    pub value: String,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// Which cgroup hierarchy holds a controller on this host (cgroups(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupVersion {
    /// A v1 hierarchy.
    V1,
    /// The unified hierarchy.
    V2,
}

/// Why a limit is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// No `=`, or nothing on one of its sides.
    #[error("`{0}` is not a limit; it is `KEY=VALUE`, as in `memory.max=512M`")]
    Form(String),
    /// Not a cgroup key.
    #[error("`{0}` is not a cgroup key")]
    Unknown(String),
    /// A value with a control character.
    #[error("the value of `{0}` holds a control character")]
    Control(String),
    /// A value that the key cannot have.
    #[error("`{value}` is not a value of `{key}`: {reason}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What it should be.
        reason: &'static str,
    },
    /// The host has no such controller.
    #[error("`{key}` needs the cgroup controller `{controller}`, which this host does not have")]
    NoController {
        /// The key.
        key: String,
        /// The controller.
        controller: String,
    },
    /// The engine of application containers has no such limit.
    #[error("`{0}` is no limit that a container made from an image can have")]
    Engine(String),
    /// The host's version of cgroups knows nothing like it.
    #[error("`{key}` has no counterpart on this host (cgroup {host}): {reason}")]
    Untranslatable {
        /// The key.
        key: String,
        /// `v1` or `v2`.
        host: &'static str,
        /// Why, or what to write.
        reason: &'static str,
    },
}

impl Limit {
    /// Checks key and value as far as that is possible without a host.
    pub fn new(key: &str, value: &str) -> Result<Self, LimitError> {
        if key.is_empty() || value.is_empty() {
            return Err(LimitError::Form(format!("{key}={value}")));
        }
        if !keys::is_known(key) {
            return Err(LimitError::Unknown(key.into()));
        }
        if value.chars().any(char::is_control) {
            return Err(LimitError::Control(key.into()));
        }
        if keys::is_size(key) {
            parse_size(key, value)?;
        }
        Ok(Self {
            key: key.into(),
            value: value.into(),
        })
    }

    /// The device that it is about, `8:0`; a key may stand once for each.
    pub fn device(&self) -> Option<&str> {
        let first = self.value.split_whitespace().next()?;
        first.contains(':').then_some(first)
    }

    /// The same limit for a cgroup in which others may have set another period: a quota that names none is one of the usual
    /// period, and the kernel keeps the one it has.
    pub fn with_period(&self) -> Self {
        let value = match self.key.as_str() {
            "cpu.max" if self.value.split_whitespace().count() == 1 => {
                format!("{} {PERIOD}", self.value.trim())
            }
            _ => self.value.clone(),
        };
        Self {
            key: self.key.clone(),
            value,
        }
    }

    /// The usual period of the quota of `limits` where they name none and it has a file of its own (version 1).
    pub fn usual_period(limits: &[Self]) -> Option<Self> {
        let has = |key: &str| limits.iter().any(|limit| limit.key == key);
        let needed = has("cpu.cfs_quota_us") && !has("cpu.cfs_period_us");
        needed.then(|| Self {
            key: "cpu.cfs_period_us".into(),
            value: PERIOD.into(),
        })
    }

    /// The same limit in the kernel's words for "no limit", for when it goes while its container
    /// runs; none where the kernel has no such word.
    pub fn lifted(&self) -> Option<Self> {
        let value = keys::lifted(&self.key)?;
        Some(Self {
            key: self.key.clone(),
            value: value.into(),
        })
    }

    /// Every key without a variable part, for suggestions.
    pub fn known_keys() -> impl Iterator<Item = &'static str> {
        keys::all()
    }
}

/// `KEY=VALUE`, blanks around both dropped.
impl FromStr for Limit {
    type Err = LimitError;
    fn from_str(text: &str) -> Result<Self, LimitError> {
        match text.split_once('=') {
            Some((key, value)) => Self::new(key.trim(), value.trim()),
            None => Err(LimitError::Form(text.into())),
        }
    }
}

/// Bytes of a size; none means no limit. `K`, `M`, `G`, `T` are powers of 1024, as the kernel reads
/// them (memparse).
fn parse_size(key: &str, text: &str) -> Result<Option<u64>, LimitError> {
    if text == "max" || text == "-1" {
        return Ok(None);
    }
    let error = || LimitError::Value {
        key: key.into(),
        value: text.into(),
        reason: "it is a number of bytes, with `K`, `M`, `G` or `T` for powers of 1024, or `max`",
    };
    let (digits, shift) = match text.char_indices().last() {
        Some((end, 'k' | 'K')) => (&text[..end], 10),
        Some((end, 'm' | 'M')) => (&text[..end], 20),
        Some((end, 'g' | 'G')) => (&text[..end], 30),
        Some((end, 't' | 'T')) => (&text[..end], 40),
        Some(_) | None => (text, 0),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(error());
    }
    let number: u64 = digits.parse().map_err(|_| error())?;
    number.checked_mul(1 << shift).map(Some).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_without_a_period_is_one_of_the_usual_period() {
        for (limit, written) in [
            ("cpu.max=50000", "cpu.max=50000 100000"),
            ("cpu.max=max", "cpu.max=max 100000"),
            ("cpu.max=50000 20000", "cpu.max=50000 20000"),
            ("pids.max=9", "pids.max=9"),
        ] {
            let limit: Limit = limit.parse().unwrap();
            assert_eq!(limit.with_period().to_string(), written);
        }
        let limits = ["cpu.cfs_quota_us=5000", "cpu.cfs_period_us=20000"];
        let limits = limits.map(|text| text.parse::<Limit>().unwrap());
        let usual = Limit::usual_period(&limits[..1]).map(|limit| limit.to_string());
        assert_eq!(usual.as_deref(), Some("cpu.cfs_period_us=100000"));
        assert_eq!(Limit::usual_period(&limits), None);
        assert_eq!(Limit::usual_period(&limits[1..]), None);
    }

    #[test]
    fn a_limit_is_a_known_key_and_a_value() {
        for (text, expected) in [
            ("memory.max=512M", "memory.max=512M"),
            (
                " memory.limit_in_bytes = 200000000 ",
                "memory.limit_in_bytes=200000000",
            ),
            ("cpuset.cpus=0,1", "cpuset.cpus=0,1"),
            ("hugetlb.2MB.max=4M", "hugetlb.2MB.max=4M"),
            ("devices.allow=c 10:200 rwm", "devices.allow=c 10:200 rwm"),
        ] {
            assert_eq!(text.parse::<Limit>().unwrap().to_string(), expected);
        }
        for bad in [
            "",
            "memory.max",
            "=1",
            "memory.max=",
            "memory.mx=1",
            "../x=1",
            "memory.max=1X",
            "memory.max=99999999999G",
            "memory.max=é",
            "pids.max=1\n2",
            "memory/max=1",
        ] {
            assert!(bad.parse::<Limit>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_size_counts_in_powers_of_1024() {
        for (text, bytes) in [
            ("5", 5),
            ("1K", 1 << 10),
            ("512M", 512 << 20),
            ("2g", 2 << 30),
        ] {
            assert_eq!(parse_size("memory.max", text), Ok(Some(bytes)));
        }
        assert_eq!(parse_size("memory.max", "max"), Ok(None));
        assert_eq!(parse_size("memory.max", "-1"), Ok(None));
    }

    #[test]
    fn a_lifted_limit_is_a_good_limit_and_none_where_there_is_no_such_word() {
        let lifted = |text: &str| {
            let limit: Limit = text.parse().unwrap();
            limit.lifted().map(|lifted| lifted.to_string())
        };
        for (text, wanted) in [
            ("memory.max=1G", Some("memory.max=max")),
            ("memory.limit_in_bytes=1G", Some("memory.limit_in_bytes=-1")),
            ("hugetlb.2MB.max=4M", Some("hugetlb.2MB.max=max")),
            ("cpu.shares=2", Some("cpu.shares=1024")),
            ("cpuset.cpus=0", None),
        ] {
            assert_eq!(lifted(text).as_deref(), wanted);
        }
        let all = Limit::known_keys().filter_map(|key| Some((key, keys::lifted(key)?)));
        for (key, value) in all {
            assert!(Limit::new(key, value).is_ok(), "{key}={value}");
        }
    }
}
