//! Ctrl-C in the middle of what may take for ever: a pull, a build, a health check.

use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};
use crate::ran::Ran;

/// A registry that answers everything but the content, which it begins and never ends; and one that says nothing at all.
const REGISTRIES: &str = r#"import hashlib, http.server, json, socket, threading, time
def digest(data): return 'sha256:' + hashlib.sha256(data).hexdigest()
BEGIN = 'application/vnd.docker.'
config = json.dumps({'architecture': 'amd64', 'os': 'linux', 'config': {},
    'rootfs': {'type': 'layers', 'diff_ids': [digest(b'whole')]}}).encode()
manifest = json.dumps({'schemaVersion': 2, 'mediaType': BEGIN + 'distribution.manifest.v2+json',
    'config': {'mediaType': BEGIN + 'container.image.v1+json', 'size': len(config), 'digest': digest(config)},
    'layers': [{'mediaType': BEGIN + 'image.rootfs.diff.tar.gzip', 'size': 9000000, 'digest': digest(b'packed')}]}).encode()
class Trickles(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def say(self, kind, body, size):
        self.send_response(200)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(size))
        self.end_headers()
        if self.command == 'GET': self.wfile.write(body)
    def do_GET(self):
        if '/manifests/' in self.path:
            self.say(BEGIN + 'distribution.manifest.v2+json', manifest, len(manifest))
        elif digest(config) in self.path:
            self.say('application/octet-stream', config, len(config))
        elif '/blobs/' in self.path:
            self.say('application/octet-stream', b'', 9000000)
            while self.command == 'GET':
                self.wfile.write(b'x')
                open('/run/trickles', 'w').close()
                time.sleep(0.1)
        else:
            self.say('application/json', b'{}', 2)
    do_HEAD = do_GET
    def log_message(self, *_): pass
trickles = http.server.ThreadingHTTPServer(('127.0.0.1', 5006), Trickles)
threading.Thread(target=trickles.serve_forever).start()
silent = socket.create_server(('127.0.0.1', 5005))
kept = []
while True: kept.append(silent.accept())
"#;

fn with_docker(host: &Host) {
    host.docker();
    // A build's own bridge gets an address at its first use.
    host.sh("docker run --rm busybox:test sleep 2");
    host.remember_as_clean();
}

fn with_registries(host: &Host) {
    with_docker(host);
    host.write("/opt/registries.py", REGISTRIES);
    host.sh("systemd-run -q --unit registries python3 /opt/registries.py");
    eventually(0, || {
        host.try_sh("ss -ltn | grep -q :5005 && ss -ltn | grep -q :5006")
            .code
    });
}

/// Runs `up` in a process group of its own, as a terminal does, and presses Ctrl-C as soon as `begun` succeeds, and
/// once more a moment later when it is to be pressed `twice`. What it said, and for how long it went on after the last.
fn pressed(host: &Host, begun: &str, twice: bool) -> (Ran, u64) {
    let again = if twice {
        "sleep 0.5; at=$(date +%s%N); kill -INT -- -$up"
    } else {
        ""
    };
    let script = format!(
        "cd /srv/shop; setsid env --default-signal=INT locker up & up=$!
         until {begun}; do [ -e /proc/$up ] || break; sleep 0.05; done
         at=$(date +%s%N); kill -INT -- -$up; {again}
         wait $up; code=$?; echo $(( ($(date +%s%N) - at) / 1000000 )); exit $code"
    );
    let ran = host.try_sh(&script);
    let took = ran.out.trim().lines().last().unwrap_or_default().parse();
    let took = took.unwrap_or_else(|_| panic!("{ran:?}"));
    (ran, took)
}

/// Ends at once, says so, and leaves nothing of containers, images and processes.
#[track_caller]
fn ends(host: &Host, what: &str, begun: &str) {
    let images = || host.sh("docker images -a --format '{{.ID}} {{.Repository}}' | sort");
    let before = images();
    let (ran, took) = pressed(host, begun, false);
    let ran = ran.exits(130).says(&["SIGINT"]);
    // What is waited for takes 300 s; a busy machine takes its time over all the rest.
    assert!(took < 60_000, "{what}: {took} ms\n{}", ran.err);
    assert!(!ran.err.contains("panicked"), "{what}: {}", ran.err);
    assert_eq!(images(), before, "{what}");
    // The engine goes on for a moment where it was cut off.
    eventually(String::new(), || {
        host.sh("pgrep -a -f '^(/bin/)?sleep 300$|^/bin/sh -c sleep 300'; ss -tnH state established '( dport = :5005 or dport = :5006 )'; true")
    });
    host.assert_as_remembered(what);
}

#[test]
fn ctrl_c_ends_a_pull_that_never_would() {
    on_a_host(|host| {
        with_registries(host);
        for (port, begun) in [
            (
                5005,
                "ss -tnH state established '( dport = :5005 )' | grep -q .",
            ),
            (5006, "[ -e /run/trickles ]"),
        ] {
            let db = "  db: {template: {name: tiny}}\n";
            let file = format!("{db}  web: {{image: '127.0.0.1:{port}/web:1', links: [db]}}\n");
            let _ = Project::new(host, "shop", &file);
            ends(host, &format!("a pull from {port}"), begun);
        }
        host.sh("systemctl stop registries; rm /run/trickles");
    });
}

#[test]
fn ctrl_c_ends_a_build_that_never_would() {
    on_a_host(|host| {
        with_docker(host);
        let _ = Project::new(host, "shop", "  web: {build: .}\n");
        for (builder, options) in [
            ("classic", ""),
            ("BuildKit", "--mount=type=tmpfs,target=/x "),
        ] {
            let text = format!("FROM busybox:test\nRUN {options}sleep 300\n");
            host.write("/srv/shop/Dockerfile", &text);
            ends(
                host,
                &format!("a build by {builder}"),
                "pgrep -f 'sleep 30[0]$'",
            );
        }
    });
}

/// One of a kind whose check hangs, and one that waits for it.
fn checked(source: &str, supervisor: &str) -> String {
    format!(
        "  db:\n    {source}\n    supervisor: {supervisor}\n    stop_grace_period: 0s\n    \
         healthcheck: {{test: [CMD, sleep, \"300\"], timeout: 300s}}\n  \
         web:\n    {source}\n    supervisor: {supervisor}\n    stop_grace_period: 0s\n    \
         depends_on: {{db: {{condition: healthy}}}}\n"
    )
}

#[test]
fn ctrl_c_ends_the_wait_for_a_check_and_the_check() {
    on_a_host(|host| {
        with_docker(host);
        for source in ["template: {name: tiny}", "image: busybox:test"] {
            for supervisor in ["auto", "none"] {
                let _ = Project::new(host, "shop", &checked(source, supervisor));
                let what = format!("the wait for {source}, {supervisor}");
                ends(host, &what, "pgrep -f 'sleep 30[0]$'");
            }
        }
    });
}

#[test]
fn a_second_ctrl_c_leaves_while_the_first_is_still_obeyed() {
    on_a_host(|host| {
        with_docker(host);
        let stubborn = "trap : TERM PWR; while :; do sleep 1; done";
        host.write("/srv/shop/work/run", stubborn);
        let mount = "volumes: [\"./work:/work\"]";
        for source in [
            format!(
                "template: {{name: tiny}}\n    {mount}\n    config: [\"lxc.init.cmd = /bin/sh /work/run\"]"
            ),
            format!("image: busybox:test\n    {mount}\n    command: [sh, /work/run]"),
        ] {
            for supervisor in ["auto", "none"] {
                let file = checked(&source, supervisor).replace("period: 0s", "period: 90s");
                let project = Project::new(host, "shop", &file);
                let (ran, took) = pressed(host, "pgrep -f 'sleep 30[0]$'", true);
                let ran = ran.exits(130);
                let ran = ran.says(&["SIGINT", "the next `locker up`"]);
                let promised = ran.err.matches("once more leaves at once").count();
                assert_eq!(promised, 1, "{}", ran.err);
                // Two seconds where the machine is not busy; the first one waits for 90.
                assert!(
                    took < 20_000,
                    "{source}, {supervisor}: {took} ms\n{}",
                    ran.err
                );
                project.locker("down --yes -t 0").exits(0);
                host.assert_as_remembered(&format!("down after a second Ctrl-C, {source}"));
            }
        }
    });
}
