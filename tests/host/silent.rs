//! Engines and buses that take a call and never answer: nothing hangs, and each error says who is silent and
//! what mends it.

use std::time::{Duration, Instant};

use crate::machine::Host;
use crate::on_a_host;
use crate::project::Project;

const MIXED: &str =
    "  db:\n    template: {name: tiny}\n  web: {image: 'busybox:test', stop_signal: KILL}\n";
/// What is said within the ten seconds that a call may take, and a second look.
const SOON: Duration = Duration::from_secs(35);

/// Every one of these says `words` soon.
fn all_say(project: &Project<'_>, commands: &[&str], words: &[&str]) {
    for command in commands {
        let begun = Instant::now();
        project.locker(command).exits(1).says(words);
        assert!(begun.elapsed() < SOON, "{command}: {:?}", begun.elapsed());
    }
}

fn cgroup_of(host: &Host, init: u32) -> String {
    host.sh(&format!(
        "sed -n 's,^0::\\(.*/container\\).*,/sys/fs/cgroup\\1,p' /proc/{init}/cgroup"
    ))
}

#[test]
fn a_monitor_that_is_stopped_hangs_nobody_and_the_others_are_still_changed() {
    on_a_host(|host| {
        host.docker();
        let project = Project::new(host, "shop", MIXED);
        project.up();
        let init = project.init("db");
        let monitor = host.sh(&format!("awk '/^PPid/ {{print $2}}' /proc/{init}/status"));
        host.sh(&format!("kill -STOP {monitor}"));
        let words = [
            format!("LXC monitor (pid {monitor}) did not answer within 10 s"),
            format!("kill -CONT {monitor}"),
        ];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        all_say(
            &project,
            &[
                "up",
                "freeze db",
                "exec db -- true",
                "cp db:/etc/passwd /tmp/x",
                "down --yes",
            ],
            &words,
        );
        let status = project.locker("status --format json").exits(0);
        assert!(
            status.out.contains("\"state\": \"unknown\""),
            "{}",
            status.out
        );
        project.locker("restart web").exits(0);
        host.sh(&format!("kill -CONT {monitor}"));
        assert_eq!(project.init("db"), init);
        project.locker("plan --exit-code").exits(0);
    });
}

#[test]
fn what_is_frozen_by_anybody_is_refused_by_name_and_thawed() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", "  db:\n    template: {name: tiny}\n");
        project.up();
        // The monitor knows nothing of it.
        let cgroup = cgroup_of(host, project.init("db"));
        host.sh(&format!("echo 1 > {cgroup}/cgroup.freeze"));
        project
            .locker("exec db -- true")
            .exits(1)
            .says(&["`db` is frozen", "locker unfreeze db"]);
        project.locker("unfreeze db").exits(0);
        project.locker("exec db -- true").exits(0);
        host.sh(&format!("echo 1 > {cgroup}/cgroup.freeze"));
        project.locker("stop db").exits(0);
        project.locker("start db").exits(0);
        // With the whole service its monitor is frozen.
        host.sh("systemctl freeze locker-shop-db.service");
        all_say(
            &project,
            &["exec db -- true", "stop db"],
            &["is frozen", "systemctl thaw locker-shop-db.service"],
        );
        host.sh("systemctl thaw locker-shop-db.service");
        project.locker("exec db -- true").exits(0);
        for _ in 0..3 {
            project.locker("restart db").exits(0);
            project.locker("freeze db").exits(0);
            project.locker("unfreeze db").exits(0);
        }
    });
}

#[test]
fn an_engine_that_is_stopped_hangs_nobody() {
    on_a_host(|host| {
        host.docker();
        let project = Project::new(host, "shop", MIXED);
        project.up();
        host.sh("kill -STOP $(pidof dockerd)");
        all_say(
            &project,
            &[
                "up",
                "stop web",
                "exec web -- true",
                "cp web:/etc/passwd /tmp/x",
                "wait web",
                "top web",
                "pull",
                "images",
                "run --rm web true",
                "down --yes",
            ],
            &["did not answer within 10 s", "systemctl status docker"],
        );
        project.locker("restart db").exits(0);
        host.sh("kill -CONT $(pidof dockerd)");
        project.locker("plan --exit-code").exits(0);
    });
}

#[test]
fn a_bus_that_is_stopped_hangs_nobody_also_while_a_job_is_waited_for() {
    on_a_host(|host| {
        let slow =
            "  db:\n    template: {name: tiny}\n    healthcheck: {test: 'sleep 3', interval: 1s}\n";
        let project = Project::new(host, "shop", slow);
        project.up();
        host.sh("kill -STOP $(pidof dbus-daemon)");
        let words = [
            "the system bus",
            "did not answer within",
            "systemctl status dbus",
        ];
        all_say(&project, &["status", "up", "stop db", "down --yes"], &words);
        host.sh("kill -CONT $(pidof dbus-daemon)");
        host.sh("systemd-run --quiet --on-active=1s --timer-property=AccuracySec=10ms sh -c 'kill -STOP $(pidof dbus-daemon)'");
        all_say(&project, &["restart db"], &words);
        host.sh("kill -CONT $(pidof dbus-daemon)");
        project.locker("up").exits(0);
        project.locker("plan --exit-code").exits(0);
    });
}
