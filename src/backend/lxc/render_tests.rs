//! What `locker.conf` looks like, and what may never be in it.

use super::*;
use crate::model::{ConfigLine, IdRange, Limit};
use serde_json::json;

pub(in crate::backend::lxc) fn spec() -> ContainerSpec {
    serde_json::from_value(json!({
        "project": "shop", "name": "db", "source": {"template": {"name": "busybox", "args": []}},
        "idmap": [], "hostname": "db.example.net", "fqdn": null,
        "nic": {"bridge": "lk-shop", "veth": "lk-1", "mac": "02:00:00:00:00:01",
            "addresses": {"v4": "10.77.0.2", "v6": "fd77::2"},
            "subnets": {"v4": "10.77.0.0/24", "v6": "fd77::/64"}},
        "mounts": [{"host": "/opt/my data", "target": "/var/lib/x", "read_only": true, "named": false}],
        "environment": {"A": "b c"}, "config": [{"key": "lxc.signal.halt", "value": "SIGUSR1"}],
        "limits": [{"key": "memory.max", "value": "1"}], "dns": [], "setup": [], "labels": {}
    }))
    .unwrap()
}

fn text(spec: &ContainerSpec) -> Result<String, RenderError> {
    text_with(spec, Some(1500))
}

fn text_with(spec: &ContainerSpec, mtu: Option<u32>) -> Result<String, RenderError> {
    render(
        spec,
        &Surroundings {
            unprivileged: Path::new("/"),
            console_log: Path::new("/log/db.console"),
            cgroup: &|_| CgroupVersion::V2,
            dropped: &["sys_time".into()],
            rules: &[],
            nesting: Path::new("/"),
            mtu,
        },
    )
}

#[test]
fn lxcs_settings_for_nesting_and_id_maps_that_are_not_there_are_refused_and_not_left_out() {
    let (mut nests, mut mapped) = (spec(), spec());
    nests.system.nesting = true;
    assert!(text(&nests).unwrap().contains("lxc.include = /\n"));
    nests.idmap.clear();
    if mapped.idmap.is_empty() {
        mapped.idmap = super::super::view::parse_range("u 0 100000 65536")
            .into_iter()
            .collect();
    }
    for (spec, words) in [
        (nests, "`nesting` needs LXC's"),
        (mapped, "an id map needs LXC's"),
    ] {
        let around = Surroundings {
            unprivileged: Path::new("/nonexistent/one.conf"),
            console_log: Path::new("/log/db.console"),
            cgroup: &|_| CgroupVersion::V2,
            dropped: &[],
            rules: &[],
            nesting: Path::new("/nonexistent/one.conf"),
            mtu: None,
        };
        let error = render(&spec, &around).unwrap_err().to_string();
        assert!(
            error.starts_with(words) && error.contains("/nonexistent/one.conf"),
            "{error}"
        );
    }
}

#[test]
fn the_whole_file_is_as_printed_here() {
    let wanted = "\
# Written by locker; changes made here are lost.
lxc.uts.name = db.example.net
lxc.net =
lxc.net.0.type = veth
lxc.net.0.link = lk-shop
lxc.net.0.flags = up
lxc.net.0.name = eth0
lxc.net.0.veth.pair = lk-1
lxc.net.0.hwaddr = 02:00:00:00:00:01
lxc.net.0.ipv4.address = 10.77.0.2/24
lxc.net.0.ipv4.gateway = 10.77.0.1
lxc.net.0.ipv6.address = fd77::2/64
lxc.net.0.ipv6.gateway = fd77::1
lxc.idmap =
lxc.hook.start-host = /proc/$PPID/exe __lxc_mounts
lxc.environment = A=b c
lxc.cgroup2.memory.max = 1
lxc.console.logfile = /log/db.console
lxc.console.size = 1MB
lxc.console.rotate = 1
lxc.signal.halt = SIGUSR1
";
    assert_eq!(text(&spec()).unwrap(), wanted);
}

#[test]
fn an_init_with_an_id_map_sees_no_capability_that_is_worth_nothing_there() {
    let dropped = |text: Result<String, RenderError>| {
        text.unwrap()
            .contains("\nlxc.cap.drop = sys_rawio sys_module sys_time\n")
    };
    let mut low = spec();
    assert!(
        !dropped(text(&low)),
        "the distribution's own list is for the others"
    );
    low.idmap = IdRange::parse("b 0 100000 65536").unwrap();
    assert!(dropped(text(&low)));
    low.config
        .push(ConfigLine::new("lxc.cap.keep", "chown").unwrap());
    assert!(!dropped(text(&low)), "LXC takes one of both");
}

#[test]
fn with_an_id_map_the_file_s_changes_count_from_what_it_has_there() {
    let mut spec = spec();
    spec.idmap = IdRange::parse("b 0 100000 65536").unwrap();
    spec.system.granted.cap_drop = vec!["NET_RAW".into()];
    let written = text(&spec).unwrap();
    let wanted = "lxc.cap.drop =\nlxc.cap.drop = net_raw sys_module sys_rawio sys_time\n";
    assert!(written.contains(wanted), "{written}");
}

#[test]
fn a_card_is_as_wide_as_its_bridge() {
    let has = |mtu| {
        text_with(&spec(), mtu)
            .unwrap()
            .contains("\nlxc.net.0.mtu = 1400\n")
    };
    assert!(has(Some(1400)));
    assert_eq!(text_with(&spec(), None), text_with(&spec(), Some(1500)));
    let mut apart = spec();
    apart.nic = None;
    assert!(!text_with(&apart, Some(1400)).unwrap().contains("mtu"));
}

#[test]
fn hostile_values_are_refused_wherever_they_stand() {
    for bad in [
        "x\nlxc.hook.start = /bin/evil",
        "x\0",
        "x\r",
        "\u{1b}[2J",
        "x\u{85}y",
    ] {
        let mut in_env = spec();
        in_env.environment.insert("B".into(), bad.into());
        let mut in_limit = spec();
        in_limit.limits[0].value = bad.into();
        let mut in_limit_key = spec();
        in_limit_key.limits[0] = Limit {
            key: format!("memory{bad}"),
            value: "1".into(),
        };
        let mut in_raw = spec();
        in_raw.config[0].value = bad.into();
        let mut in_name = spec();
        in_name.hostname = bad.into();
        for spec in [in_env, in_limit, in_limit_key, in_raw, in_name] {
            assert!(text(&spec).is_err(), "{bad:?} got through");
        }
    }
}

#[test]
fn what_lxc_would_change_in_silence_is_refused() {
    for (key, value) in [("", "x"), ("A=B", "x"), ("A B", "x"), ("A", "x\ny")] {
        let mut spec = spec();
        spec.environment.insert(key.into(), value.into());
        assert!(text(&spec).is_err(), "{key}={value:?}");
    }
    for (key, value) in [("x", "y"), ("lxc.x = y\nlxc.z", "")] {
        let mut spec = spec();
        spec.config = vec![ConfigLine {
            key: key.into(),
            value: value.into(),
        }];
        assert!(text(&spec).is_err(), "{key} = {value:?}");
    }
}

#[test]
fn what_lxc_drops_at_the_ends_of_a_value_stands_in_quotes() {
    let mut spec = spec();
    for (key, value) in [("BLANK", "x "), ("TAIL", "a\"b"), ("EMPTY", "")] {
        spec.environment.insert(key.into(), value.into());
    }
    let written = text(&spec).unwrap();
    // LXC trims first and takes one pair of quotes then.
    for line in [
        "lxc.environment = \"BLANK=x \"\n",
        "lxc.environment = TAIL=a\"b\n",
        "lxc.environment = EMPTY=\n",
    ] {
        assert!(written.contains(line), "{line}{written}");
    }
}

#[test]
fn no_path_of_a_volume_is_ever_written_for_liblxc_or_a_shell() {
    let mut spec = spec();
    spec.mounts[0].host = "/a;b$(c)".into();
    spec.mounts[0].target = "/d`e`".into();
    let text = text(&spec).unwrap();
    assert!(!text.contains("a;b") && !text.contains("`e`"), "{text}");
    assert!(!text.contains("lxc.mount.entry"), "{text}");
}

#[test]
fn the_include_stands_once_and_last() {
    let ours = Path::new("/l/shop_db/locker.conf");
    let once = with_include("lxc.include = /l/old/locker.conf\nlxc.arch = x", ours).unwrap();
    assert_eq!(once, "lxc.arch = x\nlxc.include = /l/shop_db/locker.conf\n");
    assert_eq!(with_include(&once, ours).unwrap(), once);
    let made = "lxc.arch = x\nlxc.log.level = ERROR\nlxc.log.file = /tmp/.tmpx\n";
    assert_eq!(
        with_include(made, ours).unwrap(),
        once,
        "the log of a creation stays behind"
    );
}

#[test]
fn moving_there_and_back_gives_the_same_text() {
    let text = "lxc.rootfs.path = dir:/l/a/rootfs\nlxc.include = /l/a/locker.conf\n";
    let there = moved(text, Path::new("/l/a"), Path::new("/l/a~old"));
    assert!(there.contains("dir:/l/a~old/rootfs"));
    assert_eq!(
        moved(&there, Path::new("/l/a~old"), Path::new("/l/a")),
        text
    );
}
