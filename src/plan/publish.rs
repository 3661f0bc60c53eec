//! The steps that publish ports: rules of what stops go first, the rest changes at the end, in one
//! transaction.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ContainerSpec, Key, Listener, Name, Place, Port, PortRule};
use crate::observed::ProjectRecord;

use super::build::Builder;
use super::graph::Slot;
use super::intent::Power;
use super::record::is_meant;
use super::{Cause, Goal, Step, Warning, ports};

/// A rule and where it stands in the file.
type Placed = (PortRule, Place);

/// What is to become of a running container's rules.
enum Rules<'a> {
    /// As they are.
    Keep,
    /// Those of the file, and those added by hand.
    Fresh,
    /// None.
    Out,
    /// One more.
    With(&'a Port),
    /// As they are but for those that are meant.
    Without(&'a Port),
}

impl Builder<'_> {
    /// Compares the rules in place with the wanted ones.
    pub(super) fn ports(&mut self, record: Option<&ProjectRecord>) {
        if self.wish.no_ports {
            return;
        }
        let wanted = self.wanted_ports(record);
        let all = &self.observed.firewall.rules;
        let mine: BTreeSet<&PortRule> = all
            .iter()
            .filter(|r| r.project == self.project.name)
            .collect();
        let want: BTreeSet<&PortRule> = wanted.iter().map(|(rule, _)| rule).collect();
        let none = self.observed.firewall.driver == "none";
        let new = |rule: &PortRule| !none && !mine.contains(rule);
        let add: Vec<Placed> = wanted.iter().filter(|(r, _)| new(r)).cloned().collect();
        let torn = self.observed.firewall.torn.rules.iter();
        let torn = torn.filter(|rule| rule.project == self.project.name);
        let gone = mine.iter().copied().chain(torn);
        let gone = gone.filter(|rule| !want.contains(rule));
        let (early, late): (Vec<PortRule>, Vec<PortRule>) = gone
            .cloned()
            .partition(|rule| !self.running.contains(&rule.container));
        // What is torn is its project's still, which mends it.
        let theirs = all.iter().chain(&self.observed.firewall.torn.rules);
        let foreign = theirs.filter(|r| r.project != self.project.name);
        let stay: BTreeSet<&PortRule> = foreign.chain(mine.intersection(&want).copied()).collect();
        let goes = |listener: &Listener| self.is_given_up(listener) || self.is_of_compose(listener);
        let problems = ports::conflicts(self.observed, &add, &stay, goes);
        self.compose_ports(&add);
        let lost = add.iter();
        let lost = lost.filter_map(|(rule, place)| ports::without_ipv6(rule, place));
        self.problems.extend(problems.into_iter().chain(lost));
        if self.wish.goal.scope().needs_file {
            let mut running = self.specs.iter();
            let goes_out = running.any(|(name, spec)| {
                self.running.contains(name) && ports::goes_out(self.project, spec)
            });
            let doubts = ports::doubts(self.observed, &wanted, goes_out);
            self.warnings.extend(doubts);
        }
        self.say_who_rests();
        self.withdraw(early);
        self.publish(add, late);
    }

    /// Rules lead to containers that run; of others that are named it is said.
    fn say_who_rests(&mut self) {
        let named = self.wish.selection.iter().flatten();
        let named = named.filter(|_| self.wish.goal == Goal::Ports);
        for name in named.filter(|name| !self.running.contains(*name)) {
            self.warnings.push(Warning {
                message: format!(
                    "container `{name}` does not run; its ports are published when it starts"
                ),
                place: None,
            });
        }
    }

    /// The rules that will be in place of this project.
    fn wanted_ports(&self, record: Option<&ProjectRecord>) -> Vec<Placed> {
        let mut kept: BTreeMap<&Name, Vec<Placed>> = BTreeMap::new();
        for rule in &self.observed.firewall.rules {
            if rule.project == self.project.name {
                let list = kept.entry(&rule.container).or_default();
                list.push((rule.clone(), Place::nowhere()));
            }
        }
        let running = self.specs.iter();
        let running = running.filter(|(name, _)| self.running.contains(*name));
        running
            .flat_map(|(name, spec)| {
                let kept = kept.remove(name).unwrap_or_default();
                self.wanted_of(name, spec, kept, record)
            })
            .collect()
    }

    fn wanted_of(
        &self,
        name: &Name,
        spec: &ContainerSpec,
        mut kept: Vec<Placed>,
        record: Option<&ProjectRecord>,
    ) -> Vec<Placed> {
        let fresh = || ports::wanted(self.project, record, spec);
        match self.rules_of(name) {
            Rules::Keep => kept,
            Rules::Fresh => fresh(),
            Rules::Out => Vec::new(),
            Rules::With(port) => {
                let mut more = fresh();
                more.retain(|(rule, _)| rule.port == *port || port.host.first == 0);
                more.retain(|new| !kept.iter().any(|(old, _)| *old == new.0));
                kept.extend(more);
                kept
            }
            Rules::Without(port) => {
                kept.retain(|(rule, _)| !is_meant(&rule.port, port));
                kept
            }
        }
    }

    fn rules_of(&self, name: &Name) -> Rules<'_> {
        let intent = self.intents.get(name).copied().unwrap_or_default();
        let defined = self.project.containers.contains_key(name);
        let asked = match &self.wish.goal {
            Goal::Unports => Rules::Out,
            Goal::PortAdd(port) => Rules::With(port),
            Goal::PortRemove(port) => Rules::Without(port),
            Goal::Ports if defined => Rules::Fresh,
            Goal::Ports => Rules::Keep,
            Goal::Up
            | Goal::Create
            | Goal::Start { .. }
            | Goal::Stop
            | Goal::Restart
            | Goal::Remove
            | Goal::Down { .. }
            | Goal::Links
            | Goal::Unlinks
            | Goal::Limits
            | Goal::Freeze
            | Goal::Unfreeze
            | Goal::Pull
            | Goal::Build
            | Goal::Enable(_)
            | Goal::Cleanup => {
                let powered = matches!(intent.power, Power::On | Power::Cycle);
                return match powered && defined {
                    true => Rules::Fresh,
                    false => Rules::Keep,
                };
            }
        };
        match intent.chosen {
            true => asked,
            false => Rules::Keep,
        }
    }

    /// Nothing is sent to a container that is about to stop, and nothing to one that is gone.
    fn withdraw(&mut self, remove: Vec<PortRule>) {
        if remove.is_empty() {
            return;
        }
        let causes = self.gone_causes(&remove);
        let add = Vec::new();
        let id = self.draft.add(Step::Publish { add, remove }, causes);
        for slot in [Slot::Stop, Slot::StopAside] {
            for stop in self.draft.all(slot) {
                self.draft.after(stop, id);
            }
        }
    }

    fn publish(&mut self, add: Vec<Placed>, remove: Vec<PortRule>) {
        if add.is_empty() && remove.is_empty() {
            return;
        }
        let replaced: BTreeSet<&Name> = remove.iter().map(|rule| &rule.container).collect();
        let mut causes = Vec::new();
        for (rule, place) in &add {
            push(&mut causes, self.new_cause(rule, place, &replaced));
        }
        for cause in self.gone_causes(&remove) {
            if add.is_empty() {
                push(&mut causes, cause);
            }
        }
        let add = add.into_iter().map(|(rule, _)| rule).collect();
        let id = self.draft.add(Step::Publish { add, remove }, causes);
        for slot in [Slot::Start, Slot::Stop] {
            for earlier in self.draft.all(slot) {
                self.draft.after(id, earlier);
            }
        }
        self.published = Some(id);
    }

    fn new_cause(&self, rule: &PortRule, place: &Place, replaced: &BTreeSet<&Name>) -> Cause {
        let (key, place) = (Key::Ports, place.clone());
        if self.has(Slot::Start, &rule.container) {
            Cause::For(rule.container.clone())
        } else if !place.is_somewhere() && matches!(self.wish.goal, Goal::PortAdd(_)) {
            Cause::Asked
        } else if replaced.contains(&rule.container) {
            Cause::Changed { key, place }
        } else {
            Cause::NotInPlace { key, place }
        }
    }

    fn gone_causes(&self, rules: &[PortRule]) -> Vec<Cause> {
        let mut causes = Vec::new();
        for rule in rules {
            let name = &rule.container;
            let file = self.project.containers.get(name);
            let cause = match file {
                None => Cause::NotInFile,
                Some(_) if self.has(Slot::Stop, name) => Cause::For(name.clone()),
                Some(_) if !self.running.contains(name) => Cause::Drifted("not running"),
                Some(file) if self.wish.goal == Goal::Up => Cause::Changed {
                    key: Key::Ports,
                    place: file.place_of(Key::Ports).clone(),
                },
                Some(_) => Cause::Asked,
            };
            push(&mut causes, cause);
        }
        causes
    }
}

fn push(causes: &mut Vec<Cause>, cause: Cause) {
    if !causes.contains(&cause) {
        causes.push(cause);
    }
}
