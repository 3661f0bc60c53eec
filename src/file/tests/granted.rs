//! What a system container is granted, in the words of Compose.

use super::round_trip::comes_back;
use super::{drawn, project, read_text};
use crate::model::{Device, Key, Ulimit};

const ALL: &str = r#"name: shop
containers:
  a:
    template: x
    devices: ["/dev/net/tun", {source: /dev/a, target: /dev/b, permissions: r}]
    device_cgroup_rules: ["c 1:3 mr"]
    cap_add: [CAP_SYS_TIME]
    cap_drop: [net_raw]
    sysctls: {net.ipv4.ip_forward: 1}
    ulimits: {nofile: {soft: 100, hard: 200}, core: -1}
    tmpfs: ["/scratch:size=1m"]
    volumes: [{type: tmpfs, target: /x, tmpfs: {size: 16m}}]
    shm_size: 64m
    mem_limit: 200m
    memswap_limit: 300m
    cpus: 0.5
    deploy: {resources: {limits: {pids: 100}}}
    cgroup: [pids.max=7]
    mac_address: "02-00-00-00-00-0A"
    extra_hosts: ["db=10.0.0.1", "gw=host-gateway"]
    hostname: mail
    domainname: example.net
    dns_search: [example.net, b.c]
    dns_opt: ["ndots:1"]
    oom_score_adj: -5
    stop_signal: SIGINT
    nesting: true
    read_only: true
"#;

#[test]
fn a_system_container_has_what_the_words_of_compose_ask_for() {
    let project = project(ALL);
    let a = &project.containers["a"];
    let system = &a.system;
    assert_eq!(
        system.granted.devices[0],
        Device::parse("/dev/net/tun").unwrap()
    );
    assert_eq!(
        system.granted.devices[1],
        Device::parse("/dev/a:/dev/b:r").unwrap()
    );
    assert_eq!(
        (&system.granted.cap_add[0], &system.granted.cap_drop[0]),
        (&"SYS_TIME".into(), &"NET_RAW".into())
    );
    assert_eq!(system.granted.sysctls["net.ipv4.ip_forward"], "1");
    assert_eq!(
        system.granted.ulimits["nofile"],
        Ulimit {
            soft: 100,
            hard: 200
        }
    );
    assert_eq!(system.granted.memory_mounts().len(), 3);
    assert!(system.nesting && system.granted.read_only && !system.granted.privileged);
    assert_eq!(system.extra_hosts[1].1, "host-gateway");
    assert_eq!(system.dns_search, ["example.net", "b.c"]);
    assert_eq!(system.dns_opt, ["ndots:1"]);
    assert_eq!(system.oom_score_adj, Some(-5));
    assert_eq!(system.stop_signal.as_deref(), Some("SIGINT"));
    assert_eq!(a.fqdn.as_ref().unwrap().as_str(), "mail.example.net");
    assert_eq!(a.hostname(), "mail");
    assert_eq!(
        a.network.as_ref().unwrap().mac.as_deref(),
        Some("02:00:00:00:00:0a")
    );
    assert!(a.app.is_none());
}

#[test]
fn its_limits_are_limits_of_cgroups_that_know_their_line_and_those_of_cgroup_come_last() {
    let project = project(ALL);
    let a = &project.containers["a"];
    let limits: Vec<String> = a
        .cgroup
        .iter()
        .map(|(limit, place)| format!("{}: {limit}", place.line))
        .collect();
    let expected = [
        "14: memory.max=209715200",
        "15: memory.memsw.limit_in_bytes=314572800",
        "16: cpu.max=50000 100000",
        "18: pids.max=7",
    ];
    assert_eq!(limits, expected);
    assert_eq!(a.place_of(Key::MemLimit).line, 14);
}

#[test]
fn defaults_hold_for_both_kinds() {
    let text = "defaults: {ulimits: {nofile: 2000}, mem_limit: 64m}\ncontainers: {a: {template: x}, b: {image: y}}\n";
    let project = project(text);
    let app = project.containers["b"].app.as_ref().unwrap();
    assert_eq!(
        app.granted.ulimits,
        project.containers["a"].system.granted.ulimits
    );
    assert_eq!(app.limits.memory, Some(64 << 20));
    assert_eq!(project.containers["a"].cgroup.len(), 1);
}

#[test]
fn what_a_system_container_cannot_have_is_refused_with_what_to_write() {
    for (keys, message, help) in [
        (
            "privileged: true, idmap: auto",
            "makes its root the host's, and `idmap` another's",
            "leave one",
        ),
        (
            "privileged: true, isolate: true",
            "and `isolate` another's",
            "leave one",
        ),
        (
            "blkio_config: {device_read_bps: [{path: /dev/sda, rate: 1m}]}",
            "a limit for one device",
            "io.max=",
        ),
        (
            "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}",
            "devices that a driver hands out",
            "`devices`",
        ),
        (
            "sysctls: {kernel.shmmax: 1048576}",
            "cannot be set in an LXC container",
            "privileged: true",
        ),
        (
            "sysctls: {kernel.panic: 1}",
            "is a parameter of the whole host",
            "",
        ),
        (
            "memswap_limit: 1g",
            "needs a limit of the memory",
            "mem_limit",
        ),
        ("hostname: a_b", "a_b", ""),
        (
            "tmpfs: [\"/x:sise=1m\"]",
            "`sise=1m` is not an option of a memory file system",
            "",
        ),
        (
            "tmpfs: [/x], volumes: [\"/y:/x\"]",
            "two volumes on `/x`",
            "",
        ),
        ("user: x", "`user` is for Docker containers", "exec -u"),
        (
            "security_opt: [x]",
            "`security_opt` is for Docker containers",
            "lxc.apparmor.profile",
        ),
    ] {
        let said = drawn(&format!("containers:\n  a: {{template: x, {keys}}}\n"));
        assert!(said.contains(message) && said.contains(help), "{said}");
    }
    let said = drawn("containers:\n  a: {image: x, nesting: true}\n");
    assert!(
        said.contains("`nesting` is for LXC containers") && said.contains("privileged: true"),
        "{said}"
    );
}

#[test]
fn it_comes_back_from_the_resolved_file() {
    let read = read_text(ALL).map(|loaded| loaded.project);
    comes_back(read.unwrap_or_else(|_| panic!("{}", drawn(ALL))));
}

const FURNISHED: &str = r#"name: shop
containers:
  a:
    template: x
    packages: [nginx, g++]
    timezone: Europe/Berlin
    locale: de_DE.UTF-8
    users:
      deploy: {uid: 2000, shell: /bin/sh, home: /srv/deploy, groups: [www, sudo], ssh_keys: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ d"}
      web:
    ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK me@there"]
"#;

#[test]
fn a_system_container_is_furnished_in_the_order_in_which_one_needs_the_other() {
    let project = project(FURNISHED);
    let wishes = &project.containers["a"].system.provisions;
    let words: Vec<String> = wishes.iter().map(ToString::to_string).collect();
    let expected = [
        "packages nginx g++",
        "timezone Europe/Berlin",
        "locale de_DE.UTF-8",
        "user deploy",
        "ssh_keys of deploy",
        "user web",
        "ssh_keys of root",
    ];
    assert_eq!(words, expected);
    let read = read_text(FURNISHED).map(|loaded| loaded.project);
    comes_back(read.unwrap_or_else(|_| panic!("{}", drawn(FURNISHED))));
}

#[test]
fn what_tells_that_a_system_is_ready_is_a_command_with_or_without_its_time() {
    let ready = |value: &str| {
        let text = format!("name: shop\ncontainers:\n  a: {{template: x, ready: {value}}}\n");
        let found = project(&text).containers["a"].hooks.ready.clone().unwrap();
        let read = read_text(&text).map(|loaded| loaded.project);
        comes_back(read.unwrap_or_else(|_| panic!("{}", drawn(&text))));
        (found.test.to_string(), found.within.as_secs())
    };
    assert_eq!(ready("test -e /run/up"), ("test -e /run/up".into(), 120));
    assert_eq!(ready("[rc-status, -C]").1, 120);
    let timed = ready("{test: \"rc-status | grep -q started\", within: 5m}");
    assert_eq!(timed, ("rc-status | grep -q started".into(), 300));
    for (keys, message) in [
        ("template: x, ready: {within: 5m}", "`ready` has no `test`"),
        (
            "template: x, ready: {test: x, within: long}",
            "`within` is a time",
        ),
        ("template: x, ready: \" \"", "a command of `ready` is empty"),
        (
            "template: x, ready: {tset: x}",
            "unknown key `tset` in `ready`",
        ),
        ("image: x, ready: x", "`ready` is for LXC containers"),
    ] {
        let said = drawn(&format!("containers:\n  a: {{{keys}}}\n"));
        assert!(said.contains(message), "{message}:\n{said}");
    }
}

#[test]
fn public_keys_may_stand_in_a_file_of_the_host() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK me@there";
    let file = format!("# mine\n\n{key}\n");
    let home = super::Home::new(&[
        (
            "locker.yaml",
            "containers: {a: {template: x, ssh_keys: [./me.pub]}}\n",
        ),
        ("me.pub", &file),
    ]);
    let project = home.project(&home.options());
    let wishes = &project.containers["a"].system.provisions;
    let expected = crate::model::Provision::SshKeys {
        user: "root".into(),
        keys: vec![key.into()],
    };
    assert_eq!(*wishes, [expected]);
}

#[test]
fn what_it_cannot_be_furnished_with_is_refused_with_its_line() {
    for (keys, message) in [
        ("packages: [-y]", "`-y` is not the name of a package"),
        ("timezone: ../etc", "`../etc` is not a time zone"),
        ("locale: german", "`german` is not a locale"),
        ("users: [Root]", "`Root` is not the name of a user or group"),
        ("users: [root]", "root is there in every container"),
        ("users: {a: x}", "the user `a` is a map of keys"),
        (
            "users: {a: {gruops: [x]}}",
            "unknown key `gruops` in user `a`",
        ),
        (
            "users: {a: {shell: bash}}",
            "`bash` is not an absolute path in the container",
        ),
        ("ssh_keys: [AAAA]", "is not a public key"),
        (
            "ssh_keys: [./nowhere.pub]",
            "cannot read `/srv/shop/nowhere.pub`",
        ),
        (
            "ssh_keys: [\"-----BEGIN OPENSSH PRIVATE KEY-----\"]",
            "this is a private key",
        ),
    ] {
        let said = drawn(&format!("containers:\n  a: {{template: x, {keys}}}\n"));
        assert!(
            said.contains(message) && said.contains(":2:"),
            "{message}:\n{said}"
        );
    }
}

#[test]
fn what_locker_writes_inside_is_never_the_hosts_own_file() {
    for (keys, message) in [
        (
            "volumes: [\"/etc/hosts:/etc/hosts\"]",
            "would be the host's own here",
        ),
        (
            "volumes: [\"/etc/resolv.conf:/etc/resolv.conf\"]",
            "without `dns` it has the name servers",
        ),
        (
            "volumes: [\"/run/systemd/resolve/resolv.conf:/etc/resolv.conf\"]",
            "would be the host's own here",
        ),
        (
            "volumes: [\"./hostname:/etc/hostname:ro\"]",
            "could only be read here",
        ),
    ] {
        let said = drawn(&format!("containers:\n  a: {{template: x, {keys}}}\n"));
        assert!(
            said.contains(message) && said.contains(":2:"),
            "{message}:\n{said}"
        );
    }
    for keys in [
        "volumes: [\"./hosts:/etc/hosts\"]",
        "dns: none, volumes: [\"/etc/resolv.conf:/etc/resolv.conf:ro\"]",
    ] {
        project(&format!("containers:\n  a: {{template: x, {keys}}}\n"));
    }
    project("services: {a: {image: x, volumes: ['/etc/hosts:/etc/hosts:ro']}}");
}
