//! Who the data of volumes belong to, and who may read and write them.

use super::apps::{mixed_with, settings};
use super::shop::volume;
use super::world::World;
use super::*;
use crate::model::{IdKind, IdRange};
use crate::observed::ObservedVolume;

fn with_ids(word: &str, source: &str) -> Project {
    mixed_with(word, |c| {
        c.volumes.push((volume(source, "/data"), place(33)));
        match c.kind() {
            Kind::System => c.idmap = Some(Idmap::Auto),
            Kind::Application => c.isolate = true,
        }
    })
}

fn owned(user: u32, empty: bool) -> crate::observed::ObservedOwner {
    crate::observed::ObservedOwner {
        user,
        mode: 0o755,
        empty,
        maps_ids: false,
    }
}

#[test]
fn data_of_other_ids_are_given_to_a_container_only_after_a_question() {
    for (word, user, empty, maps, asked) in [
        ("db", 0, false, false, true),
        ("db", 0, false, true, false),
        ("db", 0, true, false, false),
        ("db", 1_000_000, false, false, false),
        ("web", 0, false, true, true),
        ("web", 0, true, true, false),
        ("web", 1_000_000, false, true, false),
    ] {
        let mut seen = World::default().look();
        let path = seen.host.volumes_dir.join("state");
        seen.host.owners = [(path, owned(user, empty))].into();
        seen.host.maps_ids = maps;
        let plan = plan(&with_ids(word, "state"), &seen, &wish(Goal::Up)).unwrap();
        let losses = plan
            .losses
            .iter()
            .filter(|loss| loss.what.contains("volume state"));
        assert_eq!(losses.count() == 1, asked, "{word} {user} {empty} {maps}");
    }
}

#[test]
fn volumes_follow_a_map_that_changes_or_goes_and_those_of_nobody_are_refused() {
    let ranges = |host| {
        let range = |kind| IdRange {
            kind,
            container: 0,
            host,
            count: 65_536,
        };
        vec![range(IdKind::User), range(IdKind::Group)]
    };
    let planned = |had: Option<u32>, gets: Option<u32>, owner: u32| {
        let file = |map: Option<u32>| {
            let mut file = with_ids("db", "state");
            let db = file.containers.get_mut("db").unwrap();
            db.idmap = map.map(|host| Idmap::Ranges(ranges(host)));
            file
        };
        let mut seen = World::of(&file(had)).look();
        let path = seen.host.volumes_dir.join("state");
        seen.host.owners = [(path, owned(owner, false))].into();
        seen.host.maps_ids = false;
        match plan(&file(gets), &seen, &wish(Goal::Up)) {
            Ok(plan) => plan
                .losses
                .iter()
                .any(|l| l.what.contains("state"))
                .to_string(),
            Err(problems) => problems[0].message.clone(),
        }
    };
    let (old, new) = (Some(300_000), Some(500_000));
    assert_eq!(planned(old, new, 300_000), "true");
    assert_eq!(planned(old, None, 300_000), "true");
    assert_eq!(planned(old, None, 0), "false");
    assert_eq!(planned(None, new, 0), "true");
    assert_eq!(
        planned(None, new, 300_000),
        "the named volume state belongs to user 300000, whom the id map of container `db` does not have"
    );
}

#[test]
fn a_volume_that_containers_of_different_ids_share_is_refused_unless_ids_can_be_mapped() {
    let shared = |maps: bool, both: bool| {
        let mut file = with_ids("db", "state");
        let web = file.containers.get_mut("web").unwrap();
        web.volumes.push((volume("state", "/data"), place(33)));
        web.isolate = both;
        let mut seen = World::default().look();
        seen.host.maps_ids = maps;
        let problems = plan(&file, &seen, &wish(Goal::Up))
            .err()
            .unwrap_or_default();
        problems
            .into_iter()
            .map(|problem| problem.message)
            .collect::<Vec<_>>()
    };
    assert_eq!(shared(true, false), Vec::<String>::new());
    for (maps, both) in [(false, false), (true, true)] {
        let told = shared(maps, both);
        let [message] = &told[..] else {
            panic!("{told:?}")
        };
        assert!(
            message.contains("`db` and `web` share the volume `state`"),
            "{message}"
        );
    }
}

#[test]
fn a_directory_of_nobody_is_told_with_the_cure_and_a_closed_way_is_refused() {
    let warned = |word: &str, user: u32, mode: u32| {
        let mut seen = World::default().look();
        let mut owner = owned(user, false);
        owner.mode = mode;
        seen.host.owners = [(PathBuf::from("/srv/d"), owner)].into();
        let plan = plan(&with_ids(word, "/srv/d"), &seen, &wish(Goal::Up)).unwrap();
        let told = plan
            .warnings
            .iter()
            .find(|w| w.message.contains("chown -R 1000000:1000000 /srv/d"));
        told.is_some()
    };
    for word in ["db", "web"] {
        assert!(warned(word, 0, 0o755), "{word}");
        assert!(
            !warned(word, 1_000_000, 0o755) && !warned(word, 0, 0o777),
            "{word}"
        );
    }
    let mut seen = World::default().look();
    seen.host.closed = Some("/root".into());
    let problems = plan(&with_ids("db", "state"), &seen, &wish(Goal::Up)).unwrap_err();
    let [problem] = &problems[..] else {
        panic!("{problems:?}")
    };
    assert!(
        problem.message.contains("cannot pass through `/root`"),
        "{problem}"
    );
    assert!(plan(&with_ids("web", "state"), &seen, &wish(Goal::Up)).is_ok());
}

#[test]
fn a_volume_of_others_that_an_isolated_container_cannot_write_to_is_told_with_the_cure() {
    let path = "/var/lib/docker/volumes/ext/_data";
    let warned = |isolate: bool, user: u32, mode: u32| {
        let file = mixed_with("web", |c| {
            c.isolate = isolate;
            settings(c).engine_volumes.push(EngineMount {
                volume: EngineVolume::External("ext".into()),
                target: "/e".into(),
                read_only: false,
                no_copy: false,
            });
        });
        let mut seen = World::default().look();
        let known = ObservedVolume {
            driver: "local".into(),
            path: Some(path.into()),
            ..ObservedVolume::default()
        };
        seen.engine.foreign_volumes.insert("ext".into(), known);
        let mut owner = owned(user, true);
        owner.mode = mode;
        seen.host.owners = [(PathBuf::from(path), owner)].into();
        let plan = plan(&file, &seen, &wish(Goal::Up)).unwrap();
        let cure = format!("chown -R 1000000:1000000 {path}");
        plan.warnings.iter().any(|w| w.message.contains(&cure))
    };
    assert!(warned(true, 0, 0o755));
    assert!(!warned(false, 0, 0o755) && !warned(true, 1_000_000, 0o755) && !warned(true, 0, 0o777));
}
