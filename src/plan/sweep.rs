//! What another firewall driver has left of this project: the file's `firewall` changed, or its program was gone
//! for a while. Such rules go on leading to addresses that other containers may get.

use crate::model::PortRule;
use crate::observed::Leftover;

use super::build::Builder;
use super::{Cause, Goal, Step};

impl Builder<'_> {
    /// Takes it out once the present driver's own rules are in place. What only touches some containers leaves
    /// those of others to the next `up`, for they may have no others yet.
    pub(super) fn sweep(&mut self) {
        if self.wish.no_ports {
            return;
        }
        let whole = self.sweeps_all();
        for left in &self.observed.firewall.left {
            let rests = |rule: &&PortRule| !self.running.contains(&rule.container);
            let ours = left.rules.iter().filter(|r| r.project == self.project.name);
            let networks = left.networks.iter();
            let networks = networks.filter(|n| whole && n.project == self.project.name);
            let left = Leftover {
                driver: left.driver.clone(),
                networks: networks.cloned().collect(),
                rules: ours.filter(|rule| whole || rests(rule)).cloned().collect(),
            };
            if left.rules.is_empty() && left.networks.is_empty() {
                continue;
            }
            let step = Step::Sweep(Box::new(left));
            let cause = Cause::Drifted("another firewall driver made them");
            let id = self.draft.add(step, vec![cause]);
            for earlier in self.draft.of_rules() {
                self.draft.after(id, earlier);
            }
        }
    }

    fn sweeps_all(&self) -> bool {
        let all = self.wish.selection.is_none();
        match &self.wish.goal {
            Goal::Down { .. } | Goal::Cleanup => true,
            Goal::Up | Goal::Ports | Goal::Unports => all,
            Goal::Create
            | Goal::Start { .. }
            | Goal::Stop
            | Goal::Restart
            | Goal::Remove
            | Goal::PortAdd(_)
            | Goal::PortRemove(_)
            | Goal::Links
            | Goal::Unlinks
            | Goal::Limits
            | Goal::Freeze
            | Goal::Unfreeze
            | Goal::Pull
            | Goal::Build
            | Goal::Enable(_) => false,
        }
    }
}
