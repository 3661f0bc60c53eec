//! Another engine than the usual one: on a socket of its own, and on the network.

use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};

const SOCKET: &str = "unix:///tmp/other.sock";
const NETWORK: &str = "tcp://127.0.0.1:2375";

/// A second engine with its own containers, beside the usual one.
fn with_another_engine(host: &Host) {
    host.docker();
    host.sh(&format!(
        "systemd-run --quiet --unit other-engine dockerd -H {SOCKET} -H {NETWORK} --data-root /var/lib/other \
         --exec-root /run/other --pidfile /run/other.pid --bridge none --iptables=false \
         --containerd /run/containerd/containerd.sock --containerd-namespace other --containerd-plugins-namespace other-plugins
         for try in $(seq 100); do docker -H {SOCKET} version >/dev/null 2>&1 && break; sleep 0.2; done
         docker save busybox:test | docker -H {SOCKET} load -q"
    ));
    host.remember_as_clean();
}

#[test]
fn a_supervisor_uses_the_engine_that_has_the_container() {
    on_a_host(|host| {
        with_another_engine(host);
        let web = "  web: {image: 'busybox:test', restart: always, stop_signal: KILL}\n";
        let project = Project::new(host, "both", web);
        let locker = |engine: &str, words: &str| {
            host.try_sh(&format!(
                "cd /srv/both && DOCKER_HOST={engine} locker {words}"
            ))
        };
        locker(SOCKET, "up").exits(0);
        let docker = |words: &str| host.sh(&format!("docker -H {SOCKET} {words}"));
        let unit = |property: &str| {
            host.sh(&format!(
                "systemctl show -P {property} locker-both-web.service"
            ))
        };
        eventually("active".into(), || unit("ActiveState"));
        assert_eq!(host.sh("docker ps -q"), "", "it is on the usual engine");
        let first = docker("inspect -f '{{.State.Pid}}' both_web");
        host.sh(&format!("kill -9 {first}"));
        eventually(true, || {
            let now = docker("inspect -f '{{.State.Pid}}' both_web");
            now != "0" && now != first
        });
        assert_eq!(unit("NRestarts"), "1");
        locker(SOCKET, "plan --exit-code").exits(0);
        host.sh("systemctl stop locker-both-web.service");
        assert_eq!(docker("ps -q"), "");
        locker(SOCKET, "down").exits(0);

        // Without a socket the engine keeps it up itself, which is said once.
        let ran = locker(NETWORK, "up").exits(0);
        assert_eq!(ran.err.matches("restart policy").count(), 1, "{}", ran.err);
        assert_eq!(
            docker("inspect -f '{{.HostConfig.RestartPolicy.Name}}' both_web"),
            "always"
        );
        assert_eq!(unit("LoadState"), "not-found");
        locker(NETWORK, "plan --exit-code").exits(0);
        locker(NETWORK, "down").exits(0);
        project.rewrite(&web.replace("restart: always", "supervisor: systemd"));
        locker(NETWORK, "up").exits(1).says(&[
            "needs the engine's socket",
            NETWORK,
            "unset DOCKER_HOST",
        ]);
        host.sh("systemctl stop other-engine; rm -rf /srv/both");
    });
}
