//! Bad conditions: a clear message, no half state, nothing lost, and the next `up` converges.

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};

const WEB: &str = "  web:\n    template: {name: tiny}\n    ports: [\"8080:80\"]\n";

/// The same where the next `up` is what puts things right: with systemd the network service would do it before
/// anybody can look.
fn by_hand() -> String {
    format!("{WEB}    supervisor: none\n")
}

/// Asserts that a failed `up` left no container, bridge or rule.
#[track_caller]
fn nothing_is_there(host: &Host, project: &Project<'_>) {
    assert_eq!(project.state("web"), "ABSENT");
    assert_eq!(host.sh("ls /sys/class/net | grep '^lk-' || true"), "");
    assert_eq!(host.sh("nft list ruleset | grep -i locker || true"), "");
    assert_eq!(
        host.sh("ls -A /var/lib/locker/logs 2>/dev/null || true"),
        ""
    );
}

#[test]
fn without_root_a_change_is_refused_and_the_file_can_still_be_checked() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        let su = "setpriv --reuid 65534 --regid 65534 --clear-groups env -C /srv/shop";
        host.try_sh(&format!("{su} locker up"))
            .exits(1)
            .says(&["root"]);
        host.try_sh(&format!("{su} locker validate")).exits(0);
        nothing_is_there(host, &project);
    });
}

#[test]
fn without_lxc_the_message_names_the_package() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        let hidden = "unshare -m sh -c 'for f in /usr/lib/*/liblxc.so.1*; do mount --bind /dev/null $f; done; cd /srv/shop && locker up'";
        host.try_sh(hidden).exits(1).says(&["LXC", "apt"]);
        nothing_is_there(host, &project);
        project.up();
    });
}

#[test]
fn the_words_of_a_failing_template_are_shown_and_nothing_of_it_is_left() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", "  web:\n    template: {name: broken}\n");
        project
            .locker("up")
            .exits(1)
            .says(&["web", "the mirror is on fire"]);
        nothing_is_there(host, &project);
        project.rewrite("  web:\n    template: {name: nosuchtemplate}\n");
        project.locker("up").exits(1).says(&["nosuchtemplate"]);
        nothing_is_there(host, &project);
    });
}

#[test]
fn with_all_or_nothing_a_failing_container_takes_back_what_the_others_got() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            &format!("{WEB}  bad:\n    template: {{name: broken}}\n"),
        );
        let up = project.locker("up").exits(1);
        up.says(&["undone: `bad`; finished and kept: `web`"]);
        assert_eq!(project.state("web"), "RUNNING");
        project.locker("down --yes").exits(0);
        project.locker("up --all-or-nothing").exits(1);
        nothing_is_there(host, &project);
        project.rewrite(WEB);
        project.up();
    });
}

/// One that can never run stands beside one that can, so that all of a project was there for a moment.
fn never_ready(supervisor: &str) -> String {
    format!(
        "{WEB}    supervisor: {supervisor}\n  bad:\n    image: busybox:test\n    command: [\"/no/such/program\"]\n    \
         restart: always\n    supervisor: {supervisor}\n    ports: [\"8081:80\"]\n    links: [web]\n"
    )
}

#[test]
fn a_first_up_that_fails_leaves_the_host_as_it_was() {
    on_a_host_with_docker(|host| {
        for supervisor in ["systemd", "none"] {
            let project = Project::new(host, "shop", &never_ready(supervisor));
            let up = project.locker("up --all-or-nothing");
            assert_ne!(up.code, 0, "{}", up.out);
            up.says(&["bad", "/no/such/program"]);
            host.assert_as_remembered(&format!("a failed up, supervised by {supervisor},"));
        }
    });
}

#[test]
fn a_port_that_a_process_has_is_refused_naming_the_process() {
    on_a_host(|host| {
        host.sh("systemd-run --quiet --unit squatter busybox httpd -f -p 8080 -h /opt");
        eventually(0, || host.try_sh("ss -ltn | grep -q :8080").code);
        let project = Project::new(host, "shop", WEB);
        project.locker("up").exits(1).says(&["8080", "busybox"]);
        nothing_is_there(host, &project);
        host.sh("systemctl stop squatter");
        project.up();
    });
}

#[test]
fn a_port_that_another_project_has_is_refused_naming_it() {
    on_a_host(|host| {
        let first = Project::new(host, "first", WEB);
        first.up();
        let project = Project::new(host, "shop", WEB);
        project.locker("up").exits(1).says(&["8080", "first"]);
        assert_eq!(project.state("web"), "ABSENT");
        eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
        host.sh("rm -r /srv/shop");
    });
}

#[test]
fn a_full_disk_leaves_no_half_container() {
    on_a_host(|host| {
        host.sh("mkdir /opt/small && mount -t tmpfs -o size=1m tmpfs /opt/small");
        host.remember_as_clean();
        let project = Project::new(host, "shop", WEB);
        project
            .locker("--lxcpath /opt/small up")
            .exits(1)
            .says(&["web"]);
        assert_eq!(host.sh("ls -A /opt/small"), "");
        assert_eq!(host.sh("ls /sys/class/net | grep '^lk-' || true"), "");
        project.locker("--lxcpath /var/lib/lxc up").exits(0);
    });
}

#[test]
fn a_disk_that_is_full_keeps_nobody_from_stopping_and_taking_down_what_fills_it() {
    on_a_host_with_docker(|host| {
        host.sh(
            "mkdir -p /var/lib/locker && mount -t tmpfs -o size=2m,mode=700 full /var/lib/locker",
        );
        host.remember_as_clean();
        let file = format!("{WEB}  app: {{image: \"busybox:test\", stop_grace_period: 0s}}\n");
        let project = Project::new(host, "shop", &file);
        project.up();
        host.try_sh("head -c 50M /dev/zero > /var/lib/locker/fill")
            .exits(1);
        project.locker("up --force-recreate --yes").exits(1).says(&[
            "No space left",
            "nothing was changed",
            "df -h",
        ]);
        let told = project.locker("stop").exits(0).err;
        assert!(
            told.contains("what is under way is not written down"),
            "{told}"
        );
        assert!(!told.contains("interrupted"), "{told}");
        assert_eq!(project.state("web"), "STOPPED");
        project.locker("down --yes").exits(0);
        nothing_is_there(host, &project);
        host.sh("rm /var/lib/locker/fill");
        project.up();
    });
}

#[test]
fn a_container_deleted_by_hand_comes_back() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            &format!("{WEB}  db:\n    template: {{name: tiny}}\n"),
        );
        project.up();
        let db = project.init("db");
        host.sh("lxc-stop -k -n shop_web && lxc-destroy -n shop_web >/dev/null");
        project.locker("plan --exit-code").exits(3);
        project.up();
        eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
        assert_eq!(project.init("db"), db);
    });
}

#[test]
fn a_bridge_deleted_by_hand_comes_back_with_its_addresses() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", &by_hand());
        project.up();
        let ip = project.ip("web");
        host.sh("ip link delete $(ls /sys/class/net | grep '^lk-')");
        project.locker("plan --exit-code").exits(3);
        project.up();
        assert_eq!(project.ip("web"), ip);
        eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
        assert_eq!(project.locker("plan --exit-code").code, 0);
    });
}

#[test]
fn rules_deleted_by_hand_come_back() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", &by_hand());
        project.up();
        host.sh("nft flush ruleset");
        project.up();
        eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
    });
}

#[test]
fn a_stale_lock_is_no_obstacle() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        host.sh("mkdir -p /run/locker && echo '{\"pid\":4194000,\"command\":\"up\",\"since\":\"2001-01-01T00:00:00Z\"}' > /run/locker/shop.lock");
        project.up();
        assert_eq!(project.state("web"), "RUNNING");
    });
}

#[test]
fn two_ups_at_once_make_one_project() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        host.sh("cd /srv/shop; locker up & a=$!; locker up & b=$!; wait $a && wait $b");
        assert_eq!(project.locker("plan --exit-code").code, 0);
        eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
        assert_eq!(host.sh("ls /var/lib/lxc"), "shop_web");
    });
}

#[test]
fn up_holds_no_pipe_of_its_caller_open() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        host.sh("cd /srv/shop && timeout 30 sh -c 'locker up 2>&1 | cat' >/dev/null");
        assert_eq!(project.state("web"), "RUNNING");
    });
}

#[test]
fn an_invalid_file_changes_nothing_and_shows_every_error() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            "  web:\n    template: {name: tiny}\n    prots: [\"8080:80\"]\n    links: [nobody]\n    ports: [\"99999:80\"]\n",
        );
        project
            .locker("up")
            .exits(2)
            .says(&["locker.yaml:5", "ports", "nobody", "99999"]);
        nothing_is_there(host, &project);
        project.rewrite(WEB); // a file that `down` can read
    });
}

#[test]
fn a_foreign_container_of_the_same_name_is_not_touched() {
    on_a_host(|host| {
        host.sh("lxc-create -n shop_web -t tiny >/dev/null");
        host.remember_as_clean();
        let before = host.sh("find /var/lib/lxc/shop_web -printf '%p %T@\\n' | sort");
        let project = Project::new(host, "shop", WEB);
        project.locker("up").exits(1).says(&["shop_web"]);
        project.locker("rm --yes");
        assert_eq!(
            host.sh("find /var/lib/lxc/shop_web -printf '%p %T@\\n' | sort"),
            before
        );
    });
}

#[test]
fn a_damaged_mark_or_configuration_is_named_and_nothing_is_done_to_its_container() {
    on_a_host(|host| {
        let two = "  web:\n    template: {name: tiny}\n  db:\n    template: {name: tiny}\n";
        let project = Project::new(host, "shop", two);
        project.up();
        let init = project.init("web");
        let (dir, kept) = ("/var/lib/lxc/shop_web", "/tmp/kept");
        for (file, damage) in [
            ("locker.json", "true"),
            ("locker.json", "echo garbage"),
            ("config", "true"),
            ("config", "echo garbage"),
        ] {
            host.sh(&format!(
                "cp -p {dir}/{file} {kept}; {damage} > {dir}/{file}"
            ));
            let named = format!("{dir}/{file}");
            for words in ["restart web", "up --force-recreate --yes web", "status"] {
                let ran = project.locker(words);
                if file == "locker.json" || words == "restart web" {
                    assert!(
                        ran.out.contains(&named) || ran.err.contains(&named),
                        "{file}, {words}: {} {}",
                        ran.out,
                        ran.err
                    );
                }
                if words == "restart web" {
                    assert_ne!(ran.code, 0);
                }
                if file == "config" {
                    break;
                }
            }
            assert_eq!(project.init("web"), init, "{file}: it does not run on");
            if file == "locker.json" {
                project
                    .locker("down --yes")
                    .exits(1)
                    .says(&[&named, "lxc-destroy"]);
                assert_eq!(project.init("web"), init, "`down` took it");
            }
            host.sh(&format!("cp -p {kept} {dir}/{file}"));
            project.up();
        }
        project.locker("plan --exit-code").exits(0);
        project.locker("restart web").exits(0);
    });
}

/// Where a monitor listens any user may listen while it does not, and liblxc would do root's work wherever that one says.
#[test]
fn what_somebody_else_says_at_a_monitors_socket_is_not_believed() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        project.up();
        project.locker("stop").exits(0);
        host.sh(
            "setpriv --reuid 65534 --clear-groups perl -MSocket -e '
                 socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, pack(\"S a*\", AF_UNIX, \"\\0/var/lib/lxc/shop_web/command\")) or die;
                 listen(S, 9); sleep 600' >/dev/null 2>&1 & echo $! > /tmp/liar",
        );
        eventually(true, || {
            host.sh("cat /proc/net/unix").contains("shop_web/command")
        });
        let liar = host.sh("cat /tmp/liar");
        let pid = format!("process {} of user 65534", liar.trim());
        for words in ["status", "start", "up", "exec web -- id"] {
            let told = project.locker(words);
            assert!(told.err.contains(&pid), "{words}: {told:?}");
            assert_eq!(told.code == 0, words == "status", "{words}: {told:?}");
        }
        let unit =
            "systemctl start locker-shop-web.service; journalctl -o cat -u locker-shop-web.service";
        let told = host.sh(&format!("{unit} 2>&1; true"));
        assert!(told.contains(&pid), "{told}");
        host.sh(&format!("kill {liar}"));
        project.locker("up").exits(0);
        assert_eq!(project.state("web"), "RUNNING");
    });
}

#[test]
fn a_bridge_that_has_lost_its_mark_goes_with_the_project() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        project.up();
        host.sh("ip link set lk-shop alias ''");
        project.locker("down --yes").exits(0);
        nothing_is_there(host, &project);
    });
}

/// As each update of systemd does.
#[test]
fn systemd_may_begin_itself_anew_at_any_moment() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        let again =
            "while :; do systemctl daemon-reexec; sleep 0.3; done >/dev/null 2>&1 & echo $!";
        let pid = host.sh(again);
        for _ in 0..3 {
            for words in ["up", "restart", "stop", "start", "status", "down --yes"] {
                project.locker(words).exits(0);
            }
        }
        host.sh(&format!("kill {pid}"));
    });
}
