//! Limits and accounting with real controllers: what the file says binds, and covers the container.
//!
//! On a virtual host, since a container has controllers only where the machine has them on version 2. A
//! boot costs much there, so that few scenarios walk through much.

use crate::machine::Shell;
use crate::project::{Project, eventually};
use crate::support;
use crate::vm::{self, Vm};

const SLICE: &str = "/locker.slice/locker-both.slice";
const MIB: u64 = 1 << 20;

/// One of each kind, and one that says it in the words of Compose.
const LIMITED: &str = r#"  db:
    template: {name: tiny}
    restart: always
    autostart: true
    cgroup: ["memory.max=64M", "pids.max=60", "cpu.max=30000 100000", "cpu.weight=50"]
  web: &app
    image: busybox:test
    restart: always
    autostart: true
    stop_grace_period: 0s
    mem_limit: 64m
    pids_limit: 60
    cpus: 0.3
  api:
    image: busybox:test
    stop_grace_period: 0s
    deploy: {resources: {limits: {memory: 64M, pids: 60, cpus: "0.3"}}}
"#;

/// A container of the project on its host.
struct Seen<'a> {
    vm: &'a Vm,
    name: &'a str,
}

impl Seen<'_> {
    fn pid(&self) -> String {
        match self.name {
            "db" => self.vm.sh("lxc-info -n both_db -pH"),
            name => self.vm.sh(&format!(
                "docker inspect -f '{{{{.State.Pid}}}}' both_{name}"
            )),
        }
    }

    /// Its cgroup, as its init has it.
    fn group(&self) -> String {
        let text = self.vm.sh(&format!("cat /proc/{}/cgroup", self.pid()));
        text.trim_start_matches("0::").to_owned()
    }

    /// The unit whose properties are its limits: its service, or the scope that the engine asks systemd for.
    fn unit(&self) -> String {
        match self.name {
            "db" => "locker-both-db.service".into(),
            _ => self.group().rsplit('/').next().unwrap_or_default().into(),
        }
    }

    fn property(&self, name: &str) -> String {
        self.vm
            .sh(&format!("systemctl show -P {name} '{}'", self.unit()))
    }

    /// A file of its cgroup.
    fn file(&self, name: &str) -> String {
        self.vm
            .sh(&format!("cat /sys/fs/cgroup{}/{name}", self.group()))
    }

    /// The number behind a word in a file of its cgroup.
    fn count(&self, name: &str, word: &str) -> u64 {
        let text = self.file(name);
        let mut words = text.split_whitespace().skip_while(|w| *w != word);
        let number = words.nth(1).and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("no `{word}` in {text}"))
    }

    fn number(&self, name: &str) -> u64 {
        let text = self.file(name);
        text.parse().unwrap_or_else(|_| panic!("{name}: {text}"))
    }

    /// Runs a script with its own shell, within its cgroup; the exit code.
    fn inside(&self, script: &str) -> i32 {
        let call = match self.name {
            "db" => "lxc-attach -n both_db --clear-env --".into(),
            name => format!("docker exec both_{name}"),
        };
        self.vm.try_sh(&format!("{call} sh -c '{script}'")).code
    }

    /// What the kernel and systemd keep it to: bytes, tasks, percents of a processor.
    #[track_caller]
    fn is_kept_to(&self, memory: Option<u64>, tasks: u64, percent: Option<u64>) {
        let or = |value: Option<u64>, none: &str| value.map_or(none.into(), |v| v.to_string());
        let quota = percent.map_or("max".into(), |percent| format!("{}", percent * 1000));
        let kernel = [
            or(memory, "max"),
            tasks.to_string(),
            format!("{quota} 100000"),
        ];
        let files = ["memory.max", "pids.max", "cpu.max"].map(|file| self.file(file));
        assert_eq!(files, kernel, "{}", self.name);
        let time = percent.map_or("infinity".into(), |percent| format!("{}ms", percent * 10));
        let systemd = [or(memory, "infinity"), tasks.to_string(), time];
        let names = ["MemoryMax", "TasksMax", "CPUQuotaPerSecUSec"];
        let properties = names.map(|name| self.property(name));
        assert_eq!(properties, systemd, "{} ({})", self.name, self.unit());
    }
}

/// Runs a scenario on a fresh virtual host whose dockerd runs, with what the file says up.
fn on_a_virtual_host(scenario: impl FnOnce(&Vm, &Project<'_>)) {
    if !support::may_run(support::Ring::Host, vm::missing().as_deref()) {
        return;
    }
    let vm = Vm::boot();
    vm.docker();
    let project = Project::new(&vm, "both", LIMITED);
    project.up();
    scenario(&vm, &project);
}

#[test]
fn limits_bind_and_cover_the_container_whatever_happens_to_it() {
    on_a_virtual_host(|vm, _| {
        let all = ["db", "web", "api"].map(|name| Seen { vm, name });
        for seen in &all {
            let below = match seen.name {
                "db" => format!("{SLICE}/locker-both-db.service/"),
                _ => format!("{SLICE}/docker-"),
            };
            assert!(seen.group().starts_with(&below), "{}", seen.group());
            seen.is_kept_to(Some(64 * MIB), 60, Some(30));
        }
        assert_eq!(all[0].property("CPUWeight"), "50");
        assert_eq!(all[0].file("cpu.weight"), "50");
        for seen in &all {
            greed_hits_nobody_else(seen, &all);
            a_fork_bomb_ends_at_its_limit(seen);
        }
    });
}

/// Memory beyond the limit: the process that took it is killed, and nothing else.
fn greed_hits_nobody_else(seen: &Seen<'_>, all: &[Seen<'_>]) {
    let kills = || all.iter().map(|s| s.count("memory.events", "oom_kill"));
    let pids = || all.iter().map(Seen::pid).collect::<Vec<_>>();
    let (before, pids_before) = (kills().collect::<Vec<_>>(), pids());
    let code = seen.inside("dd if=/dev/zero of=/dev/null bs=100M count=1");
    assert_eq!(code, 137, "{}", seen.name);
    assert!(seen.number("memory.peak") <= 64 * MIB);
    for ((other, before), now) in all.iter().zip(before).zip(kills()) {
        assert_eq!(now > before, other.name == seen.name, "{}", other.name);
    }
    assert_eq!(pids(), pids_before);
}

fn a_fork_bomb_ends_at_its_limit(seen: &Seen<'_>) {
    seen.inside("i=0; while [ $i -lt 100 ]; do sleep 333 & i=$((i + 1)); done");
    assert!(seen.count("pids.events", "max") > 0, "{}", seen.name);
    assert!(seen.number("pids.current") <= 60, "{}", seen.name);
    seen.vm.sh("pkill -x -f 'sleep 333'; true");
    eventually(true, || seen.number("pids.current") < 20);
}
