//! The supervisor of an application container shuts itself in, where its unit counts on that.
//!
//! What it holds open, the engine's and the manager's sockets among it, it keeps. docs/systemd.md says what is left
//! to it.

use std::env;
use std::path::PathBuf;

use crate::model::{Test, UnitSpec};
use crate::store::Paths;
use crate::sys::{self, Ground};

/// Set by a unit that has no mount namespace (`systemd::sandbox`).
const ASKED: &str = "LOCKER_WALLS";

/// Whether the unit asks for that: it has no mount namespace then, and sees all that is mounted.
pub(super) fn asked() -> bool {
    env::var_os(ASKED).is_some()
}

/// Shuts this process in when its unit asks for it.
pub(super) fn shut_in(unit: &UnitSpec, paths: &Paths) -> Result<(), String> {
    if !asked() {
        return Ok(());
    }
    // Below it are the notes, whose own directories are made as they are needed.
    let _ = crate::store::make_private(paths.run());
    if unit.oneshot {
        let _ = crate::store::make_private(&paths.stopped(&unit.project));
    }
    match sys::confine(&ground(paths, unit)) {
        Ok(true) => Ok(()),
        // Another kernel was booted; a container that does not start for that would be worse.
        Ok(false) => {
            sys::tell_journal(format_args!(
                "this kernel has no Landlock, which the unit counts on: the supervisor is not kept from the host's files until `locker up` writes the unit anew"
            ));
            Ok(())
        }
        Err(error) => Err(format!("cannot shut the supervisor in: {error}")),
    }
}

fn ground(paths: &Paths, unit: &UnitSpec) -> Ground {
    let check = unit.healthcheck.as_ref().map(|check| &check.test);
    let mut write = vec![paths.run().into()];
    // That its work was cut short must outlive the boot.
    write.extend(unit.oneshot.then(|| paths.stopped(&unit.project)));
    Ground {
        // What is mounted, and from where its mounts were made; its own memory.
        read: vec![PathBuf::from("/proc/self"), paths.project(&unit.project)],
        write,
        connects: matches!(check, Some(Test::Port { .. })),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::path::Path;

    use super::*;
    use crate::model::Healthcheck;
    use crate::supervise::output::tests::unit;

    #[test]
    fn only_notes_are_written_and_only_a_check_by_port_connects() {
        let paths = Paths::under(Path::new("/x"));
        let mut unit = unit();
        let before = ground(&paths, &unit);
        assert_eq!(before.write, [Path::new("/x/run")]);
        assert!(!before.connects);
        let port = NonZeroU16::MIN;
        unit.healthcheck = Some(Healthcheck::new(Test::Port { port }));
        assert!(ground(&paths, &unit).connects);
        unit.oneshot = true;
        let notes = Path::new("/x/lib/projects/shop/stopped");
        assert_eq!(ground(&paths, &unit).write, [Path::new("/x/run"), notes]);
    }
}
