//! Whose a container of the list is, and which volumes are its own.

use super::super::list::Mount;
use super::*;
use serde_json::json;

#[test]
fn the_plain_one_of_several_names_counts() {
    let entry = Entry {
        names: Some(vec!["/other/db".into(), "/shop_db".into()]),
        ..Default::default()
    };
    assert_eq!(name_of(&entry), Some("shop_db"));
}

#[test]
fn what_came_from_another_container_is_never_handed_on() {
    let (image, from, own) = ("0a".repeat(32), "0b".repeat(32), "0c".repeat(32));
    let mount = |name: &str, target: &str, writable: bool| Mount {
        r#type: Some("volume".into()),
        name: Some(name.into()),
        destination: Some(target.into()),
        source: None,
        writable: Some(writable),
    };
    let entry = |name: &str, mounts: Vec<Mount>| Entry {
        id: Some("0f".repeat(32)),
        names: Some(vec![format!("/{name}")]),
        mounts: Some(mounts),
        ..Default::default()
    };
    let mark = |from: &serde_json::Value| {
        let volumes =
            json!([{"volume": "anonymous", "target": "/own", "read_only": true, "no_copy": false}]);
        let settings = json!({"volumes_from": from, "engine_volumes": volumes});
        super::mark::tests::mark(&settings)
    };
    let web = |writable| {
        let mounts = vec![
            mount(&image, "/image", true),
            mount(&from, "/from", writable),
            mount(&own, "/own", false),
        ];
        entry("shop_web", mounts)
    };
    let held = |mark: &Mark, web: &Entry, all: &[Entry]| {
        let held = held(web, mark, all).into_iter();
        held.map(|(target, _)| target.display().to_string())
            .collect::<Vec<_>>()
    };
    // To one that is gone it does not lead any more; what could not be written to is not its own.
    let none = mark(&json!([]));
    assert_eq!(held(&none, &web(false), &[]), ["/image", "/own"]);
    for (called, partner) in [
        ("shop_db", "shop_db"),
        ("shop_db.locker-old", "shop_db"),
        ("x", "0f0f0f0f0f0f"),
    ] {
        let all = [entry(called, vec![mount(&from, "/var/lib/db", true)])];
        let mark = mark(&json!([[partner, false]]));
        assert_eq!(
            held(&mark, &web(true), &all),
            ["/image", "/own"],
            "{called}"
        );
    }
}

#[test]
fn what_is_made_after_a_whole_new_self_takes_over_the_volumes_of_that() {
    let known = |volume: &str, wreck| Known {
        id: volume.into(),
        token: String::new(),
        mark: super::mark::tests::mark(&json!({})),
        wreck,
        frozen: false,
        held: vec![("/data".into(), volume.into())],
        unplugged: BTreeSet::new(),
    };
    for (wreck, volumes, heir) in [
        (false, false, "new"),
        (true, false, "old"),
        (false, true, "old"),
    ] {
        let mut bodies = Bodies {
            present: Some(known("new", wreck)),
            aside: Some(known("old", false)),
        };
        bodies.gone(Body::Present, volumes);
        assert!(bodies.present.is_none());
        assert_eq!(bodies.aside.as_ref().unwrap().held[0].1, heir);
        bodies.gone(Body::Aside, volumes);
        assert!(bodies.aside.is_none());
    }
}

#[test]
fn one_from_an_image_that_was_made_of_a_container_is_somebody_elses() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site {
        project: Name::new("shop").unwrap(),
        directory: "/srv/shop".into(),
        here: "/srv/shop".into(),
        paths: crate::store::Paths::under(dir.path()),
    };
    let (mark, token) = (super::mark::tests::mark(&json!({})), "0123456789abcdef");
    let entry = |image: &str| Entry {
        names: Some(vec!["/test".into()]),
        image: Some(image.into()),
        labels: super::super::list::Labels(site.labels_of(&mark, token).unwrap()),
        ..Default::default()
    };
    let renamed = |image: &str| renamed(&site, &entry(image)).is_some();
    assert!(!renamed("a"), "its original is gone");
    std::fs::create_dir_all(site.home(&mark.spec.name, token)).unwrap();
    let id = "sha256:".to_owned() + &"0a".repeat(32);
    assert!(renamed("a") && renamed(&id) && renamed("0a0a0a0a0a0a"));
    assert!(!renamed("i"));
}

#[test]
fn only_names_that_the_engine_made_up_are_anonymous() {
    assert!(is_anonymous(&"0a".repeat(32)));
    for named in ["shop_data", "", &"0g".repeat(32), &"0a".repeat(31)] {
        assert!(!is_anonymous(named), "{named}");
    }
}
