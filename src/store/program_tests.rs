//! Copies of a program: made once, replaced as a step says, taken back, and doubted.

use super::*;

/// A directory of root's that others cannot write to, as far as a test can have one.
fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn binary(at: &Path, text: &str) -> File {
    fs::write(at, text).unwrap();
    fs::set_permissions(at, Permissions::from_mode(0o755)).unwrap();
    File::open(at).unwrap()
}

#[test]
fn a_program_that_is_not_where_programs_stay_is_copied_once_and_anew_only_as_a_step_says() {
    let dir = dir();
    let (own, copy) = (dir.path().join("locker"), dir.path().join("lib/bin/locker"));
    let file = binary(&own, "one");
    let first = look(&own, &file, &copy).unwrap();
    assert_eq!(first.path, copy);
    let wanted = first.install.unwrap();
    assert_eq!(wanted.before, None);
    install_from(&file, &wanted).unwrap();
    settle(&copy).unwrap();
    assert_eq!(fs::read(&copy).unwrap(), b"one");
    assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(look(&own, &file, &copy).unwrap().install, None);

    fs::remove_file(&own).unwrap();
    let file = binary(&own, "two");
    let second = look(&own, &file, &copy).unwrap().install.unwrap();
    assert_eq!(second.before.as_ref(), Some(&wanted.digest));
    assert_ne!(second.digest, wanted.digest);
    assert_eq!(fs::read(&copy).unwrap(), b"one", "a look replaces nothing");
    install_from(&file, &second).unwrap();
    assert_eq!(fs::read(&copy).unwrap(), b"two");
    bring_back(&copy).unwrap();
    assert_eq!(fs::read(&copy).unwrap(), b"one");
    let again = look(&own, &file, &copy).unwrap().install.unwrap();
    assert_eq!(again.before.as_ref(), Some(&wanted.digest));

    remove_program(&copy).unwrap();
    assert!(!copy.parent().unwrap().exists());
}

#[test]
fn a_first_copy_is_gone_when_it_is_taken_back() {
    let dir = dir();
    let (own, copy) = (dir.path().join("locker"), dir.path().join("bin/locker"));
    let file = binary(&own, "one");
    let wanted = look(&own, &file, &copy).unwrap().install.unwrap();
    install_from(&file, &wanted).unwrap();
    bring_back(&copy).unwrap();
    assert!(!copy.parent().unwrap().exists());
}

#[test]
fn a_copy_that_somebody_changed_is_seen() {
    let dir = dir();
    let (own, copy) = (dir.path().join("locker"), dir.path().join("bin/locker"));
    let file = binary(&own, "one");
    let wanted = look(&own, &file, &copy).unwrap().install.unwrap();
    install_from(&file, &wanted).unwrap();
    fs::write(&copy, "evil").unwrap();
    let seen = look(&own, &file, &copy).unwrap().install.unwrap();
    assert!(seen.before.is_some() && seen.before != Some(wanted.digest));
}

#[test]
fn a_program_that_changes_while_it_is_copied_is_refused() {
    let dir = dir();
    let (own, copy) = (dir.path().join("locker"), dir.path().join("bin/locker"));
    let file = binary(&own, "one");
    let wanted = look(&own, &file, &copy).unwrap().install.unwrap();
    fs::write(&own, "two").unwrap();
    let error = install_from(&file, &wanted).unwrap_err().to_string();
    assert!(error.contains("changed while it was copied"), "{error}");
    assert!(!copy.exists());
}

#[test]
fn who_else_could_have_changed_it_is_named() {
    let dir = dir();
    let own = dir.path().join("open/locker");
    fs::create_dir(dir.path().join("open")).unwrap();
    let file = binary(&own, "one");
    let open = dir.path().join("open");
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let copy = dir.path().join("bin/locker");
    let wanted = look(&own, &file, &copy).unwrap().install.unwrap();
    let doubt = wanted.doubt.expect("everybody can replace it");
    let root = rustix::process::geteuid().is_root();
    // As another user than root the test's own directory is the first that is doubted.
    assert!(
        !root || doubt == format!("everybody can write to `{}`", open.display()),
        "{doubt}"
    );
    fs::set_permissions(&open, Permissions::from_mode(0o1777)).unwrap();
    let sticky = look(&own, &file, &copy).unwrap().install.unwrap();
    assert!(!root || sticky.doubt.is_none(), "{:?}", sticky.doubt);
}

#[test]
fn a_file_of_a_package_is_run_where_it_is() {
    let own = fs::canonicalize("/usr/bin/env").unwrap();
    let file = File::open(&own).unwrap();
    let seen = look(&own, &file, Path::new("/nowhere/locker")).unwrap();
    assert_eq!(seen.path, own);
    assert_eq!(seen.install, None);
    // Deleted meanwhile, it is copied from what runs.
    let gone = Path::new("/usr/bin/locker-that-is-gone");
    let seen = look(gone, &file, Path::new("/nowhere/locker")).unwrap();
    assert!(seen.install.is_some());
}

#[test]
fn half_a_copy_that_a_killed_run_left_goes_with_the_next_copy_or_with_the_last_project() {
    let dir = dir();
    let (own, copy) = (dir.path().join("locker"), dir.path().join("bin/locker"));
    let file = binary(&own, "one");
    let half = |name: &str, age: Duration| {
        let path = dir.path().join("bin").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let left = File::create(&path).unwrap();
        left.set_modified(std::time::SystemTime::now() - age)
            .unwrap();
        path
    };
    let (old, new) = (
        half(".locker-a", COPYING),
        half(".locker-b", Duration::ZERO),
    );
    let wanted = look(&own, &file, &copy).unwrap().install.unwrap();
    install_from(&file, &wanted).unwrap();
    assert!(!old.exists(), "it was left");
    assert!(new.exists(), "another run copies just now");
    remove_program(&copy).unwrap();
    assert!(!dir.path().join("bin").exists());
}
