//! Meaning: the project as pure values.
//!
//! Everything here has been checked: a [`Name`] is a safe name, a [`Port`] a real port. Names and
//! value syntaxes are checked here and nowhere else. No I/O, no engine, no YAML.

mod app;
mod app_values;
mod build;
mod cgroup;
mod container;
mod dns;
mod engine_network;
mod engine_volume;
mod fqdn;
mod healthcheck;
mod hosts;
mod idmap;
mod image;
mod inner_file;
mod journal;
mod link;
mod name;
mod network;
mod place;
mod port;
mod port_forms;
mod project;
mod restart;
mod size;
mod source;
mod spec;
mod supervisor;
mod time;
mod unit;
mod volume;
mod words;

pub use app::*;
pub use app_values::*;
pub use build::*;
pub use cgroup::*;
pub use container::*;
pub use dns::*;
pub use engine_network::*;
pub use engine_volume::*;
pub use fqdn::*;
pub use healthcheck::*;
pub use hosts::*;
pub use idmap::*;
pub use image::*;
pub use inner_file::*;
pub use journal::*;
pub use link::*;
pub use name::*;
pub use network::*;
pub use place::*;
pub use port::*;
pub use port_forms::*;
pub use project::*;
pub use restart::*;
pub use size::*;
pub use source::*;
pub use spec::*;
pub use supervisor::*;
pub use time::*;
pub use unit::*;
pub use volume::*;
pub use words::*;
