//! A boot with a container that never gets healthy: who needs it gives up in its time, and nobody else is held up.

use crate::beside::{answers, on_a_host_with_docker};
use crate::boot::forwards;
use crate::machine::Host;
use crate::project::Project;

/// Of each kind one that is healthy while a file is there, one of the other kind that needs it, one that needs that, and
/// one that only comes after it.
const FILE: &str = r#"  db: &lxc
    template: {name: tiny}
    autostart: true
    stop_grace_period: 0s
    volumes: ["./ok:/ok"]
    healthcheck: &check {test: [CMD, test, -e, /ok/yes], interval: 200ms, retries: 2}
  cache: &docker
    image: busybox:test
    autostart: true
    stop_grace_period: 0s
    volumes: ["./ok:/ok"]
    healthcheck: *check
  needs-db: &app
    image: busybox:test
    autostart: true
    stop_grace_period: 0s
    depends_on: {db: {condition: healthy}}
  needs-cache:
    template: {name: tiny}
    autostart: true
    stop_grace_period: 0s
    depends_on: {cache: {condition: healthy}}
  behind:
    template: {name: tiny}
    autostart: true
    stop_grace_period: 0s
    depends_on: {needs-db: {condition: started}}
  after-db:
    image: busybox:test
    autostart: true
    stop_grace_period: 0s
    depends_on: [db]
    ports: ["8081:80"]
  after-cache:
    template: {name: tiny}
    autostart: true
    stop_grace_period: 0s
    depends_on: [cache]
    ports: ["8080:80"]
"#;

/// A property of a container's service.
fn unit(host: &Host, name: &str, property: &str) -> String {
    let escaped = name.replace('-', "\\x2d");
    host.sh(&format!(
        "systemctl show -P {property} 'locker-late-{escaped}.service'"
    ))
}

#[test]
fn a_container_that_is_never_healthy_holds_up_neither_the_boot_nor_who_only_comes_after_it() {
    on_a_host_with_docker(|host| {
        forwards(host);
        host.sh("systemctl -q enable docker; mkdir -p /srv/late/ok; touch /srv/late/ok/yes");
        let project = Project::new(host, "late", FILE);
        project.up();
        project.locker("plan --exit-code").exits(0);
        // The limit is five minutes at least; nobody wants to wait for that here.
        host.sh(
            "rm /srv/late/ok/yes; cd /var/lib/locker/projects/late/units; \
             sed -i -E 's/(\"start_timeout\": *\\{\\s*\"secs\": *)[0-9]+/\\18/' *.json; grep -c '\"secs\": *8[,}]' needs-db.json",
        );
        host.reboot_into("degraded");
        for name in ["needs-db", "needs-cache", "behind"] {
            assert_eq!(unit(host, name, "ActiveState"), "failed", "{name}");
            let at = |of: &str| {
                let at = host.sh(&format!("systemctl show -P {of}"));
                at.parse::<u64>().expect("microseconds")
            };
            let escaped = name.replace('-', "\\x2d");
            let began = at(&format!(
                "InactiveExitTimestampMonotonic 'locker-late-{escaped}.service'"
            ));
            let failed = at(&format!(
                "InactiveEnterTimestampMonotonic 'locker-late-{escaped}.service'"
            ));
            let reached = at("ActiveEnterTimestampMonotonic multi-user.target");
            assert!(reached < failed, "{name}: the boot waited");
            let waited = (failed - began) / 1_000_000;
            assert!(
                (7..30).contains(&waited),
                "{name}: gave up after {waited} s"
            );
        }
        answers(host, 8080, "after-cache");
        answers(host, 8081, "hello");
        for name in ["db", "cache", "after-db", "after-cache"] {
            assert_eq!(unit(host, name, "ActiveState"), "active", "{name}");
        }
        let status = project.locker("status").exits(0);
        for (name, missing) in [
            ("needs-db", "`db`, which is not healthy"),
            ("needs-cache", "`cache`, which is not healthy"),
            ("behind", "`needs-db`, which is not started"),
        ] {
            let line = status
                .err
                .lines()
                .find(|line| line.contains(&format!("{name}: ")) && line.contains(missing));
            assert!(line.is_some(), "{name}: {}", status.err);
        }
        assert_eq!(status.out.matches("unhealthy").count(), 2, "{}", status.out);
        // What was missing is there again.
        host.sh("touch /srv/late/ok/yes");
        project.up();
        project.locker("plan --exit-code").exits(0);
        host.sh("test -z \"$(systemctl --failed --no-legend)\"");
    });
}
