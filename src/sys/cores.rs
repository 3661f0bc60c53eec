//! How many processors this process may use.
//!
//! `std::thread::available_parallelism` also looks for limits of the own cgroup, and where the `cpu`
//! controller is of the first version it reads the table of mounts for that, in which a host has two long
//! lines for each container: 3 ms with two hundred. Whoever is limited so only shares out work too finely.

use rustix::thread::sched_getaffinity;

/// At least one.
pub fn cores() -> usize {
    let own = sched_getaffinity(None).map_or(1, |set| set.count());
    usize::try_from(own).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_that_one_may_use_are_counted() {
        let configured = std::fs::read_to_string("/proc/self/status").unwrap();
        let list = configured
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let count = |part: &str| match part.split_once('-') {
            Some((first, last)) => {
                last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap() + 1
            }
            None => 1,
        };
        let counted: usize = list.unwrap().trim().split(',').map(count).sum();
        assert_eq!(cores(), counted);
    }
}
