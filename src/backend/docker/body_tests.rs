//! What the engine is asked for, by what the file says: one line of the table for each setting.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;

/// A container's spec with `change` laid over it and `settings` as its settings.
fn spec(change: Value, settings: Value) -> ContainerSpec {
    let nic = |index: u8| {
        json!({"bridge": "lk-shop", "veth": "", "mac": "02:00:00:00:00:02",
            "addresses": {"v4": format!("10.77.0.{index}"), "v6": format!("fd77::{index}")},
            "subnets": {"v4": "10.77.0.0/24", "v6": "fd77::/64"}})
    };
    let mut spec = json!({
        "project": "shop", "name": "web", "source": {"image": "nginx:1"}, "idmap": [], "hostname": "web",
        "fqdn": null, "nic": nic(2), "mounts": [], "environment": {}, "config": [], "limits": [],
        "dns": [], "setup": [], "labels": {},
        "app": {"settings": settings, "network_of": null, "healthcheck": null, "attached": [
            {"network": "shop_default", "nic": nic(2), "aliases": ["www"]},
            {"network": "shop_back", "nic": nic(3), "aliases": []}
        ]}
    });
    for (key, value) in change.as_object().unwrap() {
        match key.strip_prefix("app.") {
            Some(key) => spec["app"][key] = value.clone(),
            None => spec[key] = value.clone(),
        }
    }
    serde_json::from_value(spec).unwrap()
}

/// The request as JSON, which is what the engine reads.
fn asked_with(spec: &ContainerSpec, held: &[(PathBuf, String)], joins_several: bool) -> Value {
    let around = Around {
        home: Path::new("/home"),
        labels: HashMap::new(),
        held,
        joins_several,
        ranks: joins_several,
        cgroup_parent: None,
    };
    serde_json::to_value(body(spec, spec.app.as_ref().unwrap(), around)).unwrap()
}

fn asked(change: Value, settings: Value) -> Value {
    asked_with(&spec(change, settings), &[], false)
}

#[test]
fn each_setting_reaches_the_engine() {
    for (settings, pointer, expected) in [
        (
            json!({"command": ["a", "b c"]}),
            "/Cmd",
            json!(["a", "b c"]),
        ),
        (json!({"entrypoint": ["e"]}), "/Entrypoint", json!(["e"])),
        (json!({"entrypoint": []}), "/Entrypoint", json!([])),
        (
            json!({"logging": {"driver": null, "options": {"max-size": "5m"}}}),
            "/HostConfig/LogConfig",
            json!({"Config": {"max-size": "5m"}}),
        ),
        (
            json!({"device_requests": [{"driver": "nvidia", "count": 1, "ids": [], "capabilities": ["gpu"], "options": {}}]}),
            "/HostConfig/DeviceRequests",
            json!([{"Driver": "nvidia", "Count": 1, "Capabilities": [["gpu"]]}]),
        ),
        (
            json!({"network": "bridge"}),
            "/HostConfig/NetworkMode",
            json!("bridge"),
        ),
        (
            json!({"health_times": {"interval": {"secs": 2, "nanos": 0}, "retries": 7}}),
            "/Healthcheck",
            json!({"Interval": 2_000_000_000, "Retries": 7}),
        ),
        (json!({"user": "1:2"}), "/User", json!("1:2")),
        (
            json!({"group_add": ["3"]}),
            "/HostConfig/GroupAdd",
            json!(["3"]),
        ),
        (json!({"working_dir": "/w"}), "/WorkingDir", json!("/w")),
        (
            json!({"domainname": "example.net"}),
            "/Domainname",
            json!("example.net"),
        ),
        (json!({"init": true}), "/HostConfig/Init", json!(true)),
        (json!({"tty": true}), "/Tty", json!(true)),
        (json!({"stdin_open": true}), "/OpenStdin", json!(true)),
        (
            json!({"read_only": true}),
            "/HostConfig/ReadonlyRootfs",
            json!(true),
        ),
        (
            json!({"privileged": true}),
            "/HostConfig/Privileged",
            json!(true),
        ),
        (
            json!({"ulimits": {"nofile": {"soft": 1, "hard": 2}}}),
            "/HostConfig/Ulimits",
            json!([{"Name": "nofile", "Soft": 1, "Hard": 2}]),
        ),
        (
            json!({"sysctls": {"net.a": "1"}}),
            "/HostConfig/Sysctls/net.a",
            json!("1"),
        ),
        (
            json!({"cap_add": ["NET_ADMIN"]}),
            "/HostConfig/CapAdd",
            json!(["NET_ADMIN"]),
        ),
        (
            json!({"cap_drop": ["ALL"]}),
            "/HostConfig/CapDrop",
            json!(["ALL"]),
        ),
        (
            json!({"devices": [{"host": "/dev/a", "target": "/dev/b", "permissions": "rw"}]}),
            "/HostConfig/Devices/0",
            json!({"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "rw"}),
        ),
        (
            json!({"device_cgroup_rules": ["c 1:3 mr"]}),
            "/HostConfig/DeviceCgroupRules",
            json!(["c 1:3 mr"]),
        ),
        (
            json!({"tmpfs": {"/t": "size=1m"}}),
            "/HostConfig/Tmpfs",
            json!({"/t": "size=1m"}),
        ),
        (
            json!({"shm_size": 65536}),
            "/HostConfig/ShmSize",
            json!(65536),
        ),
        (
            json!({"security_opt": ["no-new-privileges:true"]}),
            "/HostConfig/SecurityOpt",
            json!(["no-new-privileges:true"]),
        ),
        (
            json!({"security_opt": ["systempaths=unconfined"]}),
            "/HostConfig/MaskedPaths",
            json!([]),
        ),
        (
            json!({"logging": {"driver": "journald", "options": {"tag": "x"}}}),
            "/HostConfig/LogConfig",
            json!({"Type": "journald", "Config": {"tag": "x"}}),
        ),
        (
            json!({"dns_search": ["example.net"]}),
            "/HostConfig/DnsSearch",
            json!(["example.net"]),
        ),
        (
            json!({"dns_opt": ["ndots:1"]}),
            "/HostConfig/DnsOptions",
            json!(["ndots:1"]),
        ),
        (
            json!({"stop_signal": "SIGINT"}),
            "/StopSignal",
            json!("SIGINT"),
        ),
        (json!({"pid": "host"}), "/HostConfig/PidMode", json!("host")),
        (
            json!({"pid": "service:db"}),
            "/HostConfig/PidMode",
            json!("container:shop_db"),
        ),
        (
            json!({"ipc": "container:x"}),
            "/HostConfig/IpcMode",
            json!("container:x"),
        ),
        (json!({"uts": "host"}), "/HostConfig/UTSMode", json!("host")),
        (
            json!({"userns_mode": "host"}),
            "/HostConfig/UsernsMode",
            json!("host"),
        ),
        (
            json!({"cgroup": "private"}),
            "/HostConfig/CgroupnsMode",
            json!("private"),
        ),
        (
            json!({"cgroup_parent": "x.slice"}),
            "/HostConfig/CgroupParent",
            json!("x.slice"),
        ),
        (
            json!({"runtime": "runsc"}),
            "/HostConfig/Runtime",
            json!("runsc"),
        ),
        (
            json!({"oom_score_adj": -5}),
            "/HostConfig/OomScoreAdj",
            json!(-5),
        ),
        (
            json!({"oom_kill_disable": true}),
            "/HostConfig/OomKillDisable",
            json!(true),
        ),
        (
            json!({"storage_opt": {"size": "1G"}}),
            "/HostConfig/StorageOpt/size",
            json!("1G"),
        ),
        (
            json!({"volumes_from": [["shop_db", true]]}),
            "/HostConfig/VolumesFrom",
            json!(["shop_db:ro"]),
        ),
        (
            json!({"no_healthcheck": true}),
            "/Healthcheck/Test",
            json!(["NONE"]),
        ),
        (
            json!({"limits": {"memory": 1024}}),
            "/HostConfig/Memory",
            json!(1024),
        ),
        (
            json!({"limits": {"nano_cpus": 5}}),
            "/HostConfig/NanoCpus",
            json!(5),
        ),
        (
            json!({"limits": {"pids": -1}}),
            "/HostConfig/PidsLimit",
            json!(-1),
        ),
        (
            json!({"limits": {"cpuset": "0-1"}}),
            "/HostConfig/CpusetCpus",
            json!("0-1"),
        ),
        (
            json!({"limits": {"blkio_throttle": [{"kind": "read_bps", "path": "/dev/a", "rate": 9}]}}),
            "/HostConfig/BlkioDeviceReadBps",
            json!([{"Path": "/dev/a", "Rate": 9}]),
        ),
    ] {
        let body = asked(json!({}), settings.clone());
        assert_eq!(body.pointer(pointer), Some(&expected), "{settings}");
    }
}

#[test]
fn what_the_file_does_not_say_is_left_to_image_and_engine() {
    let body = asked(json!({}), json!({}));
    for pointer in [
        "/Cmd",
        "/Entrypoint",
        "/User",
        "/WorkingDir",
        "/Healthcheck",
        "/StopSignal",
        "/StopTimeout",
        "/HostConfig/Memory",
        "/HostConfig/Init",
        "/HostConfig/ShmSize",
        "/HostConfig/Dns",
        "/HostConfig/PortBindings",
        "/ExposedPorts",
        "/HostConfig/SecurityOpt",
    ] {
        let found = body.pointer(pointer);
        assert!(found.is_none_or(Value::is_null), "{pointer}: {found:?}");
    }
    assert_eq!(body["HostConfig"]["RestartPolicy"]["Name"], "no");
}

#[test]
fn the_first_network_is_joined_at_once_and_the_others_where_the_engine_can() {
    let spec = spec(json!({}), json!({}));
    let first = asked_with(&spec, &[], false);
    let networks = |body: &Value| body["NetworkingConfig"]["EndpointsConfig"].clone();
    assert_eq!(first["HostConfig"]["NetworkMode"], "shop_default");
    assert_eq!(networks(&first).as_object().unwrap().len(), 1);
    let endpoint = &networks(&first)["shop_default"];
    assert_eq!(endpoint["IPAMConfig"]["IPv4Address"], "10.77.0.2");
    assert_eq!(endpoint["IPAMConfig"]["IPv6Address"], "fd77::2");
    assert_eq!(endpoint["Aliases"], json!(["web", "www"]));
    let all = asked_with(&spec, &[], true);
    assert_eq!(
        networks(&all)["shop_back"]["IPAMConfig"]["IPv4Address"],
        "10.77.0.3"
    );
    let app = spec.app.as_deref().unwrap();
    assert_eq!(place::later(app, false).count(), 1);
    assert_eq!(place::later(app, true).count(), 0);
}

#[test]
fn one_who_shares_a_network_brings_no_names_of_his_own() {
    let shared = |settings: Value, of: Value| {
        let change =
            json!({"app.attached": [], "app.network_of": of, "nic": null, "dns": ["192.0.2.1"]});
        asked(change, settings)
    };
    let body = shared(json!({"network": {"container": "db"}}), json!("shop_db"));
    assert_eq!(body["HostConfig"]["NetworkMode"], "container:shop_db");
    assert!(body["Hostname"].is_null() && body["HostConfig"]["Dns"].is_null());
    assert!(
        body["HostConfig"]["Mounts"].is_null(),
        "the hosts file is the other one's"
    );
    let body = shared(json!({"network": {"foreign": "x"}}), json!(null));
    assert_eq!(body["HostConfig"]["NetworkMode"], "container:x");
    let body = shared(
        json!({"network": "host", "extra_hosts": [["a", "192.0.2.7"]]}),
        json!(null),
    );
    assert_eq!(body["HostConfig"]["NetworkMode"], "host");
    assert_eq!(body["HostConfig"]["ExtraHosts"], json!(["a:192.0.2.7"]));
    assert!(
        body["Hostname"].is_null(),
        "the host's own name is the right one"
    );
    let body = shared(json!({"network": "none"}), json!(null));
    assert_eq!(body["HostConfig"]["NetworkMode"], "none");
    assert_eq!(body["Hostname"], "web");
}

#[test]
fn mounts_are_volumes_paths_and_files_of_ours() {
    let change = json!({"mounts": [
        {"host": "/var/lib/locker/volumes/shop/data", "target": "/data", "read_only": false, "named": true},
        {"host": "/srv/x", "target": "/x", "read_only": true, "named": false}
    ]});
    let settings = json!({
        "mount_options": {"/data": {"no_copy": true}, "/x": {"propagation": "rslave"}},
        "engine_volumes": [
            {"volume": "anonymous", "target": "/own", "read_only": false, "no_copy": false},
            {"volume": {"external": "ext"}, "target": "/ext", "read_only": true, "no_copy": false}
        ],
        "files": [{"target": "/run/secrets/a", "uid": 0, "gid": 0, "mode": 256, "digest": "d"}]
    });
    let held = [("/own".into(), "aa".into()), ("/image".into(), "bb".into())];
    let body = asked_with(&spec(change, settings), &held, false);
    let mounts = body["HostConfig"]["Mounts"].as_array().unwrap();
    let told: Vec<String> = mounts
        .iter()
        .map(|m| {
            let text = |key: &str| m[key].as_str().unwrap_or_default().to_owned();
            let mode = if m["ReadOnly"] == true { "ro" } else { "rw" };
            format!(
                "{} {} {} {mode}",
                text("Type"),
                text("Source"),
                text("Target")
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "volume shop_data /data rw",
            "bind /srv/x /x ro",
            "volume aa /own rw",
            "volume ext /ext ro",
            "bind /home/hosts /etc/hosts rw",
            "bind /home/files/0 /run/secrets/a ro",
            "volume bb /image rw",
        ]
    );
    assert_eq!(mounts[0]["VolumeOptions"]["NoCopy"], true);
    assert_eq!(mounts[1]["BindOptions"]["Propagation"], "rslave");
}

#[test]
fn a_check_is_handed_over_in_nanoseconds() {
    let second = |n: u64| json!({"secs": n, "nanos": 0});
    let check = json!({"test": {"shell": "wget -q $HOST"}, "interval": second(5), "timeout": second(2),
        "retries": 4, "start_period": second(1), "start_interval": null});
    let times = json!({"interval": second(5), "timeout": second(2), "retries": 4, "start_period": second(1)});
    let body = asked(
        json!({"app.healthcheck": check}),
        json!({"health_times": times}),
    );
    assert_eq!(
        body["Healthcheck"],
        json!({"Test": ["CMD-SHELL", "wget -q $HOST"], "Interval": 5_000_000_000_u64,
            "Timeout": 2_000_000_000, "Retries": 4, "StartPeriod": 1_000_000_000})
    );
    // The image has the times that the file does not say.
    let body = asked(json!({"app.healthcheck": check}), json!({}));
    assert_eq!(
        body["Healthcheck"],
        json!({"Test": ["CMD-SHELL", "wget -q $HOST"]})
    );
}

#[test]
fn exposed_and_published_ports_are_told_and_an_empty_command_is_the_images() {
    let body = asked(
        json!({"app.exposed": ["3000/tcp", "80/tcp"]}),
        json!({"command": []}),
    );
    assert_eq!(body["ExposedPorts"], json!({"3000/tcp": {}, "80/tcp": {}}));
    assert!(body.get("Cmd").is_none_or(Value::is_null), "{body}");
}

#[test]
fn the_engine_starts_nothing_again_that_systemd_keeps_up() {
    let restart = json!({"on_failure": {"most": 3}});
    let policy = |change| asked(change, json!({}))["HostConfig"]["RestartPolicy"].clone();
    let own = policy(json!({"restart": restart.clone()}));
    assert_eq!(own, json!({"Name": "on-failure", "MaximumRetryCount": 3}));
    assert_eq!(
        policy(json!({"restart": "unless_stopped"}))["Name"],
        "unless-stopped"
    );
    assert_eq!(
        policy(json!({"restart": restart, "supervised": true}))["Name"],
        "no"
    );
}

#[test]
fn the_time_to_end_is_rounded_up() {
    let half = json!({"stop_grace": {"secs": 1, "nanos": 500_000_000}});
    assert_eq!(asked(half, json!({}))["StopTimeout"], 2);
    assert_eq!(seconds(std::time::Duration::ZERO), 0);
}
