//! Published ports, beside other people's rules.

use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};

const WEB: &str = "  web:\n    template: {name: tiny}\n    ports: [\"8080:80\"]\n";

fn reachable(host: &Host, port: u16) {
    eventually(Some("web".to_owned()), || host.fetch_from_outside(port));
}

#[test]
fn a_published_page_is_reached_from_everywhere() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            &format!("{WEB}  api:\n    template: {{name: tiny}}\n"),
        );
        project.up();
        reachable(host, 8080);
        let own = host.address();
        for url in [
            format!("http://{own}:8080/"),
            "http://127.0.0.1:8080/".into(),
        ] {
            assert_eq!(
                host.sh(&format!("curl -s --max-time 3 {url}")),
                "web",
                "from the host: {url}"
            );
        }
        for container in ["api", "web"] {
            let page = project
                .inside(
                    container,
                    &format!("timeout 5 wget -qO- http://{own}:8080/"),
                )
                .exits(0)
                .out;
            assert_eq!(page.trim(), "web", "from {container}");
        }
    });
}

#[test]
fn another_namespace_of_the_host_reaches_a_published_page() {
    on_a_host(|host| {
        host.sh(
            "ip netns add guest && ip link add g0 type veth peer name g1 netns guest && \
             ip addr add 198.51.100.1/24 dev g0 && ip link set g0 up && \
             ip -n guest addr add 198.51.100.2/24 dev g1 && ip -n guest link set g1 up",
        );
        host.remember_as_clean();
        let project = Project::new(host, "shop", WEB);
        project.up();
        reachable(host, 8080);
        assert_eq!(
            host.sh("ip netns exec guest curl -s --max-time 3 http://198.51.100.1:8080/"),
            "web"
        );
        // An unpublished port must not be reachable, even with a route to the subnet.
        let ip = project.ip("web");
        host.sh("ip -n guest route add default via 198.51.100.1");
        let ran = host.try_sh(&format!(
            "ip netns exec guest curl -s --max-time 2 http://{ip}:80/"
        ));
        assert_ne!(ran.code, 0, "an unpublished port answers a neighbour");
    });
}

#[test]
fn a_port_bound_to_loopback_is_closed_to_the_world() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            "  web:\n    template: {name: tiny}\n    ports: [\"127.0.0.1:8080:80\"]\n",
        );
        project.up();
        eventually("web".to_owned(), || {
            host.try_sh("curl -s --max-time 2 http://127.0.0.1:8080/")
                .out
                .trim()
                .to_owned()
        });
        assert_eq!(host.fetch_from_outside(8080), None);
    });
}

#[test]
fn rmports_closes_and_ports_opens_again() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        project.up();
        reachable(host, 8080);
        project.locker("rmports").exits(0);
        assert_eq!(host.fetch_from_outside(8080), None);
        project.locker("ports").exits(0);
        reachable(host, 8080);
    });
}

#[test]
fn a_port_added_by_hand_lives_until_it_is_removed_by_hand() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        project.up();
        project.locker("port add web 9090:80").exits(0);
        reachable(host, 9090);
        project.locker("restart").exits(0);
        reachable(host, 9090);
        assert!(project.locker("port list").exits(0).out.contains("9090"));
        project.locker("port rm web 9090:80").exits(0);
        assert_eq!(host.fetch_from_outside(9090), None);
        reachable(host, 8080);
    });
}

#[test]
fn foreign_rules_stay_byte_for_byte() {
    on_a_host(|host| {
        host.sh(
            "nft add table inet mine && nft 'add chain inet mine input { type filter hook input priority 5; policy accept; }' && \
             nft 'add rule inet mine input tcp dport 9999 drop comment \"do not touch\"'",
        );
        let foreign = host.sh("nft list table inet mine");
        host.remember_as_clean();
        let project = Project::new(host, "shop", WEB);
        project.up();
        reachable(host, 8080);
        assert_eq!(host.sh("nft list table inet mine"), foreign);
        project.locker("down --yes").exits(0);
        assert_eq!(host.sh("nft list table inet mine"), foreign);
    });
}

#[test]
fn a_published_page_passes_docker_s_closed_forward_chain() {
    on_a_host(|host| {
        host.sh(
            "systemctl unmask docker docker.socket containerd && systemctl start docker && \
             iptables -S FORWARD | grep -q -- '-P FORWARD DROP'",
        );
        host.remember_as_clean();
        let project = Project::new(host, "shop", WEB);
        project.up();
        reachable(host, 8080);
        assert_eq!(
            host.sh("curl -s --max-time 3 http://127.0.0.1:8080/"),
            "web"
        );
        project
            .inside("web", &format!("ping -c1 -W2 {}", host.outer_address()))
            .exits(0);
        host.sh("iptables -S FORWARD | grep -q -- '-P FORWARD DROP'");
    });
}

#[test]
fn rules_of_a_project_leave_those_of_another_alone() {
    on_a_host(|host| {
        let one = Project::new(host, "one", WEB);
        let two = Project::new(
            host,
            "two",
            "  web:\n    template: {name: tiny}\n    ports: [\"8081:80\"]\n",
        );
        one.up();
        two.up();
        one.locker("down --yes").exits(0);
        reachable(host, 8081);
        assert_eq!(host.fetch_from_outside(8080), None);
    });
}

#[test]
fn the_rules_of_a_container_that_died_go_with_its_service_or_are_told_and_taken_out() {
    on_a_host(|host| {
        let file = |supervisor: &str| {
            format!(
                "  web:\n    template: {{name: tiny}}\n    supervisor: {supervisor}\n    ports: [\"8080:80\"]\n"
            )
        };
        let has_rules = || host.sh("nft list ruleset").contains("locker:shop:web");
        let project = Project::new(host, "shop", &file("systemd"));
        project.up();
        reachable(host, 8080);
        host.sh("lxc-stop --kill --name shop_web");
        eventually(false, has_rules);
        let status = project.locker("status").exits(0);
        assert!(status.out.contains("failed (137)"), "{}", status.out);
        project.rewrite(&file("none"));
        project.up();
        reachable(host, 8080);
        host.sh("lxc-stop --kill --name shop_web");
        let status = project.locker("status").exits(0);
        status.says(&["port 8080:80/tcp leads to it still"]);
        project.locker("ports").exits(0);
        assert!(!has_rules());
        project.up();
        reachable(host, 8080);
    });
}

#[test]
fn ports_that_are_left_alone_are_not_published_later_and_who_waits_for_a_run_says_so() {
    on_a_host(|host| {
        let later = WEB
            .replace("  web:", "  later:")
            .replace("8080:80", "8081:80");
        let project = Project::new(host, "shop", &format!("{WEB}{later}"));
        project.up();
        reachable(host, 8080);
        let listed = || {
            let list = project.locker("port list web --format yaml").exits(0).out;
            list.contains("active: true")
        };
        // The network service has looked at the project since: what another one began after that has is there.
        let looked = || {
            host.sh("systemctl restart locker-shop-later.service");
            eventually(Some("later".to_owned()), || host.fetch_from_outside(8081));
        };
        project.locker("stop web").exits(0);
        project.locker("start -n web").exits(0);
        looked();
        assert!(!listed());
        host.sh("systemctl restart locker-shop-web.service");
        looked();
        assert!(!listed());
        project.up();
        reachable(host, 8080);

        // Somebody holds the project.
        host.sh("systemctl stop locker-shop-web.service");
        eventually(false, listed);
        host.sh(
            "systemd-run -q --unit=holder flock /run/locker/shop.lock sleep 6 && \
             until ! flock -n /run/locker/shop.lock true; do sleep 0.1; done && \
             systemctl start locker-shop-web.service",
        );
        let journal = "journalctl -q -o cat -u locker-shop-web.service | grep -c 'are published when that ends'";
        eventually("1".to_owned(), || {
            host.try_sh(journal).out.trim().to_owned()
        });
        assert!(!listed());
        host.sh("while systemctl -q is-active holder.service; do sleep 0.1; done");
        eventually(true, listed);
        reachable(host, 8080);
    });
}
