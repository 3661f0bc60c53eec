//! Ends what only waits: of one container, or of the whole run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::model::Name;

/// Who is to end; dropping it ends nobody.
#[derive(Debug, Default)]
pub(super) struct Halts(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    all: bool,
    /// Whoever asked for the run does not want it any more.
    signal: bool,
    /// Those that cannot come to their end.
    lost: BTreeSet<Name>,
    /// By container; none is what belongs to no container.
    each: BTreeMap<Option<Name>, watch::Sender<bool>>,
}

impl Halts {
    /// Ends everything that waits, now and later.
    pub(super) fn all(&self) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.all = true;
        for sender in told.each.values() {
            sender.send_replace(true);
        }
    }

    /// The same, since whoever asked for the run does not want it any more.
    pub(super) fn by_signal(&self) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.signal = true;
        drop(told);
        self.all();
    }

    /// Whether work for a container that is under way is to be given up, and not only what waits.
    pub(super) fn gives_up(&self, name: &Name) -> bool {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.signal || told.lost.contains(name)
    }

    /// Ends what waits for one container, which cannot come to its end.
    pub(super) fn only(&self, name: &Name) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.lost.insert(name.clone());
        drop(told);
        self.sender(Some(name), |sender| sender.send_replace(true));
    }

    /// What becomes true once it is to end.
    pub(super) fn listen(&self, name: Option<&Name>) -> watch::Receiver<bool> {
        self.sender(name, watch::Sender::subscribe)
    }

    fn sender<T>(&self, name: Option<&Name>, ask: impl FnOnce(&watch::Sender<bool>) -> T) -> T {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = told.all;
        let entry = told.each.entry(name.cloned());
        ask(entry.or_insert_with(|| watch::Sender::new(all)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_halted_alone_and_all_also_those_that_come_later() {
        let halts = Halts::default();
        let (a, b) = (Name::new("a").unwrap(), Name::new("b").unwrap());
        let (one, other) = (halts.listen(Some(&a)), halts.listen(Some(&b)));
        halts.only(&a);
        assert!(*one.borrow() && !*other.borrow());
        assert!(halts.gives_up(&a) && !halts.gives_up(&b));
        halts.all();
        assert!(*other.borrow() && *halts.listen(None).borrow());
        assert!(!halts.gives_up(&b), "its work is waited for");
        halts.by_signal();
        assert!(halts.gives_up(&b));
    }
}
