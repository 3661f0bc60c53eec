//! `locker` killed or interrupted in the middle: nothing is lost and the next run converges.

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};

const SHOP: &str = "  db:\n    template: {name: tiny}\n    volumes: [\"/opt/data/$name:/srv\"]\n    fqdn: db.example.net\n  \
    web:\n    template: {name: tiny}\n    links: [\"db:database\"]\n    ports: [\"8080:80\"]\n  cache:\n    clone: db\n";

/// Runs `locker WORDS` and kills it after so many milliseconds; says whether it was still at work.
fn killed(host: &Host, words: &str, after: u32) -> bool {
    let script = format!(
        "cd /srv/shop; locker {words} >/dev/null 2>&1 & p=$!; sleep {}.{:03}; kill -9 $p 2>/dev/null; wait $p; [ $? = 137 ]",
        after / 1000,
        after % 1000
    );
    host.try_sh(&script).code == 0
}

#[track_caller]
fn converges(host: &Host, project: &Project<'_>, after: u32) {
    let ran = project.locker("up --yes");
    assert_eq!(
        ran.code, 0,
        "after a kill at {after} ms: {}{}",
        ran.out, ran.err
    );
    assert_eq!(
        project.locker("plan --exit-code").code,
        0,
        "after a kill at {after} ms"
    );
    eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
    let page = || {
        project
            .inside("web", "wget -qO- http://database/")
            .out
            .trim()
            .to_owned()
    };
    eventually("db".to_owned(), page);
}

#[test]
fn an_up_killed_at_any_moment_is_finished_by_the_next() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", SHOP);
        let mut hit = 0;
        for after in [5, 30, 80, 150, 250, 400, 550, 700, 900, 1100, 1400, 1800] {
            hit += u32::from(killed(host, "up", after));
            converges(host, &project, after);
            project.locker("down --yes").exits(0);
            host.sh("rm -rf /opt/data");
            assert_eq!(
                host.sh("ls -A /var/lib/lxc"),
                "",
                "after a kill at {after} ms"
            );
        }
        assert!(hit >= 3, "only {hit} runs were killed at work");
    });
}

#[test]
fn a_down_killed_at_any_moment_loses_no_mounted_data() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", SHOP);
        let mut hit = 0;
        for after in [20, 100, 400, 1500, 2100] {
            project.up();
            project.inside("db", "echo precious > /srv/rows").exits(0);
            hit += u32::from(killed(host, "down --yes", after));
            assert_eq!(host.sh("cat /opt/data/db/rows"), "precious");
            converges(host, &project, after);
        }
        assert!(hit >= 2, "only {hit} runs were killed at work");
    });
}

#[test]
fn a_recreation_killed_at_any_moment_keeps_the_old_or_brings_the_new() {
    on_a_host(|host| {
        let old = "  web:\n    template: {name: tiny}\n    ports: [\"8080:80\"]\n    links: [\"db:database\"]\n  db:\n    template: {name: tiny}\n";
        let new = "  web:\n    clone: db\n    ports: [\"8080:80\"]\n    links: [\"db:database\"]\n  db:\n    template: {name: tiny}\n";
        let project = Project::new(host, "shop", old);
        project.up();
        for (turn, after) in [50, 500, 1500, 2200, 2500, 2900].into_iter().enumerate() {
            project.rewrite(if turn % 2 == 0 { new } else { old });
            killed(host, "up --yes", after);
            converges(host, &project, after);
        }
    });
}

#[test]
fn ctrl_c_finishes_or_undoes_and_says_so() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", SHOP);
        for after in ["0.1", "0.4", "0.8"] {
            let ran = host.try_sh(&format!("cd /srv/shop && timeout -s INT {after} locker up"));
            assert!(!ran.err.contains("panicked"), "{}", ran.err);
            if project.locker("plan --exit-code").code != 0 {
                assert!(
                    !ran.err.trim().is_empty(),
                    "an interrupted run says nothing"
                );
                assert_eq!(
                    project.state("web"),
                    "ABSENT",
                    "a half state after {after} s: {}",
                    ran.err
                );
                assert_eq!(host.sh("nft list ruleset | grep -i locker || true"), "");
            }
            project.up();
            project.locker("down --yes").exits(0);
        }
    });
}

#[test]
fn a_run_that_a_signal_ended_exits_as_a_shell_shows_it_and_a_second_one_leaves_at_once() {
    on_a_host(|host| {
        let slow = "  db:\n    template: {name: tiny}\n    setup: ['sleep 60']\n";
        let project = Project::new(host, "shop", slow);
        for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
            let ended = host.try_sh(&format!(
                "cd /srv/shop && timeout --preserve-status -s {signal} 4 locker up"
            ));
            ended.exits(code).says(&[&format!("ended by SIG{signal}")]);
            assert_eq!(project.state("db"), "ABSENT", "{signal}");
        }
        let twice = host.try_sh(
            "cd /srv/shop; locker up & up=$!; sleep 4; kill -TERM $up; sleep 0.5; begun=$(date +%s%N)
             kill -TERM $up; wait $up; code=$?; echo $(( ($(date +%s%N) - begun) / 1000000 )); exit $code",
        );
        let twice = twice.exits(143).says(&["left", "the next `locker up`"]);
        let took: u64 = twice.out.trim().lines().last().unwrap().parse().unwrap();
        assert!(took < 2000, "{took} ms");
        project.rewrite("  db:\n    template: {name: tiny}\n");
        project.locker("up").exits(0);
        project.locker("plan --exit-code").exits(0);
    });
}

#[test]
fn what_begins_to_run_while_down_works_is_ended_with_the_rest() {
    on_a_host_with_docker(|host| {
        let project = Project::new(
            host,
            "shop",
            "  slow:\n    image: busybox:test\n    supervisor: none\n    stop_grace_period: 4s\n    \
             command: [sh, -c, \"trap '' TERM; while :; do sleep 1; done\"]\n  \
             late:\n    image: busybox:test\n    supervisor: none\n    stop_grace_period: 0s\n",
        );
        project.up();
        project.locker("stop late").exits(0);
        // As an engine does that still works on the request of a run that was killed.
        let down = host.try_sh(
            "cd /srv/shop; (sleep 1.5; docker start shop_late >/dev/null) & locker down --yes; r=$?; wait; exit $r",
        );
        assert_eq!(down.code, 0, "{down:?}");
        assert_eq!(
            host.sh("docker ps -aq; docker network ls -q --filter name=shop"),
            ""
        );
    });
}

/// A killed take-over leaves the older self running under another name: its service ends with it.
#[test]
fn a_service_ends_in_its_time_whatever_its_container_is_called_by_now() {
    on_a_host_with_docker(|host| {
        let file = "  app:\n    image: busybox:test\n    stop_grace_period: 1s\n";
        let project = Project::new(host, "shop", file);
        project.up();
        host.sh("docker rename shop_app other && docker run -d --name shop_app busybox:test");
        host.sh("timeout 20 systemctl stop locker-shop-app.service");
        assert_eq!(host.sh("docker ps -q"), "", "both are stopped");
        let result = host.sh("systemctl show -P Result locker-shop-app.service");
        assert_eq!(result.trim(), "success");
        host.sh("docker rm shop_app && docker rename other shop_app");
        project.locker("down --yes").exits(0);
    });
}
