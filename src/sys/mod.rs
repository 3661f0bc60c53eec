//! The system under us: processes, sockets, name servers, time. No locker words here.
//!
//! Everything is read from the calling thread's own namespaces (`/proc/thread-self`), so that a test
//! in a private network namespace never looks at the host.

mod addresses;
mod attention;
mod cards;
mod cgroup;
mod clock;
mod confine;
mod cores;
mod diag;
mod exec;
mod fit;
mod flows;
mod hairpin;
mod hierarchies;
mod journal;
mod knock;
mod lines;
mod listeners;
mod made;
mod mounts;
mod netlink;
mod notify;
pub mod process;
mod resolv;
mod ruleset;
pub mod sysctls;
pub mod terminal;
mod yaml_files;

pub use addresses::addresses;
pub use attention::Attention;
pub use cards::{Cable, cables, hardware_behind};
pub use cgroup::{Cgroup, Figures, freezer_of};
pub use clock::now;
pub use confine::{Ground, can_confine, confine};
pub use cores::cores;
pub use exec::{Exec, ExecError, Output};
pub use fit::{fit_cables, mtu_of};
pub use flows::{Flow, flows, forget as forget_flows};
pub use hairpin::{let_ports_reach_themselves, let_reach_itself};
pub use hierarchies::{CgroupVersion, Hierarchies, UnitGroup};
pub use journal::{Journal, journal_field};
pub use knock::knock;
pub use lines::Lines;
pub use listeners::{ListenError, Owner, RawListener, Transport, listeners, owner};
pub use made::{Made, Taken};
pub use mounts::{mount_point_of, mount_points, mount_points_of};
pub use notify::{Notifier, tell_failure, tell_journal};
pub use resolv::{is_stub, name_servers};
pub use ruleset::Generation;
pub use yaml_files::has_yaml;
