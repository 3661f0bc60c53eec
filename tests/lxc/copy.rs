//! Trees in and out of real containers.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use locker::backend::{Backend, Body, Inside, Outer};
use serde_json::json;

use crate::rig::{in_own_network, name, sh, shell};

fn facts(path: &Path) -> (u32, u32, u32, i64) {
    let meta = std::fs::symlink_metadata(path).unwrap();
    (meta.uid(), meta.gid(), meta.mode() & 0o7777, meta.mtime())
}

#[test]
fn trees_keep_what_they_are_on_their_way_in_and_out() {
    in_own_network(
        "copy::trees_keep_what_they_are_on_their_way_in_and_out",
        async |rig| {
            let (db, top) = (name("db"), rig.top.clone());
            let volume = top.join("volume");
            std::fs::create_dir(&volume).unwrap();
            let idmap = json!([
                {"kind": "user", "container": 0, "host": 300_000, "count": 65_536},
                {"kind": "group", "container": 0, "host": 300_000, "count": 65_536}]);
            let mounts = json!([{"host": volume, "target": "/srv/data", "read_only": false, "named": false}]);
            let change = json!({"idmap": idmap, "mounts": mounts, "nic": null,
                "config": [{"key": "lxc.init.cmd", "value": "/bin/sleep 1000"}]});
            rig.make(&rig.mark("db", 2, change)).await;
            let tree = top.join("tree");
            sh(&format!(
                "mkdir -p {0}/deep/er && cd {0} && echo text > deep/file && ln deep/file deep/er/again \
                 && ln -s /etc/passwd out && mkfifo pipe && chown 7:8 deep deep/file && chmod 2751 deep \
                 && chmod 4755 deep/file && touch -d @1000 deep/file deep out",
                tree.display()
            ));
            for (round, running) in [("stopped", false), ("running", true)] {
                if running {
                    rig.lxc.start(&db, Body::Present).await.unwrap();
                }
                let inside = format!("/srv/data/{round}");
                rig.lxc
                    .copy_in(&db, Outer::Path(&tree), Path::new(&inside))
                    .await
                    .unwrap();
                let there = volume.join(round);
                assert_eq!(facts(&there.join("deep")), (300_007, 300_008, 0o2751, 1000));
                assert_eq!(
                    facts(&there.join("deep/file")),
                    (300_007, 300_008, 0o4755, 1000)
                );
                let link = std::fs::read_link(there.join("out")).unwrap();
                assert_eq!(link, Path::new("/etc/passwd"));
                sh(&format!(
                    "test -p {0}/pipe && test $(cat {0}/deep/er/again) = text",
                    there.display()
                ));
                // Into a directory that is there, under its own name.
                rig.lxc
                    .copy_in(&db, Outer::Path(&tree.join("deep/file")), Path::new("/etc"))
                    .await
                    .unwrap();
                assert_eq!(
                    std::fs::read_to_string(rig.rootfs("db").join("etc/file")).unwrap(),
                    "text\n"
                );

                let back = top.join(format!("back-{round}"));
                rig.lxc
                    .copy_out(&db, Path::new(&inside), Outer::Path(&back))
                    .await
                    .unwrap();
                assert_eq!(facts(&back.join("deep")), (7, 8, 0o751, 1000));
                assert_eq!(
                    facts(&back.join("deep/file")),
                    (7, 8, 0o755, 1000),
                    "no set-user-id bit"
                );
                rig.lxc
                    .copy_out(
                        &db,
                        &Path::new(&inside).join("."),
                        Outer::Path(&top.join("back-content")),
                    )
                    .await
                    .unwrap();
                assert!(top.join("back-content/deep/file").exists());
                assert_eq!(std::fs::read_link(back.join("out")).unwrap(), link);
                std::fs::remove_file(rig.rootfs("db").join("etc/file")).unwrap();
            }
            let said = rig
                .lxc
                .run(&db, &shell("ls -ln /srv/data/running/deep/file"), None)
                .await;
            assert!(
                said.unwrap().output.contains(" 7 "),
                "inside it has the owner that it had here"
            );
            rig.lxc
                .stop(&db, Body::Present, Duration::ZERO)
                .await
                .unwrap();
            rig.lxc.destroy(&db, Body::Present, false).await.unwrap();
        },
    );
}

#[test]
fn a_hostile_container_gets_nothing_of_the_host_and_gives_no_device() {
    in_own_network(
        "copy::a_hostile_container_gets_nothing_of_the_host_and_gives_no_device",
        async |rig| {
            let (db, top) = (name("db"), rig.top.clone());
            rig.make(&rig.mark("db", 2, json!({"nic": null}))).await;
            let root = rig.rootfs("db");
            let secret = top.join("secret");
            std::fs::create_dir(&secret).unwrap();
            std::fs::write(secret.join("key"), "host").unwrap();
            symlink(&secret, root.join("abs")).unwrap();
            symlink("../../secret", root.join("up")).unwrap();
            std::fs::write(top.join("new"), "new").unwrap();
            for link in ["/abs/key", "/up/key", "/../../../secret/key"] {
                let out = rig
                    .lxc
                    .copy_out(&db, Path::new(link), Outer::Path(&top.join("stolen")))
                    .await;
                assert!(out.is_err() && !top.join("stolen").exists(), "{link}");
                let into = rig
                    .lxc
                    .copy_in(&db, Outer::Path(&top.join("new")), Path::new(link))
                    .await;
                assert!(into.unwrap_err().to_string().contains("db"), "{link}");
            }
            assert_eq!(std::fs::read_to_string(secret.join("key")).unwrap(), "host");
            sh(&format!(
                "mkdir {0}/d && echo ok > {0}/d/a && mknod {0}/d/disk b 7 0",
                root.display()
            ));
            let error = rig
                .lxc
                .copy_out(&db, Path::new("/d"), Outer::Path(&top.join("d")))
                .await
                .unwrap_err();
            assert!(error.to_string().contains("device node"), "{error}");
            assert!(!top.join("d").exists(), "half a tree is left");
            let names: Vec<_> = std::fs::read_dir(&top)
                .unwrap()
                .map(|e| e.unwrap().file_name())
                .collect();
            assert!(
                names
                    .iter()
                    .all(|name| !name.to_string_lossy().starts_with(".locker")),
                "{names:?}"
            );
            // A file over a directory and a directory over a file are refused as `cp` does.
            std::fs::create_dir(root.join("d/new")).unwrap();
            assert!(
                rig.lxc
                    .copy_in(&db, Outer::Path(&top.join("new")), Path::new("/d"))
                    .await
                    .is_err()
            );
            assert!(
                rig.lxc
                    .copy_in(&db, Outer::Path(&secret), Path::new("/d/a"))
                    .await
                    .is_err()
            );
            let missing = rig
                .lxc
                .copy_out(&db, Path::new("/no/such"), Outer::Path(&top))
                .await
                .unwrap_err();
            assert!(missing.to_string().contains("/no/such"), "{missing}");
            let mode = std::fs::metadata(root.join("d"))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(
                mode & 0o777,
                0o755,
                "a directory that was there is left as it is"
            );
            rig.lxc.destroy(&db, Body::Present, false).await.unwrap();
        },
    );
}
