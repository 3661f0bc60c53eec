//! Whole unit files, hostile values, and files on disk.

mod lost;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use super::files::Files;
use super::sandbox::Walls;
use super::{UnitsError, render};
use crate::model::{
    DemandPort, Healthcheck, InnerCommand, Kind, Name, ProjectUnits, Restart, Test, UnitSpec,
};
use crate::store::{self, Paths};

fn name(word: &str) -> Name {
    Name::new(word).unwrap()
}

pub(crate) fn unit(container: &str, kind: Kind) -> UnitSpec {
    UnitSpec {
        project: name("my-shop"),
        name: name(container),
        kind,
        program: "/usr/bin/locker".into(),
        directory: "/srv/my shop".into(),
        state_dir: None,
        engine: None,
        hooks: Default::default(),
        lxcpath: "/var/lib/lxc".into(),
        requires: BTreeSet::new(),
        conditions: BTreeMap::new(),
        after: BTreeSet::new(),
        binds: BTreeSet::new(),
        oneshot: false,
        groups: BTreeSet::new(),
        restart: Restart::No,
        healthcheck: None,
        start_timeout: Some(Duration::from_secs(90)),
        stop_timeout: Duration::from_secs(30),
        properties: BTreeMap::new(),
        isolate: false,
        on_demand: Vec::new(),
        idle: None,
        ports: None,
        mounts: BTreeSet::new(),
        at_boot: None,
    }
}

fn shop() -> ProjectUnits {
    let check = InnerCommand::Shell("pg_isready".into());
    let db = UnitSpec {
        groups: [name("back")].into(),
        restart: Restart::Always,
        healthcheck: Some(Healthcheck::new(check)),
        properties: [("MemoryMax", "536870912"), ("CPUQuota", "50%")]
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
        ..unit("db", Kind::System)
    };
    let migrate = UnitSpec {
        requires: [name("db")].into(),
        oneshot: true,
        restart: Restart::OnFailure { most: Some(3) },
        ..unit("migrate", Kind::Application)
    };
    let web = UnitSpec {
        requires: [name("db"), name("migrate")].into(),
        after: [name("cache")].into(),
        binds: [name("net-1")].into(),
        restart: Restart::OnFailure { most: None },
        on_demand: vec![DemandPort {
            port: "127.0.0.1:8080:80".parse().unwrap(),
            to: [10, 77, 0, 4].into(),
        }],
        idle: Some(Duration::from_secs(600)),
        ..unit("web", Kind::Application)
    };
    ProjectUnits {
        project: name("my-shop"),
        directory: "/srv/my shop".into(),
        services: [db, migrate, web]
            .into_iter()
            .map(|u| (u.name.clone(), u))
            .collect(),
    }
}

/// All files of the shop in one text; `LOCKER_BLESS=1` writes it anew.
#[test]
fn unit_files_are_exactly_these() {
    let mut text = String::new();
    for (file, content) in render::project(&shop(), Walls::Mounts).unwrap() {
        text.push_str(&format!("==> {file}\n{content}\n"));
    }
    let web = "locker-my\\x2dshop-web.service";
    let content = &render::project(&shop(), Walls::Landlock).unwrap()[web];
    text.push_str(&format!("==> {web} with Landlock\n{content}\n"));
    let network = render::network(&PathBuf::from("/usr/bin/locker"), None).unwrap();
    text.push_str(&format!("==> locker-network.service\n{network}"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/systemd/tests/units.txt");
    if std::env::var_os("LOCKER_BLESS").is_some() {
        fs::write(path, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(path).unwrap());
}

#[test]
fn a_supervisor_reaches_its_container_only_when_it_asks_by_port() {
    let text = |test: Test| {
        let mut units = shop();
        let web = units.services.get_mut("web").unwrap();
        web.healthcheck = Some(Healthcheck::new(test));
        render::project(&units, Walls::Mounts).unwrap()["locker-my\\x2dshop-web.service"].clone()
    };
    let command = text(InnerCommand::Shell("true".into()).into());
    assert!(command.contains("PrivateNetwork=yes\n"));
    assert!(command.contains("RestrictAddressFamilies=AF_UNIX\n"));
    let port = text(Test::Port {
        port: NonZeroU16::new(80).unwrap(),
    });
    assert!(!port.contains("PrivateNetwork"));
    assert!(port.contains("RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n"));
}

#[test]
fn a_container_waits_for_the_file_systems_below_what_it_mounts() {
    let mut units = shop();
    let web = units.services.get_mut("web").unwrap();
    web.mounts = ["/mnt/nas/a b", "/srv/100%", "/srv/line\nbreak"]
        .map(PathBuf::from)
        .into();
    let text =
        render::project(&units, Walls::Mounts).unwrap()["locker-my\\x2dshop-web.service"].clone();
    assert!(
        text.contains("\nRequiresMountsFor=\"/mnt/nas/a b\"\n"),
        "{text}"
    );
    assert!(
        text.contains("\nRequiresMountsFor=\"/srv/100%%\"\n"),
        "{text}"
    );
    assert!(!text.contains("line"), "{text}");
}

#[test]
fn the_network_service_sees_state_that_was_moved_and_tells_its_program() {
    let state = PathBuf::from("/root/state");
    let program = PathBuf::from("/opt/a \"b\" $c %d\\e/locker");
    let text = render::network(&program, Some(&state)).unwrap();
    assert!(!text.contains("ProtectHome"), "{text}");
    assert!(
        text.contains("RequiresMountsFor=\"/root/state\"\n"),
        "{text}"
    );
    assert_eq!(render::program_of(&text), Some(program));
}

/// A kernel without Landlock, or with it again: the next `up` writes what holds there.
#[test]
fn units_differ_on_a_kernel_that_can_do_something_else() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::under(dir.path()).with_etc(&dir.path().join("etc"));
    let files = |walls| Files::with_walls(&paths, walls);
    let [landlock, mounts] = [files(Walls::Landlock), files(Walls::Mounts)];
    for (now, later) in [(&landlock, &mounts), (&mounts, &landlock)] {
        assert!(now.write(&shop()).unwrap().changed());
        let disk = now.read(&name("my-shop")).unwrap();
        assert!(!now.differs(&disk, &shop()).unwrap());
        assert!(later.differs(&disk, &shop()).unwrap());
    }
}

/// Each of them alone brings a mount namespace with it (systemd's `exec_needs_mount_namespace()`).
#[test]
fn a_supervisor_with_landlock_needs_no_mount_namespace() {
    let units = render::project(&shop(), Walls::Landlock).unwrap();
    let text = &units["locker-my\\x2dshop-web.service"];
    assert!(text.contains("PrivateMounts=no\n"), "{text}");
    let mounts = [
        "PrivateDevices",
        "PrivateTmp",
        "PrivateIPC",
        "ProtectControlGroups",
        "ProtectHome",
        "ProtectKernel",
        "ProtectProc",
        "ProcSubset",
        "ProtectSystem",
        "Paths=",
        "Directory=",
    ];
    let found: Vec<&&str> = mounts.iter().filter(|word| text.contains(**word)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn systemd_reads_its_files_again_when_a_run_was_killed_before_it_told_it() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::under(dir.path()).with_etc(&dir.path().join("etc"));
    let files = Files::new(&paths);
    let _ = files.write(&shop()).unwrap();
    assert!(files.is_reload_due(), "as after a kill");
    files.reload_done();
    let _ = files.write(&shop()).unwrap();
    assert!(!files.is_reload_due(), "nothing was written");
}

#[test]
fn a_supervisor_sees_the_socket_of_its_engine() {
    let text = |socket: Option<&str>| {
        let mut units = shop();
        let web = units.services.get_mut("web").unwrap();
        web.engine = socket.map(Into::into);
        render::project(&units, Walls::Mounts).unwrap()["locker-my\\x2dshop-web.service"].clone()
    };
    for (socket, hidden, order) in [
        (None, ["PrivateTmp=yes", "ProtectHome=yes"], true),
        (
            Some("/run/x.sock"),
            ["PrivateTmp=yes", "ProtectHome=yes"],
            false,
        ),
        (
            Some("/tmp/x.sock"),
            ["ProtectHome=yes", "ProtectHome=yes"],
            false,
        ),
        (
            Some("/home/x.sock"),
            ["PrivateTmp=yes", "PrivateTmp=yes"],
            false,
        ),
    ] {
        let text = text(socket);
        let directives = ["PrivateTmp=yes", "ProtectHome=yes"];
        for directive in directives {
            let wanted = hidden.contains(&directive);
            assert_eq!(text.contains(directive), wanted, "{socket:?}: {directive}");
        }
        assert_eq!(text.contains("After=docker.service"), order, "{socket:?}");
    }
}

#[test]
fn no_value_makes_a_line_of_its_own() {
    let mut units = shop();
    units.directory = "/srv/a\nExecStart=/bin/sh".into();
    assert!(matches!(
        render::project(&units, Walls::Mounts),
        Err(UnitsError::Control(_))
    ));
    let mut units = shop();
    let db = units.services.get_mut("db").unwrap();
    db.properties
        .insert("MemoryMax".into(), "1\nExecStartPre=/bin/sh".into());
    assert!(matches!(
        render::project(&units, Walls::Mounts),
        Err(UnitsError::Control(_))
    ));
    let mut units = shop();
    let db = units.services.get_mut("db").unwrap();
    db.properties
        .insert("ExecStartPre=/bin/sh\nMemoryMax".into(), "1".into());
    assert!(matches!(
        render::project(&units, Walls::Mounts),
        Err(UnitsError::Control(_))
    ));
}

#[test]
fn files_are_written_found_and_removed_and_foreign_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::under(dir.path()).with_etc(&dir.path().join("etc"));
    let files = Files::new(&paths);
    fs::create_dir_all(paths.units()).unwrap();
    let foreign = paths.units().join("locker-other-web.service");
    fs::write(&foreign, "# locker:other:web\n").unwrap();

    let units = shop();
    assert!(files.write(&units).unwrap().changed());
    assert!(
        !files.write(&units).unwrap().changed(),
        "a second time nothing is written"
    );
    let disk = files.read(&units.project).unwrap();
    assert_eq!(disk.services, units.services);
    assert!(!files.differs(&disk, &units).unwrap());

    let edited = paths.units().join("locker-my\\x2dshop-db.service");
    let text = fs::read_to_string(&edited).unwrap();
    fs::write(&edited, format!("{text}# by hand\n")).unwrap();
    let disk = files.read(&units.project).unwrap();
    assert!(
        files.differs(&disk, &units).unwrap(),
        "an edited file is seen"
    );

    // What was told to stop and has no service any more is nobody's work.
    let job = name("migrate");
    store::note_stopped(&paths, &units.project, &job, "abc").unwrap();
    files.write(&units).unwrap();
    assert!(store::was_stopped(&paths, &units.project, &job, "abc"));
    let none = ProjectUnits {
        services: BTreeMap::new(),
        ..units
    };
    files.write(&none).unwrap();
    assert!(!store::was_stopped(&paths, &none.project, &job, "abc"));
    let left: Vec<_> = fs::read_dir(paths.units()).unwrap().collect();
    assert_eq!(left.len(), 1, "only the other project's file is left");
    assert!(foreign.exists());
    assert!(!paths.unit_specs(&none.project).exists());
}

#[test]
fn a_failed_write_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::under(dir.path()).with_etc(&dir.path().join("etc"));
    fs::create_dir_all(paths.units()).unwrap();
    let theirs = paths.units().join("locker-my\\x2dshop-web.service");
    fs::write(&theirs, "[Service]\nExecStart=/bin/true\n").unwrap();
    let error = Files::new(&paths).write(&shop()).unwrap_err();
    assert!(
        matches!(&error, UnitsError::Foreign { path, .. } if *path == theirs),
        "{error}"
    );
    let left: Vec<_> = fs::read_dir(paths.units()).unwrap().collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn a_unit_of_somebody_else_is_found_wherever_it_is_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::under(&dir.path().join("state")).with_etc(&dir.path().join("etc"));
    let files = Files::new(&paths);
    files.check(&shop()).unwrap();
    for (place, file) in [
        ("etc/systemd/system", "locker-my\\x2dshop-db.service"),
        ("etc/systemd/system", "locker-network.service"),
        ("run/systemd/system", "locker-my\\x2dshop.target"),
        ("usr/lib/systemd/system", "locker-my\\x2dshop-db.service"),
        ("lib/systemd/system", "locker-network.service"),
    ] {
        let theirs = dir.path().join(place).join(file);
        fs::create_dir_all(theirs.parent().unwrap()).unwrap();
        for masked in [false, true] {
            match masked {
                false => fs::write(&theirs, "[Unit]\n").unwrap(),
                true => std::os::unix::fs::symlink("/dev/null", &theirs).unwrap(),
            }
            let error = files.check(&shop()).unwrap_err();
            assert!(
                matches!(&error, UnitsError::Foreign { path, .. } if *path == theirs),
                "{error}"
            );
            assert!(
                error.to_string().contains(&format!("systemctl cat {file}")),
                "{error}"
            );
            fs::remove_file(&theirs).unwrap();
        }
    }
    files.check(&shop()).unwrap();
    assert!(!paths.units().join("locker-my\\x2dshop.target").exists());
}

#[test]
fn a_time_beyond_what_systemd_counts_has_no_end() {
    let mut unit = unit("db", Kind::System);
    unit.stop_timeout = Duration::MAX;
    unit.idle = Some(Duration::from_secs(u64::MAX));
    let units = ProjectUnits {
        services: [(name("db"), unit)].into(),
        ..shop()
    };
    let files = render::project(&units, Walls::Mounts).unwrap();
    let text = &files["locker-my\\x2dshop-db.service"];
    assert!(text.contains("\nTimeoutStopSec=infinity\n"), "{text}");
}
