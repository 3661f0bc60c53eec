//! How long each container waits for what it needs: as long as all checks before it may take, one after the other.
//!
//! All that a container needs, also through others, counts once. Of a chain each set is that of the one before and
//! one more, so each is made of an earlier one and what that lacks; asking each for all of its needs would cost the
//! square of a chain's length.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Healthcheck, Name, Project};

use super::graph::innermost_first;
use super::needs;

/// How long a container waits at least for what it needs.
const LEAST_WAIT: Duration = Duration::from_secs(300);

/// The longest wait of every container of a project.
pub(super) struct Waits {
    all: BTreeMap<Name, Duration>,
    /// How many containers and parts of sets were looked at.
    #[cfg(test)]
    pub(super) looks: usize,
}

/// All checks that come before one container.
#[derive(Clone, Default)]
struct Before {
    /// A bit for each container with a check, by its place among those.
    checks: Vec<u64>,
    /// How long they may take together.
    most: Duration,
}

impl Waits {
    pub(super) fn of(project: &Project) -> Self {
        let names: Vec<&Name> = project.containers.keys().collect();
        let place = |name: &Name| names.binary_search(&name).ok();
        let files = project.containers.values();
        let needs = files.map(|file| {
            let on = needs::of(file).into_iter();
            let on = on.filter_map(|need| place(&need.on));
            on.collect::<Vec<usize>>()
        });
        let needs: Vec<Vec<usize>> = needs.collect();
        let files = project.containers.values();
        let checks = files.map(|file| {
            let check = file.healthcheck.as_ref().map(longest);
            let ready = file.hooks.ready.as_ref().map(|ready| ready.within);
            check
                .into_iter()
                .chain(ready)
                .reduce(Duration::saturating_add)
        });
        let checks: Vec<Option<Duration>> = checks.collect();
        let mut looks = 0;
        let all = sums(&needs, &checks, &mut looks).into_iter();
        let all = names.into_iter().cloned().zip(all);
        Self {
            all: all
                .map(|(name, sum)| (name, LEAST_WAIT.saturating_add(sum)))
                .collect(),
            #[cfg(test)]
            looks,
        }
    }

    /// How long `name` waits.
    pub(super) fn wait_of(&self, name: &Name) -> Duration {
        self.all.get(name).copied().unwrap_or(LEAST_WAIT)
    }
}

/// The sum of `checks` over all that each can reach by `needs`, itself not; `looks` counts the work.
fn sums(needs: &[Vec<usize>], checks: &[Option<Duration>], looks: &mut usize) -> Vec<Duration> {
    let mut bit_of = vec![None; needs.len()];
    let checked = checks
        .iter()
        .enumerate()
        .filter_map(|(id, check)| Some((id, (*check)?)));
    let checked: Vec<(usize, Duration)> = checked.collect();
    for (bit, (id, _)) in checked.iter().enumerate() {
        bit_of[*id] = Some(bit);
    }
    let mut before: Vec<Before> = vec![Before::default(); needs.len()];
    for id in innermost_first(needs) {
        *looks += 1;
        // The largest first: it lacks least.
        let size = |on: &&usize| before[**on].most;
        let largest = needs[id].iter().max_by_key(size);
        let mut mine = largest.map_or_else(Before::default, |on| before[*on].clone());
        *looks += mine.checks.len();
        for on in &needs[id] {
            if Some(on) != largest {
                *looks += mine.take(&before[*on], &checked);
            }
            if let Some(bit) = bit_of[*on] {
                mine.add(bit, &checked);
            }
        }
        before[id] = mine;
    }
    before.into_iter().map(|before| before.most).collect()
}

impl Before {
    /// Puts in what `other` has more; how many parts were looked at.
    fn take(&mut self, other: &Self, checked: &[(usize, Duration)]) -> usize {
        let mut looks = other.checks.len();
        for (part, theirs) in other.checks.iter().enumerate() {
            let mut more = theirs & !self.checks.get(part).copied().unwrap_or_default();
            while more != 0 {
                looks += 1;
                self.add(part * BITS + more.trailing_zeros() as usize, checked);
                more &= more - 1;
            }
        }
        looks
    }

    fn add(&mut self, bit: usize, checked: &[(usize, Duration)]) {
        let (part, mask) = (bit / BITS, 1 << (bit % BITS));
        if self.checks.len() <= part {
            self.checks.resize(part + 1, 0);
        }
        if self.checks[part] & mask == 0 {
            self.checks[part] |= mask;
            self.most = self.most.saturating_add(checked[bit].1);
        }
    }
}

/// Bits of a part of a set.
const BITS: usize = u64::BITS as usize;

/// How long a check may take until it is known.
fn longest(check: &Healthcheck) -> Duration {
    let tries = check.retries.saturating_add(1);
    let each = check.interval.saturating_add(check.timeout);
    check
        .start_period
        .saturating_add(each.saturating_mul(tries))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(needs: &[&[usize]], checks: &[u64]) -> Vec<u64> {
        let needs: Vec<Vec<usize>> = needs.iter().map(|on| on.to_vec()).collect();
        let check = |secs: &u64| (*secs > 0).then(|| Duration::from_secs(*secs));
        let checks: Vec<Option<Duration>> = checks.iter().map(check).collect();
        let sums = sums(&needs, &checks, &mut 0).into_iter();
        sums.map(|sum| sum.as_secs()).collect()
    }

    #[test]
    fn what_is_needed_twice_counts_once_and_itself_never() {
        // 3 needs 1 and 2, which both need 0.
        let diamond: [&[usize]; 4] = [&[], &[0], &[0], &[1, 2]];
        assert_eq!(seconds(&diamond, &[1, 10, 100, 1000]), [0, 1, 1, 111]);
        assert_eq!(seconds(&diamond, &[1, 0, 100, 0]), [0, 1, 1, 101]);
        assert!(seconds(&[], &[]).is_empty());
        // A circle is refused elsewhere; here it has an end.
        assert_eq!(seconds(&[&[1], &[0]], &[1, 10]).len(), 2);
    }

    #[test]
    fn a_chain_costs_no_square() {
        let looks = |count: usize, with_check: bool| {
            let needs: Vec<Vec<usize>> = (0..count)
                .map(|id| (id.saturating_sub(2)..id).collect())
                .collect();
            let checks = vec![with_check.then(|| Duration::from_secs(1)); count];
            let mut looks = 0;
            let all = sums(&needs, &checks, &mut looks);
            let last = u64::try_from(count - 1).unwrap();
            assert_eq!(
                all[count - 1],
                Duration::from_secs(last * u64::from(with_check))
            );
            looks
        };
        assert!(looks(5000, false) < 3 * 5000, "nothing to add up");
        // The parts of sets: 64 containers each.
        let parts = 5000 / 64 + 1;
        assert!(
            looks(5000, true) < 5000 * (2 * parts + 3),
            "{}",
            looks(5000, true)
        );
    }
}
