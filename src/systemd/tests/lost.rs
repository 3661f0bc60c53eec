//! What was written down is lost, torn or another state directory's: the mark in a unit file is enough.

use super::*;
use crate::store::demand_ports;

fn at(dir: &tempfile::TempDir) -> Paths {
    Paths::under(&dir.path().join("state")).with_etc(&dir.path().join("etc"))
}

fn end() -> ProjectUnits {
    ProjectUnits {
        services: BTreeMap::new(),
        ..shop()
    }
}

#[test]
fn services_and_held_ports_are_known_by_the_marks_of_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let (paths, shop) = (at(&dir), shop());
    let files = Files::new(&paths);
    let _ = files.write(&shop).unwrap();
    let held = demand_ports(&paths).unwrap();
    assert_eq!(held.len(), 1);
    // One of them, an empty one, and all that was ever written down.
    let specs = paths.unit_specs(&shop.project);
    fs::remove_file(specs.join("web.json")).unwrap();
    fs::write(specs.join("db.json"), "").unwrap();
    let disk = files.read(&shop.project).unwrap();
    assert_eq!(disk.lost, [name("db"), name("web")].into());
    fs::remove_dir_all(paths.state()).unwrap();
    assert_eq!(demand_ports(&paths).unwrap(), held);
    let disk = files.read(&shop.project).unwrap();
    assert_eq!(disk.lost, shop.services.keys().cloned().collect());
    for (name, known) in &shop.services {
        let found = &disk.services[name];
        let of = |unit: &UnitSpec| (unit.kind, unit.program.clone(), unit.on_demand.clone());
        assert_eq!(of(found), of(known), "{name}");
        assert_eq!(found.directory, known.directory);
        assert_eq!(
            files.service(&shop.project, name).unwrap().as_ref(),
            Some(found)
        );
    }
    let _ = files.write(&end()).unwrap();
    assert_eq!(fs::read_dir(paths.units()).unwrap().count(), 0);
}

#[test]
fn links_to_units_that_are_gone_go_and_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (paths, shop) = (at(&dir), shop());
    let files = Files::new(&paths);
    let own = paths.units().join("locker-my\\x2dshop.target.wants");
    let boot = paths.units().join("multi-user.target.wants");
    let link = |link: PathBuf| {
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/no/such/unit", &link).unwrap();
        link
    };
    assert!(!files.is_linked(&shop.project).unwrap());
    let ours = [
        link(own.join("locker-my\\x2dshop-web-on\\x2ddemand-8080.socket")),
        link(boot.join("locker-my\\x2dshop.target")),
    ];
    let theirs = link(boot.join("locker-my.target"));
    assert!(files.is_linked(&shop.project).unwrap());
    files.unlink(&shop.project).unwrap();
    assert!(ours.iter().all(|link| fs::symlink_metadata(link).is_err()) && !own.exists());
    assert!(fs::symlink_metadata(theirs).is_ok());
}

#[test]
fn a_file_that_lost_its_content_with_the_power_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (paths, shop) = (at(&dir), shop());
    let files = Files::new(&paths);
    let _ = files.write(&shop).unwrap();
    for file in ["locker-my\\x2dshop-db.service", "locker-my\\x2dshop.target"] {
        fs::write(paths.units().join(file), "").unwrap();
    }
    fs::write(paths.units().join(super::super::names::NETWORK), "").unwrap();
    files.check(&shop).unwrap();
    assert!(
        files
            .differs(&files.read(&shop.project).unwrap(), &shop)
            .unwrap()
    );
    assert!(files.write_network("# locker:~\n").unwrap());
    let _ = files.write(&shop).unwrap();
    assert!(
        !files
            .differs(&files.read(&shop.project).unwrap(), &shop)
            .unwrap()
    );
}

#[test]
fn the_projects_that_boot_are_those_of_one_state_directory() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| dir.path().join(name));
    let [paths, others] =
        [&one, &other].map(|state| Paths::under(state).with_etc(&dir.path().join("etc")));
    let (files, theirs) = (Files::new(&paths), Files::new(&others));
    let text = render::network("/usr/bin/locker".as_ref(), paths.moved().as_deref()).unwrap();
    let _ = files.write(&shop()).unwrap();
    files.write_network(&text).unwrap();
    files.check(&shop()).unwrap();
    let refused = theirs.check(&shop()).unwrap_err().to_string();
    for state in [&one, &other] {
        assert!(refused.contains(&state.display().to_string()), "{refused}");
    }
    // What is there of a project of the same name is not theirs to end.
    assert!(theirs.read(&name("my-shop")).unwrap().files.is_empty());
    let _ = files.write(&end()).unwrap();
    theirs.check(&shop()).unwrap();
}
