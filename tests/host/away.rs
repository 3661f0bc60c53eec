//! An engine that is stopped or restarted takes nothing of the other one with it, and comes back to who listens.

use serde_json::Value;

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::project::{Project, eventually};

/// One of LXC, one whose output is in the journal, and one that only its engine knows.
const MIXED: &str = "  lx:\n    template: {name: tiny}\n  \
    web:\n    image: busybox:test\n    restart: always\n    stop_grace_period: 0s\n    \
    command: [sh, -c, 'echo web runs; exec sleep 9999']\n  \
    raw:\n    image: busybox:test\n    supervisor: none\n    stop_grace_period: 0s\n    \
    command: [sh, -c, 'echo raw runs; exec sleep 9999']\n";
const NEW: &str = "  new:\n    image: busybox:test\n    supervisor: none\n    stop_grace_period: 0s\n    \
    command: [sh, -c, 'echo new runs; exec sleep 9999']\n";

/// Begins to listen: what happens goes to `/tmp/events`, what is printed to `/tmp/logs`, talk to the same with `.err`.
fn listen(host: &Host) {
    for (command, to) in [("logs -f -n 0", "logs"), ("events", "events")] {
        host.sh(&format!(
            "cd /srv/both && {{ setsid locker {command} --format json > /tmp/{to} 2> /tmp/{to}.err & echo $! >> /tmp/pids; }}"
        ));
    }
}

/// Both go on until they are ended, and then they leave nothing.
fn end(host: &Host) {
    host.sh("kill $(cat /tmp/pids); rm /tmp/pids");
    eventually(String::new(), || {
        host.try_sh("pgrep -a 'journalctl|locker' | grep -v __").out
    });
}

/// What was told of a container, by one key of the objects.
fn told(host: &Host, file: &str, name: &str, key: &str) -> Vec<String> {
    let lines = host.sh(&format!("cat /tmp/{file}"));
    let lines = lines.lines().filter_map(|l| serde_json::from_str(l).ok());
    let of_it = lines.filter(|line: &Value| line["container"] == name);
    of_it
        .map(|line| line[key].as_str().unwrap_or("?").to_owned())
        .collect()
}

/// Waits until the last that was told is this.
#[track_caller]
fn hears(host: &Host, file: &str, name: &str, word: &str) {
    let key = if file == "logs" { "text" } else { "event" };
    eventually(Some(word.to_owned()), || told(host, file, name, key).pop());
}

fn print(host: &Host, word: &str) {
    host.sh(&format!(
        "lxc-attach -n both_lx -- sh -c 'echo {word} > /dev/console'"
    ));
}

fn states(project: &Project<'_>) -> Vec<String> {
    let text = project.locker("status --format json").exits(0).out;
    let rows: Vec<Value> = serde_json::from_str(&text).expect("status prints JSON");
    let word = |row: &Value, key: &str| row[key].as_str().unwrap_or("?").to_owned();
    rows.iter()
        .map(|row| format!("{} {}", word(row, "name"), word(row, "state")))
        .collect()
}

#[test]
fn an_engine_that_is_down_takes_nothing_of_the_other_one_with_it() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", MIXED);
        project.up();
        eventually("web | web runs\n".to_owned(), || {
            project.locker("logs web").exits(0).out
        });
        host.sh("systemctl stop docker.socket docker");
        assert_eq!(
            states(&project),
            ["lx running", "raw unknown", "web unknown"]
        );
        nothing_else_is_missed(&project);
        let down = ["Docker is not available", "systemctl start docker"];
        for words in ["logs raw", "events raw", "top raw", "logs --engine web raw"] {
            project.locker(words).exits(1).says(&down);
        }
        listen(host);
        print(host, "while it is away");
        hears(host, "logs", "lx", "while it is away");
        project.locker("freeze lx").exits(0);
        project.locker("unfreeze lx").exits(0);
        hears(host, "events", "lx", "thawed");
        for file in ["logs.err", "events.err"] {
            let said = host.sh(&format!("cat /tmp/{file}"));
            assert_eq!(said.matches(down[0]).count(), 1, "{said}");
            assert!(said.contains(down[1]) && said.contains("raw"), "{said}");
        }
        host.sh("systemctl start docker && docker start both_raw");
        for name in ["raw", "web"] {
            hears(host, "events", name, "started");
            hears(host, "logs", name, &format!("{name} runs"));
        }
        end(host);
        assert_eq!(project.locker("logs raw").exits(0).err, "");
    });
}

/// All that is asked of `lx`, and of all, while Docker is down.
fn nothing_else_is_missed(project: &Project<'_>) {
    let all = project.locker("logs").exits(0);
    assert!(
        all.out.contains("web | web runs") && all.out.contains("lx | "),
        "{}",
        all.out
    );
    assert_eq!(
        all.err.matches("Docker is not available").count(),
        1,
        "{}",
        all.err
    );
    all.says(&["not shown: raw", "systemctl start docker"]);
    assert_eq!(
        project.locker("logs web -n 1").exits(0).out,
        "web | web runs\n"
    );
    for words in [
        "logs lx",
        "logs lx --engine -n 1",
        "exec lx -- true",
        "plan lx",
        "port check lx",
        "top --processes lx",
    ] {
        let said = project.locker(words).exits(0).err;
        assert!(!said.contains("Docker"), "{words}: {said}");
    }
    for words in ["top --once", "top --once lx raw", "top --processes"] {
        let ran = project.locker(words).exits(0);
        assert!(ran.out.contains("lx"), "{words}: {}", ran.out);
        ran.says(&["Docker is not available", "raw", "systemctl start docker"]);
    }
}

#[test]
fn who_listens_goes_on_through_a_restart_of_the_engine_and_hears_of_what_others_make() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", MIXED);
        project.up();
        listen(host);
        print(host, "before");
        hears(host, "logs", "lx", "before");
        host.sh("systemctl restart docker && docker start both_raw");
        for name in ["raw", "web"] {
            hears(host, "events", name, "started");
            hears(host, "logs", name, &format!("{name} runs"));
        }
        project.rewrite(&format!("{MIXED}{NEW}"));
        project.locker("up new").exits(0);
        hears(host, "logs", "new", "new runs");
        // One that was started again is followed to its end, which ends nothing else.
        host.sh("docker restart -t 0 both_new");
        eventually(2, || told(host, "logs", "new", "text").len());
        project.locker("rm --yes new").exits(0);
        hears(host, "events", "new", "destroyed");
        print(host, "after");
        hears(host, "logs", "lx", "after");
        assert_eq!(told(host, "logs", "raw", "text"), ["raw runs"]);
        end(host);
    });
}
