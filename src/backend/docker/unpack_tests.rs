//! Unpacking honest and hostile archives.

use super::*;
use tar::{Builder, Header};

enum Make<'a> {
    Dir(&'a str, u32),
    File(&'a str, &'a str),
    Link(&'a str, &'a str),
    Hard(&'a str, &'a str),
    Fifo(&'a str),
}

/// An archive whose names are written as they are, which the library's own writer refuses to do.
fn archive(entries: &[Make<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for entry in entries {
        let (kind, name, text, target, mode) = match entry {
            Make::Dir(name, mode) => (EntryType::Directory, name, "", "", *mode),
            Make::File(name, text) => (EntryType::Regular, name, *text, "", 0o4644),
            Make::Link(name, target) => (EntryType::Symlink, name, "", *target, 0o777),
            Make::Hard(name, target) => (EntryType::Link, name, "", *target, 0o644),
            Make::Fifo(name) => (EntryType::Fifo, name, "", "", 0o644),
        };
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        header.set_size(text.len() as u64);
        let old = header.as_gnu_mut().unwrap();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        builder.append(&header, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn unpack(to: &Path, contents: bool, entries: &[Make<'_>]) -> Unpacked {
    let bytes = archive(entries);
    Unpack::new(to, contents).all(&mut Archive::new(&bytes[..]))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const TREE: [Make<'_>; 6] = [
    Make::Dir("etc", 0o555),
    Make::File("etc/a", "A"),
    Make::Dir("etc/sub", 0o750),
    Make::Link("etc/sub/out", "/etc/shadow"),
    Make::Hard("etc/sub/again", "etc/a"),
    Make::Fifo("etc/pipe"),
];

#[test]
fn a_copy_goes_into_a_directory_that_is_there_and_gets_the_given_name_else() {
    let dir = tempfile::tempdir().unwrap();
    let named = dir.path().join("named");
    let done = unpack(&named, false, &TREE);
    assert!(done.error.is_none(), "{:?}", done.error);
    assert_eq!(done.skipped, [named.join("pipe")]);
    assert_eq!(read(&named.join("a")), "A");
    assert_eq!(read(&named.join("sub/again")), "A");
    let link = fs::read_link(named.join("sub/out")).unwrap();
    assert_eq!(link, Path::new("/etc/shadow"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&named), mode(&named.join("a"))), (0o555, 0o644));
    assert!(unpack(dir.path(), false, &TREE).error.is_none());
    assert_eq!(read(&dir.path().join("etc/a")), "A");
    let (other, contents) = (dir.path().join("other"), true);
    fs::create_dir(&other).unwrap();
    assert!(unpack(&other, contents, &TREE).error.is_none());
    assert_eq!(read(&other.join("a")), "A");
}

#[test]
fn a_file_replaces_a_file_and_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (victim, link) = (dir.path().join("victim"), dir.path().join("link"));
    fs::write(&victim, "mine").unwrap();
    symlink(&victim, &link).unwrap();
    assert!(
        unpack(&link, false, &[Make::File("a", "new")])
            .error
            .is_none()
    );
    assert_eq!(
        (read(&victim).as_str(), read(&link).as_str()),
        ("mine", "new")
    );
    fs::create_dir(dir.path().join("a")).unwrap();
    assert!(
        unpack(dir.path(), false, &[Make::File("a", "new")])
            .error
            .is_some()
    );
    let absent = dir.path().join("absent/");
    assert!(
        unpack(&absent, false, &[Make::File("a", "new")])
            .error
            .is_some()
    );
    assert!(
        unpack(&dir.path().join("no/a"), false, &[Make::File("a", "")])
            .error
            .is_some()
    );
}

#[test]
fn no_name_of_a_hostile_archive_leads_out_of_the_target() {
    let dir = tempfile::tempdir().unwrap();
    let (to, victim) = (dir.path().join("to"), dir.path().join("victim"));
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("x"), "mine").unwrap();
    let out = victim.to_str().unwrap();
    let through = format!("{out}/x");
    for entries in [
        vec![Make::Dir("t", 0o755), Make::File("t/../../victim/x", "bad")],
        vec![
            Make::Dir("t", 0o755),
            Make::Link("t/l", out),
            Make::File("t/l/x", "bad"),
        ],
        vec![Make::Link("t", out), Make::File("t/x", "bad")],
        vec![Make::Dir("t", 0o755), Make::Hard("t/h", &through)],
        vec![
            Make::Dir("t", 0o755),
            Make::Link("t/l", out),
            Make::Hard("t/h", "t/l/x"),
        ],
        vec![Make::Dir("t", 0o755), Make::File("u/x", "bad")],
        vec![
            Make::Dir("t", 0o755),
            Make::Link("t/l", out),
            Make::Dir("t/l", 0o700),
        ],
    ] {
        let done = unpack(&to, false, &entries);
        assert!(done.error.is_some(), "it was unpacked: {done:?}");
        assert_eq!(read(&victim.join("x")), "mine");
        let _ = fs::remove_file(&to);
        let _ = fs::remove_dir_all(&to);
    }
}
