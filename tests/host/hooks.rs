//! `post_start` and `pre_stop`: with every start and stop, whoever does it, for both kinds.

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::project::{Project, eventually};

/// Both kinds; each command says who ran it, where, and with what. `second` is another one after the start.
fn file(supervisor: &str, second: &str) -> String {
    let hooks = r#"    supervisor: SUPERVISOR
    stop_grace_period: 2s
    volumes: ["/srv/said/$name:/said"]
    environment: {OWN: own}
    post_start:
      - command: [sh, -c, 'echo "start $$(id -u) $$PWD $$OWN $$MORE" >> /said/log']
        user: "1000"
        working_dir: /tmp
        environment: {MORE: more}
      - command: SECOND
    pre_stop:
      - command: sh -c 'echo "stop $$OWN" >> /said/log; test ! -e /said/stay'
"#;
    let hooks = hooks
        .replace("SUPERVISOR", supervisor)
        .replace("SECOND", second);
    format!(
        "  db:\n    template: {{name: tiny}}\n{hooks}  web:\n    image: busybox:test\n    stop_signal: KILL\n{hooks}"
    )
}

const FIRST: &str = "start 1000 /tmp own more";

#[track_caller]
fn both_said(host: &Host, wanted: &str) {
    for name in ["db", "web"] {
        let log = format!("/srv/said/{name}/log");
        // A service has started as soon as its container runs, while its commands after the start still may.
        eventually(wanted.to_owned(), || host.sh(&format!("cat {log}")));
        host.sh(&format!(": > {log}"));
    }
}

/// Where they say it; anybody may.
fn prepare(host: &Host) {
    host.sh(
        "rm -rf /srv/said; for name in db web; do mkdir -p /srv/said/$name; touch /srv/said/$name/log; done
         chmod -R a+rwX /srv/said",
    );
}

#[test]
fn commands_run_around_every_start_and_stop_whoever_does_it() {
    on_a_host_with_docker(|host| {
        // A host that forwards anyway, as in boot.rs: a boot is to change nothing of it.
        host.sh(
            "echo net.ipv4.ip_forward=1 >/etc/sysctl.d/90-forward.conf; sysctl -qw net.ipv4.ip_forward=1; \
             iptables -P FORWARD ACCEPT",
        );
        host.remember_as_clean();
        prepare(host);
        let project = Project::new(host, "both", &file("auto", "'true'"));
        project.up();
        both_said(host, FIRST);
        project.locker("plan --exit-code").exits(0);
        project.up();
        both_said(host, "");
        project.locker("restart").exits(0);
        both_said(host, &format!("stop own\n{FIRST}"));
        // By systemd: a restart, and a boot.
        host.sh("systemctl restart locker-both-db locker-both-web");
        both_said(host, &format!("stop own\n{FIRST}"));
        project.locker("enable").exits(0);
        host.sh("systemctl -q enable docker");
        host.reboot();
        for name in ["db", "web"] {
            eventually("active".into(), || {
                host.sh(&format!(
                    "systemctl show -P ActiveState locker-both-{name}.service"
                ))
            });
        }
        both_said(host, &format!("stop own\n{FIRST}"));
        // A command that fails before a stop stops nothing, as with Compose.
        host.sh("touch /srv/said/db/stay /srv/said/web/stay");
        project
            .locker("stop")
            .exits(1)
            .says(&["pre_stop", "exit code 1"]);
        assert_eq!(project.state("db"), "RUNNING");
        assert_eq!(host.sh("docker ps -q | wc -l"), "1");
        host.sh("for d in /srv/said/*; do rm $d/stay; : > $d/log; done");
        project.locker("freeze").exits(0);
        project.locker("stop").exits(0);
        both_said(host, "stop own");
        host.sh("rm -r /srv/said");
    });
}

#[test]
fn a_command_that_fails_after_a_start_fails_the_start() {
    on_a_host_with_docker(|host| {
        for supervisor in ["auto", "none"] {
            prepare(host);
            let bad = file(supervisor, "sh -c 'echo on the way; echo no luck; exit 3'");
            let project = Project::new(host, "both", &bad);
            for name in ["db", "web"] {
                let ran = project.locker(&format!("up {name}")).exits(1);
                // All that it printed last, not of the container that stayed silent.
                for said in ["no luck", "on the way", "exit code 3", "post_start"] {
                    assert!(ran.err.contains(said), "{supervisor} {name}: {}", ran.err);
                }
            }
            assert_eq!(host.sh("docker ps -q"), "", "{supervisor}");
            assert_ne!(project.state("db"), "RUNNING", "{supervisor}");
            project.rewrite(&file(supervisor, "'true'"));
            prepare(host);
            project.up();
            both_said(host, FIRST);
            project.locker("down --yes").exits(0);
            both_said(host, "stop own");
            host.sh("rm -r /srv/said");
        }
    });
}

#[test]
fn a_first_up_is_taken_back_whole_also_where_what_comes_before_a_stop_fails() {
    on_a_host_with_docker(|host| {
        host.remember_as_clean();
        for supervisor in ["auto", "none"] {
            for source in ["template: {name: tiny}", "image: busybox:test"] {
                let project = Project::new(
                    host,
                    "both",
                    &format!(
                        "  web:\n    {source}\n    supervisor: {supervisor}\n    stop_grace_period: 1s\n    \
                         setup: [\"exit 7\"]\n    pre_stop: [{{command: [sh, -c, \"exit 9\"]}}]\n"
                    ),
                );
                let up = project.locker("up").exits(1);
                for told in ["`exit 7` in `web`", "exit code 9", "stopped all the same"] {
                    assert!(up.err.contains(told), "{supervisor}, {source}: {}", up.err);
                }
                host.assert_as_remembered(&format!("{supervisor}, {source}"));
            }
        }
    });
}

#[test]
fn what_follows_the_first_start_finds_what_the_setup_has_made() {
    on_a_host_with_docker(|host| {
        for supervisor in ["auto", "none"] {
            let file = |last: &str| {
                let keys = format!(
                    "    supervisor: {supervisor}\n    stop_grace_period: 1s\n    setup: [\"echo setup >> /order\"]\n    \
                     post_start: [{{command: [sh, -c, \"echo follows >> /order; {last}\"]}}]\n"
                );
                format!(
                    "  db:\n    template: {{name: tiny}}\n{keys}  web:\n    image: busybox:test\n    stop_signal: KILL\n{keys}"
                )
            };
            let project = Project::new(host, "both", &file("echo no luck; exit 3"));
            let told = ["post_start command", "ended with 3: no luck"];
            project.locker("up").exits(1).says(&told);
            assert_eq!(project.state("db"), "ABSENT");
            project.rewrite(&file("true"));
            project.up();
            let order = |name: &str| {
                let seen = project.locker(&format!("exec {name} -- cat /order"));
                seen.exits(0).out
            };
            for name in ["db", "web"] {
                assert_eq!(order(name), "setup\nfollows\n", "{supervisor} {name}");
            }
            project.locker("restart").exits(0);
            for name in ["db", "web"] {
                let wanted = "setup\nfollows\nfollows\n".to_owned();
                eventually(wanted, || order(name));
            }
            project.locker("plan --exit-code").exits(0);
            project.locker("down --yes").exits(0);
        }
    });
}

#[test]
fn ctrl_c_ends_what_follows_a_start_at_once() {
    on_a_host_with_docker(|host| {
        host.remember_as_clean();
        let lxc = "template: {name: tiny}";
        let docker = "image: busybox:test";
        let sleeps = "post_start: [{command: sleep 300}]";
        let never = "ready: {test: \"false\", within: 300s}";
        for supervisor in ["auto", "none"] {
            for (source, follows) in [(lxc, sleeps), (lxc, never), (docker, sleeps)] {
                let project = Project::new(
                    host,
                    "both",
                    &format!(
                        "  web:\n    {source}\n    supervisor: {supervisor}\n    stop_grace_period: 1s\n    \
                         pre_stop: [{{command: [sh, -c, \"exit 9\"]}}]\n    {follows}\n"
                    ),
                );
                let told = format!("{supervisor} {source} {follows}");
                let ran = host.try_sh(&format!(
                    "cd {}; timeout -k 15 --preserve-status -s INT 6 locker up",
                    project.dir()
                ));
                // 137 where it had to be killed, since it waited on.
                assert_eq!(ran.code, 130, "{told}: {} {}", ran.out, ran.err);
                ran.says(&["ended by SIGINT"]);
                host.assert_as_remembered("after Ctrl-C");
            }
        }
    });
}

#[test]
fn ctrl_c_in_a_restart_leaves_the_container_running() {
    on_a_host_with_docker(|host| {
        for supervisor in ["auto", "none"] {
            for source in ["template: {name: tiny}", "image: busybox:test"] {
                let project = Project::new(
                    host,
                    "both",
                    &format!(
                        "  web:\n    {source}\n    supervisor: {supervisor}\n    stop_grace_period: 0s\n    \
                         post_start: [{{command: [sh, -c, \"while test -e /slow; do sleep 0.2; done\"]}}]\n"
                    ),
                );
                project.up();
                project.locker("exec web touch /slow").exits(0);
                let ran = host.try_sh(&format!(
                    "cd {}; timeout -k 15 --preserve-status -s INT 6 locker restart",
                    project.dir()
                ));
                let told = format!("{supervisor} {source}: {} {}", ran.out, ran.err);
                assert_eq!(ran.code, 130, "{told}");
                assert!(ran.err.contains("`web` runs"), "{told}");
                project.locker("exec web rm /slow").exits(0);
                let plan = || project.locker("plan --exit-code").code;
                eventually(0, plan);
                project.locker("down --yes").exits(0);
            }
        }
    });
}

#[test]
fn a_command_that_leaves_something_running_keeps_nobody_waiting() {
    on_a_host_with_docker(|host| {
        for supervisor in ["auto", "none"] {
            for source in ["template: {name: tiny}", "image: busybox:test"] {
                let project = Project::new(
                    host,
                    "both",
                    &format!(
                        "  web:\n    {source}\n    supervisor: {supervisor}\n    stop_grace_period: 0s\n    \
                         post_start: [{{command: [sh, -c, \"sleep 300 & echo begun\"]}}]\n"
                    ),
                );
                let up = host.try_sh(&format!("cd {}; timeout -k 5 60 locker up", project.dir()));
                assert_eq!(up.code, 0, "{supervisor} {source}: {up:?}");
                project.locker("plan --exit-code").exits(0);
                project.locker("down --yes").exits(0);
            }
        }
    });
}
