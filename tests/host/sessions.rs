//! A command inside: what it gets of the caller's terminal, streams, descriptors and end, for both kinds.

use crate::beside::on_a_host_with_docker;
use crate::project::{Project, eventually};
use crate::ran::Ran;

const DB: &str = "  db:\n    template: {name: tiny}\n";
const WEB: &str = "  web: {image: 'busybox:test', stop_signal: KILL}\n";

#[test]
fn a_session_inside_has_a_terminal_when_asked_and_nothing_of_the_caller_but_its_streams() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", &format!("{DB}{WEB}"));
        project.up();
        let run = |line: &str| host.try_sh(&format!("cd /srv/both && timeout -s KILL 20 {line}"));
        let said = |ran: Ran| ran.exits(0).out.replace('\r', "").trim_end().to_string();
        for name in ["db", "web"] {
            // A terminal inside without one here: nothing is lost, and the end of the input is heard.
            let exec = format!("locker exec -t {name}");
            assert_eq!(
                said(run(&format!("{exec} echo hi </dev/null"))),
                "hi",
                "{name}"
            );
            assert_eq!(
                said(run(&format!("{exec} test -t 0 -a -t 1 </dev/null"))),
                "",
                "{name}"
            );
            assert_eq!(said(run(&format!("{exec} cat </dev/null"))), "", "{name}");
            let typed = said(run(&format!("printf 'a\\nb' | {exec} cat | tail -1")));
            assert!(typed.ends_with('b'), "{name}: {typed}");
            let big = said(run(&format!(
                "{exec} sh -c 'yes | head -c 300000' </dev/null | tr -d '\\r' | wc -c"
            )));
            assert_eq!(big, "300000", "{name}");
            run(&format!("locker exec -it {name} true </dev/null"))
                .exits(1)
                .says(&["standard input is not a terminal", "`-t`"]);
            // With a terminal on both sides, also one of another size.
            let script = |inner: &str| format!("script -qec \"{inner}\" /dev/null </dev/null");
            let size =
                format!("stty rows 31 cols 71; locker exec {name} sh -c 'sleep 1; stty size'");
            assert!(said(run(&script(&size))).ends_with("31 71"), "{name}");
            let piped = format!("locker exec -it {name} echo one | cat");
            // `script` itself echoes the end of its own input.
            let one = said(run(&script(&piped)));
            assert_eq!(one.replace("^@", "").trim(), "one", "{name}");

            // Without one: streams as they are.
            let sum = "printf 'a\\nb' | locker exec";
            assert_eq!(
                said(run(&format!("{sum} {name} cat | od -An -c")))
                    .split_whitespace()
                    .collect::<String>(),
                "a\\nb"
            );
            assert_eq!(
                said(run(&format!("locker exec {name} sh -c 'yes | head -1'"))),
                "y",
                "{name}"
            );

            // What cannot begin says so.
            let missing = run(&format!("locker exec {name} nosuch"));
            assert!([126, 127].contains(&missing.code), "{name}: {missing:?}");
            assert!(
                format!("{}{}", missing.out, missing.err).contains("nosuch"),
                "{name}: {missing:?}"
            );
            let nowhere = run(&format!("locker exec -w /nowhere {name} pwd"));
            assert!([126, 127].contains(&nowhere.code), "{name}: {nowhere:?}");
            assert!(!nowhere.out.contains("/\n"), "{name}: {nowhere:?}");
            assert_eq!(
                said(run(&format!("locker exec -w /etc {name} pwd"))),
                "/etc",
                "{name}"
            );

            // It is left alone when asked to, and nothing waits for it.
            run(&format!(
                "locker exec -d {name} sh -c 'sleep 1; echo done > /tmp/left; sleep 4321'"
            ))
            .exits(0);
            eventually("done".to_string(), || {
                run(&format!("locker exec {name} cat /tmp/left"))
                    .out
                    .trim()
                    .into()
            });
            host.sh("pkill -f '^sleep 4321'");
        }
        // Nothing that the caller has open leads out of a system container.
        host.write("/srv/both/hooked.sh", "ls -l /proc/self/fd\n");
        let open = run("locker exec db ls /proc/self/fd 7</etc 8</root");
        let numbers: Vec<String> = open
            .exits(0)
            .out
            .split_whitespace()
            .map(Into::into)
            .collect();
        assert!(
            !numbers.contains(&"7".to_string()) && !numbers.contains(&"8".into()),
            "{numbers:?}"
        );
        let setup =
            format!("{DB}    post_start: [{{command: [sh, -c, \"ls /proc/self/fd > /fds\"]}}]\n");
        project.rewrite(&format!("{setup}{WEB}"));
        run("locker up 7</etc 8</root").exits(0);
        run("locker restart db 7</etc 8</root").exits(0);
        let open = run("locker exec db cat /fds").exits(0).out;
        assert!(!open.lines().any(|fd| fd == "7" || fd == "8"), "{open}");

        // However the caller ends, what it began in a system container ends too.
        assert!(said(run("locker exec -t db tty </dev/null")).starts_with("/dev/pts/"));
        for (signal, tty) in [
            ("TERM", "-T"),
            ("HUP", "-T"),
            ("KILL", "-T"),
            ("KILL", "-t"),
            ("TERM", "-t"),
        ] {
            let line = format!(
                "cd /srv/both; setsid locker exec {tty} db -- sh -c 'trap \"\" HUP; sleep 5001; true' </dev/null >/dev/null & \
                 until pid=$(pgrep -f '^sleep 5001'); do sleep 0.1; done; kill -{signal} $(pgrep -f '^locker exec {tty} db')"
            );
            host.sh(&line);
            eventually(String::new(), || host.try_sh("pgrep -f '^sleep 5001'").out);
        }
    });
}

#[test]
fn files_and_devices_of_the_host_that_a_command_reads_and_writes_keep_their_owner_and_mode() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", &format!("{DB}{WEB}"));
        project.up();
        host.sh("touch /srv/read /srv/written; chmod 640 /srv/read; chown 7:8 /srv/read; chmod 644 /srv/written");
        let look = || host.sh("stat -c '%n %u:%g %a' /srv/read /srv/written /dev/zero");
        let before = look();
        for name in ["db", "web"] {
            for user in ["", "--user 1000"] {
                host.sh(&format!(
                    "cd /srv/both; locker exec {user} {name} cat </srv/read >/srv/written 2>&1; \
                     locker exec {user} {name} head -c 1 </dev/zero >/dev/null"
                ));
                assert_eq!(look(), before, "{name} {user}");
            }
        }
    });
}

#[test]
fn no_stream_of_the_caller_gets_into_a_system_container_be_it_a_terminal_or_a_file() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", DB);
        project.up();
        let run = |line: &str| host.try_sh(&format!("cd /srv/both && timeout -s KILL 20 {line}"));
        let own = "for n in 0 1 2; do readlink /proc/self/fd/$n; done";
        host.write("/srv/both/own.sh", own);
        for (tty, from, to) in [
            ("", "", "| cat"),
            ("", "</srv/both/own.sh", ""),
            ("-T", "", ""),
        ] {
            let typed = format!("locker exec {tty} db sh -s < /srv/both/own.sh {to}");
            let own = own.replace('$', "\\$");
            let told = format!("locker exec {tty} db sh -c '{own}' {from} {to}");
            for line in [typed, told] {
                let shown = run(&format!("script -qec \"{line}\" /dev/null </dev/null"))
                    .exits(0)
                    .out;
                let streams: Vec<&str> = shown.lines().filter(|line| !line.is_empty()).collect();
                let pipes = streams
                    .iter()
                    .filter(|line| line.contains("pipe:["))
                    .count();
                assert!(pipes == 3 && !shown.contains("/dev/"), "{line}: {shown:?}");
            }
        }
        // What it does not read is left to the next, of a file and of a pipe.
        host.sh("seq 3 > /srv/both/list");
        for (from, to) in [("", "</srv/both/list"), ("cat /srv/both/list |", "")] {
            let each = "while read n; do locker exec db touch /tmp/$n; done";
            host.sh(&format!("cd /srv/both; {from} {each} {to}"));
            let made = run("locker exec db sh -c 'ls /tmp; rm /tmp/*'")
                .exits(0)
                .out;
            assert_eq!(
                made.split_whitespace().collect::<String>(),
                "123",
                "{from}{to}"
            );
        }
        // One file for both keeps the order, and a job in the background is not stopped for its terminal.
        run("locker exec db sh -c 'for n in 1 2 3; do echo $n; echo $n >&2; done' > order 2>&1")
            .exits(0);
        assert_eq!(host.sh("cat /srv/both/order").replace('\n', ""), "112233");
        host.write(
            "/srv/both/job.sh",
            "set -m; locker exec db echo behind > job & wait $!; cat job",
        );
        let job = run("script -qec 'sh /srv/both/job.sh' /dev/null </dev/null").exits(0);
        assert!(job.out.contains("behind"), "{job:?}");
        // All of it comes, apart from each other, with the code, and a process that is left holds nobody up.
        host.sh("head -c 20000000 /dev/urandom > /srv/both/big");
        let copied = "locker exec db sh -c 'cat; echo told >&2; exit 7' < big > copy 2> said";
        run(copied).exits(7);
        assert_eq!(
            host.sh("cmp /srv/both/big /srv/both/copy; cat /srv/both/said"),
            "told"
        );
        let left = run("locker exec db sh -c 'sleep 4444 & echo out'").exits(0);
        assert_eq!(left.out.trim(), "out");
    });
}

#[test]
fn a_command_whose_output_nobody_takes_is_ended_by_a_signal() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", &format!("{DB}{WEB}"));
        project.up();
        for name in ["db", "web"] {
            host.sh(&format!(
                "cd /srv/both; begun=$(date +%s); {{ timeout -s TERM 2 locker exec -T {name} yes; \
                 echo $(($(date +%s) - begun)) > took; }} | sleep 15"
            ));
            let took: u32 = host.sh("cat /srv/both/took").parse().unwrap();
            assert!(took < 12, "{name}: {took} s");
            eventually(String::new(), || host.try_sh("pgrep -x yes").out);
        }
    });
}

/// What a terminal inside prints is all here and its code is the caller's, whether there is a terminal here or not.
#[test]
fn one_more_container_with_a_terminal_gives_all_its_output_and_its_code_and_never_hangs() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", &format!("{DB}{WEB}"));
        let run = |line: &str| host.try_sh(&format!("cd /srv/both && timeout -s KILL 20 {line}"));
        let said = |ran: Ran| ran.exits(0).out.replace('\r', "").trim_end().to_string();
        let once = "locker run -q --rm";
        let script = |inner: &str| format!("script -qec \"{once} {inner}\" /dev/null </dev/null");
        for _ in 0..5 {
            // It ends before anybody has looked.
            let quick = run(&format!("{once} -t web echo hi </dev/null"));
            assert_eq!(said(quick), "hi");
            let quick = said(run(&script("web echo hi")));
            assert_eq!(quick.replace("^@", "").replace('\u{8}', "").trim(), "hi");
        }
        for (tty, code) in [("-t", 7), ("-T", 8)] {
            let ran = run(&format!(
                "{once} {tty} web sh -c 'echo out; exit {code}' </dev/null"
            ));
            assert_eq!(ran.exits(code).out.trim(), "out", "{tty}");
            let ran = run(&script(&format!("{tty} web sh -c 'echo out; exit {code}'")));
            assert!(ran.exits(code).out.contains("out"), "{tty}");
            let cat = run(&format!("{once} {tty} web cat </dev/null"));
            assert_eq!(said(cat), "", "{tty}");
            let big = format!("{tty} web sh -c 'yes | head -c 300000; exit 3'");
            let lines = format!("{once} {big} </dev/null | grep -c y; exit ${{PIPESTATUS[0]}}");
            let ran = host.try_sh(&format!("cd /srv/both; timeout -s KILL 20 {lines}"));
            assert_eq!(ran.exits(3).out.trim(), "150000", "{tty}");
        }
        let kind = |tty: &str| run(&format!("{once} {tty} web test -t 0 -a -t 1 </dev/null")).code;
        assert_eq!((kind("-t"), kind("-T")), (0, 1));
        let typed = run(&format!(
            "sh -c \"printf 'a\\nb' | {once} -t web cat | tail -1\""
        ));
        assert!(said(typed).ends_with('b'));
        run(&format!("{once} -it web true </dev/null"))
            .exits(1)
            .says(&["standard input is not a terminal", "`-t`"]);
        assert_eq!(host.sh("docker ps -aq"), "");
        // A system container has no image to run from, with a terminal or without.
        for line in [
            format!("{once} -t db true </dev/null"),
            format!("{once} db true </dev/null"),
            script("db true"),
        ] {
            let ran = run(&line).exits(2);
            let said = format!("{}{}", ran.out, ran.err);
            assert!(said.contains("locker exec"), "{line}: {said}");
        }
        assert_eq!(project.state("db"), "ABSENT");
    });
}

/// The variable of a secret is there for `up` alone.
#[test]
fn a_secret_whose_variable_is_not_set_is_missed_only_by_who_makes_a_container() {
    on_a_host_with_docker(|host| {
        let file = "services:\n  web: {image: 'busybox:test', stop_signal: KILL, secrets: [token]}\n  \
            old: {image: 'busybox:test', stop_signal: KILL, environment: [OWN]}\n\
            secrets: {token: {environment: OWN_TOKEN}}\n";
        host.write("/srv/safe/compose.yaml", file);
        let run = |line: &str| host.try_sh(&format!("cd /srv/safe && timeout -s KILL 60 {line}"));
        run("locker up").exits(1).says(&["OWN_TOKEN", "is not set"]);
        assert_eq!(host.sh("docker ps -aq"), "");
        run("env OWN_TOKEN=gold locker up").exits(0);
        let read = "locker exec -T web cat /run/secrets/token";
        for words in [
            read,
            "locker status",
            "locker logs",
            "locker port list",
            "locker cp web:/run/secrets/token /run/copied",
            "locker restart",
            "locker stop",
            "locker start",
            read,
        ] {
            let ran = run(words).exits(0);
            // `OWN` is a plain variable of the other one.
            assert!(!ran.err.contains("OWN_TOKEN"), "{words}: {}", ran.err);
            assert_eq!(ran.out == "gold", words == read, "{words}: {}", ran.out);
        }
        assert_eq!(host.sh("cat /run/copied; rm /run/copied"), "gold");
        let id = crate::beside::id(host, "safe_web");
        // Whether it is still the content that the container has cannot be told.
        for words in ["plan", "up", "up --force-recreate"] {
            let refused = run(&format!("locker {words}")).exits(1);
            refused.says(&["OWN_TOKEN", "is not set"]);
        }
        run("locker up old").exits(0);
        assert_eq!(crate::beside::id(host, "safe_web"), id);
        let down = run("locker down").exits(0);
        assert!(!down.err.contains("OWN_TOKEN"), "{}", down.err);
        assert_eq!(host.sh("docker ps -aq"), "");
    });
}
