//! What the outer rings share: whether a ring can run here, and what happens when it cannot.
//!
//! A ring that cannot run says why and is counted as skipped; where `LOCKER_REQUIRE` names it, that
//! is a failure, so that a build machine never passes by leaving tests out. It must not know what
//! the rings test. Use it with `#[path = "../support/mod.rs"] mod support;`.

use std::io::Write;

/// A ring of tests that needs more than a compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    /// Firewall and bridge in private network namespaces.
    #[allow(dead_code, reason = "each test binary uses the rings it needs")]
    Kernel,
    /// The real binary in a test host.
    #[allow(dead_code, reason = "each test binary uses the rings it needs")]
    Host,
}

impl Ring {
    fn word(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Host => "host",
        }
    }
}

/// Whether a test of `ring` may run; `missing` says what it lacks, if anything.
///
/// What is skipped is printed, and noted in the file that `LOCKER_SKIPPED` names, one line each,
/// because test runners count a test that returns as passed.
///
/// # Panics
/// When something is missing and `LOCKER_REQUIRE` (a list with commas) names the ring.
pub fn may_run(ring: Ring, missing: Option<&str>) -> bool {
    let Some(missing) = missing else { return true };
    let required = std::env::var("LOCKER_REQUIRE").unwrap_or_default();
    assert!(
        !is_required(ring, &required),
        "ring `{}` is required and cannot run: {missing}",
        ring.word()
    );
    eprintln!("SKIPPED (ring {}): {missing}", ring.word());
    if let Some(path) = std::env::var_os("LOCKER_SKIPPED") {
        let name = std::thread::current().name().unwrap_or("?").to_owned();
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| writeln!(file, "{name}: {missing}"))
            .unwrap_or_else(|error| panic!("cannot append to `{}`: {error}", path.display()));
    }
    false
}

fn is_required(ring: Ring, required: &str) -> bool {
    required.split(',').any(|word| word.trim() == ring.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_required_only_when_the_list_names_it() {
        for (list, kernel, host) in [
            ("", false, false),
            ("host", false, true),
            ("kernel, host", true, true),
            ("kernels", false, false),
        ] {
            assert_eq!(is_required(Ring::Kernel, list), kernel, "{list}");
            assert_eq!(is_required(Ring::Host, list), host, "{list}");
        }
    }
}
