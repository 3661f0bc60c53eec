//! What locker tells about a project, and the order in which it does things.

use crate::beside::on_a_host_with_docker;
use crate::on_a_host;
use crate::project::{Project, eventually};

const WEB: &str = "  web:\n    template: {name: tiny}\n    ports: [\"8080:80\"]\n";
const PAIR: &str = "  db:\n    template: {name: tiny}\n  web:\n    template: {name: tiny}\n    links: [\"db:database\"]\n";

#[test]
fn status_tells_what_lxc_tells() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", PAIR);
        assert!(states(&project).iter().all(|(_, state)| state == "absent"));
        project.up();
        project.locker("freeze db").exits(0);
        assert_eq!(
            states(&project),
            [
                ("db".into(), "frozen".into()),
                ("web".into(), "running".into())
            ]
        );
        host.sh("lxc-stop -k -n shop_web");
        eventually("stopped".to_owned(), || states(&project)[1].1.clone());
    });
}

fn states(project: &Project<'_>) -> Vec<(String, String)> {
    let text = project.locker("status --format json").exits(0).out;
    let rows: serde_json::Value = serde_json::from_str(&text).expect("status prints JSON");
    let word = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or("?").to_owned();
    let rows = rows.as_array().expect("a list");
    rows.iter()
        .map(|row| (word(row, "name"), word(row, "state")))
        .collect()
}

#[test]
fn a_plan_of_an_absent_project_says_so_and_changes_nothing() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", PAIR);
        let plan = project.locker("plan --exit-code").exits(3).out;
        assert!(plan.contains("db") && plan.contains("web"), "{plan}");
        project.locker("up --dry-run").exits(0);
        assert_eq!(project.state("web"), "ABSENT");
    });
}

#[test]
fn logs_show_what_the_console_showed() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        project.up();
        eventually(true, || {
            project
                .locker("logs web")
                .exits(0)
                .out
                .contains("press Enter")
        });
    });
}

#[test]
fn a_container_waits_until_those_it_depends_on_are_healthy() {
    on_a_host(|host| {
        // Passes at the third look only.
        let check =
            "test -e /srv/two || { test -e /srv/one && touch /srv/two; touch /srv/one; false; }";
        let project = Project::new(
            host,
            "shop",
            &format!(
                "  db:\n    template: {{name: tiny}}\n    healthcheck: {{test: \"{check}\", interval: 200ms, retries: 20}}\n  \
                 api:\n    template: {{name: tiny}}\n    depends_on: {{db: {{condition: healthy}}}}\n"
            ),
        );
        project.up();
        let since = host.sh(&format!(
            "echo $(( $(stat -c %Y /proc/{}) - $(stat -c %Y {}/srv/one) ))",
            project.init("api"),
            project.rootfs("db")
        ));
        assert!(
            since.parse::<i32>().expect("seconds") >= 0,
            "api started before db was looked at"
        );
        project.inside("db", "test -e /srv/two").exits(0);
    });
}

#[test]
fn a_project_has_one_directory() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        project.up();
        host.sh("mkdir /opt/copy && cp /srv/shop/locker.yaml /opt/copy/");
        host.try_sh("cd /opt/copy && locker up")
            .exits(1)
            .says(&["/srv/shop"]);
        assert_eq!(project.state("web"), "RUNNING");
    });
}

#[test]
fn what_a_failed_health_check_said_is_shown_with_its_exit_code() {
    on_a_host_with_docker(|host| {
        let check = "    healthcheck: {test: \"printf 'no\\\\tanswer'; exit 7\", interval: 300ms, retries: 1}\n";
        let file = format!(
            "  lx:\n    template: {{name: tiny}}\n    restart: always\n{check}  app:\n    image: busybox:test\n    \
             stop_grace_period: 0s\n    restart: always\n{check}"
        );
        let project = Project::new(host, "shop", &file);
        let failed = project.locker("up --wait").exits(1).err;
        let wanted = "no\\tanswer (exit code 7)";
        assert!(failed.contains(wanted), "{failed}");
        let services = "systemctl show -P NRestarts -P ActiveState locker-shop-lx locker-shop-app";
        let never_again = || {
            (
                project.init("lx"),
                host.sh("docker inspect -f '{{.State.Pid}}' shop_app"),
            )
        };
        let first = never_again();
        assert_eq!(
            host.sh(services).split_whitespace().collect::<Vec<_>>(),
            ["0", "active", "0", "active"]
        );
        eventually(2, || {
            let told = project.locker("status -e").exits(0).err;
            told.matches(&format!("its health check fails: {wanted}"))
                .count()
        });
        let told = project.locker("status app --format json").exits(0).out;
        let rows: serde_json::Value = serde_json::from_str(&told).expect("status is JSON");
        let check = serde_json::json!({"exit_code": 7, "output": "no\\tanswer"});
        assert_eq!(rows[0]["failed_check"], check);
        // Many checks later nobody has ended what only does not answer.
        assert_eq!(never_again(), first);
        assert_eq!(
            host.sh(services).split_whitespace().collect::<Vec<_>>(),
            ["0", "active", "0", "active"]
        );
    });
}
