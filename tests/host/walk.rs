//! A walk over a virtual host: Debian in containers, boots, power cuts and the engine's other store of images, under
//! a kernel, a systemd and engines of its own.
//!
//! Emulated, it takes half an hour; `tests/bench/vm.sh` runs it and writes down what came of it.

use std::time::{Duration, Instant};

use crate::image::Release;
use crate::machine::Shell;
use crate::project::Project;
use crate::support;
use crate::vm::{self, Vm};

/// Debian with all of root's powers and without, and an application that waits for one of them.
const FILE: &str = r#"  box:
    rootfs: /opt/debian
    restart: always
    autostart: true
    ports: ["2222:22"]
    healthcheck: {test: [CMD, systemctl, is-system-running], interval: 2s, retries: 200}
  safe:
    rootfs: /opt/debian
    idmap: auto
    restart: always
    autostart: true
    ports: ["2223:22"]
    links: [box]
  web:
    image: busybox:test
    restart: always
    autostart: true
    stop_grace_period: 0s
    ports: ["8080:80"]
    depends_on: {box: {condition: healthy}}
  late:
    image: busybox:test
    on_demand: true
    autostart: true
    stop_grace_period: 0s
    ports: ["8081:80"]
"#;

/// Small ones of both kinds, for what is done again and again.
const SMALL: &str = r#"  db:
    template: {name: tiny}
    restart: always
    autostart: true
    ports: ["8090:80"]
    volumes: ["rows:/rows"]
  api:
    image: busybox:test
    restart: always
    autostart: true
    stop_grace_period: 0s
    environment: {WORD: first}
    depends_on: [db]
    ports: ["8091:80"]
"#;

/// Waits at most four minutes: what takes a second elsewhere takes ten here.
#[track_caller]
fn in_the_end(what: &str, mut look: impl FnMut() -> Result<(), String>) {
    let begun = Instant::now();
    while let Err(seen) = look() {
        assert!(begun.elapsed() < Duration::from_secs(240), "{what}: {seen}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// What a port of the host gives to a caller by the host's own address.
fn asks(vm: &Vm, port: u16) -> Result<(), String> {
    let ran = match port {
        2222 | 2223 => vm.try_sh(&format!("timeout 20 bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}; read -r -u 3 l; [[ $l = SSH* ]]'")),
        _ => vm.try_sh(&format!("curl -sS --max-time 20 -o /dev/null http://127.0.0.1:{port}/")),
    };
    match ran.code {
        0 => Ok(()),
        code => Err(format!("port {port}: {code} {}", ran.err)),
    }
}

/// All ports answer and nothing is to be done.
#[track_caller]
fn is_well(vm: &Vm, project: &Project<'_>, ports: &[u16]) {
    for port in ports {
        in_the_end("a port", || asks(vm, *port));
    }
    in_the_end("the plan", || {
        let plan = project.locker("plan --exit-code");
        match plan.code {
            0 => Ok(()),
            _ => Err(format!("{}{}", plan.out, plan.err)),
        }
    });
}

/// Begins a command that goes on when the power is cut; it runs when this returns.
fn begins(vm: &Vm, project: &Project<'_>, words: &str) {
    let (dir, unit) = (project.dir(), "begun.service");
    vm.sh(&format!(
        "systemctl reset-failed {unit} 2>/dev/null; systemd-run --quiet --unit {unit} -p WorkingDirectory={dir} locker {words}"
    ));
}

#[test]
#[ignore = "emulates a machine for half an hour; tests/bench/vm.sh runs it"]
fn a_whole_project_lives_on_a_real_machine() {
    if !support::may_run(support::Ring::Host, vm::missing().as_deref()) {
        return;
    }
    let release = Release::asked();
    let vm = Vm::lasting(release);
    let begun = Instant::now();
    let told = |what: &str| eprintln!("{what} after {:?}", begun.elapsed());
    vm.docker();
    vm.sh("systemctl enable docker 2>/dev/null");
    vm.sh("command -v ssh-keygen || cp /opt/debian/usr/bin/ssh-keygen /usr/bin/");
    let project = Project::new(&vm, "real", FILE);
    debian_runs_inside(&vm, &project);
    told("Debian inside");
    boots_in_order(&vm, &project);
    told("boot order");
    project.locker("down --yes").exits(0);
    let small = Project::new(&vm, "small", SMALL);
    power_is_cut(&vm, &small);
    told("power cuts");
    match release {
        // Engine 20.10 has only the one.
        Release::Bookworm => {}
        Release::Trixie => {
            images_in_the_other_store(&vm, &small);
            told("containerd's image store");
        }
    }
}

fn debian_runs_inside(vm: &Vm, project: &Project<'_>) {
    // An emulated system takes minutes to come up.
    for words in [
        "create",
        "start box",
        "start --wait-timeout 200s safe",
        "up --wait-timeout 200s",
    ] {
        project.locker(words).exits(0);
    }
    for name in ["box", "safe"] {
        let state = project.locker(&format!(
            "exec {name} -- systemctl is-system-running --wait"
        ));
        assert_eq!(
            state.out.trim(),
            "running",
            "{name}: {}",
            failed_inside(project, name)
        );
    }
    let named = project.locker("exec safe -- getent ahostsv4 box").exits(0);
    assert!(!named.out.is_empty());
    let mapped = vm.sh("cat /proc/$(lxc-info -n real_safe -pH)/uid_map");
    assert!(
        !mapped.trim_start().starts_with("0 0 ") && !mapped.contains(" 0          0 "),
        "{mapped}"
    );
    is_well(vm, project, &[2222, 2223, 8080, 8081]);
}

fn failed_inside(project: &Project<'_>, name: &str) -> String {
    project
        .locker(&format!("exec {name} -- systemctl --failed --no-legend"))
        .out
}

/// What is to run runs, who waits for another starts when that is healthy, and no job of the boot was dropped.
fn boots_in_order(vm: &Vm, project: &Project<'_>) {
    project.locker("stop late").exits(0);
    project.locker("start late").exits(0);
    vm.reboot();
    is_well(vm, project, &[2222, 2223, 8080, 8081]);
    let cycles = vm.try_sh("journalctl -b --no-pager | grep -i 'ordering cycle'");
    assert_eq!(cycles.code, 1, "{}", cycles.out);
    let verified = vm.try_sh("systemd-analyze verify multi-user.target 2>&1 | grep -i locker");
    assert_eq!(verified.code, 1, "{}", verified.out);
    let since = |name: &str| {
        let time = vm.sh(&format!(
            "systemctl show -P ExecMainStartTimestampMonotonic locker-real-{name}"
        ));
        time.parse::<u64>().expect("microseconds")
    };
    let active = |name: &str| {
        let time = vm.sh(&format!(
            "systemctl show -P ActiveEnterTimestampMonotonic locker-real-{name}"
        ));
        time.parse::<u64>().expect("microseconds")
    };
    assert!(
        active("web") > active("box") && since("box") > 0,
        "web waits for box"
    );
}

/// In a first `up`, in a change and in a removal: the next boot leaves nothing half done that the next run does not
/// mend, and what was up before is up without it.
fn power_is_cut(vm: &Vm, project: &Project<'_>) {
    let ports = [8090, 8091];
    let second = SMALL
        .replace("WORD: first", "WORD: second")
        .replace("8091:80", "8092:80");
    let cut = |words: &str, after: u64| {
        begins(vm, project, words);
        // How far it has come by then is what the cut is to be random in.
        std::thread::sleep(Duration::from_secs(after));
        vm.cut_power();
    };
    for after in [4, 9, 14] {
        cut("up", after);
        project.locker("up").exits(0);
        is_well(vm, project, &ports);
        project.locker("down --yes --volumes").exits(0);
    }
    project.up();
    vm.sh("sync");
    vm.cut_power();
    is_well(vm, project, &ports);
    for after in [3, 8] {
        project.rewrite(&second);
        cut("up", after);
        project.locker("up").exits(0);
        is_well(vm, project, &[8090, 8092]);
        project.rewrite(SMALL);
        project.up();
    }
    cut("stop", 2);
    project.up();
    is_well(vm, project, &ports);
    cut("down --yes", 2);
    project.locker("down --yes").exits(0);
    let left = vm.sh("docker ps -aq; ls -A /var/lib/lxc; ls /etc/systemd/system | grep locker- | grep -v locker-network; ls /sys/class/net | grep lk; true");
    assert_eq!(left.replace("lxc-monitord.log", "").trim(), "");
}

/// A project comes up, changes, builds and goes as with the engine's own store.
fn images_in_the_other_store(vm: &Vm, project: &Project<'_>) {
    vm.sh("mkdir -p /etc/docker; echo '{\"features\": {\"containerd-snapshotter\": true}}' > /etc/docker/daemon.json; systemctl restart docker");
    let driver = vm.sh("docker info -f '{{.DriverStatus}}'");
    assert!(driver.contains("io.containerd.snapshotter"), "{driver}");
    vm.docker();
    project.rewrite(SMALL);
    project.up();
    is_well(vm, project, &[8090, 8091]);
    project.rewrite(&SMALL.replace("WORD: first", "WORD: second"));
    project.up();
    is_well(vm, project, &[8090, 8091]);
    vm.write(
        "/srv/small/Dockerfile",
        "FROM busybox:test\nRUN echo built > /www/index.html\nHEALTHCHECK CMD true\n",
    );
    project.rewrite(&SMALL.replace("image: busybox:test", "build: ."));
    project.locker("up --build").exits(0);
    is_well(vm, project, &[8090, 8091]);
    assert_eq!(vm.sh("curl -s http://127.0.0.1:8091/"), "built");
    let before = vm.sh("docker inspect -f '{{.Id}}' small_api");
    project.locker("up --build").exits(0);
    assert_eq!(
        vm.sh("docker inspect -f '{{.Id}}' small_api"),
        before,
        "nothing was built anew"
    );
    project.locker("images").exits(0);
    project.locker("down --yes --volumes").exits(0);
    assert_eq!(vm.sh("docker ps -aq; docker volume ls -q"), "");
}
