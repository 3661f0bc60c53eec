//! Readiness by port: nothing is run in the container, and whoever needs it waits all the same.

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::project::Project;

/// Listens two seconds after its start.
const LATE: &str = "    image: busybox:test\n    command: [sh, -c, \"sleep 2; exec httpd -f -p 80 -h /www\"]\n    \
    stop_grace_period: 0s\n    healthcheck: {port: 80, interval: 200ms, retries: 100}\n";
const BESIDE: &str = "    image: busybox:test\n    stop_grace_period: 0s\n";

/// Seconds since 1970 at which a container of the engine was started.
fn started(host: &Host, container: &str) -> f64 {
    let script =
        format!("date -d $(docker inspect -f '{{{{.State.StartedAt}}}}' {container}) +%s.%N");
    host.sh(&script).parse().expect("seconds")
}

#[test]
fn a_container_waits_until_the_port_of_another_takes_connections() {
    on_a_host_with_docker(|host| {
        for supervisor in ["systemd", "none"] {
            let who = format!("    supervisor: {supervisor}\n");
            let project = Project::new(
                host,
                "ready",
                &format!(
                    "  late:\n{LATE}{who}  \
                     shares:\n{BESIDE}{who}    network_mode: service:late\n    command: [sleep, \"9999\"]\n    \
                     healthcheck: {{port: 80, interval: 200ms, retries: 100}}\n  \
                     db:\n    template: {{name: tiny}}\n{who}    healthcheck: {{port: 80, interval: 200ms}}\n  \
                     api:\n{BESIDE}{who}    depends_on:\n      late: {{condition: healthy}}\n      \
                     shares: {{condition: healthy}}\n      db: {{condition: healthy}}\n"
                ),
            );
            project.up();
            let waited = started(host, "ready_api") - started(host, "ready_late");
            assert!(
                waited >= 2.0,
                "{supervisor}: api came {waited} s after late"
            );
            let status = project.locker("status --format json").exits(0).out;
            let rows: serde_json::Value = serde_json::from_str(&status).expect("JSON");
            for row in rows.as_array().expect("a list") {
                let wanted = if row["name"] == "api" {
                    "null"
                } else {
                    "\"healthy\""
                };
                assert_eq!(row["health"].to_string(), wanted, "{row}");
            }
            project.locker("plan --exit-code").exits(0);
            project.locker("down --yes").exits(0);
        }
    });
}

#[test]
fn a_port_that_nobody_listens_at_is_told_with_its_address() {
    on_a_host_with_docker(|host| {
        for supervisor in ["systemd", "none"] {
            let project = Project::new(
                host,
                "ready",
                &format!(
                    "  web:\n{BESIDE}    supervisor: {supervisor}\n    \
                     healthcheck: {{port: 4711, interval: 100ms, retries: 3}}\n"
                ),
            );
            let ran = project.locker("up --wait").exits(1);
            ran.says(&["web", ":4711: Connection refused"]);
        }
    });
}
