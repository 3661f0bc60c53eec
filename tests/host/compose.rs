//! Compose files as they are, on a real engine.

use crate::beside::{answers, id, inside, left, on_a_host_with_docker};
use crate::machine::Host;
use crate::project::eventually;
use crate::ran::Ran;

/// A file as people write them: anchors, interpolation, two networks, volumes, a secret, a config.
const FILE: &str = r#"
x-service: &service
  image: busybox:test
  stop_grace_period: 1s
  restart: unless-stopped
services:
  front:
    <<: *service
    ports: ["${PORT:-8090}:80"]
    networks: [outer, inner]
    depends_on:
      back: {condition: service_healthy}
      seed: {condition: service_completed_successfully}
    configs: [{source: page, target: /www/page.html}]
    labels: {tier: front}
  back:
    <<: *service
    networks: {inner: {aliases: [api]}}
    environment: {MODE: "${MODE:?is missing}"}
    secrets: [token]
    volumes: ["data:/data", "./conf:/conf:ro", {type: tmpfs, target: /scratch}]
    healthcheck: {test: "wget -q -O /dev/null http://127.0.0.1/ || exit 1", interval: 300ms, retries: 50}
    ulimits: {nofile: 2048}
    cap_drop: [NET_RAW]
    read_only: true
    extra_hosts: ["far:192.0.2.7"]
    logging: {driver: json-file, options: {max-size: 1m}}
  seed:
    image: busybox:test
    command: sh -c 'echo seeded > /data/done'
    volumes: [data:/data]
  tools:
    image: busybox:test
    profiles: [debug]
networks: {outer: {}, inner: {internal: true}}
volumes: {data: {}}
secrets: {token: {file: ./token}}
configs: {page: {content: "from a config\n"}}
"#;

fn lay_out(host: &Host) {
    host.write("/srv/shop/compose.yaml", FILE);
    host.write("/srv/shop/.env", "MODE=live\n");
    host.write("/srv/shop/token", "s3cret");
    host.write("/srv/shop/conf/x", "from conf\n");
}

fn locker(host: &Host, words: &str) -> Ran {
    host.try_sh(&format!("cd /srv/shop && exec locker {words}"))
}

#[test]
fn a_compose_file_runs_as_it_is() {
    on_a_host_with_docker(|host| {
        lay_out(host);
        locker(host, "up --wait").exits(0);
        answers(host, 8090, "hello");
        let page = "wget -q -O - http://127.0.0.1/page.html; wget -q -O - http://api/; wget -q -O - http://back/";
        assert_eq!(
            inside(host, "shop_front", page),
            "from a config\nhello\nhello"
        );
        let seen = inside(
            host,
            "shop_back",
            "cat /run/secrets/token; echo; cat /data/done /conf/x; echo $MODE; ulimit -n; grep far /etc/hosts; touch /x || touch /scratch/x",
        );
        assert_eq!(seen, "s3cret\nseeded\nfrom conf\nlive\n2048\n192.0.2.7 far");
        // `inner` has no way out, and `back` is nowhere else.
        let out = host.try_sh(&format!(
            "docker exec shop_back ping -c 1 -W 1 {0}; docker exec shop_back wget -T 2 -q -O - http://{0}/",
            host.outer_address()
        ));
        assert_ne!(out.code, 0, "an internal network lets out");
        assert_eq!(
            host.try_sh("docker inspect shop_tools").code,
            1,
            "its profile is not enabled"
        );

        let before = (id(host, "shop_front"), id(host, "shop_back"), left(host));
        locker(host, "plan --exit-code").exits(0);
        locker(host, "up").exits(0);
        assert_eq!(
            (id(host, "shop_front"), id(host, "shop_back"), left(host)),
            before
        );

        // Another port, another value: only what it is about is made anew.
        host.sh("cd /srv/shop && PORT=8091 MODE=live locker up");
        answers(host, 8091, "hello");
        assert_eq!(
            id(host, "shop_front"),
            before.0,
            "a port is no reason for a new container"
        );
        host.sh("cd /srv/shop && PORT=8091 MODE=test locker up");
        assert_eq!(inside(host, "shop_back", "echo $MODE"), "test");
        assert_eq!(id(host, "shop_front"), before.0);
        assert_ne!(id(host, "shop_back"), before.1);

        let ran = locker(host, "run --rm tools sh -c 'echo once; exit 5'");
        assert_eq!(
            (ran.code, ran.out.contains("once")),
            (5, true),
            "{}",
            ran.err
        );
        locker(host, "--profile debug up").exits(0);
        host.sh("docker inspect shop_tools");
    });
}

#[test]
fn a_network_has_ipv6_when_the_file_asks_for_it() {
    on_a_host_with_docker(|host| {
        let file = |network: &str| {
            let text = format!(
                "services: {{web: {{image: 'busybox:test', ports: ['8090:80'], stop_signal: KILL}}}}\n{network}"
            );
            host.write("/srv/shop/compose.yaml", &text);
        };
        let addresses = || host.sh("docker exec shop_web ip -6 address show dev eth0 scope global");
        let over6 = || {
            let ask = "exec 3<>/dev/tcp/::1/8090; printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&3; grep -q hello <&3";
            host.try_sh(&format!("timeout 3 bash -c '{ask}'")).code
        };
        host.sh("sysctl -qw net.bridge.bridge-nf-call-ip6tables=0");
        file("");
        locker(host, "up").exits(0);
        answers(host, 8090, "hello");
        assert_eq!(addresses(), "");
        // Refused at once, so that who tries `localhost` goes on to 127.0.0.1.
        assert_eq!(over6(), 1);
        locker(host, "plan --exit-code").exits(0);

        file("networks: {default: {enable_ipv6: true}}\n");
        locker(host, "up").exits(0);
        answers(host, 8090, "hello");
        assert!(addresses().contains("inet6 fd"), "{}", addresses());
        assert_eq!(over6(), 0);
        locker(host, "plan --exit-code").exits(0);

        file("networks: {default: {enable_ipv6: false}}\n");
        locker(host, "up").exits(0);
        assert_eq!(addresses(), "");
        answers(host, 8090, "hello");
        locker(host, "plan --exit-code").exits(0);
        locker(host, "port add web '[::1]:8099:80'").says(&["needs IPv6"]);
    });
}

#[test]
fn several_files_scales_and_volumes_come_and_go() {
    on_a_host_with_docker(|host| {
        lay_out(host);
        host.write(
            "/srv/shop/more.yaml",
            "services:\n  front:\n    ports: !override [\"8099:80\"]\n    depends_on: !override {seed: {condition: service_completed_successfully}}\n    labels: {tier: !reset null, more: yes}\n\
             \x20 back: {scale: 2}\n",
        );
        let both = "-f compose.yaml -f more.yaml";
        locker(host, &format!("{both} up")).exits(0);
        answers(host, 8099, "hello");
        assert_eq!(host.fetch_from_outside(8090), None);
        assert_eq!(
            host.sh("docker inspect -f '{{.Config.Labels.more}}' shop_front"),
            "yes"
        );
        let names = host.sh("docker ps --format '{{.Names}}' | sort");
        assert_eq!(names, "shop_back\nshop_back-2\nshop_front");
        let found = inside(
            host,
            "shop_front",
            "nslookup back 2>/dev/null | grep -c Address",
        );
        assert!(
            found.parse::<u32>().unwrap_or(0) >= 2,
            "both replicas are found: {found}"
        );
        locker(host, &format!("{both} plan --exit-code")).exits(0);
        // Less of it again; then everything goes, and the volume only when it is asked for.
        locker(
            host,
            &format!("{both} up --scale back=1 --remove-orphans --yes"),
        )
        .exits(0);
        assert_eq!(host.sh("docker ps -q | wc -l"), "2");
        locker(host, &format!("{both} down --yes")).exits(0);
        assert_eq!(host.sh("docker volume ls -q"), "shop_data");
        assert_eq!(
            host.sh("docker ps -aq; docker network ls -qf label=locker.project"),
            ""
        );
    });
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_made() {
    on_a_host_with_docker(|host| {
        lay_out(host);
        let before = left(host);
        let refused = |words: &[&str]| {
            let ran = locker(host, "up");
            assert_ne!(ran.code, 0, "{}", ran.out);
            for word in words {
                assert!(ran.err.contains(word), "no `{word}` in:\n{}", ran.err);
            }
            assert!(
                !ran.err.contains("s3cret"),
                "a secret is printed:\n{}",
                ran.err
            );
            assert_eq!(left(host), before, "something was made");
        };
        host.write("/srv/shop/.env", "");
        refused(&["MODE", "is missing", "compose.yaml:"]);
        host.write("/srv/shop/.env", "MODE=live\n");
        let changed = |from: &str, to: &str| {
            assert!(FILE.contains(from));
            host.write("/srv/shop/compose.yaml", &FILE.replacen(from, to, 1));
        };
        changed("    cap_drop:", "    cap_dropp:");
        refused(&["cap_dropp", "cap_drop", "compose.yaml:"]);
        changed("networks: [outer, inner]", "networks: [outer, iner]");
        refused(&["iner", "compose.yaml:"]);
        changed("  seed:\n", "  seed:\n    depends_on: [front]\n");
        refused(&["front", "seed"]);
        changed("services:\n", "include: [../../etc/passwd]\nservices:\n");
        refused(&["passwd"]);
        changed("busybox:test", "127.0.0.1:9/nothing:1");
        refused(&["127.0.0.1:9/nothing:1"]);
        host.write("/srv/shop/compose.yaml", FILE);
        host.sh("systemctl stop docker docker.socket");
        let ran = locker(host, "up");
        assert_ne!(ran.code, 0);
        assert!(ran.err.contains("systemctl start docker"), "{}", ran.err);
        host.sh("systemctl start docker");
        host.remember_as_clean(); // the engine writes its rules in another order
    });
}

/// A container that joins the network of another one, as behind a VPN.
const JOINED: &str = "services:
  web: {image: 'busybox:test', stop_grace_period: 1s, restart: always, ports: ['8090:80'], environment: {V: good}, \
    healthcheck: {test: 'test $$V = good', interval: 300ms, retries: 3}}
  side: {image: 'busybox:test', stop_grace_period: 1s, network_mode: 'service:web', depends_on: [web], command: sleep 1000}
";

#[test]
fn who_shares_a_network_follows_it_and_comes_back_with_it() {
    on_a_host_with_docker(|host| {
        // A program that is not there fails at once, whatever `restart` says.
        host.write(
            "/srv/shop/compose.yaml",
            "services: {web: {image: 'busybox:test', restart: always, command: [no-such-program]}}\n",
        );
        let ran = host.try_sh("cd /srv/shop && exec timeout -s KILL 60 locker up");
        assert!(
            ran.code == 1 && ran.err.contains("no-such-program"),
            "{}",
            ran.err
        );
        let file = |from: &str, to: &str| {
            host.write("/srv/shop/compose.yaml", &JOINED.replacen(from, to, 1));
        };
        let joined = || inside(host, "shop_side", "wget -q -O - http://127.0.0.1/");
        file("", "");
        locker(host, "up").exits(0);
        assert_eq!(joined(), "hello");
        // The owner comes back by its policy with another network, and who shares it has to follow by itself.
        host.sh("kill -9 $(docker inspect -f '{{.State.Pid}}' shop_web)");
        let same = || {
            let net = |name: &str| {
                host.try_sh(&format!(
                    "readlink /proc/$(docker inspect -f '{{{{.State.Pid}}}}' {name})/ns/net"
                ))
            };
            let (web, side) = (net("shop_web"), net("shop_side"));
            web.code == 0 && web.out == side.out
        };
        let killed = host.sh("docker inspect -f '{{.State.StartedAt}}' shop_side");
        eventually(true, || {
            same() && host.sh("docker inspect -f '{{.State.StartedAt}}' shop_side") != killed
        });
        assert_eq!(joined(), "hello");
        // Only the new self is asked for: who does not run follows all the same, and can be started.
        locker(host, "stop side").exits(0);
        locker(host, "up web --force-recreate").exits(0);
        locker(host, "start side").exits(0);
        assert_eq!(joined(), "hello");
        let before = (id(host, "shop_web"), id(host, "shop_side"));
        // The new self never gets healthy, so what waits for it never starts: both older selves come back.
        file("good", "bad");
        let ran = host.try_sh("cd /srv/shop && exec timeout -s KILL 60 locker up");
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert_eq!((id(host, "shop_web"), id(host, "shop_side")), before);
        assert_eq!(joined(), "hello");
        file("1s, restart", "2s, restart");
        locker(host, "up").exits(0);
        assert_eq!(joined(), "hello");
        // Its network went with the container that was removed behind locker's back.
        host.sh("docker rm -f shop_web");
        locker(host, "up").exits(0);
        assert_eq!(joined(), "hello");
        locker(host, "plan --exit-code").exits(0);
    });
}

/// What docker compose makes of a file shows in the engine: names, addresses, ports, times, values.
const LIKE_COMPOSE: &str = r#"
services:
  a:
    image: busybox:test
    init: true
    mac_address: "02:42:ac:11:00:35"
    expose: ["3000"]
    ports: ["8200:80", "8200:80"]
    networks: [px]
    environment: {DEBUG: True, MODE: 0755, RATIO: 1.50, C: "a $ b"}
    logging: {options: {max-size: 5m}}
  b:
    image: busybox:test
    networks: {br78: {ipv4_address: 192.168.78.50, mac_address: "02:42:ac:11:00:36"}}
  c:
    image: hcimg
    command: "${NONE:-}"
    user: "${NONE:-}"
    healthcheck: {interval: 2s, retries: 7}
  d:
    image: hcimg
    entrypoint: ""
    network_mode: bridge
  e:
    image: busybox:test
    mac_address: 02:42:ac:11:00:37
networks:
  px: {name: proxynet, ipam: {config: [{subnet: 172.28.77.0/24, gateway: 172.28.77.254}]}}
  br78: {external: true}
"#;

#[test]
fn the_engine_is_told_what_docker_compose_tells_it() {
    on_a_host_with_docker(|host| {
        host.sh("docker network create --subnet 192.168.78.0/24 br78; docker create --name seed busybox:test");
        host.sh(
            "docker commit --change 'HEALTHCHECK --interval=1h --timeout=9s CMD true' --change 'CMD [\"/bin/sleep\", \"77\"]' seed hcimg",
        );
        host.write("/srv/shop/compose.yaml", LIKE_COMPOSE);
        locker(host, "up").exits(0);
        answers(host, 8200, "hello");
        let shows = |what: &str, name: &str, expected: &str| {
            let seen = host.sh(&format!("docker inspect -f '{{{{json {what}}}}}' {name}"));
            assert_eq!(seen.trim(), expected, "{what} of {name}");
        };
        shows(
            ".Config.ExposedPorts",
            "shop_a",
            r#"{"3000/tcp":{},"80/tcp":{}}"#,
        );
        shows(
            ".HostConfig.LogConfig.Config",
            "shop_a",
            r#"{"max-size":"5m"}"#,
        );
        shows(".Config.Healthcheck.Retries", "shop_c", "7");
        shows(".Config.Cmd", "shop_c", r#"["/bin/sleep","77"]"#);
        shows(".Config.Cmd", "shop_d", r#"["/bin/sleep","77"]"#);
        shows(
            ".Config.Healthcheck.Test",
            "shop_c",
            r#"["CMD-SHELL","true"]"#,
        );
        shows(".Config.Healthcheck.Interval", "shop_c", "2000000000");
        shows(".Config.Healthcheck.Timeout", "shop_c", "9000000000");
        shows(".HostConfig.NetworkMode", "shop_d", r#""bridge""#);
        let values = inside(host, "shop_a", "echo $DEBUG $MODE $RATIO \"$C\"");
        assert_eq!(values, "true 493 1.5 a $ b");
        let way = inside(host, "shop_a", "ip route; cat /sys/class/net/eth0/address");
        assert!(way.contains("default via 172.28.77.254"), "{way}");
        assert!(way.ends_with("02:42:ac:11:00:35"), "{way}");
        let card = inside(host, "shop_b", "ip addr show eth0");
        assert!(card.contains("192.168.78.50/24"), "{card}");
        assert!(card.contains("02:42:ac:11:00:36"), "{card}");
        let card = inside(host, "shop_e", "cat /sys/class/net/eth0/address");
        assert_eq!(card, "02:42:ac:11:00:37", "on the project's own network");
        locker(host, "plan --exit-code").exits(0);

        // Another project finds the network by its name, and cannot make one of that name.
        let other = "services: {x: {image: 'busybox:test', networks: [px]}}\nnetworks: {px: {name: proxynet, external: true}}\n";
        host.write("/srv/other/compose.yaml", other);
        host.sh("cd /srv/other && locker up");
        assert_eq!(inside(host, "other_x", "wget -q -O - http://a/"), "hello");
        host.write(
            "/srv/other/compose.yaml",
            &other.replace(", external: true", ""),
        );
        let told = host.try_sh("cd /srv/other && locker plan");
        assert_eq!(told.code, 1);
        assert!(
            told.err.contains("a network `proxynet` is on the host"),
            "{}",
            told.err
        );
        assert!(told.err.contains("external: true"), "{}", told.err);
        host.write("/srv/other/compose.yaml", other);
        host.sh("cd /srv/other && locker down -y");

        // What only the running engine knows is told before anything is done.
        let before = left(host);
        for (keys, expected) in [
            ("runtime: nosuch", "the engine has no runtime `nosuch`"),
            (
                "logging: {driver: nosuch}",
                "the engine has no log driver `nosuch`",
            ),
        ] {
            let file = format!("services: {{y: {{image: 'busybox:test', {keys}}}}}\n");
            host.write("/srv/asks/compose.yaml", &file);
            let told = host.try_sh("cd /srv/asks && locker -y up");
            assert_eq!(told.code, 1, "{keys}");
            assert!(told.err.contains(expected), "{keys}: {}", told.err);
            assert_eq!(left(host), before, "{keys}");
        }

        locker(host, "down -y").exits(0);
        let networks = host.sh("docker network ls --format '{{.Name}}'");
        assert!(!networks.contains("proxynet"), "{networks}");
        assert!(networks.contains("br78"), "{networks}");
        host.sh("docker rm seed; docker rmi hcimg; docker network rm br78");
    });
}
