//! Engines that do not answer: what the other one has is shown all the same, and this is told once.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Kind, Name, Project};
use crate::observed::{Down, Observed};

use super::{JobError, Selection};

/// What is told beside what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// So many lines of a container are not kept where its output is read.
    Lost(Name, u64),
    /// An engine does not answer.
    Away {
        /// Which, why, and what mends it.
        down: Down,
        /// Containers of which nothing is shown therefore.
        hidden: BTreeSet<Name>,
    },
    /// This engine answers again.
    Back(&'static str),
}

/// Who is told.
pub type Remarks<'a> = &'a mut (dyn FnMut(&Remark) + Send);

/// The engines of which something was asked for, and those of them that are away.
pub(super) struct Absence<'a> {
    asked: BTreeMap<Kind, BTreeSet<Name>>,
    /// Also what nobody knows yet was asked for.
    all: bool,
    away: BTreeMap<Kind, &'static str>,
    remarks: Remarks<'a>,
}

impl<'a> Absence<'a> {
    /// Tells nobody anything yet.
    pub(super) fn new(
        project: &Project,
        observed: &Observed,
        selection: &Selection,
        remarks: Remarks<'a>,
    ) -> Self {
        let mut asked: BTreeMap<Kind, BTreeSet<Name>> = BTreeMap::new();
        let file = project.containers.iter().map(|(name, c)| (name, c.kind()));
        let seen = observed.containers.iter().map(|(name, c)| (name, c.kind));
        let silent = observed.silent.keys().map(|name| (name, Kind::System));
        // A command that was run in a container of its own, which went with its end.
        let jobs = observed.jobs.keys().map(|name| (name, Kind::Application));
        // Where it is now, if that is known.
        let kinds: BTreeMap<&Name, Kind> = jobs.chain(file).chain(silent).chain(seen).collect();
        for (name, kind) in kinds {
            if selection.as_ref().is_none_or(|some| some.contains(name)) {
                asked.entry(kind).or_default().insert(name.clone());
            }
        }
        Self {
            asked,
            all: selection.is_none(),
            away: BTreeMap::new(),
            remarks,
        }
    }

    /// Whatever goes away is told.
    #[cfg(test)]
    pub(super) fn of_all(remarks: Remarks<'a>) -> Self {
        Self {
            asked: BTreeMap::new(),
            all: true,
            away: BTreeMap::new(),
            remarks,
        }
    }

    /// An error when there is nothing but what engines have that do not answer.
    pub(super) fn check(&self, observed: &Observed) -> Result<(), JobError> {
        let each = self.asked.keys().map(|kind| observed.down.get(kind));
        let all: Option<Vec<&Down>> = each.collect();
        // Where the file has nothing, there may be something of an earlier one.
        let first = all.and_then(|all| all.into_iter().chain(observed.down.values()).next());
        first.map_or(Ok(()), |down| Err(JobError::Backend(down.clone().into())))
    }

    /// Tells what a look at both engines has shown, as far as it is new.
    pub(super) fn looked(&mut self, observed: &Observed) {
        for kind in [Kind::System, Kind::Application] {
            match observed.down.get(&kind) {
                Some(down) => self.is_away(kind, down, &BTreeSet::new()),
                None => self.is_back(kind),
            }
        }
    }

    /// An engine does not answer; `shown` are containers of which something is shown all the same.
    pub(super) fn is_away(&mut self, kind: Kind, down: &Down, shown: &BTreeSet<Name>) {
        let of_it = self.asked.get(&kind);
        if (of_it.is_none() && !self.all) || self.away.contains_key(&kind) {
            return;
        }
        self.away.insert(kind, down.engine);
        let hidden = of_it.into_iter().flatten();
        let hidden = hidden.filter(|name| !shown.contains(*name));
        (self.remarks)(&Remark::Away {
            down: down.clone(),
            hidden: hidden.cloned().collect(),
        });
    }

    /// It answers again.
    pub(super) fn is_back(&mut self, kind: Kind) {
        if let Some(engine) = self.away.remove(&kind) {
            (self.remarks)(&Remark::Back(engine));
        }
    }

    /// Which engine has the container.
    pub(super) fn kind_of(&self, name: &Name) -> Kind {
        let mut asked = self.asked.iter();
        let found = asked.find(|(_, names)| names.contains(name));
        found.map_or(Kind::Application, |(kind, _)| *kind)
    }

    /// Tells something else.
    pub(super) fn remark(&mut self, remark: &Remark) {
        (self.remarks)(remark);
    }
}
