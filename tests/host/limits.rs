//! Limits and accounting with real controllers: what the file says binds, and covers the container.
//!
//! On a virtual host, since a container has controllers only where the machine has them on version 2. A
//! boot costs much there, so that few scenarios walk through much.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::image::Release;
use crate::machine::Shell;
use crate::project::{Project, eventually};
use crate::support;
use crate::vm::{self, Vm};

const SLICE: &str = "/locker.slice/locker-both.slice";
const MIB: u64 = 1 << 20;
/// What a service leaves its supervisor above the limits of its container: bytes, tasks, percents.
const ROOM: (u64, u64, u64) = (64 * MIB, 64, 10);

/// What the host is made of, for whoever reads what was tried where.
const VERSIONS: &str = r#". /etc/os-release; echo "$PRETTY_NAME"; systemctl --version | sed -n 's/^\(systemd [0-9]*\).*/\1/p'
echo "Linux $(uname -r)"; echo "LXC $(lxc-start --version)"; docker version --format 'Docker {{.Server.Version}}'
echo "cgroup v2 with $(cat /sys/fs/cgroup/cgroup.controllers)"
echo "AppArmor $(cat /sys/module/apparmor/parameters/enabled)"; echo "lxcfs $(systemctl is-active lxcfs)""#;

/// One of each kind.
const LIMITED: &str = r#"  db:
    template: {name: tiny}
    restart: always
    autostart: true
    cgroup: ["memory.max=64M", "pids.max=60", "cpu.max=30000 100000", "cpu.weight=50"]
  web:
    image: busybox:test
    restart: always
    autostart: true
    stop_grace_period: 0s
    mem_limit: 64m
    pids_limit: 60
    cpus: 0.3
"#;

/// Other limits, and the application's in other words.
const WIDER: &str = r#"  db:
    template: {name: tiny}
    restart: always
    autostart: true
    cgroup: ["memory.max=96M", "pids.max=90", "cpu.max=50000 100000", "cpu.weight=50"]
  web:
    image: busybox:test
    restart: always
    autostart: true
    stop_grace_period: 0s
    deploy: {resources: {limits: {memory: 96M, pids: 90, cpus: "0.5"}}}
"#;

/// A container of the project on its host.
struct Seen<'a> {
    vm: &'a Vm,
    name: &'static str,
    /// Its cgroup.
    group: String,
    /// The unit whose properties are its limits: its service, or the scope that the engine asks systemd for.
    unit: String,
}

impl<'a> Seen<'a> {
    /// Where the container is, by its init; it must be below the project's slice.
    fn of(vm: &'a Vm, name: &'static str) -> Self {
        let (init, unit) = match name {
            "db" => ("lxc-info -n both_db -pH", "locker-both-db.service".into()),
            _ => (
                "docker inspect -f '{{.State.Pid}}' both_web",
                format!("docker-{}.scope", vm.sh("docker ps -q --no-trunc")),
            ),
        };
        let group = vm.sh(&format!("cat /proc/$({init})/cgroup"));
        let group = group.trim_start_matches("0::").to_owned();
        let top = format!("{SLICE}/{unit}");
        match name {
            "db" => assert_eq!(group, format!("{top}/container")),
            _ => assert_eq!(group, top),
        }
        Self {
            vm,
            name,
            group,
            unit,
        }
    }

    fn init(&self) -> String {
        self.sh("sort -n cgroup.procs | head -1")
    }

    /// Runs a script in the directory of its cgroup.
    fn sh(&self, script: &str) -> String {
        self.vm
            .sh(&format!("cd /sys/fs/cgroup{}; {script}", self.group))
    }

    /// A file of its cgroup.
    fn number(&self, file: &str) -> u64 {
        let text = self.sh(&format!("cat {file}"));
        text.parse().unwrap_or_else(|_| panic!("{file}: {text}"))
    }

    /// The number behind a word in a file of its cgroup.
    fn count(&self, file: &str, word: &str) -> u64 {
        let text = self.sh(&format!("cat {file}"));
        let mut words = text.split_whitespace().skip_while(|w| *w != word);
        let number = words.nth(1).and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("no `{word}` in {text}"))
    }

    /// Runs a script with its own shell, within its cgroup; the exit code.
    fn inside(&self, script: &str) -> i32 {
        let call = match self.name {
            "db" => "lxc-attach -n both_db --clear-env --",
            _ => "docker exec both_web",
        };
        self.vm.try_sh(&format!("{call} sh -c '{script}'")).code
    }

    /// What the kernel and systemd keep it to: bytes, tasks, percents of a processor. A service has room for its
    /// supervisor above that.
    #[track_caller]
    fn is_kept_to(&self, memory: u64, tasks: u64, percent: u64) {
        let kept = self.sh(&format!(
            "cat memory.max pids.max cpu.max; for p in MemoryMax TasksMax CPUQuotaPerSecUSec; \
             do systemctl show -P $p {}; done",
            self.unit
        ));
        let room = match self.name {
            "db" => ROOM,
            _ => (0, 0, 0),
        };
        let all = (memory + room.0, tasks + room.1, (percent + room.2) * 10);
        if self.name == "db" {
            let service = self.sh("cat ../memory.max ../pids.max ../cpu.max");
            let wanted = format!("{}\n{}\n{} 100000", all.0, all.1, all.2 * 100);
            assert_eq!(service, wanted, "the service");
        }
        let quota = percent * 1000;
        let wanted = format!(
            "{memory}\n{tasks}\n{quota} 100000\n{}\n{}\n{}ms",
            all.0, all.1, all.2
        );
        assert_eq!(kept, wanted, "{}", self.name);
    }
}

/// Runs a scenario on a fresh virtual host whose dockerd runs, with what the file says up.
fn on_a_virtual_host(scenario: impl FnOnce(&Vm, &Project<'_>)) {
    if !support::may_run(support::Ring::Host, vm::missing().as_deref()) {
        return;
    }
    let vm = Vm::boot(Release::asked());
    vm.docker();
    eprintln!("host: {}", vm.sh(VERSIONS).replace('\n', ", "));
    let project = Project::new(&vm, "both", LIMITED);
    project.up();
    scenario(&vm, &project);
}

#[test]
fn limits_bind_and_cover_the_container_whatever_happens_to_it() {
    on_a_virtual_host(|vm, project| {
        let begun = Instant::now();
        let told = |what: &str| eprintln!("{what} after {:?}", begun.elapsed());
        let both = ["db", "web"].map(|name| Seen::of(vm, name));
        let [db, web] = &both;
        assert_eq!(db.number("cpu.weight"), 50);
        assert_eq!(vm.sh("systemctl show -P CPUWeight locker-both-db"), "50");
        for (seen, other) in [(db, web), (web, db)] {
            seen.is_kept_to(64 * MIB, 60, 30);
            greed_hits_nobody_else(seen, other);
            many_small_ones_hit_nobody_outside(seen);
            a_fork_bomb_ends_at_its_limit(seen);
            a_busy_loop_is_throttled(seen);
            accounts_cover_it(seen, project);
            told(seen.name);
        }
        limits_change_while_it_runs(project, &both);
        told("changed");
        what_others_set_is_seen(db, project);
        told("set by others");
        they_outlive_an_end(db);
        told("ended");
    });
}

/// Memory beyond the limit: the process that took it is killed, and nothing else.
fn greed_hits_nobody_else(seen: &Seen<'_>, other: &Seen<'_>) {
    let look = |seen: &Seen<'_>| {
        let text =
            seen.sh("sort -n cgroup.procs | head -1; sed -n 's/^oom_kill //p' memory.events");
        let (init, kills) = text.split_once('\n').expect("two lines");
        (init.to_owned(), kills.parse::<u32>().expect("a number"))
    };
    let (own, others) = (look(seen), look(other));
    let code = seen.inside("dd if=/dev/zero of=/dev/null bs=100M count=1");
    assert_eq!(code, 137, "{}", seen.name);
    assert_eq!(look(seen), (own.0, own.1 + 1), "{}", seen.name);
    assert_eq!(look(other), others, "{}", other.name);
    let most = seen.number("memory.peak");
    assert!((56 * MIB..=64 * MIB).contains(&most), "{most}");
}

/// Memory beyond the limit by processes that are each smaller than a supervisor: some of them are killed, and
/// neither who looks after the container nor its init.
fn many_small_ones_hit_nobody_outside(seen: &Seen<'_>) {
    let outside = format!(
        "systemctl show -P MainPID -P NRestarts locker-both-{0}; \
         cat /sys/fs/cgroup/locker.slice/locker-both.slice/locker-both-{0}.service/supervisor/cgroup.procs",
        seen.name
    );
    let outside = || seen.vm.try_sh(&outside).out;
    let place = |pid: &str| seen.vm.sh(&format!("cat /proc/{pid}/oom_score_adj"));
    let main = format!("systemctl show -P MainPID locker-both-{}", seen.name);
    assert_eq!(place(&seen.vm.sh(&main)), "-900", "{}", seen.name);
    assert_eq!(place(&seen.init()), "0", "{}", seen.name);
    let (init, before) = (seen.init(), outside());
    let kills = seen.count("memory.events", "oom_kill");
    seen.inside(
        "i=0; while [ $i -lt 50 ]; do dd if=/dev/zero of=/dev/null bs=1400k >/dev/null 2>&1 & \
         i=$((i + 1)); done",
    );
    eventually(true, || seen.count("memory.events", "oom_kill") > kills);
    seen.vm.sh("pkill -x dd; true");
    eventually(true, || seen.number("pids.current") < 20);
    assert_eq!(outside(), before, "{}", seen.name);
    assert_eq!(seen.init(), init, "{}", seen.name);
}

fn a_fork_bomb_ends_at_its_limit(seen: &Seen<'_>) {
    seen.inside("i=0; while [ $i -lt 100 ]; do sleep 333 & i=$((i + 1)); done");
    assert!(seen.count("pids.events", "max") > 0, "{}", seen.name);
    assert!(seen.number("pids.current") <= 60, "{}", seen.name);
    seen.vm.sh("pkill -x -f 'sleep 333'; true");
    eventually(true, || seen.number("pids.current") < 20);
}

/// Leaves the loop behind.
fn a_busy_loop_is_throttled(seen: &Seen<'_>) {
    seen.inside("yes >/dev/null 2>&1 &");
    let percent = seen.sh(
        "used() { sed -n 's/usage_usec //p' cpu.stat; }; a=$(used) t=$(date +%s%N); sleep 3; \
         echo $(( ($(used) - a) * 100000 / ($(date +%s%N) - t) ))",
    );
    let percent: u64 = percent.parse().expect("a number");
    assert!(percent <= 36, "{} uses {percent} %", seen.name);
    assert!(seen.count("cpu.stat", "nr_throttled") > 0, "{}", seen.name);
}

/// What systemd and `top` count is what the container uses, and no less; ends the loop.
fn accounts_cover_it(seen: &Seen<'_>, project: &Project<'_>) {
    seen.inside("dd if=/dev/zero of=/tmp/block bs=1M count=4 conv=fsync");
    let (before, tasks) = (
        seen.count("cpu.stat", "usage_usec"),
        seen.number("pids.current"),
    );
    let ran = project.locker(&format!("top --once --format json {}", seen.name));
    let row: Value = serde_json::from_str(&ran.exits(0).out).expect("one line");
    let after = seen.count("cpu.stat", "usage_usec");
    let time = |key: &str| row[key].as_f64().unwrap_or(-1.0);
    let seconds = |micros: u64| Duration::from_micros(micros).as_secs_f64();
    let span = seconds(before) - 0.01..=seconds(after) + 0.01;
    assert!(span.contains(&time("cpu_seconds")), "{span:?}: {row}");
    assert!((5.0..=40.0).contains(&time("cpu_percent")), "{row}");
    assert_eq!(row["memory_limit"].as_u64(), Some(64 * MIB), "{row}");
    assert!(row["io_written"].as_u64() >= Some(4 * MIB), "{row}");
    let own = seen.count("memory.stat", "anon")..=64 * MIB;
    assert!(
        own.contains(&row["memory"].as_u64().unwrap_or(0)),
        "{own:?}: {row}"
    );
    assert_eq!(row["tasks"].as_u64(), Some(tasks), "{row}");
    seen.vm.sh("pkill -x yes");
    for unit in [&seen.unit, "locker-both.slice"] {
        let counts = seen.sh(&format!(
            "sed -n 's/usage_usec \\(.*\\)/\\1000/p' cpu.stat; cat pids.current memory.current; \
             for p in CPUUsageNSec TasksCurrent MemoryCurrent; do systemctl show -P $p {unit}; done"
        ));
        let counts: Vec<u64> = counts.lines().filter_map(|n| n.parse().ok()).collect();
        let [cpu, tasks, memory, all_cpu, all_tasks, all_memory] = counts[..] else {
            panic!("six numbers: {counts:?}");
        };
        let covers = all_cpu >= cpu && all_tasks >= tasks && all_memory >= memory;
        assert!(covers && cpu > 0 && tasks > 0, "{unit}: {counts:?}");
    }
}

/// A changed file reaches the kernel and systemd, and what leaves it is lifted, in the same processes.
fn limits_change_while_it_runs(project: &Project<'_>, both: &[Seen<'_>; 2]) {
    let [db, _] = both;
    let inits = || both.each_ref().map(Seen::init);
    let before = inits();
    project.rewrite(WIDER);
    project.locker("cgroup").exits(0);
    for seen in both {
        seen.is_kept_to(96 * MIB, 90, 50);
    }
    let line = WIDER.lines().find(|line| line.contains("cgroup:"));
    let line = format!("{}\n", line.expect("it has limits"));
    project.rewrite(&WIDER.replace(&line, ""));
    project.locker("cgroup db").exits(0);
    assert_eq!(
        db.sh("cat memory.max pids.max cpu.max"),
        "max\nmax\nmax 100000"
    );
    let properties = "for p in MemoryMax CPUQuotaPerSecUSec TasksMax; do systemctl show -P $p locker-both-db; done";
    let usual = db.vm.sh("systemctl show -P DefaultTasksMax");
    assert_eq!(db.vm.sh(properties), format!("infinity\ninfinity\n{usual}"));
    let service = "cat ../memory.max ../cpu.max ../pids.max";
    assert_eq!(db.sh(service), format!("max\nmax 100000\n{usual}"));
    project.rewrite(WIDER);
    project.up();
    assert_eq!(inits(), before);
    for seen in both {
        seen.is_kept_to(96 * MIB, 90, 50);
    }
}

/// What somebody has written to the kernel is put back, and what a drop-in says stays and is told. Nothing of
/// ours is left where systemd writes such things down.
fn what_others_set_is_seen(db: &Seen<'_>, project: &Project<'_>) {
    let init = db.init();
    db.sh("echo 50M > ../memory.max");
    let plan = project.locker("plan").exits(0).out;
    assert!(
        plan.contains("the kernel keeps its services to other limits"),
        "{plan}"
    );
    project.up();
    db.is_kept_to(96 * MIB, 90, 50);
    let drop_in = "/etc/systemd/system/locker-both-db.service.d/own.conf";
    db.vm.write(drop_in, "[Service]\nMemoryMax=150M\n");
    db.vm.sh("systemctl daemon-reload");
    db.sh("echo 150M > ../memory.max");
    let plan = project.locker("plan").exits(0);
    assert!(
        plan.err.contains(drop_in) && plan.out.contains("nothing to do"),
        "{plan:?}"
    );
    project.rewrite(LIMITED);
    project.locker("cgroup db").exits(0);
    let held = db.sh("cat memory.max ../memory.max ../pids.max");
    assert_eq!(held, format!("{}\n{}\n124", 64 * MIB, 150 * MIB));
    db.vm.sh(&format!("rm {drop_in}; systemctl daemon-reload"));
    project.rewrite(WIDER);
    project.up();
    db.is_kept_to(96 * MIB, 90, 50);
    assert_eq!(db.init(), init);
    let left = "find /run/systemd/system.control -name '*locker*'; systemctl show -P NeedDaemonReload locker-both-db";
    assert_eq!(db.vm.sh(left), "no");
}

fn they_outlive_an_end(seen: &Seen<'_>) {
    let before = seen.init();
    seen.vm.sh(&format!("kill -9 {before}"));
    eventually(true, || {
        let now = seen.vm.try_sh("lxc-info -n both_db -pH").out;
        !now.trim().is_empty() && now.trim() != before
    });
    seen.is_kept_to(96 * MIB, 90, 50);
}
