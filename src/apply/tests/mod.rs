//! Plans run on drivers in memory that fail wherever they are told to.

mod apps;
mod crash;
mod engines;
mod fault;
mod follow;
mod independent;
mod jobs;
mod order;
mod plans;
pub(super) mod stage;
mod together;
