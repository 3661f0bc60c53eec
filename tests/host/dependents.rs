//! What needs a container that ends or never gets healthy: it goes on or it is told, and nothing waits for ever.

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::project::{Project, eventually};
use crate::ran::Ran;

const LXC: &str = "    template: {name: tiny}\n";
const DOCKER: &str = "    image: busybox:test\n";
/// It ends while what needs it is set up, if that is made at all; its last words are two lines.
const WORK: &str = "sleep 0.5; echo on the way; echo no luck; exit 7";
/// A check that is not through with it before that.
const SLOW: &str = "    healthcheck: {test: [CMD, \"false\"], interval: 500ms, retries: 50}\n";
/// A check that never passes.
const CHECK: &str = "    healthcheck: {test: [CMD, \"false\"], interval: 200ms, retries: 3}\n";

/// `db`, which ends or is never healthy, and `web`, which needs it and is of the other kind.
fn file((db, web): (&str, &str), supervisor: &str, ends: bool, condition: &str) -> String {
    let program = match (ends, db) {
        (true, LXC) => "    config: [\"lxc.init.cmd = /bin/sh /work/run\"]\n",
        (true, _) => "    command: [sh, /work/run]\n",
        (false, _) => CHECK,
    };
    let check = match (ends, condition) {
        (true, "{db: {condition: healthy}}") => SLOW,
        (_, _) => "",
    };
    let all = format!("    supervisor: {supervisor}\n    stop_grace_period: 0s\n");
    format!(
        "  db:\n{db}{all}{program}{check}    volumes: [\"./work:/work\"]\n  web:\n{web}{all}    depends_on: {condition}\n    \
         setup: [\"sleep 1; echo setup >> /order\"]\n    \
         post_start: [{{command: [sh, -c, \"echo follows >> /order\"]}}]\n"
    )
}

/// `up`, which never takes as long as this.
fn up(project: &Project<'_>) -> Ran {
    let line = format!("cd {} && timeout -s KILL 60 locker up", project.dir());
    project.host().try_sh(&line)
}

/// Whether `web` runs.
fn web_runs(host: &Host, project: &Project<'_>) -> bool {
    project.state("web") == "RUNNING" || !host.sh("docker ps -q --filter name=_web").is_empty()
}

/// `web` has been set up and runs, whatever has become of `db`.
#[track_caller]
fn web_is_made(host: &Host, project: &Project<'_>, why: &str) {
    assert!(web_runs(host, project), "{why}");
    let order = || project.locker("exec -T web cat /order").out;
    eventually("setup\nfollows\n".to_owned(), order);
}

/// The word of `status` for the health of `db`.
fn health(project: &Project<'_>) -> String {
    let shown = project.locker("status --format json db").exits(0).out;
    let rows: serde_json::Value = serde_json::from_str(&shown).expect("status prints JSON");
    rows[0]["health"].as_str().unwrap_or_default().to_owned()
}

fn every_condition(host: &Host, kinds: (&str, &str), supervisor: &str) {
    for (ends, condition) in [
        (true, "[db]"),
        (false, "[db]"),
        (true, "{db: {condition: healthy}}"),
        (false, "{db: {condition: healthy}}"),
        (true, "{db: {condition: completed_successfully}}"),
    ] {
        let why = format!("{kinds:?}, {supervisor}, ends: {ends}, {condition}");
        host.write("/srv/both/work/run", WORK);
        let project = Project::new(host, "both", &file(kinds, supervisor, ends, condition));
        let ran = up(&project);
        let told = &ran.err;
        match (ends, condition) {
            (false, "[db]") => {
                assert_eq!(ran.code, 0, "{why}: {ran:?}");
                web_is_made(host, &project, &why);
                eventually("unhealthy".to_owned(), || health(&project));
            }
            (true, plain) => {
                assert_eq!(ran.code, 1, "{why}: {ran:?}");
                for said in ["`db`", "exit code 7", "on the way", "no luck"] {
                    assert!(told.contains(said), "{why}: no `{said}` in {told}");
                }
                match plain {
                    "[db]" => web_is_made(host, &project, &why),
                    _ => assert!(!web_runs(host, &project), "{why}: web runs"),
                }
            }
            (false, _) => {
                assert_eq!(ran.code, 1, "{why}: {ran:?}");
                for said in ["`db`", "healthy"] {
                    assert!(told.contains(said), "{why}: no `{said}` in {told}");
                }
                assert!(!web_runs(host, &project), "{why}: web runs");
            }
        }
        project.locker("down --yes").exits(0);
    }
}

#[test]
fn a_system_container_that_ends_or_is_never_healthy_stops_only_who_asked_for_that() {
    on_a_host_with_docker(|host| {
        for supervisor in ["auto", "none"] {
            every_condition(host, (LXC, DOCKER), supervisor);
        }
    });
}

#[test]
fn an_application_container_that_ends_or_is_never_healthy_stops_only_who_asked_for_that() {
    on_a_host_with_docker(|host| {
        for supervisor in ["auto", "none"] {
            every_condition(host, (DOCKER, LXC), supervisor);
        }
    });
}

#[test]
fn a_plain_dependency_of_a_compose_file_that_is_never_healthy_holds_nobody_up() {
    on_a_host_with_docker(|host| {
        for supervisor in ["auto", "none"] {
            let services = format!(
                "name: shop\nsupervisor: {supervisor}\nservices:\n  \
                 db:\n    image: busybox:test\n    stop_grace_period: 0s\n{CHECK}  \
                 web:\n    image: busybox:test\n    stop_grace_period: 0s\n    depends_on: [db]\n"
            );
            host.write("/srv/shop/compose.yaml", &services);
            let locker = |words: &str| {
                host.try_sh(&format!(
                    "cd /srv/shop && timeout -s KILL 60 locker {words}"
                ))
            };
            locker("up").exits(0);
            let all = "docker ps --format '{{.Names}}' | sort | tr '\\n' ' '";
            assert_eq!(host.sh(all), "shop_db shop_web", "{supervisor}");
            eventually(true, || locker("status").exits(0).out.contains("unhealthy"));
            // Once more, now that it is known to be unhealthy.
            locker("up").exits(0);
            locker("plan --exit-code").exits(0);
            locker("up --wait --wait-timeout 3s").exits(1).says(&["db"]);
            assert_eq!(host.sh(all), "shop_db shop_web", "{supervisor}");
            locker("down").exits(0);
        }
    });
}

/// `up` has its own look at one that was unhealthy: the engine may not have looked yet, or it may be about to be well.
#[test]
fn a_container_that_was_unhealthy_is_asked_anew_by_the_next_up() {
    on_a_host_with_docker(|host| {
        for (db, supervisor) in [(DOCKER, "auto"), (DOCKER, "none"), (LXC, "auto")] {
            let web = if db == DOCKER { LXC } else { DOCKER };
            let all = format!("    supervisor: {supervisor}\n    stop_grace_period: 0s\n");
            let file = format!(
                "  db:\n{db}{all}    volumes: [\"./work:/work\"]\n    \
                 healthcheck: {{test: [CMD, test, -e, /work/yes], interval: 4s, retries: 1}}\n  \
                 web:\n{web}{all}    depends_on: {{db: {{condition: healthy}}}}\n"
            );
            host.sh("mkdir -p /srv/both/work; rm -f /srv/both/work/yes");
            let project = Project::new(host, "both", &file);
            for better in ["touch work/yes;", "(sleep 1; touch work/yes) &"] {
                let why = format!("{db}, {supervisor}, {better}");
                up(&project).exits(1).says(&["`db`", "healthy"]);
                eventually("unhealthy".to_owned(), || health(&project));
                let line = format!("cd /srv/both; {better} timeout -s KILL 60 locker up");
                let ran = host.try_sh(&line);
                assert_eq!(ran.code, 0, "{why}: {}", ran.err);
                assert!(web_runs(host, &project), "{why}");
                project.locker("down --yes").exits(0);
                host.sh("rm /srv/both/work/yes");
            }
        }
    });
}
