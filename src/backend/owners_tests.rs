//! What can be said without the right to change owners; the rest is shown on a host.

use super::*;

fn map(host: u32) -> Vec<IdRange> {
    let range = |kind| IdRange {
        kind,
        container: 0,
        host,
        count: 100,
    };
    vec![range(IdKind::User), range(IdKind::Group)]
}

#[test]
fn an_id_that_the_container_lacks_is_told_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (note, root) = (dir.path().join("notes/1"), dir.path().join("tree"));
    std::fs::create_dir_all(root.join("in")).unwrap();
    std::fs::write(root.join("in/file"), "x").unwrap();
    let gift = Gift {
        container: "shop_db",
        root: &root,
        from: &[],
        to: &map(1000),
        lead: &|_| None,
    };
    let told = give(&note, &gift).unwrap_err().to_string();
    assert!(
        told.contains("in/file` belongs to") && told.contains("nothing was changed"),
        "{told}"
    );
    assert!(!note.exists() && !is_under_way(&note));
    let same = Gift {
        lead: &Some,
        ..gift
    };
    assert!(!give(&note, &same).unwrap());
    assert!(!note.exists());
}

#[test]
fn what_came_meanwhile_goes_back_through_both_maps() {
    assert_eq!(inverse((1007, 1008), &[], &map(1000)), (7, 8));
    assert_eq!(inverse((1007, 1008), &map(500), &map(1000)), (507, 508));
    assert_eq!(inverse((7, 1008), &[], &map(1000)), (7, 8));
}

#[test]
fn a_note_tells_how_far_a_change_is_and_only_that_of_a_half_changed_tree_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (paths, shop) = (Paths::under(dir.path()), Name::new("shop").unwrap());
    let root = dir.path().join("tree");
    std::fs::create_dir(&root).unwrap();
    let path = note_of(&paths, &shop, &root).unwrap();
    let head = Head {
        version: VERSION,
        root: root.clone(),
        from: Vec::new(),
        to: map(1000),
    };
    let owners = BTreeMap::from([((1, 2), ((3, 4), (1003, 1004)))]);
    write(&path, &head, &owners).unwrap();
    let read_back = read(&path).unwrap().unwrap();
    assert_eq!((read_back.head, read_back.owners), (head, owners));
    assert_eq!(under_way(&paths, &shop), [(path.clone(), root.clone())]);
    for (word, stays) in [(GIVEN, false), (RETURNING, true)] {
        end(&path, word).unwrap();
        assert_eq!(is_under_way(&path), stays, "{word}");
    }
    settle(&paths, &shop).unwrap();
    assert!(path.exists());
    // A tree that is gone, or another one, needs no note.
    std::fs::remove_dir(&root).unwrap();
    assert_eq!(under_way(&paths, &shop), []);
    settle(&paths, &shop).unwrap();
    assert!(!paths.owners(&shop).exists());
    assert!(give_back(&path).is_ok());
}
