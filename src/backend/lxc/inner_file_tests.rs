//! Nothing a container does to its own tree leads a write to the host.

use super::super::names::{LOCALHOST, parse_name_servers, with_name_servers, write_names};
use super::*;
use crate::backend::lxc::render::tests::spec;
use crate::model::IdRange;
use crate::model::{HostsLine, Mount};
use std::os::unix::fs::symlink;

struct Tree {
    _dir: tempfile::TempDir,
    top: PathBuf,
    spec: ContainerSpec,
}

impl Tree {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().to_owned();
        std::fs::create_dir_all(top.join("rootfs/etc")).unwrap();
        std::fs::create_dir_all(top.join("host")).unwrap();
        let mut spec = spec();
        spec.mounts.clear();
        Self {
            _dir: dir,
            top,
            spec,
        }
    }

    fn inside(&self) -> Inside<'_> {
        Inside {
            spec: &self.spec,
            rootfs: self.top.join("rootfs"),
            pid: None,
            last: Default::default(),
        }
    }

    fn mount(&mut self, host: &str, target: &str, read_only: bool) {
        let host = self.top.join(host);
        self.spec.mounts.push(Mount {
            host,
            target: target.into(),
            read_only,
            named: false,
        });
    }
}

fn line() -> HostsLine {
    HostsLine {
        address: "10.77.0.2".parse().unwrap(),
        names: vec!["db".into()],
    }
}

#[test]
fn a_container_without_a_hosts_file_gets_one_with_localhost() {
    let tree = Tree::new();
    write_names(&tree.inside(), &[line()], &[]).unwrap();
    let text = std::fs::read_to_string(tree.top.join("rootfs/etc/hosts")).unwrap();
    assert!(
        text.starts_with(LOCALHOST) && text.contains("10.77.0.2 db"),
        "{text}"
    );
    assert!(
        !tree.top.join("rootfs/etc/resolv.conf").exists(),
        "no dns leaves resolv.conf alone"
    );
    let name = std::fs::read_to_string(tree.top.join("rootfs/etc/hostname")).unwrap();
    assert_eq!(name, "db.example.net\n");
}

#[test]
fn a_copy_of_a_container_of_the_first_locker_gets_its_own_names() {
    for brought in ["old\\d", "old\n", "# a note\n\nold.example.net\n"] {
        let tree = Tree::new();
        let etc = tree.top.join("rootfs/etc");
        let dead = "10.1.1.9 db # shop_db\n127.0.1.1 old.example.net old\n";
        std::fs::write(etc.join("hosts"), format!("{LOCALHOST}{dead}")).unwrap();
        std::fs::write(etc.join("hostname"), brought).unwrap();
        write_names(&tree.inside(), &[line()], &[]).unwrap();
        let hosts = std::fs::read_to_string(etc.join("hosts")).unwrap();
        let block = crate::hosts::replace_block("", tree.spec.project.as_str(), &[line()]).unwrap();
        assert_eq!(hosts, format!("{LOCALHOST}{block}"), "{brought:?}");
        let name = std::fs::read_to_string(etc.join("hostname")).unwrap();
        assert_eq!(name, "db.example.net\n");
        // Once the name is ours, what is written inside stays.
        let own = format!("{hosts}127.0.1.1 old.example.net old\n");
        std::fs::write(etc.join("hosts"), &own).unwrap();
        write_names(&tree.inside(), &[line()], &[]).unwrap();
        assert_eq!(std::fs::read_to_string(etc.join("hosts")).unwrap(), own);
    }
}

#[test]
fn a_link_in_place_of_the_file_is_replaced_and_its_target_untouched() {
    let tree = Tree::new();
    std::fs::write(tree.top.join("host/secret"), "mine").unwrap();
    symlink(
        tree.top.join("host/secret"),
        tree.top.join("rootfs/etc/hosts"),
    )
    .unwrap();
    write_names(&tree.inside(), &[line()], &[]).unwrap();
    assert_eq!(
        std::fs::read_to_string(tree.top.join("host/secret")).unwrap(),
        "mine"
    );
    let meta = std::fs::symlink_metadata(tree.top.join("rootfs/etc/hosts")).unwrap();
    assert!(meta.is_file());
}

#[test]
fn what_a_killed_run_left_is_no_obstacle_and_goes() {
    let tree = Tree::new();
    let etc = tree.top.join("rootfs/etc");
    std::fs::write(etc.join(".locker-hosts"), "half").unwrap();
    write_names(&tree.inside(), &[line()], &[]).unwrap();
    let text = std::fs::read_to_string(etc.join("hosts")).unwrap();
    assert!(text.contains("10.77.0.2"), "{text}");
    assert!(!etc.join(".locker-hosts").exists());
}

#[test]
fn a_link_in_place_of_the_directory_is_refused() {
    let tree = Tree::new();
    std::fs::remove_dir(tree.top.join("rootfs/etc")).unwrap();
    symlink(tree.top.join("host"), tree.top.join("rootfs/etc")).unwrap();
    let error = write_names(&tree.inside(), &[line()], &[]).unwrap_err();
    assert!(matches!(error, BackendError::Link { .. }), "{error}");
    assert_eq!(std::fs::read_dir(tree.top.join("host")).unwrap().count(), 0);
}

#[test]
fn etc_on_a_volume_is_written_where_the_volume_is() {
    let mut tree = Tree::new();
    tree.mount("host", "/etc", false);
    write_names(&tree.inside(), &[line()], &["9.9.9.9".parse().unwrap()]).unwrap();
    assert!(tree.top.join("host/hosts").exists() && tree.top.join("host/resolv.conf").exists());
    assert!(!tree.top.join("rootfs/etc/hosts").exists());
}

#[test]
fn a_hosts_file_that_is_a_volume_keeps_its_inode_and_a_read_only_one_its_text() {
    use std::os::unix::fs::MetadataExt;
    let mut tree = Tree::new();
    let file = tree.top.join("host/hosts");
    std::fs::write(&file, "1.2.3.4 own\n").unwrap();
    let inode = std::fs::metadata(&file).unwrap().ino();
    tree.mount("host/hosts", "/etc/hosts", false);
    write_names(&tree.inside(), &[line()], &[]).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().ino(), inode);
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .starts_with("1.2.3.4 own\n")
    );
    tree.spec.mounts[0].read_only = true;
    let before = std::fs::read_to_string(&file).unwrap();
    write_names(&tree.inside(), &[], &[]).unwrap_err();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
}

#[test]
fn name_servers_are_replaced_and_other_lines_kept() {
    let dns = ["9.9.9.9".parse().unwrap(), "fd77::1".parse().unwrap()];
    let text = with_name_servers("search a.b\nnameserver 1.1.1.1\noptions ndots:2\n", &dns);
    assert_eq!(
        text,
        "nameserver 9.9.9.9\nnameserver fd77::1\nsearch a.b\noptions ndots:2\n"
    );
    assert_eq!(parse_name_servers(&text), dns);
}

#[test]
fn a_container_link_is_resolved_inside_the_container() {
    let tree = Tree::new();
    symlink("/etc", tree.top.join("rootfs/out")).unwrap();
    let root = tree.top.join("rootfs");
    std::fs::write(root.join("etc/inner"), "").unwrap();
    assert!(
        resolve_in(&root, Path::new("/out/inner"))
            .unwrap()
            .is_some()
    );
    assert!(
        resolve_in(&root, Path::new("/out/passwd"))
            .unwrap()
            .is_none()
    );
    assert!(
        resolve_in(&root, Path::new("/../../../etc/passwd"))
            .unwrap()
            .is_none()
    );
}

#[test]
fn ids_outside_of_the_map_have_no_host_id() {
    let map = [IdRange {
        kind: IdKind::User,
        container: 0,
        host: 100_000,
        count: 10,
    }];
    assert_eq!(host_id(&map, IdKind::User, 9), Some(100_009));
    assert_eq!(host_id(&map, IdKind::User, 10), None);
    assert_eq!(host_id(&map, IdKind::Group, 0), None);
    assert_eq!(host_id(&[], IdKind::User, 7), Some(7));
}

#[test]
fn what_is_no_file_is_replaced_and_never_opened() {
    use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
    let tree = Tree::new();
    let hosts = tree.top.join("rootfs/etc/hosts");
    rustix::fs::mknodat(CWD, &hosts, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    let watch = init(CreateFlags::NONBLOCK).unwrap();
    add_watch(&watch, &hosts, WatchFlags::OPEN).unwrap();
    write_names(&tree.inside(), &[line()], &[]).unwrap();
    let mut room = [std::mem::MaybeUninit::uninit(); 512];
    let mut reader = Reader::new(&watch, &mut room);
    // That the watched one is gone is told as well.
    let opened = std::iter::from_fn(|| reader.next().ok().map(|event| event.events()))
        .any(|events| events.contains(ReadFlags::OPEN));
    assert!(!opened, "somebody opened the pipe");
    assert!(std::fs::symlink_metadata(&hosts).unwrap().is_file());
}
