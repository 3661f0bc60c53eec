//! Which cgroup hierarchies this host has, and which version holds a controller (cgroups(7)).
//!
//! The only place that decides about versions. A version 1 hierarchy counts when it is mounted here: a
//! kernel lists it in /proc/PID/cgroup also in a container that cannot reach it, beside a version 2 tree
//! that has no controllers.

use std::fs;
use std::path::{Path, PathBuf};

/// Where systemd mounts version 2, or the tmpfs that holds the hierarchies of version 1.
const TOP: &str = "/sys/fs/cgroup";

/// The version of a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupVersion {
    /// A hierarchy of some controllers.
    V1,
    /// The unified hierarchy.
    V2,
}

/// The mounted hierarchies of this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchies(Vec<Hierarchy>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// The group that the mount point shows.
    pub(super) root: String,
    pub(super) point: PathBuf,
    /// None is version 2. Else its controllers, or `name=systemd`.
    pub(super) controllers: Option<Vec<String>>,
}

/// The group that systemd made for the unit of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitGroup {
    /// Its path within the hierarchy that systemd uses.
    pub path: String,
    /// Its directory where version 2 is all that systemd uses; a group of version 1 may hold processes
    /// and groups at once, so that nobody needs its directory.
    pub unified: Option<PathBuf>,
}

impl Hierarchies {
    /// Those of this process's mount namespace.
    pub fn here() -> Self {
        let groups = own_groups();
        // The table of mounts is long where many containers run, and needless where the kernel has no
        // hierarchy of version 1.
        Self::unified_alone(&groups, Path::new(TOP)).unwrap_or_else(|| {
            let mountinfo = fs::read_to_string("/proc/thread-self/mountinfo");
            Self::parse(&mountinfo.unwrap_or_default(), &groups)
        })
    }

    fn unified_alone(groups: &str, top: &Path) -> Option<Self> {
        const CGROUP2_SUPER_MAGIC: i64 = 0x6367_7270; // statfs(2)
        let own = groups.trim_end().strip_prefix("0::/")?;
        let alone = !own.contains('\n') && top.join(own).is_dir();
        let unified = || rustix::fs::statfs(top).is_ok_and(|at| at.f_type == CGROUP2_SUPER_MAGIC);
        let hierarchy = || Hierarchy {
            root: "/".into(),
            point: top.into(),
            controllers: None,
        };
        (alone && unified()).then(|| Self(vec![hierarchy()]))
    }

    /// From the lines of a mountinfo file (proc(5)) and of a process's cgroup file, which tells the
    /// controllers of a hierarchy from the other options of its mount.
    pub(super) fn parse(mountinfo: &str, groups: &str) -> Self {
        let legacy: Vec<&str> = groups
            .lines()
            .filter_map(|line| line.split(':').nth(1))
            .filter(|names| !names.is_empty())
            .collect();
        Self(
            mountinfo
                .lines()
                .filter_map(|line| hierarchy(line, &legacy))
                .collect(),
        )
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Hierarchy> {
        self.0.iter()
    }

    /// The controllers that a group can have here, and where. What the kernel has and nobody has mounted,
    /// and what a version 2 tree was not given, is not among them.
    pub fn controllers(&self) -> Vec<(String, CgroupVersion)> {
        let mut found: Vec<(String, CgroupVersion)> = Vec::new();
        for hierarchy in &self.0 {
            let (names, version) = match &hierarchy.controllers {
                Some(names) => (names.clone(), CgroupVersion::V1),
                None => (unified_controllers(&hierarchy.point), CgroupVersion::V2),
            };
            for name in names.into_iter().filter(|name| !name.contains('=')) {
                // Mounted twice it is the same hierarchy.
                if !found.iter().any(|(known, _)| *known == name) {
                    found.push((name, version));
                }
            }
        }
        found
    }

    /// The group of this process's unit; none when it is in no group whose path ends as `is_it` says.
    pub fn unit_group(&self, is_it: &dyn Fn(&str) -> bool) -> Option<UnitGroup> {
        self.unit_group_of(&own_groups(), is_it)
    }

    fn unit_group_of(&self, groups: &str, is_it: &dyn Fn(&str) -> bool) -> Option<UnitGroup> {
        let line = |mark: &str| groups.lines().find_map(|line| line.split_once(mark));
        // Beside version 1 systemd may have made a group in the unified hierarchy as well, or left it alone.
        let marks = ["0::", ":name=systemd:"].into_iter();
        let paths = marks.filter_map(|mark| Some((mark, line(mark)?.1)));
        let (mark, path) = paths.into_iter().find(|(_, path)| is_it(path))?;
        let alone = self
            .each()
            .find(|h| h.controllers.is_none() && h.point == Path::new(TOP));
        let below = |h: &Hierarchy| {
            let below = path.strip_prefix(h.root.trim_end_matches('/'))?;
            Some(h.point.join(below.trim_start_matches('/')))
        };
        Some(UnitGroup {
            path: path.to_owned(),
            unified: alone.filter(|_| mark == "0::").and_then(below),
        })
    }
}

fn own_groups() -> String {
    fs::read_to_string("/proc/thread-self/cgroup").unwrap_or_default()
}

fn unified_controllers(point: &Path) -> Vec<String> {
    let text = fs::read_to_string(point.join("cgroup.controllers")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// A line of a mountinfo file; `legacy` are the hierarchies of version 1 as the kernel lists them.
fn hierarchy(line: &str, legacy: &[&str]) -> Option<Hierarchy> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let (root, point) = (mount.next()?, mount.next()?);
    let mut words = file_system.split(' ');
    let controllers = match words.next()? {
        "cgroup2" => None,
        "cgroup" => {
            let options: Vec<&str> = words.nth(1)?.split(',').collect();
            let is_it = |names: &&&str| names.split(',').all(|name| options.contains(&name));
            let names = legacy.iter().find(is_it)?;
            Some(names.split(',').map(str::to_owned).collect())
        }
        _ => return None,
    };
    Some(Hierarchy {
        root: root.to_owned(),
        point: point.into(),
        controllers,
    })
}

#[cfg(test)]
mod tests {
    use super::CgroupVersion::{V1, V2};
    use super::*;

    /// The kernel's list in a container whose machine has version 1: all of them are named.
    const LISTED: &str = "9:name=systemd:/\n8:pids:/\n4:memory:/\n2:cpu,cpuacct:/\n0::/.lxc\n";
    const LEGACY: &str = "\
25 22 0:22 / TOP rw - tmpfs tmpfs rw,mode=755
26 25 0:23 / TOP/memory rw,relatime shared:9 - cgroup cgroup rw,memory
27 25 0:24 / TOP/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct
28 25 0:25 / TOP/pids rw - cgroup cgroup rw,release_agent=/x,pids
29 25 0:26 / TOP/systemd rw - cgroup cgroup rw,xattr,name=systemd
";
    const UNIFIED_BESIDE: &str =
        "30 25 0:27 / TOP/unified rw shared:5 - cgroup2 cgroup2 rw,nsdelegate\n";
    const UNIFIED: &str = "29 22 0:26 / TOP rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    /// `controllers` is what the unified hierarchy at `unified` has.
    fn found(
        mounts: &str,
        groups: &str,
        (unified, controllers): (&str, &str),
    ) -> Vec<(String, CgroupVersion)> {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        fs::create_dir_all(top.join(unified)).unwrap();
        fs::write(top.join(unified).join("cgroup.controllers"), controllers).unwrap();
        let mounts = mounts.replace("TOP", top.to_str().unwrap());
        let mut found = Hierarchies::parse(&mounts, groups).controllers();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    fn all(list: &[(&str, CgroupVersion)]) -> Vec<(String, CgroupVersion)> {
        let owned = list
            .iter()
            .map(|(name, version)| (name.to_string(), *version));
        owned.collect()
    }

    #[test]
    fn a_controller_is_of_the_hierarchy_that_is_mounted() {
        let legacy = [("cpu", V1), ("cpuacct", V1), ("memory", V1), ("pids", V1)];
        assert_eq!(found(LEGACY, LISTED, ("unified", "")), all(&legacy));
        assert_eq!(
            found(UNIFIED, "0::/a\n", ("", "cpu io memory\n")),
            all(&[("cpu", V2), ("io", V2), ("memory", V2)])
        );
    }

    #[test]
    fn hybrid_hosts_have_each_controller_once() {
        let both = format!("{LEGACY}{UNIFIED_BESIDE}");
        assert_eq!(
            found(&both, LISTED, ("unified", "io\n")),
            all(&[
                ("cpu", V1),
                ("cpuacct", V1),
                ("io", V2),
                ("memory", V1),
                ("pids", V1)
            ])
        );
        let empty = found(&both, LISTED, ("unified", "\n"));
        assert_eq!(empty, found(LEGACY, LISTED, ("unified", "")));
    }

    #[test]
    fn what_is_listed_and_not_mounted_is_not_there() {
        assert_eq!(found(UNIFIED, LISTED, ("", "\n")), []);
        assert_eq!(found(UNIFIED, LISTED, ("", "pids\n")), all(&[("pids", V2)]));
        assert_eq!(found("", LISTED, ("", "pids\n")), []);
    }

    fn unit_group(mounts: &str, groups: &str) -> Option<(String, Option<String>)> {
        let mounts = mounts.replace("TOP", TOP);
        let is_service = |path: &str| path.ends_with(".service");
        let found = Hierarchies::parse(&mounts, groups).unit_group_of(groups, &is_service)?;
        let unified = found.unified.map(|dir| dir.display().to_string());
        Some((found.path, unified))
    }

    #[test]
    fn the_group_of_a_unit_is_where_systemd_made_it() {
        let path = "/locker.slice/locker-shop.slice/locker-shop-db.service";
        let some = |unified: Option<String>| Some((path.to_owned(), unified));
        let dir = some(Some(format!("{TOP}{path}")));
        let own = |before: &str, after: &str| format!("{before}{path}\n{after}");
        assert_eq!(unit_group(UNIFIED, &own("0::", "")), dir);
        // Version 2 in a container on a machine with version 1.
        let listed = own("8:pids:/\n4:memory:/\n1:name=systemd:/\n0::", "");
        assert_eq!(unit_group(UNIFIED, &listed), dir);
        let hybrid = format!("{LEGACY}{UNIFIED_BESIDE}");
        assert_eq!(
            unit_group(&hybrid, &own("1:name=systemd:/\n0::", "")),
            some(None)
        );
        // The unified hierarchy is there, and systemd does not use it.
        let beside = own("4:memory:/\n1:name=systemd:", "0::/\n");
        assert_eq!(unit_group(&hybrid, &beside), some(None));
        assert_eq!(unit_group(LEGACY, &beside), some(None));
        for nobodys in ["0::/user.slice/session-1.scope\n", "4:memory:/\n", ""] {
            assert_eq!(unit_group(UNIFIED, nobodys), None, "{nobodys}");
        }
        let part = UNIFIED.replace("0:26 / ", "0:26 /outer ");
        let within = own("0::/outer", "");
        let wanted = (format!("/outer{path}"), Some(format!("{TOP}{path}")));
        assert_eq!(unit_group(&part, &within), Some(wanted));
    }

    #[test]
    fn the_table_of_mounts_is_read_unless_version_two_is_alone() {
        let dir = tempfile::tempdir().unwrap();
        // No cgroup file system, a hierarchy of version 1, a group that is not shown there.
        for groups in ["0::/\n", "4:memory:/\n0::/\n", "0::/none\n", ""] {
            assert_eq!(Hierarchies::unified_alone(groups, dir.path()), None);
        }
    }
}
