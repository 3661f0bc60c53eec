//! Where containers come from: clones, archives, directories, and unprivileged ones.

use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};

/// Makes `/opt/tree`, the root file system of a container, without locker.
fn make_tree(host: &Host) {
    host.sh("lxc-create -n proto -t tiny >/dev/null && mv /var/lib/lxc/proto/rootfs /opt/tree && rm -r /var/lib/lxc/proto");
    host.sh("mkdir /opt/tree/data && echo mine > /opt/tree/data/file && chown 1234:1235 /opt/tree/data/file && chmod 4751 /opt/tree/data/file");
}

#[test]
fn siblings_are_cloned_in_the_order_they_need() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            "  aa:\n    clone: mm\n  mm:\n    clone: zz\n  zz:\n    template: {name: tiny}\n",
        );
        project.up();
        for name in ["aa", "mm", "zz"] {
            let page = || {
                project
                    .inside(name, "cat /www/index.html")
                    .out
                    .trim()
                    .to_owned()
            };
            eventually(name.to_owned(), page);
        }
        let (aa, zz) = (project.ip("aa"), project.ip("zz"));
        assert_ne!(aa, zz);
    });
}

#[test]
fn the_clone_of_a_running_container_leaves_it_running() {
    on_a_host(|host| {
        let zz = "  zz:\n    template: {name: tiny}\n";
        let project = Project::new(host, "shop", zz);
        project.up();
        project.inside("zz", "echo grown > /srv/later").exits(0);
        let before = project.init("zz");
        project.rewrite(&format!("{zz}  aa:\n    clone: zz\n"));
        project.up();
        assert_eq!(project.init("zz"), before);
        assert_eq!(project.state("zz"), "RUNNING");
        assert_eq!(
            project.inside("aa", "cat /srv/later").exits(0).out.trim(),
            "grown"
        );
    });
}

#[test]
fn the_origin_thaws_again_when_the_run_that_copied_it_was_killed() {
    on_a_host(|host| {
        let tools = "  golden:\n    template: {name: tiny}\n";
        let tools = Project::new(host, "tools", tools);
        tools.up();
        let _shop = Project::new(host, "shop", "  copy:\n    clone: tools_golden\n");
        // A copy that takes its time.
        host.write("/usr/local/bin/cp", "#!/bin/sh\nexec sleep 1000\n");
        host.sh("chmod +x /usr/local/bin/cp; systemd-run -q --unit=killed --setenv=PATH=\"$PATH\" --working-directory=/srv/shop locker up");
        eventually("FROZEN".to_owned(), || tools.state("golden"));
        host.sh("systemctl kill -s KILL killed; rm /usr/local/bin/cp");
        host.sh("systemctl reset-failed killed 2>/dev/null; true");
        assert_eq!(tools.state("golden"), "FROZEN");
        // Whoever changes something next, in a project that knows nothing of the two.
        let other = Project::new(host, "other", "  web:\n    template: {name: tiny}\n");
        let said = other.locker("up").exits(0).err;
        assert!(
            said.contains("thawed LXC container `tools_golden`"),
            "{said}"
        );
        assert_eq!(tools.state("golden"), "RUNNING");
        // What the user has frozen stays so.
        tools.locker("freeze").exits(0);
        other.locker("restart").exits(0);
        assert_eq!(tools.state("golden"), "FROZEN");
        tools.locker("unfreeze").exits(0);
        host.sh("cd /srv/shop && locker up");
    });
}

#[test]
fn a_container_of_the_host_can_be_cloned_and_stays_as_it_was() {
    on_a_host(|host| {
        host.sh("lxc-create -n golden -t tiny >/dev/null && touch /var/lib/lxc/golden/rootfs/srv/golden");
        host.remember_as_clean();
        let before =
            host.sh("cat /var/lib/lxc/golden/config; find /var/lib/lxc/golden/rootfs | sort");
        let project = Project::new(host, "shop", "  web:\n    clone: golden\n");
        project.up();
        project.inside("web", "test -e /srv/golden").exits(0);
        assert_eq!(
            host.sh("cat /var/lib/lxc/golden/config; find /var/lib/lxc/golden/rootfs | sort"),
            before
        );
    });
}

#[test]
fn archives_and_directories_become_root_file_systems() {
    on_a_host(|host| {
        make_tree(host);
        host.sh("tar -C /opt/tree --numeric-owner -czf /opt/tree.tar.gz .");
        let project = Project::new(
            host,
            "shop",
            "  packed:\n    rootfs: /opt/tree.tar.gz\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n  plain:\n    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n",
        );
        project.up();
        for name in ["packed", "plain"] {
            let stat = host.sh(&format!(
                "stat -c '%u:%g %a' {}/data/file",
                project.rootfs(name)
            ));
            assert_eq!(stat, "1234:1235 4751", "{name}");
            assert_eq!(
                project.inside(name, "cat /data/file").exits(0).out.trim(),
                "mine"
            );
        }
        project.locker("down --yes").exits(0);
        host.sh("test -e /opt/tree/data/file -a -e /opt/tree.tar.gz");
    });
}

#[test]
fn an_unprivileged_container_s_root_is_nobody_on_the_host() {
    on_a_host(|host| {
        make_tree(host);
        let project = Project::new(
            host,
            "shop",
            "  web:\n    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n    idmap: auto\n    ports: [\"8080:80\"]\n  \
             api:\n    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n    idmap: auto\n",
        );
        project.up();
        let uid = |name: &str| -> u32 {
            let path = format!("/proc/{}/status", project.init(name));
            host.sh(&format!("awk '/^Uid/ {{print $2}}' {path}"))
                .parse()
                .expect("a uid")
        };
        assert!(
            uid("web") >= 65536,
            "init of web runs as uid {}",
            uid("web")
        );
        assert!(
            uid("web").abs_diff(uid("api")) >= 65536,
            "the two share ids"
        );
        assert_eq!(
            project
                .inside("web", "id -u; stat -c %u /data/file")
                .exits(0)
                .out,
            "0\n1234\n"
        );
        eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
    });
}

#[test]
fn another_lxc_path_is_used_and_remembered() {
    on_a_host(|host| {
        host.sh("mkdir /opt/containers");
        let project = Project::new(host, "shop", "  web:\n    template: {name: tiny}\n");
        project.locker("-P ../../opt/containers up").exits(0);
        assert_eq!(project.state("web"), "ABSENT", "it is in the default path");
        assert_eq!(
            host.sh("lxc-info -P /opt/containers -n shop_web -sH"),
            "RUNNING"
        );
        project.locker("plan --exit-code").exits(0);
        project.locker("down --yes").exits(0);
        assert_eq!(host.sh("ls -A /opt/containers"), "");
    });
}

#[test]
fn what_makes_a_container_leaves_nothing_beside_it() {
    on_a_host(|host| {
        make_tree(host);
        host.sh("tar -C /opt/tree --numeric-owner -czf /opt/tree.tar.gz .");
        let tmp = || host.sh("ls -lAR /tmp /var/tmp");
        let listed = || tmp() + &host.sh("ls -A /run /root /var/cache");
        let first = tmp();
        let tree = "    rootfs: /opt/tree\n    config: [\"lxc.signal.halt = SIGUSR1\"]\n";
        let project = Project::new(host, "shop", "  web:\n    template: {name: tiny}\n");
        project.up();
        assert_eq!(tmp(), first, "the first `up`");
        let before = listed();
        project.rewrite(&format!(
            "  web:\n    template: {{name: tiny}}\n  more:\n    template: {{name: tiny}}\n  \
             copy:\n    clone: web\n  plain:\n{tree}  apart:\n{tree}    idmap: auto\n  packed:\n{}",
            tree.replace("tree\n", "tree.tar.gz\n")
        ));
        project.up();
        assert_eq!(listed(), before, "`up`");
        project
            .rewrite("  web:\n    template: {name: tiny}\n  bad:\n    template: {name: broken}\n");
        project.locker("up --yes --remove-orphans").exits(1);
        assert_eq!(listed(), before, "a template that fails");
        project.rewrite("  web:\n    template: {name: tiny}\n");
        project.locker("up --force-recreate --yes").exits(0);
        assert_eq!(listed(), before, "`up --force-recreate`");
    });
}
