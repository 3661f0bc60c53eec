//! Callers of a container on demand that does not come up: each is told at once, and the next one starts it anew.

use std::time::Instant;

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::project::{Project, eventually};

/// What the containers run: it is bad after a second until somebody mends it.
const RUN: &str = "[ -e /work/good ] && exec httpd -f -p 80 -h /www; sleep 1; exit 3";

/// How its container comes to its end, and its port.
const CASES: [(&str, &str, u16); 4] = [
    ("tries", "restart: on-failure:1", 8301),
    ("once", "restart: no", 8302),
    ("tries-lxc", "restart: on-failure:1", 8303),
    ("once-lxc", "restart: no", 8304),
];

fn file() -> String {
    let mut text = String::new();
    for (name, key, port) in CASES {
        let source = match name.ends_with("lxc") {
            true => "template: {name: tiny}\n    config: [\"lxc.init.cmd = /bin/sh /work/run\"]",
            false => "image: busybox:test\n    command: [sh, /work/run]",
        };
        text += &format!(
            "  {name}:\n    {source}\n    stop_grace_period: 0s\n    on_demand: true\n    {key}\n    \
             volumes: [\"./work:/work\"]\n    ports: [\"{port}:80\"]\n"
        );
    }
    text
}

fn state(host: &Host, unit: &str) -> String {
    host.sh(&format!("systemctl show -P ActiveState '{unit}'"))
}

/// Calls until the call has an end; what it brought.
fn call(host: &Host, port: u16) -> String {
    host.sh(&format!(
        "curl -s --noproxy '*' -m 60 http://127.0.0.1:{port}/ || echo \"curl $?\""
    ))
}

#[test]
fn a_caller_whose_container_does_not_come_up_is_told_and_the_next_one_starts_it_anew() {
    on_a_host_with_docker(|host| {
        host.write("/srv/shop/work/run", RUN);
        let project = Project::new(host, "shop", &file());
        project.locker("up");
        for (name, key, port) in CASES {
            let escaped = name.replace('-', "\\x2d");
            let service = format!("locker-shop-{escaped}.service");
            let way = format!("locker-shop-{escaped}-on\\x2ddemand-{port}.service");
            for turn in 1..=2 {
                let starts = format!("journalctl -q -u '{service}' | grep -c 'Starting '");
                let before = host.sh(&format!("{starts} || true"));
                let begun = Instant::now();
                let brought = call(host, port);
                let told = format!(
                    "{name}, {key}, call {turn}: `{brought}` in {:?}",
                    begun.elapsed()
                );
                eprintln!("{told}");
                assert!(
                    brought.starts_with("curl ") && brought != "curl 28",
                    "{told}"
                );
                eventually("inactive".into(), || state(host, &way));
                assert!(["failed", "inactive"].contains(&state(host, &service).as_str()));
                assert_ne!(host.sh(&starts), before, "{told}: it was not started");
                assert_eq!(state(host, &way.replace(".service", ".socket")), "active");
            }
        }
        host.sh("touch /srv/shop/work/good");
        for (name, _, port) in CASES {
            let brought = call(host, port);
            assert!(!brought.contains("curl"), "{name}: `{brought}`");
        }
    });
}
