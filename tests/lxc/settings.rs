//! What a real container gets from its spec, at its start and while it runs.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use locker::backend::{AttachOptions, Backend, BackendError, Body, Inside, Sought};
use locker::model::HostsLine;
use locker::observed::State;
use serde_json::json;

use crate::rig::{in_own_network, name, sh, shell};

/// The file of a limit of the running container `t_db`, in whichever hierarchy it is.
fn limit_file(pid: u32, v1: &str, v2: &str) -> PathBuf {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let of = |controller: &str| {
        groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (names, path) = rest.split_once(':')?;
            let found = names.split(',').any(|name| name == controller);
            found.then(|| path.trim_start_matches('/').to_owned())
        })
    };
    match of("memory") {
        Some(path) => PathBuf::from("/sys/fs/cgroup/memory").join(path).join(v1),
        None => PathBuf::from("/sys/fs/cgroup")
            .join(of("").unwrap())
            .join(v2),
    }
}

fn memory_key() -> &'static str {
    let v1 = std::path::Path::new("/sys/fs/cgroup/memory/tasks").exists();
    if v1 {
        "memory.limit_in_bytes"
    } else {
        "memory.max"
    }
}

#[test]
fn limits_and_host_name_change_while_it_runs_and_all_or_nothing() {
    in_own_network(
        "settings::limits_and_host_name_change_while_it_runs_and_all_or_nothing",
        async |rig| {
            let db = name("db");
            let limits = |bytes: &str| json!([{"key": memory_key(), "value": bytes}]);
            rig.make(&rig.mark("db", 2, json!({"limits": limits("134217728")})))
                .await;
            rig.lxc.start(&db, Body::Present).await.unwrap();
            let pid = rig
                .lxc
                .observe(&Sought::default())
                .await
                .unwrap()
                .containers[&db]
                .pid
                .unwrap();
            let file = limit_file(pid, "memory.limit_in_bytes", "memory.max");
            let limit = || std::fs::read_to_string(&file).unwrap();
            assert_eq!(limit(), "134217728\n", "the limit is there from the start");

            let more = rig.mark(
                "db",
                2,
                json!({"limits": limits("268435456"), "hostname": "other.example.net"}),
            );
            rig.lxc.configure(&more).await.unwrap();
            assert_eq!(limit(), "268435456\n");
            let said = rig.lxc.run(&db, &shell("hostname"), None).await.unwrap();
            assert_eq!(said.output, "other.example.net\n");
            let seen = rig
                .lxc
                .observe(&Sought::default())
                .await
                .unwrap()
                .containers[&db]
                .clone();
            assert_eq!((seen.pid, seen.mark.as_ref()), (Some(pid), Some(&more)));

            let conf = rig.top.join("lxc/t_db/locker.conf");
            let before = std::fs::read_to_string(&conf).unwrap();
            let bad = rig.mark(
                "db",
                2,
                json!({"hostname": "third", "limits": [
                    {"key": memory_key(), "value": "67108864"},
                    {"key": memory_key(), "value": "a lot"}]}),
            );
            let error = rig.lxc.configure(&bad).await.unwrap_err();
            assert!(error.to_string().contains("a lot"), "{error}");
            assert_eq!(limit(), "268435456\n", "a refused change is taken back");
            assert_eq!(std::fs::read_to_string(&conf).unwrap(), before);
            let said = rig.lxc.run(&db, &shell("hostname"), None).await.unwrap();
            assert_eq!(said.output, "other.example.net\n");
            let seen = rig
                .lxc
                .observe(&Sought::default())
                .await
                .unwrap()
                .containers[&db]
                .clone();
            assert_eq!(seen.mark.as_ref(), Some(&more));

            let none = rig.mark("db", 2, json!({"hostname": "other.example.net"}));
            rig.lxc.configure(&none).await.unwrap();
            let lifted = limit();
            let huge = lifted
                .trim()
                .parse()
                .is_ok_and(|bytes: u64| bytes > 1 << 60);
            assert!(
                lifted == "max\n" || huge,
                "a limit that is gone is lifted: {lifted}"
            );

            // Frozen, it is thawed and stopped, and not after its whole timeout.
            rig.lxc.set_frozen(&db, true).await.unwrap();
            let begun = Instant::now();
            rig.lxc
                .stop(&db, Body::Present, Duration::from_secs(30))
                .await
                .unwrap();
            assert!(begun.elapsed() < Duration::from_secs(8));
            rig.lxc.destroy(&db, Body::Present, false).await.unwrap();
        },
    );
}

#[test]
fn volumes_variables_and_names_are_seen_inside() {
    in_own_network(
        "settings::volumes_variables_and_names_are_seen_inside",
        async |rig| {
            let db = name("db");
            let (data, one) = (rig.top.join("my data"), rig.top.join("one.conf"));
            std::fs::create_dir(&data).unwrap();
            std::fs::write(data.join("here"), "dir").unwrap();
            std::fs::write(&one, "file").unwrap();
            let mark = rig.mark(
                "db",
                2,
                json!({"environment": {"COLOUR": "deep blue"}, "mounts": [
                {"host": data, "target": "/srv/my data", "read_only": false, "named": false},
                {"host": data, "target": "/ro", "read_only": true, "named": false},
                {"host": one, "target": "/etc/one.conf", "read_only": false, "named": false}]}),
            );
            rig.make(&mark).await;
            rig.lxc.start(&db, Body::Present).await.unwrap();
            let line = "cat '/srv/my data/here' /ro/here /etc/one.conf; echo new > '/srv/my data/new'; \
                    touch /ro/x 2>/dev/null && echo written; tr '\\0' '\\n' < /proc/1/environ | grep COLOUR";
            let said = rig.lxc.run(&db, &shell(line), None).await.unwrap();
            assert_eq!(said.output, "dirdirfileCOLOUR=deep blue\n");
            assert_eq!(std::fs::read_to_string(data.join("new")).unwrap(), "new\n");

            let lines = [HostsLine {
                address: "10.77.0.9".parse().unwrap(),
                names: vec!["web".into()],
            }];
            let dns = ["9.9.9.9".parse().unwrap()];
            rig.lxc
                .run(&db, &shell("echo 1.2.3.4 mine >> /etc/hosts"), None)
                .await
                .unwrap();
            rig.lxc.write_names(&db, &lines, &dns).await.unwrap();
            let seen = rig
                .lxc
                .observe(&Sought::default())
                .await
                .unwrap()
                .containers[&db]
                .clone();
            assert_eq!(
                (seen.names.as_deref(), seen.dns.as_slice()),
                (Some(&lines[..]), &dns[..])
            );
            let said = rig
                .lxc
                .run(&db, &shell("cat /etc/hosts"), None)
                .await
                .unwrap()
                .output;
            assert!(
                said.contains("1.2.3.4 mine\n") && said.contains("10.77.0.9"),
                "{said}"
            );

            let exit = [
                "sh",
                "-c",
                "test \"$(id -u):$PWD:$COLOUR:$MORE\" = '0:/srv:deep blue:1' && exit 42",
            ];
            let options = AttachOptions {
                workdir: Some("/srv".into()),
                environment: vec![("MORE".into(), "1".into())],
                ..AttachOptions::default()
            };
            let code = rig
                .lxc
                .attach(&db, &exit.map(String::from), &options)
                .await
                .unwrap();
            assert_eq!(code, 42);

            rig.lxc
                .run(&db, &shell("echo to the console > /dev/console"), None)
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
            let log = rig.top.join("lib/logs/t/db.console");
            let text = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
            assert!(text.contains("to the console"), "{text}");
            // More than the log holds: it is rotated, and its older part goes with the container, too.
            rig.lxc
                .run(
                    &db,
                    &shell("head -c 1500000 /dev/zero | tr '\\0' x > /dev/console"),
                    None,
                )
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
            let logs = log.parent().unwrap().to_owned();
            eprintln!("{}", sh(&format!("ls -la {}", logs.display())));
            rig.lxc
                .stop(&db, Body::Present, Duration::ZERO)
                .await
                .unwrap();

            // What is mounted in the root file system by somebody is never destroyed with it.
            let inner = rig.rootfs("db").join("srv");
            sh(&format!(
                "mount --bind '{}' {}",
                data.display(),
                inner.display()
            ));
            let error = rig.lxc.destroy(&db, Body::Present, false).await;
            sh(&format!("umount {}", inner.display()));
            let BackendError::Engine { reason, .. } = error.unwrap_err() else {
                panic!()
            };
            assert!(reason.contains("still mounted"), "{reason}");
            rig.lxc.destroy(&db, Body::Present, false).await.unwrap();
            assert_eq!(std::fs::read_to_string(data.join("here")).unwrap(), "dir");
            assert_eq!(std::fs::read_dir(logs).unwrap().count(), 0, "a log is left");
        },
    );
}

#[test]
fn archives_and_directories_become_containers_and_the_source_stays() {
    in_own_network(
        "settings::archives_and_directories_become_containers_and_the_source_stays",
        async |rig| {
            rig.make(&rig.mark("db", 2, json!({}))).await;
            let (root, top) = (rig.rootfs("db"), rig.top.display().to_string());
            sh(&format!(
                "chmod 4755 {0}/bin/busybox; chown 7:8 {0}/home; cd {0} && tar -czf {top}/r.tar.gz . && tar -cJf {top}/r.tar.xz .",
                root.display()
            ));
            let idmap = json!([
                {"kind": "user", "container": 0, "host": 300_000, "count": 65_536},
                {"kind": "group", "container": 0, "host": 300_000, "count": 65_536}]);
            let sources = [
                ("gz", 3, format!("{top}/r.tar.gz"), json!([])),
                ("xz", 4, format!("{top}/r.tar.xz"), idmap),
                ("dir", 5, root.display().to_string(), json!([])),
            ];
            for (word, index, source, idmap) in sources {
                let change = json!({"source": {"rootfs": source}, "idmap": idmap});
                rig.make(&rig.mark(word, index, change)).await;
                let shift = if word == "xz" { 300_000 } else { 0 };
                let home = std::fs::metadata(rig.rootfs(word).join("home")).unwrap();
                assert_eq!((home.uid(), home.gid()), (shift + 7, shift + 8), "{word}");
                let tool = std::fs::metadata(rig.rootfs(word).join("bin/busybox")).unwrap();
                assert_eq!(
                    (tool.uid(), tool.mode() & 0o7777),
                    (shift, 0o4755),
                    "{word}"
                );
                rig.lxc.start(&name(word), Body::Present).await.unwrap();
                let seen = rig
                    .lxc
                    .observe(&Sought::default())
                    .await
                    .unwrap()
                    .containers[&name(word)]
                    .clone();
                let init = std::fs::metadata(format!("/proc/{}", seen.pid.unwrap())).unwrap();
                assert_eq!((seen.state, init.uid()), (State::Running, shift), "{word}");
                rig.lxc
                    .stop(&name(word), Body::Present, Duration::ZERO)
                    .await
                    .unwrap();
                rig.lxc
                    .destroy(&name(word), Body::Present, false)
                    .await
                    .unwrap();
            }
            assert!(root.join("bin/busybox").exists());
            let error = rig.mark(
                "bad",
                6,
                json!({"source": {"rootfs": format!("{top}/none.tar")}}),
            );
            rig.lxc.create(&error, false, &|_| ()).await.unwrap_err();
            rig.lxc
                .destroy(&name("db"), Body::Present, false)
                .await
                .unwrap();
            assert_eq!(std::fs::read_dir(rig.top.join("lxc")).unwrap().count(), 0);
        },
    );
}
