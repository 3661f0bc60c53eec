//! Doing: runs a plan side by side, remembers how to undo it, looks again. Decides nothing.
//!
//! [`Host`] holds the drivers of one machine and is passed in, so a test passes other drivers.
//! [`apply`] runs the graph; [`verify`] observes, plans again and expects nothing. What to do and
//! why is the planner's business, and what is printed is the counter's.

mod act;
mod affected;
mod back;
mod before;
mod cancel;
mod earlier;
mod early;
mod error;
pub mod events;
mod facts;
mod failed;
mod halt;
mod health;
mod hooked;
mod host;
mod jobs;
mod journal;
mod kept;
mod label;
mod lanes;
mod life;
mod marks;
mod partly;
mod perform;
mod progress;
mod provision;
mod signal;
mod sources;
mod supervised;
mod supervised_output;
mod supervised_start;
mod undo;
mod verify;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use cancel::{Cancel, Canceller, SignalWatch};
pub use earlier::Earlier;
pub use early::Starts;
pub use error::{Aftermath, ApplyError, StepError, StepFailure, Tried};
pub use events::{Event, Events};
pub(crate) use facts::closed_to_others;
pub use host::{Host, ObserveError};
pub use journal::{Journal, Unfinished};
pub use kept::remember;
pub use label::label;
pub use perform::{AnonymousVolumes, Applied, ApplyOptions, apply};
pub use supervised::Supervised;
pub use verify::{VerifyError, verify};
