//! What a system container is granted in Compose's words is there in the running container.

use crate::on_a_host;
use crate::project::Project;

/// Devices that a test host may use under other names.
const NODES: &str = "mkdir -p /dev/many; mknod -m 666 /dev/many/zero c 1 5; mknod -m 666 /dev/many/full c 1 7; mknod -m 666 /dev/none c 1 3";

const FILE: &str = "  a:
    template: {name: tiny}
    devices: [/dev/many, \"/dev/none:/srv/none:rw\"]
    cap_drop: [NET_RAW]
    cap_add: [SYS_TIME]
    sysctls: {net.ipv4.ip_default_ttl: 99, net/ipv4/ip_forward: 1}
    ulimits: {nofile: {soft: 333, hard: 444}}
    tmpfs: [\"/scratch:size=1m\"]
    shm_size: 3m
    mac_address: \"02:00:00:00:00:0a\"
    extra_hosts: [\"far=192.0.2.1\", \"outside=host-gateway\"]
    hostname: mail
    domainname: example.net
    stop_signal: SIGINT
    stop_grace_period: 2s
";

#[test]
fn a_system_container_has_its_devices_capabilities_limits_and_names() {
    on_a_host(|host| {
        host.sh(NODES);
        let project = Project::new(host, "shop", FILE);
        project.up();
        let seen = project
            .inside(
                "a",
                "cat /proc/sys/net/ipv4/ip_default_ttl; ulimit -n; hostname; cat /etc/hosts; \
                 cat /sys/class/net/eth0/address; grep CapBnd /proc/self/status; \
                 head -c 2 /dev/many/zero | wc -c; echo x > /srv/none; \
                 grep -c -E '^tmpfs /(scratch|dev/shm) tmpfs .*size=(1024|3072)k' /proc/mounts",
            )
            .exits(0)
            .out;
        let lines: Vec<&str> = seen.lines().map(str::trim).collect();
        for wanted in [
            "99",
            "333",
            "mail",
            "192.0.2.1 far",
            "02:00:00:00:00:0a",
            "2",
        ] {
            assert!(lines.contains(&wanted), "{wanted}:\n{seen}");
        }
        assert!(
            seen.contains(" outside\n") && seen.contains(" mail.example.net mail a\n"),
            "{seen}"
        );
        // capabilities(7): 13 is NET_RAW, 25 is SYS_TIME.
        let set = seen
            .lines()
            .find_map(|line| line.strip_prefix("CapBnd:"))
            .unwrap();
        let set = u64::from_str_radix(set.trim(), 16).unwrap();
        assert_eq!((set >> 13 & 1, set >> 25 & 1), (0, 1), "{seen}");
        project.locker("plan --exit-code").exits(0);
        project.locker("down --yes").exits(0);
    });
}

#[test]
fn devices_and_memory_belong_to_the_root_of_an_id_map_and_reach_its_own_dev() {
    on_a_host(|host| {
        host.sh(NODES);
        let file = "  a:\n    template: {name: tiny}\n    idmap: auto\n    devices: [\"/dev/none:/dev/sub/none\"]\n    \
                    tmpfs: [\"/var/run/y:uid=5,mode=700\", /scratch]\n    stop_grace_period: 0s\n";
        let project = Project::new(host, "shop", file);
        project.up();
        let script = "echo x > /dev/sub/none && touch /scratch/x && stat -c '%n %u %a' /dev/sub /var/run/y /scratch";
        let seen = project.inside("a", script).exits(0).out;
        assert_eq!(seen, "/dev/sub 0 755\n/var/run/y 5 700\n/scratch 0 1777\n");
        project.locker("down --yes").exits(0);
    });
}

#[test]
fn a_read_only_root_a_privileged_one_and_one_for_containers_inside_start() {
    on_a_host(|host| {
        let file = "  ro: {template: {name: tiny}, read_only: true, stop_grace_period: 0s}\n  \
                    all: {template: {name: tiny}, privileged: true, sysctls: {kernel.shmmax: 1048576}, stop_grace_period: 0s}\n  \
                    nest: {template: {name: tiny}, nesting: true, stop_grace_period: 0s}\n";
        let project = Project::new(host, "shop", file);
        project.up();
        assert!(
            project
                .inside("ro", "touch /x")
                .err
                .contains("Read-only file system")
        );
        let shown = project.inside("all", "cat /proc/sys/kernel/shmmax").out;
        assert_eq!(shown, "1048576\n");
        project.inside("all", "mknod /dev/mine b 254 0").exits(0);
        let seen = project
            .inside("all", "grep CapBnd /proc/self/status")
            .exits(0)
            .out;
        let host_has = host.sh("grep CapBnd /proc/1/status");
        assert_eq!(seen.trim(), host_has.trim());
        let mounts = project.inside("nest", "cat /proc/mounts").exits(0).out;
        assert!(mounts.contains(" /dev/.lxc/proc "), "{mounts}");
        project.locker("plan --exit-code").exits(0);
        // Its names change while it runs, as those of any other.
        let init = project.init("ro");
        project.rewrite(&file.replace(
            "read_only: true",
            "read_only: true, links: [nest], extra_hosts: [\"far=192.0.2.1\"]",
        ));
        project.up();
        let names = "grep -c -w far /etc/hosts; grep -q -w nest /etc/hosts && echo linked";
        assert_eq!(project.inside("ro", names).out, "1\nlinked\n");
        assert_eq!(project.init("ro"), init);
        project.locker("stop nest").exits(0);
        project.locker("start nest").exits(0);
        project.locker("plan --exit-code").exits(0);
        project.locker("down --yes").exits(0);
    });
}

#[test]
fn a_device_that_is_missing_is_told_before_the_first_change() {
    on_a_host(|host| {
        let file = "  a:\n    template: {name: tiny}\n    devices: [/dev/nowhere]\n";
        let project = Project::new(host, "shop", file);
        let ran = project.locker("up");
        assert_ne!(ran.code, 0);
        assert!(
            ran.err.contains("`/dev/nowhere`") && ran.err.contains("locker.yaml:5"),
            "{}",
            ran.err
        );
        assert_eq!(project.state("a"), "ABSENT");
    });
}

/// A package manager, and the programs for accounts that this small system lacks: each notes what it is asked for.
const TOOL: &str = r#"#!/bin/sh
echo "${0##*/} $*" >> /asked
[ "${0##*/}" != useradd ] || { echo "deploy:x:2000:2000::/home/deploy:/bin/sh" >> /etc/passwd; mkdir -p /home/deploy; chown 2000:2000 /home/deploy; }
"#;

#[test]
fn a_system_container_is_furnished_before_its_setup_and_again_when_the_file_changes() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", "  a: {template: {name: tiny}}\n");
        host.write("/srv/shop/tool", TOOL);
        host.sh("chmod 755 /srv/shop/tool; mkdir -p /srv/shop/zoneinfo/Europe; echo zone > /srv/shop/zoneinfo/Europe/Berlin");
        let file = |keys: &str| {
            format!(
                "  a:\n    template: {{name: tiny}}\n    stop_grace_period: 0s\n    \
                 volumes: [\"./tool:/bin/apk:ro\", \"./tool:/bin/useradd:ro\", \"./tool:/bin/usermod:ro\", \"./tool:/bin/groupadd:ro\", \"./zoneinfo:/usr/share/zoneinfo:ro\"]\n    \
                 setup: [\"id deploy && cat /etc/localtime && echo set-up >> /asked\"]\n{keys}"
            )
        };
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ";
        let first = file(&format!(
            "    packages: [nginx, git]\n    timezone: Europe/Berlin\n    locale: C.UTF-8\n    \
             users: {{deploy: {{uid: 2000, shell: /bin/sh, groups: [www], ssh_keys: [\"{key} d\"]}}}}\n    \
             ssh_keys: [\"{key} one\", \"{key} two\"]\n"
        ));
        project.rewrite(&first);
        project.up();
        let look = "cat /asked /etc/localtime /root/.ssh/authorized_keys; \
                    stat -c '%u %a' /home/deploy/.ssh/authorized_keys; cat /etc/default/locale /etc/locale.conf 2>/dev/null";
        let seen = project.inside("a", look).out;
        let asked = "apk add -U --wait 300 nginx git\nuseradd -m -u 2000 -s /bin/sh deploy\ngroupadd www\nusermod -aG www deploy\nset-up\nzone\n";
        assert!(seen.starts_with(asked), "{seen}");
        for wanted in [
            "2000 600\n",
            "LANG=C.UTF-8\n",
            &format!("# >>> locker\n{key} one\n{key} two\n# <<< locker\n"),
        ] {
            assert!(seen.contains(wanted), "{wanted}{seen}");
        }
        project.locker("plan --exit-code").exits(0);
        // A user's own link leads to nobody else's files.
        let linked = "mkdir /root/far; rm -r /home/deploy/.ssh; ln -s /root/far /home/deploy/.ssh; chown -h 2000:2000 /home/deploy/.ssh";
        project.inside("a", linked).exits(0);
        project.rewrite(&first.replace(" d\"", " other\""));
        project.locker("up").exits(1);
        let far = "ls -A /root/far; stat -c %u /root/far; rm /home/deploy/.ssh";
        assert_eq!(project.inside("a", far).exits(0).out, "0\n");
        // A home that is not the user's own, and one whose keys root had made.
        project.inside("a", "chown 0:0 /home/deploy").exits(0);
        project.up();
        assert_eq!(
            project.inside("a", "stat -c '%u %a' /home/deploy/.ssh").out,
            "2000 700\n"
        );
        project.rewrite(&first);
        project.up();
        // A key that has been put in by hand stays, one that left the file goes, `setup` does not run again.
        project.inside("a", "echo by-hand >> /root/.ssh/authorized_keys");
        let plan = {
            project.rewrite(&file("    packages: [nginx, vim]\n"));
            project.locker("plan").out
        };
        assert!(
            plan.contains("packages nginx vim, ssh_keys of deploy, ssh_keys of root"),
            "{plan}"
        );
        project.up();
        let seen = project
            .inside(
                "a",
                "tail -n 2 /asked; cat /root/.ssh/authorized_keys /home/deploy/.ssh/authorized_keys",
            )
            .exits(0)
            .out;
        assert_eq!(seen, "set-up\napk add -U --wait 300 nginx vim\nby-hand\n");
        project.locker("plan --exit-code").exits(0);
        project.locker("down --yes").exits(0);
    });
}

#[test]
fn a_wish_that_cannot_be_fulfilled_is_told_with_the_last_line_of_who_tried() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            "  a: {template: {name: tiny}, packages: [nginx], stop_grace_period: 0s}\n",
        );
        let ran = project.locker("up");
        assert_ne!(ran.code, 0);
        assert!(
            ran.err.contains("`packages nginx` in `a` ended with 127")
                && ran.err.contains("no package manager"),
            "{}",
            ran.err
        );
        project.locker("down --yes").exits(0);
    });
}

#[test]
fn settings_that_liblxc_refuses_take_the_place_of_none_and_signals_of_real_time_are_none_of_them() {
    on_a_host(|host| {
        let file = |more: &str| {
            format!("  a:\n    template: {{name: tiny}}\n    stop_grace_period: 1s\n{more}")
        };
        let project = Project::new(host, "shop", &file(""));
        project.up();
        project.rewrite(&file("    config: [\"lxc.mount.auto = nosuch\"]\n"));
        let refused = project.locker("up").exits(1);
        refused.says(&["liblxc refuses `lxc.mount.auto = nosuch`"]);
        project.inside("a", "true").exits(0);
        for signal in ["RTMIN", "SIGRTMAX", "SIGRTMIN+3", "UNUSED", "15"] {
            project.rewrite(&file(&format!("    stop_signal: {signal}\n")));
            project.up();
            project.inside("a", "true").exits(0);
        }
        project.rewrite(&file(""));
        project.up();
        project.locker("plan --exit-code").exits(0);
        // A first one is told before it starts, and leaves nothing.
        project.locker("down --yes").exits(0);
        project.rewrite(&file("    config: [\"lxc.signal.halt = SIGFOO\"]\n"));
        project
            .locker("up")
            .exits(1)
            .says(&["liblxc refuses `lxc.signal.halt = SIGFOO`"]);
        assert_eq!(project.state("a"), "ABSENT");
    });
}

#[test]
fn a_check_has_the_variables_of_the_file_and_a_user_its_groups() {
    on_a_host(|host| {
        let file = "  a:\n    template: {name: tiny}\n    environment: {WORD: good}\n    stop_grace_period: 0s\n    \
                    healthcheck: {test: '[ \"$$WORD\" = good ] && [ \"$$HOME\" = /root ]', interval: 200ms, retries: 3}\n    \
                    setup: [\"echo al:x:1000:1000::/:/bin/sh >> /etc/passwd\", \"printf 'www:x:80:al\\nsudo:x:27:root,al\\n' >> /etc/group\"]\n";
        let project = Project::new(host, "shop", file);
        project.locker("up --wait").exits(0);
        let ids = |user: &str| project.locker(&format!("exec {user} a id -G")).exits(0).out;
        assert_eq!(ids("-u al"), "1000 27 80\n");
        project.locker("down --yes").exits(0);
    });
}
