//! Commands in containers of their own: as services, left to the engine, and when they are killed.

use serde_json::Value;

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::project::{Project, eventually};

const WEB: &str = "  web:\n    image: busybox:test\n    stop_grace_period: 1s\n";

/// Begins a job and returns its id.
#[track_caller]
fn begin(project: &Project<'_>, words: &str) -> String {
    let out = project
        .locker(&format!("run --detach {words}"))
        .exits(0)
        .out;
    out.trim().to_owned()
}

#[track_caller]
fn job(project: &Project<'_>, id: &str) -> Value {
    let out = project
        .locker(&format!("jobs {id} --format json"))
        .exits(0)
        .out;
    serde_json::from_str::<Vec<Value>>(&out).unwrap().remove(0)
}

fn unit(host: &Host, id: &str, property: &str) -> String {
    host.sh(&format!(
        "systemctl show -P {property} locker-shop-run-{id}.service"
    ))
}

#[test]
fn a_job_keeps_its_output_and_its_exit_code_after_it_ended() {
    on_a_host_with_docker(|host| {
        let shop = Project::new(host, "shop", WEB);
        let script = "sh -c 'sleep 1; echo out; echo err >&2; exit 7'";
        for words in ["web", "--rm web"] {
            let id = begin(&shop, &format!("{words} {script}"));
            assert_eq!(job(&shop, &id)["state"], "running");
            let pid = unit(host, &id, "MainPID");
            let group = host.sh(&format!("cat /proc/{pid}/cgroup"));
            assert!(
                group.contains("/locker.slice/locker-shop.slice/"),
                "{group}"
            );
            let group = host.sh(&format!(
                "cat /proc/$(docker inspect -f '{{{{.State.Pid}}}}' shop_{id})/cgroup"
            ));
            assert!(
                group.contains("/locker.slice/locker-shop.slice/"),
                "{group}"
            );
            let waited = shop.locker(&format!("wait {id}"));
            assert_eq!((waited.code, waited.out), (7, format!("{id} 7\n")));
            eventually("failed".into(), || unit(host, &id, "ActiveState"));
            let told = job(&shop, &id);
            assert_eq!(
                (&told["state"], &told["exit_code"], &told["of"]),
                (&"exited".into(), &7.into(), &"web".into()),
                "{told}"
            );
            assert!(told["seconds"].as_u64().unwrap() <= 20, "{told}");
            assert_eq!(told["container"], !words.contains("--rm"), "{told}");
            assert_eq!(shop.locker(&format!("wait {id}")).code, 7);
            let logs = shop
                .locker(&format!("logs --no-log-prefix {id}"))
                .exits(0)
                .out;
            let mut lines: Vec<&str> = logs.lines().collect();
            lines.sort_unstable();
            assert_eq!(lines, ["err", "out"]);
            let journal = host.sh(&format!(
                "journalctl -q -o cat -u locker-shop-run-{id}.service SYSLOG_IDENTIFIER={id}"
            ));
            assert!(
                journal.contains("out") && journal.contains("err"),
                "{journal}"
            );
            // What `up` finds is no leftover, and nothing to be done.
            let up = shop.locker("up --remove-orphans --yes").exits(0);
            assert!(!up.err.contains(&id), "{}", up.err);
            assert_eq!(job(&shop, &id)["exit_code"], 7);
        }
        let good = begin(&shop, "--name good web true");
        eventually("exited".into(), || unit(host, &good, "SubState"));
        assert_eq!(job(&shop, &good)["exit_code"], 0);
        shop.locker("jobs --remove").exits(0);
        assert_eq!(shop.locker("jobs --format json").exits(0).out.trim(), "[]");
        assert_eq!(host.sh("docker ps -aq --filter name=_run_; systemctl list-units --all --plain --no-legend 'locker-shop-run-*'"), "");
        // The name is free again.
        begin(&shop, "--rm --name good web true");
        eventually("exited".into(), || {
            job(&shop, "good")["state"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        });
        begin(&shop, "--rm --name good web true");
        let wrong = shop.locker("run --detach web /nosuch");
        assert_ne!(wrong.code, 0);
        wrong.says(&["/nosuch"]);
        assert_eq!(host.sh("docker ps -aq --filter name=_run_"), "");
    });
}

#[test]
fn down_ends_jobs_that_run_and_forgets_those_that_are_over() {
    on_a_host_with_docker(|host| {
        // A host that forwards anyway: dockerd does otherwise after the reboot.
        host.sh(
            "echo net.ipv4.ip_forward=1 >/etc/sysctl.d/90-forward.conf; sysctl -qw net.ipv4.ip_forward=1; \
             iptables -P FORWARD ACCEPT",
        );
        host.remember_as_clean();
        // Never brought up: systemd makes the slice by itself.
        let shop = Project::new(host, "shop", WEB);
        begin(&shop, "--name long web sleep 1000");
        begin(&shop, "--rm --name brief web false");
        eventually("failed".into(), || unit(host, "brief", "ActiveState"));
        let plan = shop.locker("down --dry-run").exits(0).out;
        assert!(plan.contains("long") && plan.contains("brief"), "{plan}");
        shop.locker("down --yes").exits(0);
        host.assert_clean_after_down();

        shop.up();
        begin(
            &shop,
            "--name long web sh -c 'trap \"exit 0\" TERM; while :; do sleep 0.1; done'",
        );
        shop.locker("rm long").exits(0);
        assert_eq!(unit(host, "long", "LoadState"), "not-found");
        begin(&shop, "--name other --rm web sleep 1000");
        begin(&shop, "--name third web sleep 1000");
        host.sh("systemctl stop locker-shop-run-third.service");
        assert_eq!(job(&shop, "third")["state"], "exited");
        // A reboot forgets services, not the containers.
        host.reboot();
        host.sh("for i in $(seq 100); do docker info >/dev/null 2>&1 && break; sleep 0.1; done");
        assert_eq!(job(&shop, "third")["exit_code"], 137);
        // One that goes with its end went when the host was shut down.
        assert_eq!(host.sh("docker ps -aq --filter name=shop_other"), "");
        // Nobody is left who would see to it: the next `up` does.
        begin(&shop, "--name lone --rm web sleep 1000");
        host.sh("systemctl kill -s KILL locker-shop-run-lone.service");
        eventually("failed".into(), || unit(host, "lone", "ActiveState"));
        assert_eq!(job(&shop, "lone")["state"], "running");
        shop.locker("up").exits(0).says(&["lone"]);
        assert_eq!(host.sh("docker ps -aq --filter name=shop_lone"), "");
    });
}

#[test]
fn without_systemd_the_engine_keeps_what_it_can() {
    on_a_host_with_docker(|host| {
        let file = format!("{WEB}    supervisor: none\n");
        let shop = Project::new(host, "shop", &file);
        let id = begin(&shop, "web sh -c 'sleep 1; echo out; exit 7'");
        let told = job(&shop, &id);
        assert_eq!(
            (&told["state"], &told["unit"]),
            (&"running".into(), &Value::Null)
        );
        assert_eq!(shop.locker(&format!("wait {id}")).code, 7);
        assert_eq!(job(&shop, &id)["exit_code"], 7);
        assert!(
            shop.locker(&format!("logs {id}"))
                .exits(0)
                .out
                .contains("out")
        );
        shop.locker(&format!("rm {id}")).exits(0);
        assert_eq!(host.sh("docker ps -aq"), "");
    });
}

#[test]
fn a_run_that_is_killed_leaves_no_container() {
    on_a_host_with_docker(|host| {
        let shop = Project::new(host, "shop", WEB);
        shop.up();
        let run = |how: &str, inner: &str| {
            let dir = shop.dir();
            host.sh(&format!(
                "cd {dir}; {how} locker run --rm -T web {inner} < /dev/null > /tmp/out 2>&1; true"
            ))
        };
        let left = || {
            host.sh("docker ps -aq --filter name=_run_; ls /var/lib/locker/projects/shop/jobs 2>/dev/null || true")
        };
        // `sleep` as the first process of a container does not hear a SIGTERM.
        for signal in ["TERM", "HUP"] {
            run(&format!("timeout -s {signal} 3"), "sleep 1000");
            assert_eq!(left(), "", "{signal}");
        }
        // A terminal that is closed.
        host.sh(&format!(
            "cd {}; timeout -s KILL 3 script -qec 'locker run --rm web sleep 1000' /dev/null < /dev/null >/dev/null 2>&1; true",
            shop.dir()
        ));
        eventually(String::new(), left);
        // Nobody can clean up after SIGKILL but the next one.
        run("timeout -s KILL 3", "sleep 1000");
        assert_eq!(host.sh("docker ps -q --filter name=_run_ | wc -l"), "1");
        assert!(shop.locker("status").exits(0).err.contains("run --rm"));
        shop.up();
        assert_eq!(left(), "");
        shop.locker("plan --exit-code").exits(0);
    });
}
