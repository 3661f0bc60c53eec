//! Id maps: which host users and groups an unprivileged container's own ones are.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which ids a range maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdKind {
    /// User ids.
    User,
    /// Group ids.
    Group,
}

/// One range: `count` ids from `container` on are the host's ids from `host` on (user_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdRange {
    /// Users or groups.
    pub kind: IdKind,
    /// First id inside.
    pub container: u32,
    /// First id on the host.
    pub host: u32,
    /// How many.
    pub count: u32,
}

impl IdRange {
    /// Whether both have an id of the host in common.
    pub fn meets(&self, other: &Self) -> bool {
        let last = |range: &Self| range.host.saturating_add(range.count);
        self.kind == other.kind && self.host < last(other) && other.host < last(self)
    }
}

/// `u 0 100000 65536`, as lxc.container.conf(5) writes it.
impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            IdKind::User => 'u',
            IdKind::Group => 'g',
        };
        write!(f, "{kind} {} {} {}", self.container, self.host, self.count)
    }
}

/// The key `idmap`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Idmap {
    /// locker picks a free block of 65536 ids.
    Auto,
    /// Exactly these ranges.
    Ranges(Vec<IdRange>),
}

/// Why an id map is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdmapError {
    /// Not four fields.
    #[error("`{0}` is not an id range; it is `u|g|b CONTAINER_ID HOST_ID COUNT`")]
    Form(String),
    /// A range of no ids, or one that passes the largest id.
    #[error("the id range `{0}` is empty or goes beyond 4294967294")]
    Size(String),
    /// Two ranges of the same kind with an id in common.
    #[error("the id ranges `{0}` and `{1}` overlap")]
    Overlap(IdRange, IdRange),
}

impl IdRange {
    /// Reads `u|g|b CONTAINER HOST COUNT`; `b` (both) makes a user and a group range.
    pub fn parse(text: &str) -> Result<Vec<Self>, IdmapError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let form = || IdmapError::Form(text.into());
        let [kind, container, host, count] = fields[..] else {
            return Err(form());
        };
        let kinds: &[IdKind] = match kind {
            "u" => &[IdKind::User],
            "g" => &[IdKind::Group],
            "b" => &[IdKind::User, IdKind::Group],
            _ => return Err(form()),
        };
        let number = |word: &str| word.parse::<u32>().map_err(|_| form());
        let (container, host, count) = (number(container)?, number(host)?, number(count)?);
        // 4294967295 is (uid_t) -1, which is no id.
        let fits = |first: u32| u64::from(first) + u64::from(count) <= u64::from(u32::MAX);
        if count == 0 || !fits(container) || !fits(host) {
            return Err(IdmapError::Size(text.into()));
        }
        Ok(kinds
            .iter()
            .map(|kind| Self {
                kind: *kind,
                container,
                host,
                count,
            })
            .collect())
    }

    /// Checks that no two of `ranges` share an id, on either side.
    pub fn check_apart(ranges: &[Self]) -> Result<(), IdmapError> {
        let share = |a: u32, a_count: u32, b: u32, b_count: u32| {
            u64::from(a) < u64::from(b) + u64::from(b_count)
                && u64::from(b) < u64::from(a) + u64::from(a_count)
        };
        for (index, one) in ranges.iter().enumerate() {
            for two in ranges[..index].iter().filter(|two| two.kind == one.kind) {
                if share(one.container, one.count, two.container, two.count)
                    || share(one.host, one.count, two.host, two.count)
                {
                    return Err(IdmapError::Overlap(*two, *one));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_range_has_four_fields_and_fits() {
        let text = |text: &str| {
            IdRange::parse(text).map(|ranges| {
                ranges
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            })
        };
        assert_eq!(text("u 0 100000 65536").as_deref(), Ok("u 0 100000 65536"));
        assert_eq!(text("b 0 1 2").as_deref(), Ok("u 0 1 2, g 0 1 2"));
        for bad in ["", "u 0 1", "x 0 1 2", "u -1 0 1", "u 0 1 2 3", "u a b c"] {
            assert_eq!(text(bad), Err(IdmapError::Form(bad.into())));
        }
        for bad in ["u 0 0 0", "u 4294967295 0 1", "u 0 4294967290 10"] {
            assert_eq!(text(bad), Err(IdmapError::Size(bad.into())));
        }
    }

    #[test]
    fn ranges_that_share_an_id_are_refused() {
        let ranges = |texts: &[&str]| -> Vec<IdRange> {
            texts
                .iter()
                .flat_map(|t| IdRange::parse(t).unwrap())
                .collect()
        };
        assert!(IdRange::check_apart(&ranges(&["b 0 100000 1000", "b 1000 1000 1"])).is_ok());
        assert!(IdRange::check_apart(&ranges(&["u 0 100000 1000", "g 0 100000 1000"])).is_ok());
        assert!(IdRange::check_apart(&ranges(&["u 0 100000 1000", "u 999 5 1"])).is_err());
        assert!(IdRange::check_apart(&ranges(&["u 0 100000 1000", "u 5000 100999 1"])).is_err());
    }
}
