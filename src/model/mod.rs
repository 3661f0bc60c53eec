//! Meaning: the project as pure values.
//!
//! Everything here has been checked: a [`Name`] is a safe name, a [`Port`] a real port. Names and
//! value syntaxes are checked here and nowhere else. No I/O, no engine, no YAML.

mod app;
mod build;
mod cgroup;
mod container;
mod dns;
mod engine_network;
mod fqdn;
mod healthcheck;
mod hosts;
mod idmap;
mod link;
mod name;
mod network;
mod place;
mod port;
mod project;
mod source;
mod spec;
mod supervisor;
mod volume;

pub use app::*;
pub use build::*;
pub use cgroup::*;
pub use container::*;
pub use dns::*;
pub use engine_network::*;
pub use fqdn::*;
pub use healthcheck::*;
pub use hosts::*;
pub use idmap::*;
pub use link::*;
pub use name::*;
pub use network::*;
pub use place::*;
pub use port::*;
pub use project::*;
pub use source::*;
pub use spec::*;
pub use supervisor::*;
pub use volume::*;
