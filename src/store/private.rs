//! Who may come near: root, and nobody else.
//!
//! What locker keeps holds volumes, whose set-user-id files work for whoever reaches them, locks, which
//! anybody who can open them can hold, commands and environments. The two roots are closed to all others,
//! so that the modes of what is inside a volume are the container's own affair; what an earlier locker left
//! open inside them is closed as well.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::{Paths, StoreError};

/// What is kept from all others.
const OTHERS: u32 = 0o077;

/// Makes a directory, and those above it that are missing, for root alone.
///
/// # Errors
/// It cannot be made.
pub fn make_private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Opens a file anew, empty, for root alone.
///
/// # Errors
/// It cannot be made.
pub fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

/// Closes what locker keeps on this host: at once when it is closed already.
///
/// # Errors
/// A root cannot be made or closed.
pub fn close(paths: &Paths) -> Result<(), StoreError> {
    for root in [paths.state(), paths.run()] {
        make_private(root).map_err(StoreError::io("make", root))?;
        if shut(root).map_err(StoreError::io("close", root))? {
            within(root, root);
        }
    }
    Ok(())
}

/// Takes the rights of all others away; whether they had any. A link is left alone.
fn shut(path: &Path) -> io::Result<bool> {
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() || found.mode() & OTHERS == 0 {
        return Ok(false);
    }
    fs::set_permissions(path, Permissions::from_mode(found.mode() & 0o7700))?;
    Ok(true)
}

/// Closes what is below a root that was open. The root keeps all others out already, so that what goes or
/// refuses meanwhile is no harm.
fn within(root: &Path, dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let below = path.strip_prefix(root).unwrap_or(&path);
        let mut words = below.iter();
        let inside = match words.next().and_then(|word| word.to_str()) {
            // A volume, and a file that is mounted into a container, is seen inside with its mode.
            Some("volumes") => words.count() > 1,
            Some("containers") => !entry.file_type().is_ok_and(|kind| kind.is_dir()),
            Some(_) | None => false,
        };
        match entry.file_type() {
            Ok(_) if inside => {}
            Ok(kind) if kind.is_dir() => {
                let _ = shut(&path);
                within(root, &path);
            }
            Ok(_) => {
                let _ = shut(&path);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_an_earlier_locker_left_open_is_closed_but_for_what_containers_see() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let open =
            |path: &Path, bits| fs::set_permissions(path, Permissions::from_mode(bits)).unwrap();
        let (state, run) = (paths.state().to_path_buf(), paths.run().to_path_buf());
        for below in [
            "volumes/shop/data/sub",
            "projects/shop/units",
            "containers/shop/web~1",
        ] {
            fs::create_dir_all(state.join(below)).unwrap();
        }
        fs::create_dir_all(&run).unwrap();
        let unit = state.join("projects/shop/units/db.json");
        let hosts = state.join("containers/shop/web~1/hosts");
        let lock = run.join("shop.lock");
        for file in [&unit, &hosts, &lock] {
            fs::write(file, "").unwrap();
            open(file, 0o644);
        }
        let seen = [
            state.join("volumes/shop/data"),
            state.join("volumes/shop/data/sub"),
        ];
        let closed = [
            "",
            "volumes",
            "volumes/shop",
            "projects/shop/units",
            "containers/shop/web~1",
        ];
        for path in closed
            .map(|below| state.join(below))
            .iter()
            .chain(&seen)
            .chain([&run])
        {
            open(path, 0o755);
        }
        close(&paths).unwrap();
        close(&paths).unwrap();
        for path in closed.map(|below| state.join(below)).iter().chain([&run]) {
            assert_eq!(mode(path), 0o700, "{}", path.display());
        }
        for path in &seen {
            assert_eq!(mode(path), 0o755, "{}", path.display());
        }
        assert_eq!(
            (mode(&unit), mode(&lock), mode(&hosts)),
            (0o600, 0o600, 0o644)
        );
    }

    #[test]
    fn what_is_made_is_made_for_root_alone() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        close(&paths).unwrap();
        make_private(&paths.volumes(&crate::model::Name::new("shop").unwrap())).unwrap();
        for below in ["lib", "lib/volumes", "lib/volumes/shop", "run"] {
            assert_eq!(mode(&dir.path().join(below)), 0o700, "{below}");
        }
    }
}
