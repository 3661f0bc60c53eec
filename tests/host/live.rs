//! What may change while a container runs, and what it sees inside.

use crate::on_a_host;
use crate::project::{Project, eventually};

const BASE: &str = "  db:\n    template: {name: tiny}\n  web:\n    template: {name: tiny}\n";

/// Changes `web`'s body from one text to another and asserts that no init was touched by it.
fn change_live(from: &str, to: &str, check: impl Fn(&crate::machine::Host, &Project<'_>)) {
    on_a_host(|host| {
        let project = Project::new(host, "shop", &format!("{BASE}{from}"));
        project.up();
        let before = (project.init("db"), project.init("web"));
        project.rewrite(&format!("{BASE}{to}"));
        project.locker("plan --exit-code").exits(3);
        project.up();
        assert_eq!(
            (project.init("db"), project.init("web")),
            before,
            "a container was restarted"
        );
        assert_eq!(project.locker("plan --exit-code").code, 0);
        check(host, &project);
    });
}

#[test]
fn ports_change_while_containers_run() {
    change_live(
        "    ports: [\"8080:80\"]\n",
        "    ports: [\"8081:80\"]\n",
        |host, _| {
            assert_eq!(host.fetch_from_outside(8081).as_deref(), Some("web"));
            assert_eq!(host.fetch_from_outside(8080), None);
        },
    );
}

#[test]
fn links_change_while_containers_run() {
    change_live(
        "    links: [\"db:old\"]\n",
        "    links: [\"db:new\"]\n",
        |_, project| {
            let page = project.inside("web", "wget -qO- http://new/").exits(0).out;
            assert_eq!(page.trim(), "db");
            let hosts = project.inside("web", "cat /etc/hosts").exits(0).out;
            assert!(
                !hosts.split_whitespace().any(|word| word == "old"),
                "{hosts}"
            );
        },
    );
}

#[test]
fn an_fqdn_changes_while_containers_run() {
    change_live(
        "    fqdn: a.example.net\n",
        "    fqdn: b.example.net\n",
        |_, project| {
            let hosts = project.inside("web", "cat /etc/hosts").exits(0).out;
            assert!(
                hosts.contains("b.example.net") && !hosts.contains("a.example.net"),
                "{hosts}"
            );
            let own = || project.inside("web", "hostname; cat /etc/hostname").out;
            assert_eq!(own(), "b\nb\n");
            project.locker("restart web").exits(0);
            assert_eq!(own(), "b\nb\n");
        },
    );
}

#[test]
fn a_host_name_that_was_changed_inside_is_told_and_put_back() {
    on_a_host(|host| {
        let containers = ["systemd", "none"].map(|supervisor| {
            format!("  {supervisor}:\n    template: {{name: tiny}}\n    supervisor: {supervisor}\n")
        });
        let project = Project::new(host, "shop", &containers.concat());
        project.up();
        for name in ["systemd", "none"] {
            let own = || project.inside(name, "hostname; cat /etc/hostname").out;
            let right = format!("{name}\n{name}\n");
            for rename in ["hostname other", "echo other > /etc/hostname"] {
                project.inside(name, rename).exits(0);
                let status = project.locker("status -e --format json").exits(0).out;
                assert!(
                    status.contains("its host name was changed inside"),
                    "{status}"
                );
                project.locker("plan --exit-code").exits(3);
                project.up();
                assert_eq!(own(), right, "{rename}");
                project.locker("plan --exit-code").exits(0);
            }
            project
                .inside(name, "echo other > /etc/hostname; hostname other")
                .exits(0);
            project.locker(&format!("restart {name}")).exits(0);
            assert_eq!(own(), right, "each start sets it");
        }
    });
}

#[test]
fn name_servers_change_while_containers_run() {
    change_live(
        "    dns: [192.0.2.1]\n",
        "    dns: [192.0.2.2]\n",
        |_, project| {
            let resolv = project.inside("web", "cat /etc/resolv.conf").exits(0).out;
            assert!(
                resolv.contains("nameserver 192.0.2.2") && !resolv.contains("192.0.2.1"),
                "{resolv}"
            );
        },
    );
}

#[test]
fn a_limit_that_the_host_cannot_hold_is_refused_with_its_line_before_any_change() {
    on_a_host(|host| {
        let has = host.sh("cat /sys/fs/cgroup/cgroup.controllers");
        if has.split_whitespace().any(|name| name == "pids") {
            let project = Project::new(
                host,
                "shop",
                &format!("{BASE}    cgroup: [\"pids.max=77\"]\n"),
            );
            project.up();
            project.rewrite(&format!("{BASE}    cgroup: [\"pids.max=88\"]\n"));
            let before = project.init("web");
            project.up();
            assert_eq!(project.init("web"), before);
            assert_eq!(host.sh("lxc-cgroup -n shop_web pids.max"), "88");
        } else {
            let project = Project::new(
                host,
                "shop",
                &format!("{BASE}    cgroup: [\"pids.max=77\"]\n"),
            );
            let look = || host.sh("ip -br link; ls /var/lib/lxc /etc/systemd/system");
            let before = look();
            for words in ["plan", "up", "up --all-or-nothing"] {
                project.locker(words).exits(1).says(&[
                    "error: `pids.max` needs the cgroup controller `pids`, which this host does not have",
                    "locker.yaml:7:14",
                    "cgroup: [\"pids.max=77\"]",
                ]);
            }
            assert_eq!(project.state("db"), "ABSENT");
            assert_eq!(look(), before);
        }
    });
}

#[test]
fn the_host_name_is_set_before_init_runs() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", &format!("{BASE}    fqdn: www.example.net\n"));
        project.up();
        eventually("www".to_owned(), || {
            project
                .inside("web", "cat /www/index.html")
                .out
                .trim()
                .to_owned()
        });
        assert_eq!(project.inside("web", "hostname").exits(0).out.trim(), "www");
        assert_eq!(
            host.sh(&format!("cat {}/etc/hostname", project.rootfs("web"))),
            "www"
        );
    });
}

#[test]
fn variables_reach_init_and_exec() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            "  web:\n    template: {name: tiny}\n    environment: {GREETING: \"good day = you\"}\n",
        );
        project.up();
        let pid = project.init("web");
        let words = host.sh(&format!("tr '\\0' '\\n' < /proc/{pid}/environ"));
        assert!(
            words.lines().any(|line| line == "GREETING=good day = you"),
            "{words}"
        );
        let ran = project
            .locker("exec web -- /bin/sh -c 'echo \"$GREETING\"; exit 9'")
            .exits(9);
        assert_eq!(ran.out.trim(), "good day = you");
    });
}

#[test]
fn setup_runs_once_after_creation() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            "  web:\n    template: {name: tiny}\n    setup: [\"echo ran >> /srv/setup\", [\"/bin/mkdir\", \"/srv/a b\"]]\n",
        );
        project.up();
        project.locker("restart").exits(0);
        project.up();
        assert_eq!(
            project.inside("web", "cat /srv/setup").exits(0).out.trim(),
            "ran"
        );
        project.inside("web", "test -d '/srv/a b'").exits(0);
    });
}

#[test]
fn a_failing_setup_leaves_no_container() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            "  web:\n    template: {name: tiny}\n    setup: [\"echo the disk of dreams is full >&2; exit 3\"]\n",
        );
        let ran = project.locker("up").exits(1).says(&["web"]);
        assert!(
            format!("{}{}", ran.out, ran.err).contains("the disk of dreams is full"),
            "{}",
            ran.err
        );
        assert_eq!(project.state("web"), "ABSENT");
    });
}

#[test]
fn raw_settings_reach_lxc() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            "  web:\n    template: {name: tiny}\n    config: [\"lxc.sysctl.net.ipv4.ip_default_ttl = 99\"]\n",
        );
        project.up();
        let ttl = project
            .inside("web", "cat /proc/sys/net/ipv4/ip_default_ttl")
            .exits(0)
            .out;
        assert_eq!(ttl.trim(), "99");
    });
}
