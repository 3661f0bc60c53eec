//! What `status` tells of services: how often, since when, what is wrong and what to do.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::beside::on_a_host_with_docker;
use crate::project::{Project, eventually};

fn row(project: &Project<'_>, name: &str) -> Value {
    let told = project.locker(&format!("status --format json {name}"));
    let rows: Value = serde_json::from_str(&told.exits(0).out).expect("status prints JSON");
    rows[0].clone()
}

#[test]
fn status_counts_new_starts_and_tells_since_when() {
    on_a_host_with_docker(|host| {
        let project = Project::new(
            host,
            "both",
            "  db:\n    template: {name: tiny}\n    restart: always\n  \
             web:\n    image: busybox:test\n    restart: always\n    stop_grace_period: 0s\n  \
             alone:\n    image: busybox:test\n    supervisor: none\n    stop_grace_period: 0s\n",
        );
        project.up();
        host.sh(
            "kill -9 $(docker inspect -f '{{.State.Pid}}' both_web) $(lxc-info -n both_db -pH)",
        );
        for name in ["db", "web"] {
            // Active is a service whose container may start; what its supervisor says of it comes a moment later.
            eventually(("running".into(), 1), || {
                let unit = row(&project, name)["unit"].clone();
                let status = unit["status"].as_str().unwrap_or_default().to_owned();
                (status, unit["restarts"].as_u64().unwrap_or_default())
            });
            let unit = row(&project, name)["unit"].clone();
            assert_eq!(unit["name"], format!("locker-both-{name}.service"));
            assert_eq!(
                (&unit["active"], &unit["sub"]),
                (&"active".into(), &"running".into())
            );
            let since = unit["since"].as_str().expect("a time").to_owned();
            let age = host.sh(&format!("echo $(( $(date +%s) - $(date -d {since} +%s) ))"));
            assert!(
                (0..30).contains(&age.parse::<i64>().expect("seconds")),
                "{age}"
            );
        }
        assert_eq!(row(&project, "alone")["unit"], Value::Null);
        let table = project
            .locker("status --columns name,unit,restarts,since")
            .exits(0)
            .out;
        let words: Vec<Vec<&str>> = table
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(words[0], ["Name", "Unit", "Restarts", "Since"]);
        assert_eq!(words[2], ["alone", "-", "-", "-"]);
        assert_eq!(words[3][..3], ["db", "active", "1"]);
        assert!(words[3][3].ends_with('s'), "{table}");
        let table = project.locker("status -e").exits(0).out;
        assert!(table.contains("Restarts"), "{table}");
    });
}

#[test]
fn a_service_that_fails_or_is_tried_again_is_told_with_what_to_do() {
    on_a_host_with_docker(|host| {
        let ends =
            |code: u8| format!("    image: busybox:test\n    command: [sh, -c, \"exit {code}\"]\n");
        let project = Project::new(
            host,
            "both",
            &format!(
                "  tries:\n{}    restart: on-failure:2\n  always:\n{}    restart: always\n",
                ends(3),
                ends(4)
            ),
        );
        project.locker("up");
        let state = |name: &str| {
            let table = project.locker(&format!("status --columns state {name}"));
            table
                .out
                .lines()
                .last()
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        eventually("failed (3)".to_owned(), || state("tries"));
        eventually("restarting (4)".to_owned(), || state("always"));
        let told = project.locker("status").exits(0);
        told.says(&[
            "tries: its service failed",
            "`locker logs tries`",
            "`locker start tries`",
        ]);
        // It runs for a moment each time.
        eventually(true, || {
            let told = project.locker("status always").exits(0).err;
            told.contains("always: it ended and is started again")
                && told.contains("`locker logs always`")
        });
        let unit = row(&project, "tries")["unit"].clone();
        assert_eq!(unit["active"], "failed");
        assert!(unit["restarts"].as_u64() >= Some(2), "{unit}");
        project.locker("stop always").exits(0);
        eventually("stopped (4)".to_owned(), || state("always"));
        let pid = host.sh("systemctl show -P MainPID locker-both-always");
        assert_eq!(pid, "0", "systemd still tries");
    });
}

/// A test of health that never passes, of a container that is ended for it, and a program that only fails.
const TRIED: &str = r#"  sick:
    template: {name: tiny}
    stop_grace_period: 0s
    restart: on-unhealthy
    healthcheck: {test: "false", interval: 100ms, retries: 1}
  fails:
    image: busybox:test
    command: ["false"]
    restart: always
"#;

#[test]
fn a_start_that_was_asked_for_begins_anew_and_those_of_systemd_go_on_counting() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", TRIED);
        project.locker("up");
        let count = |name: &str| {
            let note = format!("cat /run/locker/failures/both~{name} 2>/dev/null || echo 0");
            host.sh(&note).trim().parse::<u32>().unwrap_or(0)
        };
        let told = |name: &str, what: &str| {
            host.sh(&format!("systemctl show -P {what} locker-both-{name}"))
        };
        let waits = |name: &str| {
            let text = told(name, "StatusText");
            let failed = text.split(' ').nth(1).and_then(|word| word.parse().ok());
            failed.filter(|_| text.contains("waits")).unwrap_or(0)
        };
        let anew = |name: &str, again: &str| {
            eventually(true, || waits(name) >= 4);
            let again = again.replace("NAME", name);
            host.try_sh(&format!("cd {} && {again}", project.dir()));
            let counted = count(name);
            // Only grows, and is 0 after each start that was asked for.
            let restarts: u32 = told(name, "NRestarts").parse().unwrap_or(0);
            assert!(counted <= restarts + 1, "{again}: {counted}, {restarts}");
        };
        for name in ["fails", "sick"] {
            anew(name, "locker stop NAME; locker start NAME");
            let unit = "locker-both-NAME";
            anew(
                name,
                &format!("systemctl stop {unit}; systemctl start {unit}"),
            );
        }
        anew("fails", "locker start NAME");
        anew("fails", "locker up --force-recreate NAME");
    });
}

#[test]
fn one_that_its_health_check_ended_is_told_so_and_tries_only_of_those_that_are_tried() {
    on_a_host_with_docker(|host| {
        // The other's setup makes the run last until the engine has noticed the end.
        let once = "  once:\n    image: busybox:test\n    command: [\"false\"]\n  late:\n    image: busybox:test\n    \
                    stop_grace_period: 0s\n    setup: [\"sleep 3\"]\n";
        let project = Project::new(host, "both", once);
        let up = project.locker("up").exits(1);
        assert!(up.err.contains("`locker logs once`"), "{}", up.err);
        assert!(!up.err.contains("tries"), "{}", up.err);
        project.rewrite(TRIED);
        project.locker("up --remove-orphans --yes");
        eventually(true, || {
            let told = project.locker("status sick").exits(0).err;
            told.contains("it was ended because its health check failed")
                && told.contains("times (last: exit code 1) and is started again")
        });
        eventually(true, || {
            let refused = project.locker("exec sick -- true");
            refused.err.contains("is about to start it") && refused.err.contains("locker logs sick")
        });
        // Whoever stops it knows that.
        host.sh("systemctl stop --no-block locker-both.target");
        let told = project.locker("status").exits(0);
        assert!(!told.err.contains("being stopped"), "{}", told.err);
    });
}

#[test]
fn status_does_not_contradict_up_that_has_waited() {
    on_a_host_with_docker(|host| {
        // The engine's own first look comes after an interval.
        let check = "    healthcheck: {test: test -e /data/seed, interval: 30s}\n    stop_grace_period: 0s\n";
        let project = Project::new(
            host,
            "both",
            &format!(
                "  db:\n    template: {{name: tiny}}\n    healthcheck: {{test: \"true\", interval: 30s}}\n  web:\n    image: busybox:test\n{check}  \
                 alone:\n    image: busybox:test\n    supervisor: none\n{check}"
            ),
        );
        project.locker("up --wait").exits(0);
        for name in ["alone", "db", "web"] {
            assert_eq!(row(&project, name)["health"], "healthy", "{name}");
        }
        // One that does not pass before the engine has looked is no healthy one by this.
        host.sh("docker exec both_alone rm /data/seed");
        assert_eq!(row(&project, "alone")["health"], "starting");
    });
}

#[test]
fn what_was_started_past_systemd_is_shown_and_given_back_to_its_service() {
    on_a_host_with_docker(|host| {
        let project = Project::new(
            host,
            "both",
            "  db:\n    template: {name: tiny}\n  \
             web:\n    image: busybox:test\n    restart: always\n    stop_grace_period: 0s\n",
        );
        project.up();
        project.locker("stop").exits(0);
        host.sh("docker start both_web && lxc-start -n both_db");
        let pid = || host.sh("docker inspect -f '{{.State.Pid}}' both_web");
        let before = pid();
        for name in ["db", "web"] {
            let drift = row(&project, name)["drift"].to_string();
            assert!(
                drift.contains("its service does not attend to it"),
                "{drift}"
            );
        }
        project.locker("plan --exit-code").exits(3);
        project.up();
        assert_eq!(pid(), before, "a Docker container is taken over as it runs");
        for name in ["db", "web"] {
            eventually(Some("active".to_owned()), || {
                row(&project, name)["unit"]["active"]
                    .as_str()
                    .map(str::to_owned)
            });
        }
        project.locker("plan --exit-code").exits(0);
        // Attended again: its policy counts.
        host.sh(&format!("kill -9 {before}"));
        eventually(true, || !["0", before.as_str()].contains(&pid().as_str()));
    });
}

#[test]
fn a_container_that_is_not_ready_is_stopped_at_once_and_set_up_before_it_is_checked() {
    on_a_host_with_docker(|host| {
        let project = Project::new(
            host,
            "both",
            "  db:\n    template: {name: tiny}\n    restart: always\n    \
             setup: [\"sleep 3; touch /srv/well\"]\n    \
             healthcheck: {test: [CMD, test, -e, /srv/well], interval: 100ms, retries: 2}\n  \
             web:\n    image: busybox:test\n    stop_grace_period: 0s\n    depends_on: {db: {condition: healthy}}\n",
        );
        project.up();
        project.inside("db", "rm /srv/well").exits(0);
        for stop in ["stop db", "down --yes"] {
            project.locker("stop db").exits(0);
            project.locker("start --no-deps db").exits(0);
            // No check keeps a service from being started, nor ends what fails it.
            eventually(Some("unhealthy".to_owned()), || {
                row(&project, "db")["health"].as_str().map(str::to_owned)
            });
            assert_eq!(row(&project, "db")["unit"]["active"], "active");
            let begun = Instant::now();
            project.locker(stop).exits(0);
            eprintln!("{stop}: {:?}", begun.elapsed());
            assert!(begun.elapsed() < Duration::from_secs(20), "{stop}");
        }
        // What waits for another is stopped at once by systemd, too.
        project.up();
        project.inside("db", "rm /srv/well").exits(0);
        eventually(Some("unhealthy".to_owned()), || {
            row(&project, "db")["health"].as_str().map(str::to_owned)
        });
        host.sh("systemctl stop locker-both-web && systemctl start --no-block locker-both-web");
        eventually(
            "Status: \"waiting until `db` is healthy\"".to_owned(),
            || host.sh("systemctl status locker-both-web | grep -o 'Status: .*' || true"),
        );
        let begun = Instant::now();
        host.sh("systemctl stop locker-both-web");
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            begun.elapsed()
        );
        // A stop that is under way is waited for: what is up then stays up.
        project.inside("db", "touch /srv/well").exits(0);
        project.up();
        for unit in ["locker-both-db", "locker-both-web"] {
            host.sh(&format!("systemctl stop --no-block {unit}"));
            project.up();
            project.locker("plan --exit-code").exits(0);
            assert_eq!(host.sh(&format!("systemctl is-active {unit}")), "active");
        }
    });
}

#[test]
fn a_plain_dependency_that_ends_keeps_nobody_waiting_and_is_told() {
    const SCRIPT: &str = "echo the last word; exit 3";
    on_a_host_with_docker(|host| {
        host.write("/opt/ends", SCRIPT);
        let docker = format!("image: busybox:test\n    command: [sh, -c, \"{SCRIPT}\"]");
        let lxc = "template: {name: tiny}\n    volumes: [\"/opt/ends:/ends:ro\"]\n    config: [\"lxc.init.cmd = /bin/sh /ends\"]";
        for (supervisor, db, web, key) in [
            (
                "systemd",
                docker.as_str(),
                "image: busybox:test",
                "depends_on",
            ),
            ("none", &docker, "image: busybox:test", "depends_on"),
            ("systemd", lxc, "template: {name: tiny}", "depends_on"),
            ("none", lxc, "template: {name: tiny}", "links"),
        ] {
            let project = Project::new(
                host,
                "both",
                &format!(
                    "  web:\n    {web}\n    supervisor: {supervisor}\n    stop_grace_period: 0s\n    {key}: [db]\n  \
                     db:\n    {db}\n    supervisor: {supervisor}\n    stop_grace_period: 0s\n"
                ),
            );
            // Whether it is seen running before it ends is chance, and another one each time.
            for round in ["made anew", "again", "again"] {
                let ran = host.try_sh("cd /srv/both && exec timeout -s KILL 60 locker up");
                assert_eq!(ran.code, 1, "{supervisor} {round}: {}", ran.err);
                let state = row(&project, "web")["state"].to_string();
                assert_eq!(state, "\"running\"", "{supervisor} {round}: {}", ran.err);
                ran.says(&["`db` has ended with exit code 3", "the last word"]);
                project.locker("stop").exits(0);
            }
            project.locker("down --yes").exits(0);
        }
    });
}

#[test]
fn a_plain_dependency_that_never_gets_healthy_keeps_nobody_waiting() {
    const CHECK: &str = "healthcheck: {test: \"false\", interval: 1s, retries: 2}";
    on_a_host_with_docker(|host| {
        for supervisor in ["systemd", "none"] {
            for (db, key) in [
                (
                    format!("template: {{name: tiny}}\n    setup: [\"true\"]\n    {CHECK}"),
                    "depends_on",
                ),
                (format!("template: {{name: tiny}}\n    {CHECK}"), "links"),
                (
                    format!("image: busybox:test\n    stop_grace_period: 0s\n    {CHECK}"),
                    "depends_on",
                ),
            ] {
                let file = format!(
                    "  db:\n    {db}\n    supervisor: {supervisor}\n  web:\n    template: {{name: tiny}}\n    \
                     supervisor: {supervisor}\n    {key}: [db]\n"
                );
                let project = Project::new(host, "ill", &file);
                let ran = host.try_sh("cd /srv/ill && exec timeout -s KILL 60 locker up");
                assert_eq!(ran.code, 0, "{file}: {}", ran.err);
                assert_eq!(project.state("web"), "RUNNING", "{file}");
                project.locker("down --yes").exits(0);
            }
        }
    });
}
