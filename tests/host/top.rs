//! `top`: what containers of both kinds use, as the kernel counts it.

use serde_json::Value;

use crate::beside::on_a_host_with_docker;
use crate::project::{Project, eventually};

/// Of each kind one that is busy and one that is idle.
const FOUR: &str = "  \
    lbusy: &lxc\n    template: {name: tiny}\n    restart: always\n  \
    lidle: *lxc\n  \
    dbusy: &docker\n    image: busybox:test\n    stop_grace_period: 0s\n    command: [sh, -c, \"while :; do :; done\"]\n  \
    didle:\n    <<: *docker\n    command: [sleep, \"1000\"]\n";

fn samples(project: &Project<'_>, words: &str) -> Vec<Value> {
    let out = project.locker(words).exits(0).out;
    let rows = out.lines().map(|line| serde_json::from_str(line).unwrap());
    rows.collect()
}

#[test]
fn a_busy_container_is_told_from_an_idle_one_of_either_kind() {
    on_a_host_with_docker(|host| {
        for supervisor in ["none", "auto"] {
            let project = Project::new(host, "both", FOUR);
            let file = format!("{}/locker.yaml", project.dir());
            host.sh(&format!("sed -i '1i supervisor: {supervisor}' {file}"));
            project.up();
            project.inside("lbusy", "while :; do :; done >/dev/null 2>&1 &");
            let rows = samples(&project, "top --once --format json --sort cpu");
            eprintln!("{}", project.locker("top").exits(0).out);
            let of = |row: &Value, key: &str| row[key].as_f64().unwrap_or(-1.0);
            let mut busy: Vec<_> = rows[..2]
                .iter()
                .map(|row| row["name"].to_string())
                .collect();
            busy.sort();
            assert_eq!(busy, ["\"dbusy\"", "\"lbusy\""], "{rows:?}");
            for row in &rows {
                let is_busy = row["name"].as_str().unwrap().ends_with("busy");
                let percent = of(row, "cpu_percent");
                // How much of the two cores they get is the machine's business.
                assert_eq!(percent > 5.0, is_busy, "{row}");
                assert!(percent < 150.0, "{row}");
                assert!(of(row, "memory") > 10_000.0, "{row}");
                assert!(of(row, "tasks") >= 1.0, "{row}");
                assert!(of(row, "net_received") >= 0.0, "{row}");
            }
            let own = "set -- $(sed 's/.*) //' /proc/$(docker inspect -f '{{.State.Pid}}' both_dbusy)/stat); echo $((${12} + ${13}))";
            let ticks: f64 = host.sh(own).parse().unwrap();
            let row = &samples(&project, "top --once --format json dbusy")[0];
            let after: f64 = host.sh(own).parse().unwrap();
            let seconds = of(row, "cpu_seconds");
            assert!(
                (ticks / 100.0 - 0.1..=after / 100.0 + 0.1).contains(&seconds),
                "{ticks} {row} {after}"
            );
            project.locker("down --yes").exits(0);
        }
    });
}

#[test]
fn a_terminal_is_itself_again_after_ctrl_c() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", FOUR);
        project.up();
        let live = format!(
            "cd {}; timeout -s INT 3 script -qec 'stty rows 33 cols 100; exec timeout -s INT 2 locker top didle' /dev/null; true",
            project.dir()
        );
        let seen = host.sh(&live);
        assert!(
            seen.contains("\u{1b}[?1049h") && seen.matches("didle").count() >= 2,
            "{seen:?}"
        );
        let after = seen.rsplit("\u{1b}[?25h\u{1b}[?1049l").next().unwrap();
        assert!(
            after.contains("didle") && !after.contains('\u{1b}'),
            "{after:?}"
        );
        // One that starts later comes into the list.
        project.locker("stop didle").exits(0);
        let log = "/tmp/top.log";
        host.sh(&format!(
            "cd {}; (timeout -s INT 6 locker top --interval 500ms --format json > {log} 2>&1 &); sleep 1; locker start didle",
            project.dir()
        ));
        eventually(true, || host.sh(&format!("cat {log}")).contains("didle"));
        eventually(String::new(), || host.sh("pgrep -fx 'locker top.*'; true"));
    });
}

#[test]
fn top_and_status_agree_about_memory() {
    crate::beside::on_a_host_with_docker(|host| {
        let shop = Project::new(
            host,
            "shop",
            "  lx:\n    template: {name: tiny}\n  app:\n    image: busybox:test\n    stop_grace_period: 0s\n",
        );
        shop.up();
        let read = |words: &str| -> Vec<serde_json::Value> {
            let told = shop.locker(words).exits(0).out;
            let rows: Vec<serde_json::Value> = match words.starts_with("top") {
                true => told
                    .lines()
                    .map(|row| serde_json::from_str(row).unwrap())
                    .collect(),
                false => serde_json::from_str(&told).unwrap(),
            };
            rows
        };
        let (top, status) = (
            read("top --once --format json"),
            read("status --format json"),
        );
        for name in ["app", "lx"] {
            let of = |rows: &[serde_json::Value]| {
                let row = rows
                    .iter()
                    .find(|row| row["name"] == name)
                    .expect("its row");
                row["memory"].as_f64().expect("known")
            };
            let (top, status) = (of(&top), of(&status));
            // They are read one after the other.
            assert!(
                (top - status).abs() < 0.2 * top + 500_000.0,
                "{name}: {top} {status}"
            );
        }
        assert!(
            shop.locker("status -e")
                .exits(0)
                .out
                .contains("Memory [MiB]")
        );
    });
}
