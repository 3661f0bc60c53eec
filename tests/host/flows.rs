//! A UDP client that goes on sending from one socket follows the rules, whoever they lead to.

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::project::{Project, eventually};

/// Sends from one socket for ever; what was answered last stands in a file, nothing when there was no answer.
const CLIENT: &str = r#"import os, socket, sys, time
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.settimeout(0.1)
s.connect((sys.argv[1], 5000))
while True:
    said = 'none'
    try:
        s.send(b'x')
        said = s.recv(99).decode()
    except OSError: pass
    time.sleep(0.05)
    with open(sys.argv[2] + '.new', 'w') as out: out.write(said)
    os.rename(sys.argv[2] + '.new', sys.argv[2])
"#;

/// Answers each datagram, of either family, with a word.
const SERVER: &str = r#"import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(('::', int(sys.argv[2])))
while True:
    _, peer = s.recvfrom(99)
    s.sendto(sys.argv[1].encode(), peer)
"#;

/// A machine beside the host, with both families.
const GUEST: &str = "ip netns add guest && ip link add g0 type veth peer name g1 netns guest && \
    ip addr add 198.51.100.1/24 dev g0 && ip addr add 2001:db8::1/64 dev g0 nodad && ip link set g0 up && \
    ip -n guest addr add 198.51.100.2/24 dev g1 && ip -n guest addr add 2001:db8::2/64 dev g1 nodad && \
    ip -n guest link set g1 up";

fn file(system: &str, app: &str) -> String {
    format!(
        "  a:\n    template: {{name: tiny}}\n    stop_grace_period: 0s\n    ports: [{system}]\n  \
         b:\n    image: busybox:test\n    stop_grace_period: 0s\n    ports: [{app}]\n"
    )
}

/// Both clients get `wanted` from now on.
#[track_caller]
fn both_get(host: &Host, wanted: &str) {
    eventually(format!("{wanted} {wanted}"), || {
        host.sh("echo $(cat /tmp/said4) $(cat /tmp/said6)")
    });
}

/// Runs a server in the network of the process `pid`, until that network goes.
fn serve(host: &Host, pid: &str, word: &str, port: u16) {
    host.sh(&format!(
        "systemd-run -q --collect nsenter -t {pid} -n python3 /opt/server.py {word} {port}"
    ));
}

#[test]
fn an_established_udp_flow_follows_a_rule_that_comes_changes_its_target_and_goes() {
    on_a_host_with_docker(|host| {
        host.write("/opt/client.py", CLIENT);
        host.write("/opt/server.py", SERVER);
        host.sh(GUEST);
        host.remember_as_clean();
        let project = Project::new(host, "flow", &file("", ""));
        project.up();
        let pid = |name: &str| match name {
            "a" => project.init("a").to_string(),
            _ => host.sh("docker inspect -f '{{.State.Pid}}' flow_b"),
        };
        for (name, word, port) in [
            ("a", "a", 53),
            ("a", "a2", 54),
            ("b", "b", 53),
            ("b", "b2", 54),
        ] {
            serve(host, &pid(name), word, port);
        }
        for (unit, address) in [("said4", "198.51.100.1"), ("said6", "2001:db8::1")] {
            host.sh(&format!(
                "systemd-run -q --unit {unit} ip netns exec guest python3 /opt/client.py {address} /tmp/{unit}; \
                 until [ -e /tmp/{unit} ]; do sleep 0.05; done"
            ));
        }
        both_get(host, "none");
        for (system, app, wanted) in [
            ("\"5000:53/udp\"", "", "a"),
            ("\"5000:54/udp\"", "", "a2"),
            ("", "\"5000:53/udp\"", "b"),
            ("", "\"5000:54/udp\"", "b2"),
            ("\"5000:53/udp\"", "", "a"),
            ("", "", "none"),
            ("", "\"5000:53/udp\"", "b"),
        ] {
            project.rewrite(&file(system, app));
            project.up();
            both_get(host, wanted);
        }
        project.locker("rmports").exits(0);
        both_get(host, "none");
        project.locker("ports").exits(0);
        both_get(host, "b");
        project.locker("port rm b 5000:53/udp").exits(0);
        both_get(host, "none");
        project.locker("ports").exits(0);
        both_get(host, "b");
        project.locker("stop b").exits(0);
        both_get(host, "none");
        // In another subnet the containers have other addresses, of which the client knows nothing.
        for (subnet, system, app, name) in [
            ("10.250.0.0/24", "\"5000:53/udp\"", "", "a"),
            ("10.251.0.0/24", "", "\"5000:53/udp\"", "b"),
        ] {
            let text = format!("{}network: {{subnet: {subnet}}}\n", file(system, app));
            project.rewrite(&text);
            project.up();
            serve(host, &pid(name), name, 53);
            both_get(host, name);
        }
        host.sh("systemctl stop said4 said6");
    });
}
