//! Containers that systemd runs: what is killed comes back, what is stopped stays stopped, and what is
//! flushed is put back.

use std::time::{Duration, Instant};

use crate::beside::{answers, on_a_host_with_docker};
use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};

const BOTH: &str = "  db:\n    template: {name: tiny}\n    restart: always\n    ports: [\"8080:80\"]\n  \
    web:\n    image: busybox:test\n    restart: always\n    stop_grace_period: 0s\n    ports: [\"8081:80\"]\n";

/// A property of a container's service.
fn unit(host: &Host, name: &str, property: &str) -> String {
    host.sh(&format!(
        "systemctl show -P {property} locker-both-{name}.service"
    ))
}

/// Both ports answer again; how long that took.
#[track_caller]
fn back(host: &Host, since: Instant) -> Duration {
    answers(host, 8080, "db");
    answers(host, 8081, "hello");
    since.elapsed()
}

/// Does something bad and waits until both ports answer again.
#[track_caller]
fn survives(host: &Host, what: &str, most: Duration) {
    host.sh(what);
    let took = back(host, Instant::now());
    eprintln!("{what}: back after {took:?}");
    assert!(took < most, "`{what}` took {took:?}");
}

fn pid(host: &Host, name: &str) -> u32 {
    let pid = match name {
        "web" => host.sh("docker inspect -f '{{.State.Pid}}' both_web"),
        name => host.sh(&format!("lxc-info -n both_{name} -pH")),
    };
    pid.parse().expect("it runs")
}

/// What is run in a container is killed for memory as soon as the container's init is, and no supervisor's place
/// among those that are killed is handed on (what that is `limits` shows: a test host may not take it).
#[test]
fn whatever_runs_inside_has_the_place_of_init_when_memory_is_short() {
    const OWN: &str = "  db:\n    template: {name: tiny}\n  \
        own:\n    template: {name: tiny}\n    config: [\"lxc.proc.oom_score_adj = 77\"]\n    \
        post_start: [{command: [sh, -c, \"cat /proc/self/oom_score_adj > /srv/hook\"]}]\n  \
        web:\n    image: busybox:test\n    oom_score_adj: 55\n    stop_grace_period: 0s\n";
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", OWN);
        project.up();
        for (name, place) in [("db", "0"), ("own", "77"), ("web", "55")] {
            let of = |pid: &str| host.sh(&format!("cat /proc/{pid}/oom_score_adj"));
            assert_eq!(of(&pid(host, name).to_string()), place, "{name}");
            let within = project.locker(&format!("exec -T {name} cat /proc/self/oom_score_adj"));
            assert_eq!(within.exits(0).out.trim(), place, "{name}");
            assert_eq!(unit(host, name, "OOMScoreAdjust"), "-900", "{name}");
            assert_eq!(unit(host, name, "OOMPolicy"), "continue", "{name}");
        }
        let hook = project.locker("exec -T own cat /srv/hook");
        assert_eq!(hook.exits(0).out.trim(), "77");
    });
}

#[test]
fn what_is_killed_comes_back_and_what_is_stopped_does_not() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", BOTH);
        project.up();
        let within = Duration::from_secs(8);
        for name in ["db", "web"] {
            survives(host, &format!("kill -9 {}", pid(host, name)), within);
            assert_eq!(unit(host, name, "NRestarts"), "1", "{name}");
            let main = unit(host, name, "MainPID");
            survives(host, &format!("kill -9 {main}"), within);
            eventually("active".into(), || unit(host, name, "ActiveState"));
            assert_ne!(unit(host, name, "MainPID"), main);
        }
        // Whoever stands for a system container beside its monitor is as needed as that.
        let main = unit(host, "db", "MainPID");
        host.sh(&format!(
            "kill -9 $(pgrep -f '[_]_supervise both db' | grep -vx {main})"
        ));
        eventually(("3".into(), "active".into()), || {
            let property = |property| unit(host, "db", property);
            (property("NRestarts"), property("ActiveState"))
        });
        back(host, Instant::now());
        let before = (pid(host, "db"), unit(host, "db", "MainPID"));
        survives(host, "kill -9 $(pidof dockerd)", Duration::from_secs(20));
        survives(host, "systemctl restart docker", Duration::from_secs(20));
        survives(
            host,
            "systemctl restart dbus; systemctl daemon-reload",
            within,
        );
        survives(
            host,
            "kill -9 $(systemctl show -P MainPID locker-network)",
            within,
        );
        assert_eq!(before, (pid(host, "db"), unit(host, "db", "MainPID")));
        eventually(0, || project.locker("plan --exit-code").code);

        project.locker("stop").exits(0);
        std::thread::sleep(Duration::from_secs(2));
        host.sh("systemctl daemon-reload; systemctl restart docker locker-network");
        assert_eq!(
            (project.state("db"), host.sh("docker ps -q")),
            ("STOPPED".into(), String::new())
        );
        project.up();
        back(host, Instant::now());
    });
}

/// Makes the notes that the supervisor of `web` writes and reads lead to files of the host, and starts it; what its
/// service says then.
fn led_astray(host: &Host) -> String {
    host.sh("systemctl stop locker-both-web; echo 9 > /root/failures; echo own > /etc/victim; \
        ln -sf /root/failures /run/locker/failures/both~web; ln -sf /etc/victim /run/locker/output/both~web; \
        systemctl start --no-block locker-both-web");
    let mut said = String::new();
    eventually(true, || {
        said = unit(host, "web", "StatusText");
        said == "running" || said.starts_with("failed 9 times")
    });
    said
}

#[test]
fn the_supervisor_of_an_application_container_neither_writes_to_etc_nor_reads_in_root() {
    let ticks = "  web:\n    image: busybox:test\n    restart: always\n    stop_grace_period: 0s\n    \
        command: [sh, -c, \"while echo tick; do sleep 1; done\"]\n";
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", ticks);
        project.up();
        let main = unit(host, "web", "MainPID");
        let status = host.sh(&format!("cat /proc/{main}/status"));
        for line in ["CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
            assert!(status.contains(line), "{line} is not in {status}");
        }
        let unit_file = host.sh("cat /etc/systemd/system/locker-both-web.service");
        if !unit_file.contains("LOCKER_WALLS=landlock") {
            eprintln!("this kernel has no Landlock");
            assert!(unit_file.contains("ProtectSystem=strict"), "{unit_file}");
            return;
        }
        let mounts = |pid: &str| host.sh(&format!("readlink /proc/{pid}/ns/mnt"));
        assert_eq!(mounts(&main), mounts("1"), "it has no mounts of its own");

        let ticks = || {
            host.sh("cd /srv/both && locker logs web | wc -l")
                .parse::<u32>()
        };
        assert_eq!(led_astray(host), "running");
        let before = ticks().unwrap();
        eventually(true, || ticks().unwrap() > before + 1);
        assert_eq!(host.sh("cat /etc/victim /root/failures"), "own\n9");

        // It is the walls that hold it: without them the file in /root is read.
        host.sh("mkdir /etc/systemd/system/locker-both-web.service.d; systemctl stop locker-both-web; \
            printf '[Service]\nUnsetEnvironment=LOCKER_WALLS\n' > /etc/systemd/system/locker-both-web.service.d/open.conf; \
            systemctl daemon-reload");
        assert!(led_astray(host).starts_with("failed 9 times"));
        host.sh("rm -r /etc/victim /root/failures /etc/systemd/system/locker-both-web.service.d; systemctl daemon-reload");
    });
}

#[test]
fn cgroups_memory_and_unit_files_are_as_promised() {
    on_a_host_with_docker(|host| {
        let limited = format!("{BOTH}    mem_limit: 64m\n");
        let project = Project::new(host, "both", &limited);
        if host.sh("docker info -f '{{.MemoryLimit}}' 2>/dev/null") == "false" {
            for words in ["plan", "up"] {
                project.locker(words).exits(1).says(&[
                    "error: `mem_limit` of container `web` needs the cgroup controller `memory`, which the engine's host does not have",
                    "locker.yaml:12:5",
                    "cgroup_enable=memory",
                ]);
            }
            assert_eq!(host.sh("docker ps -aq; ls /var/lib/lxc"), "");
            project.rewrite(BOTH);
        }
        host.sh("printf '[Unit]\nDescription=foreign\n' > /etc/systemd/system/locker-both-foreign.service");
        project.up();
        for name in ["db", "web"] {
            let groups = host.sh(&format!("cat /proc/{}/cgroup", pid(host, name)));
            assert!(
                groups.contains("/locker.slice/locker-both.slice/"),
                "{name}: {groups}"
            );
        }
        assert_eq!(host.sh("systemd-analyze verify /etc/systemd/system/locker*.service /etc/systemd/system/locker*.target 2>&1 | grep -v foreign; true"), "");
        // A monitor, and an attendant that guards it as well: a third process would cost a megabyte.
        let processes = host.sh("pgrep -c -f '[_]_supervise both db'");
        assert_eq!(processes, "2");
        for name in ["db", "web"] {
            eprintln!(
                "{name}: {}",
                host.sh(&format!(
                    "systemd-analyze security --no-pager locker-both-{name}.service | tail -1"
                ))
            );
            eprintln!("{name}: {}", host.sh(&format!(
                "for p in $(pgrep -f '__supervise both {name}'); do grep -h VmRSS /proc/$p/status; grep -h '^Pss:' /proc/$p/smaps_rollup; done | tr '\\n' ' '")));
        }
        // One that leaves the file takes its unit along; what somebody else wrote stays.
        project.rewrite(
            "  db:\n    template: {name: tiny}\n    restart: always\n    ports: [\"8080:80\"]\n",
        );
        project.locker("up --remove-orphans --yes").exits(0);
        let files = host.sh("cd /etc/systemd/system; ls -d locker-both-*");
        assert_eq!(files, "locker-both-db.service\nlocker-both-foreign.service");
        assert_eq!(
            host.sh("systemctl show -P LoadState locker-both-web.service"),
            "not-found"
        );
        // Without a supervisor nothing of it is left, and the container runs all the same.
        project.rewrite(
            "  db:\n    template: {name: tiny}\n    supervisor: none\n    ports: [\"8080:80\"]\n",
        );
        project.up();
        answers(host, 8080, "db");
        host.sh("! ls /etc/systemd/system/locker-both-db.service 2>/dev/null");
        project.locker("plan --exit-code").exits(0);
        host.sh("rm /etc/systemd/system/locker-both-foreign.service");
    });
}

#[test]
fn ends_are_told_and_tries_are_counted() {
    on_a_host_with_docker(|host| {
        let project = Project::new(
            host,
            "both",
            "  once:\n    image: busybox:test\n    command: [sh, -c, \"exit 7\"]\n  \
             tries:\n    image: busybox:test\n    command: [sh, -c, \"exit 3\"]\n    restart: on-failure:2\n  \
             sick:\n    image: busybox:test\n    stop_grace_period: 0s\n    restart: on-unhealthy\n    \
             healthcheck: {test: [CMD, test, -e, /well], interval: 200ms, retries: 2}\n    \
             command: [sh, -c, \"touch /well; exec httpd -f -p 80 -h /www\"]\n",
        );
        project.locker("up");
        eventually("failed".into(), || unit(host, "once", "ActiveState"));
        assert_eq!(unit(host, "once", "ExecMainStatus"), "7");
        eventually("failed".into(), || unit(host, "tries", "ActiveState"));
        // The first start and two more; systemd counts the one that it refuses as well.
        let runs = host.sh("journalctl -b -u locker-both-tries | grep -c 'Starting '");
        assert_eq!(runs, "3");
        let told = project.locker("status tries").exits(0).err;
        assert!(told.contains("started again 2 times"), "{told}");
        let before = pid_of(host, "both_sick");
        host.sh("docker exec both_sick rm /well");
        eventually(true, || {
            let now = pid_of(host, "both_sick");
            now != "0" && now != before
        });
    });
}

fn pid_of(host: &Host, full: &str) -> String {
    host.sh(&format!("docker inspect -f '{{{{.State.Pid}}}}' {full}"))
}

#[test]
fn rules_are_put_back_within_two_seconds() {
    on_a_host(|host| {
        let project = Project::new(host, "both", &BOTH[..BOTH.find("  web").unwrap_or(0)]);
        project.up();
        answers(host, 8080, "db");
        for flush in [
            "nft flush ruleset",
            "nft flush ruleset; systemctl daemon-reload",
        ] {
            host.sh(flush);
            let begun = Instant::now();
            eventually(Some("db".into()), || host.fetch_from_outside(8080));
            eprintln!("{flush}: back after {:?}", begun.elapsed());
            assert!(
                begun.elapsed() < Duration::from_secs(2),
                "{:?}",
                begun.elapsed()
            );
        }
        host.sh("systemctl unmask firewalld && systemctl start firewalld");
        answers(host, 8080, "db");
        host.sh("firewall-cmd --reload; firewall-cmd --complete-reload");
        let begun = Instant::now();
        answers(host, 8080, "db");
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
        host.sh("systemctl stop firewalld; systemctl mask firewalld; nft delete table inet firewalld 2>/dev/null; true");
    });
}

#[test]
fn a_container_starts_with_its_first_caller_and_stops_when_nobody_comes() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "both",
            "  db:\n    template: {name: tiny}\n    on_demand: true\n    idle: 2s\n    ports: [\"8080:80\"]\n",
        );
        project.up();
        let row = || project.locker("status").exits(0).out;
        project.locker("stop").exits(0);
        assert!(row().contains("stopped"), "{}", row());
        project.up();
        let told = row();
        assert!(
            told.contains("waiting") && told.contains("8080:80/tcp"),
            "{told}"
        );
        let boots = || project.locker("status --columns name,boot").exits(0).out;
        assert!(boots().contains("no"), "{}", boots());
        project.locker("enable").exits(0);
        assert!(boots().contains("yes"), "{}", boots());
        answers(host, 8080, "db");
        assert_eq!(project.state("db"), "RUNNING");
        eventually("STOPPED".into(), || project.state("db"));
        assert_eq!(
            host.fetch_from_outside(8080).as_deref(),
            Some("db"),
            "the first connection was refused"
        );
    });
}

#[test]
fn nobody_who_calls_undoes_a_stop_and_a_held_port_that_was_closed_is_opened_by_up() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "both",
            "  db:\n    template: {name: tiny}\n    on_demand: true\n    idle: 1h\n    ports: [\"8080:80\"]\n",
        );
        project.up();
        answers(host, 8080, "db");
        for stop in ["stop", "stop db"] {
            project.locker(stop).exits(0);
            assert_eq!(host.fetch_from_outside(8080), None);
            assert_eq!(project.state("db"), "STOPPED");
            let again = project.locker(&format!("--dry-run {stop}")).exits(0);
            assert_eq!(again.out.trim(), "nothing to do");
            project.locker("start").exits(0);
            answers(host, 8080, "db");
        }
        // Stopped, it is left to its callers again by `up`.
        project.locker("stop").exits(0);
        project.up();
        assert_eq!(project.state("db"), "STOPPED");
        answers(host, 8080, "db");
        let socket = host
            .sh("systemctl list-units --plain --no-legend 'locker-both-*.socket' | cut -d' ' -f1");
        host.sh(&format!("systemctl stop '{socket}'"));
        let plan = project.locker("plan").exits(0).out;
        assert!(plan.contains("the ports held for db are closed"), "{plan}");
        project.up();
        answers(host, 8080, "db");
        let plan = project.locker("plan").exits(0).out;
        assert_eq!(plan.trim(), "nothing to do");
    });
}

#[test]
fn a_container_that_fails_right_after_its_start_says_why_with_and_without_systemd() {
    on_a_host_with_docker(|host| {
        for (supervisor, restart) in [("systemd", "no"), ("none", "no")] {
            // The other's setup makes the run last until the engine has noticed the end.
            let app = format!(
                "    image: busybox:test\n    supervisor: {supervisor}\n    stop_grace_period: 0s\n"
            );
            let project = Project::new(
                host,
                "both",
                &format!(
                    "  web:\n{app}    restart: \"{restart}\"\n    command: [sh, -c, \"echo no disk; exit 7\"]\n  \
                     late:\n{app}    command: [sleep, \"9999\"]\n    setup: [\"sleep 3\"]\n"
                ),
            );
            let done = project.locker("up");
            done.exits(1).says(&[
                "`web` has ended with exit code 7: no disk",
                "locker logs web",
                "once it is mended `locker up` goes on",
            ]);
            project.locker("down --yes").exits(0);
        }
    });
}

#[test]
fn two_isolated_containers_never_share_a_user() {
    on_a_host_with_docker(|host| {
        let lxc = "    template: {name: tiny}\n    isolate: true\n";
        let app = "    image: busybox:test\n    isolate: true\n    command: [sleep, \"9999\"]\n    stop_grace_period: 0s\n";
        let project = Project::new(
            host,
            "both",
            &format!("  a:\n{lxc}  b:\n{lxc}  c:\n{app}  d:\n{app}"),
        );
        project.up();
        let owner = |pid: String| host.sh(&format!("stat -c %u /proc/{pid}"));
        let mut users = vec![
            owner(project.init("a").to_string()),
            owner(project.init("b").to_string()),
            owner(pid_of(host, "both_c")),
            owner(pid_of(host, "both_d")),
        ];
        assert!(!users.contains(&"0".into()), "{users:?}");
        users.sort();
        users.dedup();
        assert_eq!(users.len(), 4, "two share a user");
        // Nor do those of two projects, also with one kind alone.
        let app_alone = Project::new(host, "app", &format!("  e:\n{app}"));
        app_alone.up();
        let lxc_alone = Project::new(host, "lxc", &format!("  f:\n{lxc}"));
        lxc_alone.up();
        users.push(owner(pid_of(host, "app_e")));
        users.push(owner(lxc_alone.init("f").to_string()));
        users.sort();
        users.dedup();
        assert_eq!(users.len(), 6, "two projects share a user");
        project.locker("plan --exit-code").exits(0);
        for project in [&app_alone, &lxc_alone] {
            project.locker("plan --exit-code").exits(0);
        }
    });
}

#[test]
fn a_container_that_is_started_alone_does_not_wait_for_what_it_depends_on() {
    on_a_host(|host| {
        let check = "healthcheck: {test: [CMD, test, -e, /well], interval: 200ms, retries: 3}";
        let project = Project::new(
            host,
            "both",
            &format!(
                "  db:\n    template: {{name: tiny}}\n    {check}\n  \
                 web:\n    template: {{name: tiny}}\n    depends_on: {{db: {{condition: healthy}}}}\n    ports: [\"8080:80\"]\n"
            ),
        );
        project.locker("create").exits(0);
        let begun = Instant::now();
        project.locker("start --no-deps web").exits(0);
        eprintln!("started alone after {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(project.state("db"), "STOPPED");
        assert_eq!(unit(host, "db", "ActiveState"), "inactive");
        eventually("active".into(), || unit(host, "web", "ActiveState"));
        answers(host, 8080, "web");
        let group = host.sh(&format!("cat /proc/{}/cgroup", project.init("web")));
        assert!(
            group.contains("/locker.slice/locker-both.slice/"),
            "{group}"
        );
        // Nobody asked for that alone: it waits as ever.
        project.locker("stop").exits(0);
        host.sh("systemctl start --no-block locker-both-web.service");
        eventually("RUNNING".into(), || project.state("db"));
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(project.state("web"), "STOPPED");
        project.inside("db", "touch /well").exits(0);
        eventually("RUNNING".into(), || project.state("web"));
    });
}

#[test]
fn a_project_changes_its_supervisor_and_back() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", BOTH);
        project.up();
        back(host, Instant::now());
        let file = |word: &str| {
            let text = format!("name: both\nsupervisor: {word}\ncontainers:\n{BOTH}");
            host.write("/srv/both/locker.yaml", &text);
        };
        file("none");
        project.up();
        back(host, Instant::now());
        assert_eq!(
            host.sh("systemctl list-units --all --plain --no-legend 'locker-both*'"),
            ""
        );
        file("systemd");
        project.up();
        back(host, Instant::now());
        for name in ["db", "web"] {
            assert_eq!(unit(host, name, "ActiveState"), "active", "{name}");
            let groups = host.sh(&format!("cat /proc/{}/cgroup", pid(host, name)));
            assert!(groups.contains("/locker-both.slice/"), "{name}: {groups}");
        }
        // Nobody but systemd brings it back.
        survives(
            host,
            &format!("kill -9 {}", pid(host, "web")),
            Duration::from_secs(8),
        );
    });
}

#[test]
fn a_held_port_waits_for_a_slow_program_and_moves_and_its_idle_container_has_not_failed() {
    on_a_host_with_docker(|host| {
        let file = |port: &str| {
            format!(
                "  web:\n    image: busybox:test\n    on_demand: true\n    idle: 2s\n    stop_grace_period: 0s\n    \
                 command: [sh, -c, \"sleep 1; httpd -f -p 80 -h /www\"]\n    ports: [\"{port}:80\"]\n"
            )
        };
        let project = Project::new(host, "both", &file("8080"));
        project.up();
        let url = "curl -s --noproxy '*' -m 20 http://127.0.0.1:8080/";
        assert_eq!(host.sh(url), "hello", "the first connection was refused");
        eventually("inactive".into(), || unit(host, "web", "ActiveState"));
        assert_eq!(host.sh("systemctl --failed --no-legend"), "");
        project.rewrite(&file("127.0.0.1:8080"));
        project.up();
        assert_eq!(host.sh(url), "hello", "nobody holds the port any more");
        assert_eq!(host.fetch_from_outside(8080), None);
        // Started by hand it stays until somebody has called and nobody does any more.
        eventually("inactive".into(), || unit(host, "web", "ActiveState"));
        project.locker("start web").exits(0);
        std::thread::sleep(Duration::from_millis(1000));
        assert_eq!(unit(host, "web", "ActiveState"), "active");
        assert_eq!(host.sh(url), "hello");
        eventually("inactive".into(), || unit(host, "web", "ActiveState"));
    });
}

/// Both kinds hear no signal, so that they take their time to end.
const ON_DEMAND: &str = "  od:\n    image: busybox:test\n    on_demand: true\n    idle: 2s\n    stop_grace_period: 6s\n    \
     ports: [\"8080:80\"]\n  lx:\n    template: {name: tiny}\n    on_demand: true\n    idle: 2s\n    \
     stop_grace_period: 6s\n    config: [\"lxc.signal.halt = SIGWINCH\"]\n    ports: [\"8081:80\"]\n  \
     web:\n    image: busybox:test\n    stop_grace_period: 0s\n";

#[test]
fn a_container_on_demand_that_comes_to_rest_is_neither_a_step_nor_a_difference() {
    on_a_host_with_docker(|host| {
        let project = Project::new(host, "both", ON_DEMAND);
        project.up();
        for (container, port, says) in [("od", 8080, "hello"), ("lx", 8081, "lx")] {
            let url = format!("curl -s --noproxy '*' -m 20 http://127.0.0.1:{port}/");
            assert_eq!(host.sh(&url), says);
            eventually("deactivating".into(), || {
                unit(host, container, "ActiveState")
            });
            project.locker("plan --exit-code").exits(0);
            host.sh("docker rm -f both_web");
            let told = project.locker("up").exits(0).out;
            assert!(!told.contains(container), "{told}");
            assert_eq!(
                unit(host, container, "ActiveState"),
                "deactivating",
                "`up` waited for it"
            );
            eventually(false, || {
                unit(host, container, "ActiveState") == "deactivating"
            });
            project.locker("plan --exit-code").exits(0);
        }
    });
}
