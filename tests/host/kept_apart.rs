//! What must not be taken for each other: images whose names fold, containers of a service that are too
//! many, and the namespaces of an earlier run.

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::project::{Project, eventually};

/// A namespace that is shared: what the kernel calls it, what the sharer says, and what its owner has to say.
const SHARED: [(&str, &str, &str); 3] = [
    ("net", "network_mode", ""),
    ("pid", "pid", ""),
    ("ipc", "ipc", ", ipc: shareable"),
];

fn namespace(host: &Host, container: &str, kind: &str) -> String {
    let pid = format!("docker inspect -f '{{{{.State.Pid}}}}' {container}");
    host.sh(&format!("readlink /proc/$({pid})/ns/{kind}"))
}

fn running(host: &Host) -> Vec<String> {
    let names = host.sh("docker ps --format '{{.Names}}' | sort");
    names.lines().map(str::to_owned).collect()
}

/// Services and projects whose names fold to the same image run each their own.
fn images(host: &Host) {
    let build = |path: &str, word: &str| {
        let text = format!("FROM busybox:test\nRUN echo {word} > /who\nCMD [\"sleep\",\"900\"]\n");
        host.write(&format!("/srv/{path}/Dockerfile"), &text);
    };
    for (path, word) in [
        ("shop/x", "x"),
        ("shop/y", "y"),
        ("App/x", "App"),
        ("app/x", "app"),
    ] {
        build(path, word);
    }
    let services = "services:\n  a__b: {build: x, stop_grace_period: 0s}\n  a_b: {build: y, stop_grace_period: 0s}\n";
    host.write("/srv/shop/compose.yaml", services);
    for directory in ["App", "app"] {
        let web = "services:\n  web: {build: x, stop_grace_period: 0s}\n";
        host.write(&format!("/srv/{directory}/compose.yaml"), web);
    }
    for directory in ["shop", "App", "app"] {
        host.sh(&format!("cd /srv/{directory} && locker up -q"));
    }
    for (directory, service, expected) in [
        ("shop", "a__b", "x"),
        ("shop", "a_b", "y"),
        ("App", "web", "App"),
        ("app", "web", "app"),
    ] {
        let who = host.sh(&format!(
            "cd /srv/{directory} && locker exec {service} cat /who"
        ));
        assert_eq!(who, expected, "{directory}/{service}");
    }
    for directory in ["shop", "App", "app"] {
        host.sh(&format!(
            "cd /srv/{directory} && locker plan --exit-code && locker down -q"
        ));
    }
}

/// `up` makes fewer so, `start` starts what `stop` stopped, and all bear the service's name.
fn replicas(host: &Host) {
    let services = "services:\n  t: {image: 'busybox:test', stop_grace_period: 0s}\n  \
        c: {image: 'busybox:test', command: sleep 900, stop_grace_period: 0s}\n";
    host.write("/srv/many/compose.yaml", services);
    let locker = |words: &str| host.sh(&format!("cd /srv/many && locker {words}"));
    locker("up -q --scale t=3");
    let three = ["many_c", "many_t", "many_t-2", "many_t-3"];
    assert_eq!(running(host), three);
    let found =
        host.sh("docker exec many_c nslookup t 127.0.0.11 | grep -c 'Address.*10\\.'; true");
    let aliases = host.sh("docker inspect -f '{{json .NetworkSettings.Networks}}' many_t-3");
    assert!(aliases.contains("\"t\""), "{found} {aliases}");
    locker("stop -q");
    assert!(running(host).is_empty());
    locker("start -q");
    assert_eq!(running(host), three);
    locker("up -q");
    assert_eq!(running(host), ["many_c", "many_t"]);
    locker("plan --exit-code");
    locker("up -q --scale t=0");
    assert_eq!(running(host), ["many_c"]);
    locker("down -q");
}

/// Who shares a namespace of a container that ran on without us is led into the new one.
fn shared(host: &Host, supervisor: &str, (kind, key, of_owner): (&str, &str, &str)) {
    let services = format!(
        "supervisor: {supervisor}\nservices:\n  \
         vpn: {{image: 'busybox:test', command: sleep 900, stop_grace_period: 0s{of_owner}}}\n  \
         app: {{image: 'busybox:test', stop_grace_period: 0s, {key}: 'service:vpn'}}\n"
    );
    host.write("/srv/vpn/compose.yaml", &services);
    let locker =
        |words: &str| host.sh(&format!("cd /srv/vpn && timeout -s KILL 60 locker {words}"));
    let together = |why: &str| {
        assert_eq!(
            namespace(host, "vpn_vpn", kind),
            namespace(host, "vpn_app", kind),
            "{supervisor}, {key}: {why}"
        );
        locker("plan --exit-code");
    };
    let is_seen = |why: &str| {
        let plan = locker("plan");
        let seen = plan.lines().any(|line| line.contains(" app "));
        assert!(seen, "{supervisor}, {key}: {why}:\n{plan}");
        plan
    };
    locker("up -q");
    together("first");
    locker("stop -q vpn");
    locker("start -q vpn");
    locker("up -q");
    together("stopped and started");
    host.sh("docker restart -t 0 vpn_vpn");
    let plan = is_seen("restarted past us");
    // The kernel ends everybody in a pid namespace with its first process.
    if supervisor == "none" && kind != "pid" {
        assert!(plan.contains("earlier run"), "{key}: {plan}");
    }
    locker("up -q");
    together("restarted past us");
    host.sh("docker kill vpn_vpn");
    eventually(false, || running(host).contains(&"vpn_vpn".to_owned()));
    is_seen("killed");
    locker("up -q");
    together("killed");
    locker("restart -q vpn");
    together("restarted");
    locker("down -q");
}

#[test]
fn images_replicas_and_namespaces_are_not_taken_for_each_other() {
    on_a_host_with_docker(|host| {
        images(host);
        replicas(host);
    });
}

#[test]
fn who_shares_a_namespace_follows_its_owner_into_the_next_one() {
    on_a_host_with_docker(|host| {
        for supervisor in ["none", "auto"] {
            for what in SHARED {
                shared(host, supervisor, what);
            }
        }
    });
}

/// Replicas of a system container, and two who are led to them, one of each kind.
fn several(count: &str) -> String {
    format!(
        "  t:\n    template: {{name: tiny}}\n    stop_grace_period: 0s\n    {count}\n  \
         c:\n    template: {{name: tiny}}\n    stop_grace_period: 0s\n    links: [\"t:tee\"]\n  \
         d:\n    image: busybox:test\n    stop_grace_period: 0s\n    links: [t]\n"
    )
}

/// The addresses of `t` as both see them, sorted, which must be those of `wanted` and no others.
#[track_caller]
fn all_are_t(host: &Host, project: &Project<'_>, wanted: &[&str]) {
    let mut addresses: Vec<String> = wanted.iter().map(|name| project.ip(name)).collect();
    addresses.sort();
    for (file, names) in [
        (project.rootfs("c") + "/etc/hosts", "t tee"),
        (host.sh("docker inspect -f '{{.HostsPath}}' many_d"), "t"),
    ] {
        for name in names.split(' ') {
            let seen = host.sh(&format!(
                "awk '/^[0-9.]+[ \\t]/ {{ for (i = 2; i <= NF; i++) if ($i == \"{name}\") print $1 }}' {file} | sort"
            ));
            let seen: Vec<&str> = seen.lines().collect();
            assert_eq!(seen, addresses, "{name} in {file}");
        }
    }
    let alive = project.inside("c", "wget -q -O - http://tee/").exits(0).out;
    assert!(wanted.contains(&alive.trim()), "{alive}");
}

#[test]
fn replicas_of_a_system_container_go_after_a_question_and_stop_and_start_together() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "many", &several("deploy: {replicas: 3}"));
        let states = || ["t", "t-2", "t-3"].map(|name| project.state(name));
        project.up();
        assert_eq!(states(), ["RUNNING"; 3]);
        all_are_t(host, &project, &["t", "t-2", "t-3"]);
        project.locker("stop").exits(0);
        assert_eq!(states(), ["STOPPED"; 3]);
        project.locker("start").exits(0);
        assert_eq!(states(), ["RUNNING"; 3]);
        project.locker("stop t").exits(0);
        assert_eq!(states(), ["STOPPED"; 3]);
        project.locker("start t").exits(0);
        assert_eq!(states(), ["RUNNING"; 3]);
        project.locker("plan --exit-code").exits(0);
        all_are_t(host, &project, &["t", "t-2", "t-3"]);

        // Fewer: what was in the others is lost, which is asked about first.
        project.rewrite(&several("scale: 2"));
        let before = project.init("t-3");
        let refused = project.locker("up </dev/null").exits(2);
        refused.says(&["t-3", "--yes"]);
        assert_eq!(project.init("t-3"), before, "not asked");
        let first = (project.init("t"), project.init("t-2"));
        project.locker("up --yes").exits(0);
        assert_eq!(states(), ["RUNNING", "RUNNING", "ABSENT"]);
        assert_eq!((project.init("t"), project.init("t-2")), first);
        all_are_t(host, &project, &["t", "t-2"]);
        project.locker("plan --exit-code").exits(0);

        // More and fewer by the command line, and what `stop` stopped `start` starts.
        project.locker("up --scale t=3").exits(0);
        all_are_t(host, &project, &["t", "t-2", "t-3"]);
        project.locker("stop").exits(0);
        project.locker("start").exits(0);
        assert_eq!(states(), ["RUNNING"; 3]);
        project.locker("up --scale t=0 --yes").exits(0);
        assert_eq!(states(), ["ABSENT"; 3]);
        project.rewrite(&several("scale: 1"));
        project.locker("up --yes").exits(0);
        all_are_t(host, &project, &["t"]);
        project.locker("plan --exit-code").exits(0);
    });
}
