//! From words to meaning: the only door from the tree to [`crate::model`].
//!
//! Each key has one function that takes the layers in which it may stand, `defaults` and the
//! container's own, and puts what it cannot use onto the desk's pile. Value syntaxes are the
//! model's business; what spans several containers is [`super::check`]'s.

mod container;
mod inside;
mod order;
mod project;
mod reach;
mod source;
mod values;

pub(super) use project::lower;
