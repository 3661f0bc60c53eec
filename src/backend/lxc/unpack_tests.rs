//! Archives into and out of a tree, honest and hostile ones.

use std::fs;
use std::os::unix::fs::symlink;

use tar::{Builder, Header};

use super::super::attributes::{Direction, Owners};
use super::super::pack::Pack;
use super::*;

/// An archive whose names are written as they are, which the library's own writer refuses to do.
fn archive(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, text) in entries {
        let (target, text) = match kind {
            EntryType::Symlink | EntryType::Link => (*text, ""),
            _ => ("", *text),
        };
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o640);
        header.set_uid(7);
        header.set_gid(8);
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

/// A root file system beside a file of the host that nobody may touch.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("root/srv")).unwrap();
        fs::create_dir_all(dir.path().join("root/usr/bin")).unwrap();
        fs::write(dir.path().join("host"), "host").unwrap();
        Self { dir }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn unpack(&self, into: &str, entries: &[(EntryType, &str, &str)]) -> Result<(), String> {
        let tree = Tree::new(self.root(), &[]);
        // Who runs the tests need not be root: everything is his.
        let map = [
            (IdKind::User, rustix::process::geteuid().as_raw()),
            (IdKind::Group, rustix::process::getegid().as_raw()),
        ];
        let map = map.map(|(kind, host)| IdRange {
            kind,
            container: 0,
            host,
            count: 1,
        });
        let unpack = Unpack {
            to: &tree,
            into: Path::new(into),
            map: &map,
        };
        let done = unpack.all(&archive(entries)[..]);
        assert_eq!(
            fs::read_to_string(self.dir.path().join("host")).unwrap(),
            "host"
        );
        assert_eq!(
            fs::read_dir(self.dir.path()).unwrap().count(),
            2,
            "it got out"
        );
        done.map_err(|(path, error)| format!("{}: {error}", path.display()))
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }
}

#[test]
fn an_archive_comes_out_as_it_went_in() {
    let world = World::new();
    let entries = [
        (EntryType::Directory, "site/", ""),
        (EntryType::Regular, "site/index", "hello"),
        (EntryType::Regular, "site/deep/down/file", "below"),
        (EntryType::Symlink, "site/link", "/etc/passwd"),
        (EntryType::Link, "site/again", "site/index"),
        (EntryType::Link, "site/again", "site/index"),
    ];
    world.unpack("/srv", &entries).unwrap();
    assert_eq!(world.read("srv/site/again"), "hello");
    assert_eq!(world.read("srv/site/deep/down/file"), "below");
    assert_eq!(
        fs::read_dir(world.root().join("srv/site")).unwrap().count(),
        4
    );

    let tree = Tree::new(world.root(), &[]);
    let source = tree.find(Path::new("/srv/site"), false).unwrap();
    let mut bytes = Vec::new();
    let pack = Pack {
        from: &tree,
        owners: Owners {
            direction: Direction::Out,
            map: &[],
        },
        archive: Builder::new(&mut bytes),
    };
    pack.all(&source.found.unwrap(), Path::new("site")).unwrap();
    let mut read = Archive::new(&bytes[..]);
    let mut found: Vec<(String, u64)> = Vec::new();
    for entry in read.entries().unwrap() {
        let entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        found.push((name, entry.header().mtime().unwrap()));
    }
    found.sort();
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let wanted = [
        "site/",
        "site/again",
        "site/deep/",
        "site/deep/down/",
        "site/deep/down/file",
        "site/index",
        "site/link",
    ];
    let plain = |name: &&str| name.trim_end_matches('/').to_owned();
    assert!(names.iter().map(plain).eq(wanted.iter().map(plain)));
    assert!(found.contains(&("site/index".into(), 1_000_000_000)));
}

#[test]
fn nothing_is_written_outside_of_the_root() {
    let world = World::new();
    symlink("../../../..", world.root().join("srv/up")).unwrap();
    symlink(world.dir.path(), world.root().join("srv/abs")).unwrap();
    symlink("usr/bin", world.root().join("bin")).unwrap();
    for name in ["../host", "a/../../../host", "srv/../../host"] {
        let error = world
            .unpack("/srv", &[(EntryType::Regular, name, "x")])
            .unwrap_err();
        assert!(error.contains("leads out"), "{error}");
    }
    // Links are gone along inside: `up` is the root, and what `abs` names is made below it.
    let through = [
        (EntryType::Regular, "up/host", "x"),
        (EntryType::Regular, "abs/host", "x"),
        (EntryType::Symlink, "own", "/.."),
        (EntryType::Regular, "own/host2", "y"),
        (EntryType::Regular, "/host3", "z"),
    ];
    for entry in through {
        let _ = world.unpack("/srv", &[entry]); // what `abs` names is not there
    }
    assert_eq!(
        (world.read("host"), world.read("host2")),
        ("x".into(), "y".into())
    );
    assert_eq!(world.read("srv/host3"), "z");
    let linked = (EntryType::Link, "stolen", "up/../host");
    assert!(world.unpack("/srv", &[linked]).is_err());
    world
        .unpack("/", &[(EntryType::Regular, "bin/tool", "t")])
        .unwrap();
    assert_eq!(world.read("usr/bin/tool"), "t");
    for kind in [EntryType::Block, EntryType::Char] {
        let error = world.unpack("/srv", &[(kind, "disk", "")]).unwrap_err();
        assert!(error.contains("device"), "{error}");
    }
}

#[test]
fn a_link_in_the_place_of_a_file_is_replaced_and_a_broken_archive_leaves_no_half_file() {
    let world = World::new();
    symlink(world.dir.path().join("host"), world.root().join("srv/file")).unwrap();
    world
        .unpack("/srv", &[(EntryType::Regular, "file", "mine")])
        .unwrap();
    assert_eq!(world.read("srv/file"), "mine");
    let mut bytes = archive(&[(EntryType::Regular, "half", &"x".repeat(4000))]);
    bytes.truncate(2000);
    let tree = Tree::new(world.root(), &[]);
    let unpack = Unpack {
        to: &tree,
        into: Path::new("/srv"),
        map: &[],
    };
    assert!(unpack.all(&bytes[..]).is_err());
    assert_eq!(fs::read_dir(world.root().join("srv")).unwrap().count(), 1);
}
