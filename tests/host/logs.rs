//! What containers that systemd runs have printed, read back from the journal.

use serde_json::Value;

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::project::{Project, eventually};

/// Both print what they are told to: one on its console, one by a pipe.
const BOTH: &str = "  db:\n    template: {name: tiny}\n    restart: always\n  \
    web:\n    image: busybox:test\n    restart: always\n    stop_grace_period: 0s\n    \
    command: [sh, -c, \"echo begins; mkfifo /tmp/in 2>/dev/null; echo wrong >&2; exec cat <> /tmp/in\"]\n";

/// The lines of `locker logs WORDS` as objects.
fn objects(project: &Project<'_>, words: &str) -> Vec<Value> {
    let told = project.locker(&format!("logs --format json {words}"));
    let read = |line: &str| serde_json::from_str(line).expect("a line is an object");
    told.exits(0).out.lines().map(read).collect()
}

fn text(object: &Value) -> String {
    object["text"].as_str().unwrap_or("?").to_owned()
}

fn texts(project: &Project<'_>, words: &str) -> Vec<String> {
    objects(project, words).iter().map(text).collect()
}

/// Lets both print a word.
fn print(host: &Host, word: &str) {
    host.sh(&format!(
        "docker exec both_web sh -c 'echo {word} > /tmp/in'"
    ));
    host.sh(&format!(
        "lxc-attach -n both_db -- sh -c '(echo; echo {word}) > /dev/console'"
    ));
}

/// Waits until both have said it.
#[track_caller]
fn heard(project: &Project<'_>, word: &str) {
    for name in ["web", "db"] {
        let last = || texts(project, &format!("{name} -n 3"));
        let heard = || {
            last()
                .into_iter()
                .find(|text| text == word)
                .ok_or_else(last)
        };
        eventually(Ok(word.to_owned()), heard);
    }
}

fn now(host: &Host) -> String {
    std::thread::sleep(std::time::Duration::from_millis(20));
    host.sh("date -u +%Y-%m-%dT%H:%M:%S.%NZ")
}

#[test]
fn output_of_all_runs_is_read_from_the_journal() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", BOTH);
        project.up();
        print(host, "first");
        heard(&project, "first");
        let between = now(host);
        project.locker("restart").exits(0);
        print(host, "second");
        heard(&project, "second");

        let run = |word: &str| ["begins".to_owned(), "wrong".into(), word.into()];
        let sorted = |words: &str| {
            let mut found = texts(&project, words);
            found.sort_by_key(|text| (text == "first" || text == "second", text == "wrong"));
            found
        };
        assert_eq!(sorted(&format!("web --until {between}")), run("first"));
        assert_eq!(sorted(&format!("web --since {between}")), run("second"));
        assert_eq!(texts(&project, "web -n 1"), ["second"]);
        assert_eq!(texts(&project, "web -n 0"), [""; 0]);
        assert_eq!(texts(&project, "web -n 99"), texts(&project, "web"));
        for word in ["first", "second"] {
            let all = texts(&project, "db");
            assert_eq!(
                all.iter().filter(|text| *text == word).count(),
                1,
                "{all:?}"
            );
        }
        // Both streams, each with its priority and the container's name as identifier; nothing of ours.
        let streams = |stream: &str| {
            let lines = objects(&project, "web");
            let lines = lines.iter().filter(|line| line["stream"] == stream);
            lines.map(text).collect::<Vec<_>>()
        };
        assert_eq!(streams("stderr"), ["wrong", "wrong"]);
        assert_eq!(host.sh("journalctl -t web -p err -o cat"), "wrong\nwrong");
        let unit = host.sh("journalctl -u locker-both-web -t web -o cat");
        assert_eq!(unit.lines().count(), 6, "{unit}");

        // A supervisor that was killed goes on where it was.
        let main = host.sh("systemctl show -P MainPID locker-both-web");
        host.sh(&format!("kill -9 {main}"));
        host.sh("docker exec both_web sh -c 'echo meanwhile > /tmp/in'");
        eventually("meanwhile".to_owned(), || {
            texts(&project, "web -n 1").concat()
        });
        assert_eq!(texts(&project, "web").len(), 7);

        // A journal that is lost leaves what the engines have.
        host.sh("systemctl stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald; rm -rf /run/log/journal/* /var/log/journal/*; systemctl start systemd-journald");
        assert_eq!(texts(&project, "web -n 1"), ["meanwhile"]);
        assert!(texts(&project, "db").contains(&"second".to_owned()));
    });
}

/// Lets both print so many lines, a number on each, and a last word.
fn flood(host: &Host, lines: u32, word: &str) {
    host.sh(&format!(
        "docker exec both_web sh -c '(seq {lines}; echo {word}) > /tmp/in' & \
         lxc-attach -n both_db -- sh -c '(echo; seq {lines}; echo {word}) > /dev/console'; wait"
    ));
}

/// How many lines of the last flood `locker logs WORDS` shows.
fn numbers(project: &Project<'_>, words: &str) -> usize {
    let all = texts(project, words);
    let numbers = all.iter().filter(|text| text.parse::<u32>().is_ok());
    numbers.count()
}

#[test]
fn a_flood_of_lines_is_kept_whole_and_what_a_limit_drops_is_told() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", BOTH);
        project.up();
        flood(host, 200_000, "over");
        for name in ["web", "db"] {
            host.sh(&format!(
                "cd {} && timeout 120 sh -c 'until locker logs -n 3 {name} | grep -q over; do sleep 0.5; done'",
                project.dir()
            ));
        }
        for name in ["web", "db"] {
            assert_eq!(numbers(&project, name), 200_000, "{name}");
            let told = project.locker(&format!("logs -n 2 {name}")).exits(0);
            assert_eq!(told.err, "", "nothing is missing");
        }
        // An administrator wants a limit after all.
        for name in ["web", "db"] {
            let dir = format!("/etc/systemd/system/locker-both-{name}.service.d");
            host.sh(&format!(
                "mkdir {dir}; printf '[Service]\nLogRateLimitIntervalSec=3s\nLogRateLimitBurst=100\n' > {dir}/few.conf"
            ));
        }
        host.sh("systemctl daemon-reload");
        project.locker("restart").exits(0);
        let between = now(host);
        flood(host, 20_000, "end");
        // The journal says so with the next line that it takes.
        let dropped = |name: &str| {
            print(host, "next");
            let told = project.locker(&format!("logs --since {between} {name}"));
            told.exits(0).err
        };
        for name in ["web", "db"] {
            eventually(true, || dropped(name).contains("the journal has dropped"));
            let told = dropped(name);
            assert!(
                told.contains(&format!("`locker logs --engine {name}`")),
                "{told}"
            );
            let shown = numbers(&project, &format!("--since {between} {name}"));
            assert!(shown < 20_000, "{shown}");
            assert_eq!(
                numbers(&project, &format!("--engine --since {between} {name}")),
                20_000
            );
        }
        host.sh("rm -r /etc/systemd/system/locker-both-*.service.d; systemctl daemon-reload");
    });
}

#[test]
fn a_follower_hears_through_ends_new_starts_and_rotation() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", BOTH);
        project.up();
        print(host, "before");
        heard(&project, "before");
        host.sh("cd /srv/both && { setsid locker logs -f -n 1 --format json > /tmp/told 2>&1 & echo $! > /tmp/pid; }");
        let told = |name: &str| {
            let lines = host.sh("cat /tmp/told");
            let lines = lines.lines().filter_map(|l| serde_json::from_str(l).ok());
            let lines: Vec<Value> = lines.filter(|l: &Value| l["container"] == name).collect();
            let words = ["before", "one", "two", "three"];
            let words = |text: &String| words.contains(&text.as_str());
            lines.iter().map(text).filter(words).collect::<Vec<_>>()
        };
        eventually(vec!["before".to_owned()], || told("web"));
        print(host, "one");
        project.locker("restart").exits(0);
        host.sh("journalctl --rotate");
        print(host, "two");
        host.sh(
            "kill -9 $(docker inspect -f '{{.State.Pid}}' both_web) $(lxc-info -n both_db -pH)",
        );
        for name in ["web", "db"] {
            let unit = format!("systemctl show -P NRestarts locker-both-{name}");
            eventually("1".to_owned(), || host.sh(&unit));
            let unit = format!("systemctl is-active locker-both-{name}");
            eventually("active".to_owned(), || host.try_sh(&unit).out.trim().into());
        }
        print(host, "three");
        for name in ["web", "db"] {
            eventually(true, || told(name).contains(&"three".to_owned()));
        }
        let all = ["before", "one", "two", "three"].map(String::from);
        assert_eq!(told("web"), all);
        // The console's last line before is one of its own.
        assert_eq!(told("db")[told("db").len() - 3..], all[1..]);
        host.sh("kill $(cat /tmp/pid)");
        eventually(String::new(), || {
            host.try_sh("pgrep -a 'journalctl|locker' | grep -v __").out
        });
    });
}

#[test]
fn hostile_output_is_kept_as_it_is_and_forges_nothing() {
    on_a_host_with_docker(|host| {
        let script = r"printf '<0>panic\n\n  blanks  \n\033[2J\377\0end\nPRIORITY=0\nLOCKER_UNIT=x\n'; head -c 100000 /dev/zero | tr '\000' y; echo; printf 'no end'; sleep 9999";
        let file = format!(
            "  web:\n    image: busybox:test\n    stop_grace_period: 0s\n    command:\n      - sh\n      - -c\n      - |\n        {script}\n"
        );
        let project = Project::new(host, "both", &file);
        project.up();
        eventually(7, || texts(&project, "web").len());
        let all = texts(&project, "web");
        assert_eq!(all[..2], ["<0>panic", ""]);
        assert_eq!(all[2..4], ["  blanks  ", "\u{1b}[2J\u{fffd}\0end"]);
        assert_eq!(all[4..6], ["PRIORITY=0", "LOCKER_UNIT=x"]);
        assert!(all[6] == "y".repeat(100_000), "{} bytes", all[6].len());
        assert!(texts(&project, "web -n 1") == all[6..]);
        assert_eq!(host.sh("journalctl -t web -p err -o cat"), "");
        let shown = project.locker("logs web -n 4").exits(0).out;
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
        project.locker("stop").exits(0);
        // The last words of one that is stopped are not lost.
        assert_eq!(texts(&project, "web -n 1"), ["no end"]);
    });
}

#[test]
fn the_last_words_of_a_run_are_its_own_and_not_those_of_an_earlier_one() {
    crate::on_a_host(|host| {
        for supervisor in ["", "    supervisor: none\n"] {
            let file = format!("  lx:\n    template: {{name: tiny}}\n{supervisor}");
            let project = Project::new(host, "shop", &file);
            project.up();
            project
                .inside("lx", "echo old words > /dev/console")
                .exits(0);
            let log = "locker logs lx";
            let logged = || {
                host.sh(&format!(
                    "cd /srv/shop && {log} | grep -c 'old words' || true"
                ))
            };
            crate::project::eventually("1".to_string(), logged);
            let init = format!("{}/sbin/init", project.rootfs("lx"));
            for (script, wanted) in [("echo new words; exit 3", "new words"), ("exit 3", "")] {
                project.locker("stop").exits(0);
                host.sh(&format!(
                    "rm -f {init}; printf '#!/bin/sh\\n{script}\\n' > {init}; chmod 755 {init}"
                ));
                let said = project.locker("up").exits(1).err;
                assert!(
                    said.contains("exit code 3") && said.contains(wanted),
                    "{said}"
                );
                assert!(
                    !said.contains("old words"),
                    "{supervisor:?} {script}: {said}"
                );
                assert!(wanted.is_empty() != said.contains("new words"), "{said}");
            }
            host.sh(&format!("rm -f {init}"));
            let said = project.locker("up").exits(1).err;
            assert!(
                !said.contains("old words") && !said.contains("new words"),
                "{said}"
            );
            assert_eq!(logged(), "1", "`logs` still has all runs");
            project.locker("down --yes").exits(0);
        }
    });
}
