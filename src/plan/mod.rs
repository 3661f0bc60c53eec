//! What to do: `plan(project, observed, wish) -> Plan`.
//!
//! Pure: not async, opens nothing, asks nobody. The plan has one stable text form
//! ([`Plan::to_string`]); `locker plan`, `--dry-run`, the log and the tests all use it.

pub mod addresses;
mod application;
mod build;
mod cause;
mod compose;
mod create;
mod denied;
mod desire;
mod destroy;
mod diff;
mod diff_app;
mod down;
mod fixed;
mod goal;
mod graph;
mod health;
mod held;
mod hosts;
mod images;
pub mod indexes;
mod intent;
mod json;
mod limit_keys;
mod make;
mod name_servers;
mod names;
mod needs;
mod network_up;
mod networks;
mod offer;
mod order;
mod owners;
mod pick;
mod places;
mod ports;
mod power;
mod publish;
mod record;
mod recreate;
mod render;
mod settings;
mod step;
mod subnets;
mod supervision;
mod sweep;
mod teardown;
mod unheld;
mod unit_changes;
mod unit_limits;
mod units;
mod volumes;
mod waits;
mod wish;
mod words;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Key, Name, Place};

pub use build::STOPPING;
pub use cause::Cause;
pub use denied::denied;
pub use make::{belongs, plan};
pub use ports::{closed, goes_out};
pub(crate) use power::usual_grace;
pub use step::Step;
pub use volumes::WITHOUT_ADOPTED;
pub use wish::{Goal, Recreate, Wait, Wish};

/// Index of a step in its plan.
pub type StepId = usize;

/// A step with its reason and the steps that must be done before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// What to do.
    pub step: Step,
    /// Why; the first is the main reason.
    pub causes: Vec<Cause>,
    /// Steps that must be done first, each of a lower index.
    pub after: Vec<StepId>,
}

/// What would be lost, to be asked about before anything is touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// `the root file system of container web`, `the named volume data`.
    pub what: String,
    /// Where it is, so that its size can be shown.
    pub container: Option<Name>,
    /// The path of a named volume.
    pub path: Option<std::path::PathBuf>,
    /// Why it must go.
    pub cause: Cause,
}

/// Something that the user should know and that stops nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What it is about.
    pub message: String,
    /// Where it stands in the file, if it does.
    pub place: Option<Place>,
}

/// A reason why there can be no plan. All of them are reported in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What is wrong, naming the object and who is in the way.
    pub message: String,
    /// The container it is about.
    pub container: Option<Name>,
    /// The key it is about.
    pub key: Option<Key>,
    /// Where it stands in the file.
    pub place: Option<Place>,
    /// What to do about it: a command or a change of the file.
    pub help: Option<String>,
}

/// What to do, in an order that respects every `after`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<PlannedStep>,
    /// What would be lost.
    pub losses: Vec<Loss>,
    /// What the user should know before anything is touched, and that stops nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

impl Plan {
    /// Takes out the steps that `taken` says, in their order, with the reasons and the order of those that stay as they
    /// were: nothing waits any more for what is taken out.
    pub fn take_out(&mut self, taken: impl Fn(&Step) -> bool) -> Vec<Step> {
        let (mut out, mut places) = (Vec::new(), BTreeMap::new());
        for (id, planned) in std::mem::take(&mut self.steps).into_iter().enumerate() {
            if taken(&planned.step) {
                out.push(planned.step);
                continue;
            }
            let after = planned.after.iter();
            let after = after.filter_map(|earlier| places.get(earlier));
            let after = after.copied().collect();
            places.insert(id, self.steps.len());
            self.steps.push(PlannedStep { after, ..planned });
        }
        out
    }
}

#[cfg(test)]
mod tests;
