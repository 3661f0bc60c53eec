//! The network under containers of both kinds, when somebody else lays hands on it: bridges, cards, Docker's networks,
//! another firewall, a guest.

use crate::beside::{answers, on_a_host_with_docker};
use crate::held::{both_up, left_of, loser};
use crate::machine::Host;
use crate::project::{Project, eventually};

const BOTH: &str = "  web:\n    image: busybox:test\n    ports: [\"8080:80\"]\n  db:\n    template: {name: tiny}\n    \
    ports: [\"8081:80\"]\n";

/// The same where the network service keeps nothing, so that it can be seen.
fn by_hand() -> String {
    format!("{}supervisor: none\n", BOTH)
}

#[track_caller]
fn drift(project: &Project) -> String {
    let rows = project.locker("status --format json").exits(0).out;
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row["drift"].to_string()).collect()
}

/// `harm` is seen by `status`, mended by `up` without a restart, and everything answers again.
#[track_caller]
fn heals(host: &Host, project: &Project, harm: &str) {
    let (web, db) = (
        host.sh("docker inspect -f '{{.State.StartedAt}}' shop_web"),
        project.init("db"),
    );
    host.sh(harm);
    assert_ne!(drift(project), "[][]", "unseen: {harm}");
    project.locker("up").exits(0);
    assert_eq!(drift(project), "[][]", "{harm}");
    assert_eq!(
        host.sh("docker inspect -f '{{.State.StartedAt}}' shop_web"),
        web,
        "{harm}"
    );
    assert_eq!(project.init("db"), db, "{harm}");
    answers(host, 8080, "hello");
    answers(host, 8081, "db");
}

/// The MTU of both bridges, of what is plugged into them, and inside.
fn mtus(host: &Host) -> String {
    host.sh(
        "for b in lk-shop; do cat /sys/class/net/$b/mtu; for p in /sys/class/net/$b/brif/*; do cat /sys/class/net/${p##*/}/mtu; done; done; \
         docker exec shop_web cat /sys/class/net/eth0/mtu; lxc-attach -n shop_db -- cat /sys/class/net/eth0/mtu",
    )
    .split_whitespace()
    .collect::<Vec<_>>()
    .join(" ")
}

#[test]
fn bridge_and_cards_follow_the_host_s_way_out_and_the_file() {
    on_a_host_with_docker(|host| {
        let all = |mtu: u32| [mtu; 5].map(|mtu| mtu.to_string()).join(" ");
        host.sh("ip link set eth0 mtu 1400");
        let project = Project::new(host, "shop", &by_hand());
        let plan = project.locker("plan").exits(0).out;
        assert!(plan.contains(" mtu 1400"), "{plan}");
        project.up();
        assert_eq!(mtus(host), all(1400));
        heals(host, &project, "ip link set lk-shop mtu 1300");
        heals(
            host,
            &project,
            &format!("{CARD}; ip link set $card mtu 1300"),
        );
        assert_eq!(mtus(host), all(1400));
        // Nothing is restarted for it, and Docker's network stays.
        let look = || {
            (
                project.init("db"),
                host.sh(
                    "docker network ls -q --no-trunc; docker inspect -f '{{.State.Pid}}' shop_web",
                ),
            )
        };
        let before = look();
        project.rewrite(&format!("{}network: {{mtu: 1350}}\n", by_hand()));
        let plan = project.locker("plan --exit-code").exits(3).out;
        assert!(plan.contains("its MTU is not that of the file"), "{plan}");
        project.up();
        assert_eq!((mtus(host), look()), (all(1350), before));
        // Docker makes cards as its network was made: they fit all the same.
        project.locker("restart").exits(0);
        assert_eq!(mtus(host), all(1350));
        project.locker("plan --exit-code").exits(0);
        // With the service that keeps the network nobody has to ask.
        project.rewrite(&format!("{BOTH}network: {{mtu: 1350}}\n"));
        project.up();
        host.sh("ip link set lk-shop mtu 1300");
        eventually(all(1350), || mtus(host));
        project.rewrite(&format!("{BOTH}network: {{mtu: 1279}}\n"));
        project
            .locker("plan")
            .exits(2)
            .says(&["too small for IPv6", "enable_ipv6: false"]);
        project.rewrite(BOTH);
        project.locker("down --yes").exits(0);
        host.sh("ip link set eth0 mtu 1500");
        host.remember_as_clean();
    });
}

#[test]
fn a_system_container_lives_on_a_network_of_the_file_with_its_address() {
    on_a_host_with_docker(|host| {
        let file = |last: u8| {
            format!(
                "  web:\n    image: busybox:test\n    stop_grace_period: 0s\n    networks: [default, back]\n  db:\n    template: {{name: tiny}}\n    \
                 networks: {{back: {{ipv4_address: 10.80.0.{last}}}}}\n  own:\n    template: {{name: tiny}}\n    networks: [back]\n\
                 networks: {{back: {{internal: true, subnet: 10.80.0.0/24}}}}\n"
            )
        };
        let project = Project::new(host, "shop", &file(77));
        project.up();
        for last in [77, 78] {
            project.rewrite(&file(last));
            project.up();
            assert_eq!(project.locker("plan --exit-code").code, 0);
            let reach =
                |from: &str, to: &str| host.try_sh(&format!("{from} ping -c1 -W1 {to}")).code == 0;
            let (db, own) = ("lxc-attach -n shop_db --", "lxc-attach -n shop_own --");
            let address = format!("10.80.0.{last}");
            assert!(reach(own, &address) && reach("docker exec shop_web", &address));
            // There is no way out: the machine's gateway answers whoever has one.
            let gateway = host.sh("ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p'");
            assert!(reach("docker exec shop_web", &gateway) && !reach(db, &gateway));
        }
        project.locker("down --yes").exits(0);
        host.remember_as_clean();
    });
}

const CARD: &str = "card=$(ip -o link show master lk-shop | grep -o 'veth[0-9a-f]*' | head -1)";

#[test]
fn what_is_shown_as_well_is_connected_and_what_others_take_away_comes_back() {
    on_a_host_with_docker(|host| {
        // Empty tables stay once iptables has made them; rules and chains must not.
        let rules = "(iptables-save; ip6tables-save) | grep -E '^:LOCKER|LOCKER-'; true";
        let project = Project::new(host, "shop", &by_hand());
        project.up();
        for harm in [
            "ip link del lk-shop".to_owned(),
            format!("{CARD}; ip link set $card nomaster"),
            format!("{CARD}; ip link set $card down"),
            "ip link set lk-shop down".to_owned(),
        ] {
            heals(host, &project, &harm);
        }
        let cleanup = format!("cd {} && locker cleanup", project.dir());
        for harm in [cleanup.as_str(), "docker network prune -f"] {
            project.locker("stop").exits(0);
            host.sh(harm);
            let plan = project.locker("plan").exits(0).out;
            assert!(plan.contains("+ network"), "{harm}: {plan}");
            project.up();
            answers(host, 8080, "hello");
        }
        another_firewall(host, &project);
        a_guest(host, &project);
        assert_eq!(host.sh(rules), "");
        host.remember_as_clean();
    });
}

fn another_firewall(host: &Host, project: &Project) {
    let left = "iptables-save | grep -c -- '-j LOCKER-PUBLISH'; true";
    for (firewall, has_nft, jumps) in [("iptables", 1, "1"), ("nftables", 0, "0")] {
        project.rewrite(&format!("{}firewall: {firewall}\n", by_hand()));
        assert_ne!(drift(project), "[][]");
        project.locker("up").exits(0);
        assert_eq!(host.try_sh("nft list table inet locker").code, has_nft);
        assert_eq!(host.sh(left), jumps, "{firewall}");
        assert_eq!(drift(project), "[][]");
        answers(host, 8080, "hello");
    }
}

fn a_guest(host: &Host, project: &Project) {
    host.sh("docker run -d --name foreign --network shop_default busybox:test");
    let began =
        || host.sh("docker inspect -f '{{.State.StartedAt}}' $(docker ps -q --filter name=shop_)");
    let before = began();
    project.rewrite(&format!(
        "{}network: {{subnet: 10.250.0.0/24}}\n",
        by_hand()
    ));
    project
        .locker("up --yes")
        .exits(1)
        .says(&["container `foreign`"]);
    assert_eq!(began(), before, "refused before anything was stopped");
    project.rewrite(&by_hand());
    for command in ["cleanup --yes", "down --yes"] {
        let ran = project.locker(command).exits(0);
        assert!(ran.err.contains("container `foreign`"), "{}", ran.err);
    }
    assert_eq!(host.sh("docker ps -aq --filter name=shop_"), "");
    assert_eq!(
        host.sh("docker exec foreign sh -c 'ip -o -4 addr | grep -c eth0'"),
        "1"
    );
    host.sh("docker rm -f foreign");
    project.locker("down --yes").exits(0);
}

#[test]
fn of_two_projects_that_ask_for_one_subnet_at_once_one_gets_it_and_the_other_names_it() {
    on_a_host_with_docker(|host| {
        let (lxc, docker) = ("template: {name: tiny}", "image: busybox:test");
        let subnet = "10.77.0.0/24";
        for (first, second, supervisor) in [
            (lxc, lxc, "systemd"),
            (docker, docker, "systemd"),
            (lxc, docker, "systemd"),
            (docker, lxc, "none"),
            (lxc, lxc, "none"),
            (docker, docker, "none"),
        ] {
            let names = ["shop", "blog"];
            let file = |source: &str, subnet: &str| {
                format!(
                    "  web:\n    {source}\n    stop_grace_period: 0s\nsupervisor: {supervisor}\nnetwork: {{subnet: {subnet}}}\n"
                )
            };
            // The second one asks for a part of it.
            let projects = [
                Project::new(host, names[0], &file(first, subnet)),
                Project::new(host, names[1], &file(second, "10.77.0.128/25")),
            ];
            let what = format!("{first}, {second}, {supervisor}");
            let (codes, told) = both_up(host);
            let loser = loser(&codes, &format!("{what}: {told}"));
            let error = host.sh(&format!("cat /tmp/{}.out", names[loser]));
            for said in [
                "the subnet `10.77.0.",
                &format!("project {}", names[1 - loser]),
            ] {
                assert!(error.contains(said), "{what}: no `{said}` in {error}");
            }
            assert_eq!(left_of(host, names[loser]), "", "{what}: {error}");
            projects[1 - loser].locker("plan --exit-code").exits(0);
            projects[1 - loser].locker("down --yes").exits(0);
            projects[loser].up();
            projects[loser].locker("down --yes").exits(0);
        }
    });
}
