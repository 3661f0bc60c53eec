//! From words to meaning: the only door from the tree to [`crate::model`].
//!
//! Each key has one function that takes the layers in which it may stand, `defaults` and the
//! container's own, and puts what it cannot use onto the desk's pile. Value syntaxes are the
//! model's business; what spans several containers is [`super::check`]'s.

mod app;
mod build;
mod container;
mod deploy;
mod health;
mod hooks;
mod inside;
mod ipv6;
mod managed;
mod networks;
mod order;
mod ports;
mod project;
mod provisions;
mod reach;
mod source;
mod stores;
mod system;
mod values;
mod variables;
mod volumes;

pub(super) use app::THROTTLES;
pub(super) use project::lower;
