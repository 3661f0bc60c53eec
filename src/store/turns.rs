//! Turns at the engine, among the processes that ask it for a start.
//!
//! Each supervised container has a process of its own that starts it, and at boot all of them begin at
//! once. An engine that starts more at a time than its processors carry needs longer for all of them
//! together. A turn is the lock of one of a few files: the kernel lets go of it however its holder ends.
//! A turn is a courtesy: whoever cannot get one in time, or at all, goes on without.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Paths;

/// How often one that waits looks for a place. A start takes the engine some ten times as long.
const LOOK: Duration = Duration::from_millis(15);

/// A place among those that start now; it is given back when this goes.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "only held")] File);

/// Waits for one of `places` places, at most `most`; `on_wait` is called once when there is none at once.
pub fn take_turn(
    paths: &Paths,
    places: usize,
    most: Duration,
    on_wait: impl FnOnce(),
) -> Option<Turn> {
    let (dir, begun) = (paths.turns(), Instant::now());
    let mut on_wait = Some(on_wait);
    loop {
        match free(&dir, places) {
            Ok(Some(turn)) => return Some(turn),
            Ok(None) if begun.elapsed() < most => {}
            Ok(None) | Err(_) => return None,
        }
        if let Some(tell) = on_wait.take() {
            tell();
        }
        std::thread::sleep(LOOK);
    }
}

fn free(dir: &Path, places: usize) -> io::Result<Option<Turn>> {
    fs::create_dir_all(dir)?;
    for place in 0..places {
        let path = dir.join(format!("start-{place}"));
        // Never removed: two could hold two files of one name.
        let file = File::options().append(true).create(true).open(path)?;
        match file.try_lock() {
            Ok(()) => return Ok(Some(Turn(file))),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn at_once(paths: &Paths) -> Option<Turn> {
        take_turn(paths, 2, Duration::ZERO, || {})
    }

    #[test]
    fn a_place_is_had_by_one_at_a_time_and_goes_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let first = at_once(&paths);
        let second = at_once(&paths);
        assert!(first.is_some() && second.is_some());
        assert!(
            at_once(&paths).is_none(),
            "nobody waits longer than he wants"
        );
        drop(second);
        assert!(at_once(&paths).is_some());
    }

    #[test]
    fn no_more_start_at_once_than_there_are_places() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let (now, peak, waited) = <(AtomicUsize, AtomicUsize, AtomicUsize)>::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let turn = take_turn(&paths, 2, LONG, || {
                        waited.fetch_add(1, Ordering::SeqCst);
                    });
                    assert!(turn.is_some());
                    peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(LOOK);
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(peak.load(Ordering::SeqCst), 2);
        assert!(waited.load(Ordering::SeqCst) > 0, "who waits says so");
    }

    #[test]
    fn without_a_place_to_write_nobody_is_held_up() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("run"), "").unwrap();
        let paths = Paths::under(dir.path());
        assert!(take_turn(&paths, 2, LONG, || ()).is_none());
    }
}
