//! A project that starts with the host: everything is back, and in its order.

use std::collections::BTreeMap;

use crate::beside::{answers, on_a_host_with_docker};
use crate::machine::Host;
use crate::project::{Project, eventually};

/// Ten containers of both kinds. What each waits for: `healthy` unless it says otherwise.
///
/// base <- seed (ends) <- db <- {cache, queue} <- api <- {web, work} <- edge, and alone on the side.
const TEN: &str = r#"  base: &lxc
    template: {name: tiny}
    restart: always
    healthcheck: &check
      test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1/"]
      interval: 300ms
      retries: 200
  seed:
    image: busybox:test
    command: [sh, -c, "wget -q -O /dev/null http://base/ && sleep 0.3"]
    links: [base]
    depends_on: {base: {condition: healthy}}
  db: &docker
    image: busybox:test
    restart: always
    stop_grace_period: 0s
    healthcheck: *check
    depends_on: {seed: {condition: completed_successfully}}
    ports: ["8081:80"]
  cache:
    <<: *lxc
    depends_on: {db: {condition: healthy}}
  queue:
    <<: *docker
    ports: []
    depends_on: {db: {condition: healthy}}
  api:
    <<: *lxc
    depends_on: {cache: {condition: healthy}, queue: {condition: healthy}}
    ports: ["8080:80"]
  web:
    <<: *docker
    depends_on: {api: {condition: healthy}}
    ports: ["8082:80"]
  work:
    <<: *lxc
    depends_on: {api: {condition: started}}
  edge:
    <<: *lxc
    depends_on: {web: {condition: healthy}, work: {condition: healthy}}
    ports: ["8083:80"]
  alone:
    <<: *docker
    depends_on: {}
    ports: []
"#;

/// Who waits for whom.
const ORDER: [(&str, &str); 11] = [
    ("base", "seed"),
    ("seed", "db"),
    ("db", "cache"),
    ("db", "queue"),
    ("cache", "api"),
    ("queue", "api"),
    ("api", "web"),
    ("api", "work"),
    ("web", "edge"),
    ("work", "edge"),
    ("base", "edge"),
];

/// When systemd had each container ready (`Started` or `Finished`) and began to start it, in
/// microseconds, from the journal of this boot.
fn times(host: &Host) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let said = host.sh("journalctl -b -o json --output-fields=MESSAGE,UNIT,_SOURCE_REALTIME_TIMESTAMP _PID=1 | grep '\"locker-ten-'");
    let (mut begun, mut ready) = (BTreeMap::new(), BTreeMap::new());
    for line in said.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).expect("the journal is JSON");
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let (unit, message) = (text("UNIT"), text("MESSAGE"));
        let Some(name) = unit
            .strip_prefix("locker-ten-")
            .and_then(|n| n.strip_suffix(".service"))
        else {
            continue;
        };
        let at = text("_SOURCE_REALTIME_TIMESTAMP").parse().expect("a time");
        if message.starts_with("Starting ") {
            begun.entry(name.to_owned()).or_insert(at);
        } else if message.starts_with("Started ") || message.starts_with("Finished ") {
            ready.entry(name.to_owned()).or_insert(at);
        }
    }
    (begun, ready)
}

/// Everything answers, nothing is left to do, and nobody began before what he waits for was ready.
#[track_caller]
fn all_is_back(host: &Host, project: &Project) {
    for (port, wanted) in [
        (8080, "api"),
        (8081, "hello"),
        (8082, "hello"),
        (8083, "edge"),
    ] {
        answers(host, port, wanted);
    }
    project.locker("plan --exit-code").exits(0);
    assert_eq!(host.sh("systemctl --failed --no-legend"), "");
}

/// A host that forwards anyway: else dockerd closes the forward chain only when it is the first
/// to ask for forwarding, which is another one before and after the reboot.
pub fn forwards(host: &Host) {
    host.sh(
        "echo net.ipv4.ip_forward=1 >/etc/sysctl.d/90-forward.conf; sysctl -qw net.ipv4.ip_forward=1; \
         iptables -P FORWARD ACCEPT",
    );
    host.remember_as_clean();
}

#[test]
fn a_mixed_project_of_ten_comes_back_after_a_reboot_in_its_order() {
    let reboots = std::env::var("LOCKER_REBOOTS").ok();
    let reboots: u32 = reboots.map_or(2, |count| {
        count.parse().expect("LOCKER_REBOOTS is a number")
    });
    on_a_host_with_docker(|host| {
        forwards(host);
        let project = Project::new(host, "ten", TEN);
        project.up();
        project.locker("enable").exits(0);
        host.sh("systemctl -q enable docker");
        all_is_back(host, &project);
        for round in 1..=reboots {
            host.reboot();
            all_is_back(host, &project);
            let (begun, ready) = times(host);
            assert_eq!(ready.len(), 10, "round {round}: {ready:?}");
            for (first, then) in ORDER {
                assert!(
                    ready[first] <= begun[then],
                    "round {round}: `{then}` began {} µs before `{first}` was ready",
                    begun[then] - ready[first]
                );
            }
            eprintln!("round {round}: all ten in their order");
        }
        project.locker("disable").exits(0);
        host.reboot();
        assert_eq!(host.sh("docker ps -q"), "");
        assert_eq!(project.state("api"), "STOPPED");
        project.up();
        all_is_back(host, &project);
    });
}

/// One on demand that is enabled for boot and one that is not, of each kind, and what is plainly published.
const HELD: &str = r#"  wiki: &lxc
    template: {name: tiny}
    stop_grace_period: 0s
    ports: ["8090:80"]
    on_demand: true
  auto:
    <<: *lxc
    ports: ["8091:80"]
    autostart: true
  web:
    template: {name: tiny}
    stop_grace_period: 0s
    ports: ["8092:80"]
    autostart: true
    links: [api]
  off:
    template: {name: tiny}
    stop_grace_period: 0s
    ports: ["8093:80"]
  api: &docker
    image: busybox:test
    stop_grace_period: 0s
    ports: ["8094:80"]
    autostart: true
  tool:
    <<: *docker
    ports: ["8095:80"]
    on_demand: true
    autostart: false
"#;

/// What a boot leads to, whatever ran before: what is enabled runs or is held, with its ports and names, and nothing
/// else has a port.
#[track_caller]
fn as_enabled(host: &Host, project: &Project, when: &str) {
    for (port, wanted) in [(8092, "web"), (8094, "hello"), (8091, "auto")] {
        answers(host, port, wanted);
    }
    eventually(Some("hello".to_owned()), || {
        let page = project.inside("web", "wget -qO- http://api/");
        (page.code == 0).then(|| page.out.trim().to_owned())
    });
    for port in [8090, 8093, 8095] {
        assert_eq!(host.fetch_from_outside(port), None, "{when}: {port}");
    }
    for name in ["wiki", "off"] {
        assert_eq!(project.state(name), "STOPPED", "{when}: {name}");
    }
    assert_eq!(
        host.sh("docker ps -q --filter name=rest_tool"),
        "",
        "{when}"
    );
    let told = project.locker("status").exits(0).err;
    for name in ["wiki", "tool"] {
        let closed =
            format!("{name}: no caller starts it: the ports that systemd holds for it are closed");
        assert!(told.contains(&closed), "{when}: {told}");
    }
    assert!(
        !told.contains("auto:") && !told.contains("off:"),
        "{when}: {told}"
    );
}

#[test]
fn what_is_open_and_runs_after_a_reboot_is_what_is_enabled_also_after_a_stop() {
    on_a_host_with_docker(|host| {
        forwards(host);
        host.sh("systemctl -q enable docker");
        let project = Project::new(host, "rest", HELD);
        project.up();
        for (port, wanted) in [(8090, "wiki"), (8093, "off"), (8095, "hello")] {
            answers(host, port, wanted);
        }
        host.reboot();
        as_enabled(host, &project, "a reboot");
        project.locker("stop").exits(0);
        for port in 8090..=8095 {
            assert_eq!(host.fetch_from_outside(port), None, "stopped: {port}");
        }
        host.reboot();
        as_enabled(host, &project, "a reboot after a stop");
        project.up();
        for (port, wanted) in [(8090, "wiki"), (8093, "off"), (8095, "hello")] {
            answers(host, port, wanted);
        }
        project.locker("plan --exit-code").exits(0);
    });
}
