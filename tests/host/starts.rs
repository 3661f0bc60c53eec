//! Who starts a container, from which program, and on what it stands: the same whether that is locker, systemd
//! or a boot.

use crate::beside::{answers, on_a_host_with_docker};
use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};

/// Both kinds, one of them on demand, one with ids of its own, and a hook like those of lxcfs.
const BOTH: &str = r#"  web:
    template: {name: tiny}
    restart: always
    autostart: true
    idmap: auto
    config: ["lxc.hook.mount = /usr/local/share/hook"]
    ports: ["8080:80"]
  app:
    image: busybox:test
    restart: always
    stop_grace_period: 0s
    autostart: true
    ports: ["8081:80"]
  wait:
    image: busybox:test
    stop_grace_period: 0s
    on_demand: true
    autostart: true
    ports: ["8082:80"]
  rest:
    image: busybox:test
    stop_grace_period: 0s
    ports: ["8083:80"]
groups: {front: [web, app]}
"#;

/// What the distribution's hooks need of the host.
const HOOK: &str = "#!/bin/sh\nset -e\nreadlink -f /proc >/dev/null\nbasename /a/b >/dev/null\nmount >/dev/null\n\
                    [ -n \"$LXC_ROOTFS_MOUNT\" ]\n";

/// No rule leads to this port.
#[track_caller]
fn is_closed(host: &Host, port: u16) {
    let rules = host.sh("nft list ruleset");
    let mut numbers = rules.split(|c: char| !c.is_ascii_digit());
    assert!(
        numbers.all(|number| number != port.to_string()),
        "port {port}:\n{rules}"
    );
    assert_eq!(host.fetch_from_outside(port), None, "port {port}");
}

/// The whole boot has no circle, and this one met none.
#[track_caller]
fn boots_in_order(host: &Host) {
    let said = host
        .try_sh("systemd-analyze --man=no verify multi-user.target 2>&1")
        .out;
    assert_eq!(said.trim(), "");
    let circles = host.sh("journalctl -b -q | grep -i 'ordering cycle' || true");
    assert_eq!(circles, "");
}

#[test]
fn ports_go_with_the_service_whoever_starts_it_and_what_up_promises_for_boot_is_mended() {
    on_a_host_with_docker(|host| {
        host.sh("echo net.ipv4.ip_forward=1 >/etc/sysctl.d/90-forward.conf; sysctl -qw net.ipv4.ip_forward=1; iptables -P FORWARD ACCEPT");
        host.remember_as_clean();
        host.write("/usr/local/share/hook", HOOK);
        host.sh("chmod 755 /usr/local/share/hook; systemctl -q enable docker");
        let project = Project::new(host, "shop", BOTH);
        project.up();
        for (port, wanted) in [
            (8080, "web"),
            (8081, "hello"),
            (8082, "hello"),
            (8083, "hello"),
        ] {
            answers(host, port, wanted);
        }
        for (name, port, wanted) in [("web", 8080, "web"), ("app", 8081, "hello")] {
            let unit = format!("locker-shop-{name}.service");
            host.sh(&format!("systemctl stop {unit}"));
            is_closed(host, port);
            host.sh(&format!("systemctl start {unit}"));
            answers(host, port, wanted);
            // It ends by itself and comes back by its policy.
            host.sh(&format!("systemctl kill -s KILL {unit}"));
            eventually(Some(wanted.to_owned()), || host.fetch_from_outside(port));
        }
        project.locker("plan --exit-code").exits(0);
        project.locker("stop web app").exits(0);
        is_closed(host, 8080);
        host.sh("systemctl start locker-shop-front.target");
        answers(host, 8080, "web");
        answers(host, 8081, "hello");
        project.locker("plan --exit-code").exits(0);

        // What was taken out by hand stays so, whoever starts it.
        project.locker("rmports web").exits(0);
        is_closed(host, 8080);
        host.sh("systemctl restart locker-shop-web.service");
        is_closed(host, 8080);
        project.locker("restart web").exits(0);
        is_closed(host, 8080);
        project.locker("stop rest").exits(0);
        host.reboot();
        answers(host, 8081, "hello");
        answers(host, 8082, "hello");
        is_closed(host, 8080);
        is_closed(host, 8083);
        boots_in_order(host);
        project.locker("ports web").exits(0);
        answers(host, 8080, "web");
        project.locker("start rest").exits(0);
        project.locker("plan --exit-code").exits(0);

        for (harm, told) in [
            ("systemctl stop locker-network", "does not run"),
            ("systemctl -q disable locker-network", "not enabled"),
            (
                "systemctl -q disable --now locker-network; rm /etc/systemd/system/locker-network.service",
                "not there",
            ),
            (
                "systemctl -q disable locker-shop-web.service",
                "starts at boot",
            ),
            ("rm /etc/systemd/system/locker-shop.target", "differ"),
        ] {
            host.sh(harm);
            let plan = project.locker("plan").exits(0).out;
            assert!(plan.contains(told), "after `{harm}`:\n{plan}");
            let status = project.locker("status").exits(0).says(&[told]);
            assert!(status.out.contains("running"), "{}", status.out);
            project.up();
            project.locker("plan --exit-code").exits(0);
        }
        host.reboot();
        answers(host, 8080, "web");
        host.sh("rm -r /usr/local/share/hook");
    });
}

/// One of each kind, which leave a file when they are asked to stop.
const ASKED: &str = r#"  web:
    template: {name: tiny}
    restart: always
    ports: ["8080:80"]
    volumes: ["./web:/data"]
    pre_stop: [{command: [touch, /data/asked]}]
  app:
    image: busybox:test
    restart: always
    stop_grace_period: 1s
    ports: ["8081:80"]
    volumes: ["./app:/data"]
    pre_stop: [{command: [touch, /data/asked]}]
"#;

#[test]
fn systemctl_start_waits_for_the_ports_and_a_stop_in_the_middle_of_it_is_a_stop() {
    on_a_host_with_docker(|host| {
        host.sh("systemctl -q enable docker");
        let project = Project::new(host, "shop", ASKED);
        project.up();
        for (name, port) in [("web", 8080), ("app", 8081)] {
            let unit = format!("locker-shop-{name}.service");
            for _ in 0..3 {
                host.sh(&format!("systemctl stop {unit}"));
                is_closed(host, port);
                let rules = host.sh(&format!("systemctl start {unit}; nft list ruleset"));
                assert!(rules.contains(&port.to_string()), "{name}:\n{rules}");
            }
            let asked = format!("{}/{name}/asked", project.dir());
            host.sh(&format!("systemctl stop {unit}; rm {asked}"));
            // Who puts its ports in place does not answer, so that the start is under way for long.
            host.sh(&format!(
                "systemctl kill -s STOP locker-network; systemctl start --no-block {unit}"
            ));
            let runs = match name {
                "web" => "lxc-info -n shop_web -sH | grep -c RUNNING",
                _ => "docker ps -q --filter name=shop_app | grep -c .",
            };
            eventually(0, || host.try_sh(runs).code);
            let told = |what: &str| {
                host.sh(&format!("systemctl show -P {what} {unit}"))
                    .trim()
                    .to_owned()
            };
            assert_eq!(told("ActiveState"), "activating", "{name}");
            host.sh(&format!(
                "systemctl stop --no-block {unit}; systemctl kill -s CONT locker-network"
            ));
            eventually("inactive".to_owned(), || told("ActiveState"));
            assert_eq!(told("Result"), "success", "{name}");
            host.sh(&format!("rm {asked}"));
            // It has been at a standstill, and has other news first.
            eventually(false, || {
                host.sh("nft list table inet locker")
                    .contains(&port.to_string())
            });
            is_closed(host, port);
            project.locker("plan --exit-code").exits(3);
            project.up();
            project.locker("plan --exit-code").exits(0);
        }
    });
}

#[test]
fn a_program_in_roots_home_serves_units_and_nothing_of_it_is_left() {
    on_a_host(|host| {
        host.copy_in("examples", "/root/examples");
        host.sh("mkdir -p /root/.cargo/bin; mv /usr/local/bin/locker /root/.cargo/bin/locker");
        host.remember_as_clean();
        let run = |words: &str| {
            host.try_sh(&format!(
                "LOCKER=/root/.cargo/bin/locker /root/examples/quickstart/run.sh {words} 2>&1"
            ))
        };
        // A first `up` that fails takes all of it back.
        host.write("/root/broken/locker.yaml", "name: broken\ncontainers:\n  web:\n    template: {name: tiny}\n    config: [\"lxc.hook.pre-start = /bin/false\"]\n");
        let broken = host.try_sh("cd /root/broken && /root/.cargo/bin/locker up");
        assert_eq!(broken.code, 1, "{broken:?}");
        host.assert_as_remembered("a failed first `up`");

        run("up").exits(0);
        let paths = host.sh("grep -h ^ExecStart= /etc/systemd/system/locker-*.service | sort -u");
        assert!(
            paths
                .lines()
                .all(|line| line.starts_with("ExecStart=\"/var/lib/locker/bin/locker\"")),
            "{paths}"
        );
        host.sh("cd /root/examples/quickstart && /root/.cargo/bin/locker enable");
        // The units need nothing of the home directory any more.
        host.sh("mv /root/.cargo/bin/locker /root/.cargo/bin/away");
        host.reboot();
        eventually(0, || {
            host.try_sh("curl -sf --noproxy '*' http://127.0.0.1:8080/ | grep -q 'hello from db'")
                .code
        });
        // Another binary replaces it by a line of the plan.
        host.sh(
            "mv /root/.cargo/bin/away /root/.cargo/bin/locker; printf x >>/root/.cargo/bin/locker",
        );
        let plan = host.sh("cd /root/examples/quickstart && /root/.cargo/bin/locker plan");
        assert!(
            plan.contains("~ program  /var/lib/locker/bin/locker  sha256 "),
            "{plan}"
        );
        run("up").exits(0);
        // One that its user can change is asked about.
        host.sh("useradd -m joe; cp /root/.cargo/bin/locker /home/joe/locker; printf y >>/home/joe/locker; chown joe /home/joe/locker");
        let joes = host.try_sh("cd /root/examples/quickstart && /home/joe/locker up");
        assert_eq!(joes.code, 1, "{joes:?}");
        assert!(joes.err.contains("owns `/home/joe"), "{joes:?}");
        run("down").exits(0);
        host.sh("rm -r /root/examples/quickstart/data; userdel -r joe");
        host.assert_as_remembered("`run.sh down`");
        host.sh("cp /root/.cargo/bin/locker /usr/local/bin/locker");
    });
}

#[test]
fn nothing_is_made_in_the_place_of_a_file_system_that_is_not_mounted() {
    on_a_host_with_docker(|host| {
        host.sh("mkdir -p /mnt/nas; mount -t tmpfs nas /mnt/nas; mkdir /mnt/nas/sub");
        let project = Project::new(
            host,
            "shop",
            "  web:\n    template: {name: tiny}\n    volumes: [\"/mnt/nas/sub:/data\"]\n  \
             app:\n    image: busybox:test\n    stop_grace_period: 0s\n    \
             volumes: [\"/mnt/nas/sub:/data\", \"/mnt/nas:/all\"]\n  \
             alone:\n    image: busybox:test\n    stop_grace_period: 0s\n",
        );
        project.up();
        let unit = host.sh("cat /etc/systemd/system/locker-shop-web.service");
        assert!(
            unit.contains("RequiresMountsFor=\"/mnt/nas/sub\""),
            "{unit}"
        );
        project.locker("stop").exits(0);
        host.sh("umount /mnt/nas");
        // A change of another one, with the mount point there as an empty directory.
        project.locker("start alone").exits(0);
        for words in [
            "start web",
            "start app",
            "up",
            "run --rm app true",
            "run --detach app true",
            "run --rm -v /mnt/nas/more:/more alone true",
        ] {
            let refused = project.locker(words).exits(1);
            assert!(
                refused.err.contains("`/mnt/nas`, which is not mounted"),
                "{refused:?}"
            );
        }
        assert_ne!(
            host.try_sh("systemctl start locker-shop-web.service").code,
            0
        );
        let said = host.sh("journalctl -q -u locker-shop-web.service");
        assert!(said.contains("which is not mounted"), "{said}");
        assert_eq!(host.sh("ls -A /mnt/nas"), "");
        host.sh("mount -t tmpfs nas /mnt/nas; mkdir /mnt/nas/sub");
        host.sh("systemctl reset-failed locker-shop-web.service; systemctl start locker-shop-web.service");
        project.locker("start app").exits(0);
        project.locker("plan --exit-code").exits(0);
        project.locker("down --yes").exits(0);
        host.sh("umount /mnt/nas; rmdir /mnt/nas");
    });
}
