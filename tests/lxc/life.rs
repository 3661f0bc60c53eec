//! The life of real containers.

use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, symlink};
use std::time::{Duration, Instant};

use locker::backend::{Backend, BackendError, Body, Inside, Sought};
use locker::model::{HostsLine, Kind, Mount};
use locker::observed::State;
use serde_json::json;

use crate::rig::{in_own_network, name, sh, shell};

#[test]
fn a_container_lives_keeps_its_address_and_leaves_nothing() {
    in_own_network(
        "life::a_container_lives_keeps_its_address_and_leaves_nothing",
        async |rig| {
            let (lxc, db) = (&rig.lxc, name("db"));
            let mark = rig.mark("db", 2, json!({"environment": {"COLOUR": "deep blue"}}));
            rig.make(&mark).await;
            let hosts = HostsLine {
                address: Ipv4Addr::new(10, 77, 0, 3).into(),
                names: vec!["web".into()],
            };
            lxc.write_names(&db, std::slice::from_ref(&hosts), &[])
                .await
                .unwrap();
            let seen = lxc
                .observe(&Sought::default())
                .await
                .unwrap()
                .containers
                .remove(&db)
                .unwrap();
            assert_eq!((seen.state, seen.wreck), (State::Stopped, false));
            assert_eq!(seen.mark.as_ref(), Some(&mark));
            assert_eq!(seen.names, Some(vec![hosts]));

            let begun = Instant::now();
            lxc.start(&db, Body::Present).await.unwrap();
            eprintln!("start {:?}", begun.elapsed());
            let run = lxc
                .run(&db, &shell("hostname; echo $COLOUR; exit 7"), None)
                .await
                .unwrap();
            assert_eq!(
                (run.code, run.output.as_str()),
                (7, "db.example.net\ndeep blue\n")
            );
            lxc.run(
                &db,
                &shell("ip addr flush dev eth0; ip link set eth0 down; ip link set eth0 up"),
                None,
            )
            .await
            .unwrap();
            tokio::time::sleep(Duration::from_millis(4000)).await; // longer than the template's DHCP client tries
            let run = lxc
                .run(
                    &db,
                    &shell("ip addr show eth0; ip route; ip -6 route"),
                    None,
                )
                .await;
            let text = run.unwrap().output;
            for wanted in [
                "10.77.0.2/24",
                "fd77::2/64",
                "default via 10.77.0.1",
                "default via fd77::1",
            ] {
                assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
            }
            sh("ping -c1 -W2 10.77.0.2 || busybox ping -c1 -W2 10.77.0.2");

            let slow = lxc
                .run(&db, &shell("sleep 60"), Some(Duration::from_millis(300)))
                .await;
            assert!(slow.unwrap_err().to_string().contains("did not end"));
            let left = lxc
                .run(&db, &shell("ps | grep -c '[s]leep 60'"), None)
                .await
                .unwrap();
            assert_eq!(left.output, "0\n");

            lxc.set_frozen(&db, true).await.unwrap();
            assert_eq!(
                lxc.observe(&Sought::default()).await.unwrap().containers[&db].state,
                State::Frozen
            );
            let begun = Instant::now();
            lxc.stop(&db, Body::Present, Duration::from_secs(20))
                .await
                .unwrap();
            eprintln!("stop {:?}", begun.elapsed());
            assert!(
                begun.elapsed() < Duration::from_secs(8),
                "it was killed, not shut down"
            );
            lxc.start(&db, Body::Present).await.unwrap();
            let begun = Instant::now();
            lxc.stop(&db, Body::Present, Duration::from_secs(20))
                .await
                .unwrap();
            eprintln!("young stop {:?}", begun.elapsed());
            assert!(
                begun.elapsed() < Duration::from_secs(8),
                "a young init lost its signal"
            );
            lxc.destroy(&db, Body::Present, false).await.unwrap();
            assert_eq!(std::fs::read_dir(rig.top.join("lxc")).unwrap().count(), 0);
            assert_eq!(
                std::fs::read_dir(rig.top.join("lib/logs/t"))
                    .unwrap()
                    .count(),
                0
            );
        },
    );
}

#[test]
fn a_failing_template_is_quoted_and_leaves_nothing() {
    in_own_network(
        "life::a_failing_template_is_quoted_and_leaves_nothing",
        async |rig| {
            let script = rig.top.join("lxc-bad");
            std::fs::write(
                &script,
                "#!/bin/sh\necho 'no such release: jammy' >&2\nexit 3\n",
            )
            .unwrap();
            sh(&format!("chmod +x {}", script.display()));
            let mark = rig.mark(
                "db",
                2,
                json!({"source": {"template": {"name": script, "args": []}}}),
            );
            let error = rig.lxc.create(&mark, false, &|_| ()).await.unwrap_err();
            assert!(
                error.to_string().contains("no such release: jammy"),
                "{error}"
            );
            assert_eq!(std::fs::read_dir(rig.top.join("lxc")).unwrap().count(), 0);
        },
    );
}

#[test]
fn a_container_that_cannot_start_says_why_and_is_stopped() {
    in_own_network(
        "life::a_container_that_cannot_start_says_why_and_is_stopped",
        async |rig| {
            let mark = rig.mark(
                "db",
                2,
                json!({"config": [
            {"key": "lxc.hook.pre-start", "value": "/bin/false"}]}),
            );
            rig.make(&mark).await;
            let error = rig.lxc.start(&name("db"), Body::Present).await.unwrap_err();
            let BackendError::Engine { log, .. } = &error else {
                panic!("{error}")
            };
            assert!(!log.is_empty(), "{error}");
            assert_eq!(
                rig.lxc
                    .observe(&Sought::default())
                    .await
                    .unwrap()
                    .containers[&name("db")]
                    .state,
                State::Stopped
            );
            rig.lxc
                .destroy(&name("db"), Body::Present, false)
                .await
                .unwrap();
        },
    );
}

#[test]
fn seeding_copies_the_containers_own_content_and_never_the_hosts() {
    in_own_network(
        "life::seeding_copies_the_containers_own_content_and_never_the_hosts",
        async |rig| {
            let db = name("db");
            rig.make(&rig.mark("db", 2, json!({}))).await;
            let root = rig.rootfs("db");
            std::fs::create_dir_all(root.join("data")).unwrap();
            std::fs::write(root.join("data/file"), "content").unwrap();
            std::fs::hard_link(root.join("data/file"), root.join("data/again")).unwrap();
            sh(&format!(
                "mkfifo {0}/data/pipe; chown -R 77:78 {0}/data; chmod 2750 {0}/data",
                root.display()
            ));
            symlink("/root", root.join("trap")).unwrap();
            std::fs::write(root.join("one.conf"), "inner").unwrap();
            let mount = |host: &str, target: &str| Mount {
                host: rig.top.join(host),
                target: target.into(),
                read_only: false,
                named: false,
            };
            let mounts = [
                mount("v/data", "/data"),
                mount("v/trap", "/trap"),
                mount("v/one", "/one.conf"),
            ];
            let made = rig.lxc.seed(&db, &mounts, true).await.unwrap().made;
            assert_eq!(made[0].path(), rig.top.join("v"));
            let data = std::fs::metadata(rig.top.join("v/data")).unwrap();
            assert_eq!(
                (data.uid(), data.gid(), data.mode() & 0o7777),
                (77, 78, 0o2750)
            );
            assert_eq!(
                std::fs::metadata(rig.top.join("v/data/again"))
                    .unwrap()
                    .nlink(),
                2
            );
            assert!(rig.top.join("v/data/pipe").exists());
            assert_eq!(
                std::fs::read_to_string(rig.top.join("v/one")).unwrap(),
                "inner"
            );
            let (inner, outer) = (root.join("root"), rig.top.join("v/trap"));
            let count = |dir| std::fs::read_dir(dir).unwrap().count();
            assert_eq!(
                count(outer),
                count(inner),
                "the link was resolved on the host"
            );
            let again = rig.lxc.seed(&db, &mounts, true).await.unwrap();
            assert_eq!(again.made, []);
            // One that is there keeps its place: another container has it mounted, or it is a disk of its own.
            let disk = rig.top.join("disk");
            std::fs::create_dir(&disk).unwrap();
            sh(&format!("mount -t tmpfs none {}", disk.display()));
            let filled = rig.lxc.seed(&db, &[mount("disk", "/data")], true).await;
            let file = std::fs::read_to_string(disk.join("file"));
            let on_disk = std::fs::metadata(&disk);
            sh(&format!("umount {}", disk.display()));
            assert_eq!(filled.unwrap().made, []);
            assert_eq!(file.unwrap(), "content");
            let on_disk = on_disk.unwrap();
            assert_eq!((on_disk.uid(), on_disk.mode() & 0o7777), (77, 0o2750));
            rig.lxc.destroy(&db, Body::Present, false).await.unwrap();
        },
    );
}

#[test]
fn a_full_disk_leaves_nothing_of_a_seed() {
    in_own_network("life::a_full_disk_leaves_nothing_of_a_seed", async |rig| {
        let db = name("db");
        rig.make(&rig.mark("db", 2, json!({}))).await;
        sh(&format!(
            "mkdir {0}/big; head -c 3000000 /dev/zero > {0}/big/x",
            rig.rootfs("db").display()
        ));
        let small = rig.top.join("small");
        std::fs::create_dir(&small).unwrap();
        sh(&format!(
            "mount -t tmpfs -o size=1m none {}",
            small.display()
        ));
        let mount = Mount {
            host: small.join("a/b"),
            target: "/big".into(),
            read_only: false,
            named: false,
        };
        let error = rig.lxc.seed(&db, &[mount], true).await;
        let left = std::fs::read_dir(&small).unwrap().count();
        sh(&format!("umount {}", small.display()));
        assert!(error.unwrap_err().to_string().contains("No space left"));
        assert_eq!(left, 0);
        rig.lxc.destroy(&db, Body::Present, false).await.unwrap();
    });
}

#[test]
fn clones_of_running_containers_and_unprivileged_ones_run() {
    in_own_network(
        "life::clones_of_running_containers_and_unprivileged_ones_run",
        async |rig| {
            let idmap = json!([
            {"kind": "user", "container": 0, "host": 300_000, "count": 65_536},
            {"kind": "group", "container": 0, "host": 300_000, "count": 65_536}]);
            rig.make(&rig.mark("db", 2, json!({}))).await;
            std::fs::write(rig.rootfs("db").join("mine"), "x").unwrap();
            rig.lxc.start(&name("db"), Body::Present).await.unwrap();
            let clone = json!({"source": {"clone_sibling": "db"}});
            rig.make(&rig.mark("web", 3, clone)).await;
            rig.make(&rig.mark("low", 4, json!({"idmap": idmap}))).await;
            rig.make(&rig.mark(
                "lower",
                5,
                json!({"source": {"clone_sibling": "db"}, "idmap": idmap}),
            ))
            .await;
            assert_eq!(
                std::fs::metadata(rig.rootfs("lower").join("mine"))
                    .unwrap()
                    .uid(),
                300_000
            );
            for word in ["web", "low", "lower"] {
                rig.lxc.start(&name(word), Body::Present).await.unwrap();
                let run = rig
                    .lxc
                    .run(&name(word), &shell("id -u; hostname"), None)
                    .await
                    .unwrap();
                assert_eq!(run.output, format!("0\n{word}.example.net\n"), "{word}");
            }
            assert_eq!(
                rig.lxc
                    .observe(&Sought::default())
                    .await
                    .unwrap()
                    .containers[&name("db")]
                    .state,
                State::Running
            );
            for word in ["db", "web", "low", "lower"] {
                rig.lxc
                    .stop(&name(word), Body::Present, Duration::ZERO)
                    .await
                    .unwrap();
                rig.lxc
                    .destroy(&name(word), Body::Present, false)
                    .await
                    .unwrap();
            }
        },
    );
}

#[test]
fn setting_aside_and_bringing_back_loses_nothing() {
    in_own_network(
        "life::setting_aside_and_bringing_back_loses_nothing",
        async |rig| {
            let db = name("db");
            rig.make(&rig.mark("db", 2, json!({}))).await;
            rig.lxc.set_aside(&db, false).await.unwrap();
            let seen = rig
                .lxc
                .observe(&Sought::default())
                .await
                .unwrap()
                .containers[&db]
                .clone();
            assert!(seen.set_aside && seen.wreck && seen.mark.is_none());
            // A destruction that was killed in the middle: nothing that could be taken for whole.
            let left = rig.top.join("lxc/.t_db~gone");
            std::fs::create_dir_all(left.join("rootfs/etc")).unwrap();
            rig.lxc.set_aside(&db, true).await.unwrap();
            let seen = rig
                .lxc
                .observe(&Sought::default())
                .await
                .unwrap()
                .containers[&db]
                .clone();
            assert!(!seen.set_aside && !seen.wreck);
            rig.lxc.start(&db, Body::Present).await.unwrap();
            rig.lxc
                .stop(&db, Body::Present, Duration::ZERO)
                .await
                .unwrap();
            rig.lxc.set_aside(&db, false).await.unwrap();
            rig.lxc.destroy(&db, Body::Aside, false).await.unwrap();
            assert!(
                rig.lxc
                    .observe(&Sought::default())
                    .await
                    .unwrap()
                    .containers
                    .is_empty()
            );
            assert!(!left.exists() && !rig.top.join("lxc/t_db~old").exists());
        },
    );
}

#[test]
fn a_foreign_container_is_listed_and_never_destroyed() {
    in_own_network(
        "life::a_foreign_container_is_listed_and_never_destroyed",
        async |rig| {
            let dir = rig.top.join("lxc/t_db");
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("config"), "broken {").unwrap();
            std::fs::write(dir.join("locker.json"), "not a mark").unwrap();
            let view = rig.lxc.observe(&Sought::default()).await.unwrap();
            assert!(view.foreign[&Kind::System].contains("t_db") && view.containers.is_empty());
            rig.lxc
                .destroy(&name("db"), Body::Present, false)
                .await
                .unwrap_err();
            assert!(dir.join("config").exists());
        },
    );
}

#[test]
fn a_killed_creation_ends_its_template_and_is_a_wreck_that_can_be_removed() {
    in_own_network(
        "life::a_killed_creation_ends_its_template_and_is_a_wreck_that_can_be_removed",
        async |rig| {
            use std::process::{Command, Stdio};
            let lxcpath = rig.top.join("lxc");
            std::fs::create_dir(&lxcpath).unwrap();
            let script = rig.top.join("lxc-slow");
            let pid = rig.top.join("pid");
            let text = format!("#!/bin/sh\necho $$ > {}\nexec sleep 300\n", pid.display());
            std::fs::write(&script, text).unwrap();
            sh(&format!("chmod +x {}", script.display()));
            let note = json!({"project": "t", "name": "db", "directory": "/project"});
            std::fs::write(lxcpath.join(".t_db.locker-partial"), note.to_string()).unwrap();
            let request = json!({"full": "t_db", "lxcpath": lxcpath, "log": null,
                "task": {"Create": {"template": script, "args": []}}});
            let mut helper = Command::new(env!("CARGO_BIN_EXE_locker"))
                .arg("__lxc")
                .env("LOCKER_LXC_REQUEST", request.to_string())
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let begun = Instant::now();
            while std::fs::read_to_string(&pid).unwrap_or_default().is_empty() {
                assert!(
                    begun.elapsed() < Duration::from_secs(10),
                    "the template never ran"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            drop(helper.stdin.take()); // what the kernel does when the caller is killed
            helper.wait().unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
            let pid = std::fs::read_to_string(&pid).unwrap();
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            assert!(
                state.is_err() || state.unwrap().contains(") Z"),
                "the template lives on"
            );
            assert!(
                rig.lxc
                    .observe(&Sought::default())
                    .await
                    .unwrap()
                    .containers[&name("db")]
                    .wreck
            );
            rig.lxc
                .destroy(&name("db"), Body::Present, false)
                .await
                .unwrap();
            assert!(
                rig.lxc
                    .observe(&Sought::default())
                    .await
                    .unwrap()
                    .containers
                    .is_empty()
            );
            assert_eq!(std::fs::read_dir(&lxcpath).unwrap().count(), 0);
            // It was killed while it wrote the configuration, which liblxc cannot read then.
            let dir = lxcpath.join("t_db");
            std::fs::create_dir(&dir).unwrap();
            std::fs::write(dir.join("config"), "lxc.include = /no/suc").unwrap();
            std::fs::write(lxcpath.join(".t_db.locker-partial"), note.to_string()).unwrap();
            rig.lxc
                .destroy(&name("db"), Body::Present, false)
                .await
                .unwrap();
            assert_eq!(std::fs::read_dir(&lxcpath).unwrap().count(), 0);
        },
    );
}
