//! The same promises in other settings: IPv6, the iptables driver, long names, id maps of one's own.

use crate::on_a_host;
use crate::project::{Project, eventually};

const WEB: &str = "  web:\n    template: {name: tiny}\n    ports: [\"8080:80\"]\n";

#[test]
fn a_published_page_is_reached_over_ipv6() {
    on_a_host(|host| {
        host.sh(
            "ip netns add guest && ip link add g0 type veth peer name g1 netns guest && \
             ip addr add 2001:db8::1/64 dev g0 nodad && ip link set g0 up && \
             ip -n guest addr add 2001:db8::2/64 dev g1 nodad && ip -n guest link set g1 up",
        );
        eventually(0, || {
            host.try_sh("ip netns exec guest ping -6 -c1 -W1 2001:db8::1")
                .code
        });
        host.remember_as_clean();
        let project = Project::new(host, "shop", WEB);
        project.up();
        eventually("web".to_owned(), || {
            let fetch = "ip netns exec guest curl -gs --max-time 2 'http://[2001:db8::1]:8080/'";
            host.try_sh(fetch).out.trim().to_owned()
        });
        let ip = host.sh("lxc-info -n shop_web -iH | grep : | grep -v ^fe80");
        let direct = format!("curl -gs --max-time 2 'http://[{ip}]/'");
        assert_eq!(host.sh(&direct), "web", "from the host to {ip}");
    });
}

#[test]
fn the_iptables_driver_publishes_and_leaves_nothing() {
    on_a_host(|host| {
        // Empty tables stay once iptables has made them; rules and chains must not.
        let rules = "(iptables-save; ip6tables-save) | grep -E '^-|^:LOCKER'; true";
        let before = host.sh(rules);
        let project = Project::new(host, "shop", WEB);
        project.locker("--firewall iptables up").exits(0);
        eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
        assert!(host.sh(rules).contains("LOCKER-"), "no chain of locker's");
        project
            .locker("--firewall iptables plan --exit-code")
            .exits(0);
        project.locker("--firewall iptables down --yes").exits(0);
        assert_eq!(host.sh(rules), before);
        host.remember_as_clean(); // empty base chains of iptables may be listed by nft
    });
}

#[test]
fn names_at_their_longest_work_everywhere() {
    on_a_host(|host| {
        let name = "a-project-with-a-name-of-forty-characters";
        let long = "w234567890123456789012"; // 64 characters with the project's
        let project = Project::new(host, name, &WEB.replace("web:", &format!("{long}:")));
        project.up();
        eventually(Some(long.to_owned()), || host.fetch_from_outside(8080));
        project.locker("plan --exit-code").exits(0);
        project.rewrite(&WEB.replace("web:", &format!("{long}y:")));
        project.locker("up").exits(1).says(&["64", long]);
        project.rewrite(&WEB.replace("web:", &format!("{long}:")));
    });
}

#[test]
fn an_id_map_of_one_s_own_is_what_the_kernel_shows() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            &format!("{WEB}    idmap: [\"u 0 300000 65536\", \"g 0 400000 65536\"]\n"),
        );
        project.up();
        let pid = project.init("web");
        let map = host.sh(&format!("cat /proc/{pid}/uid_map /proc/{pid}/gid_map"));
        let words: Vec<&str> = map.split_whitespace().collect();
        assert_eq!(words, ["0", "300000", "65536", "0", "400000", "65536"]);
        eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
    });
}

#[test]
fn reboot_is_restart_and_keeps_ports_and_address() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", WEB);
        project.up();
        let (ip, init) = (project.ip("web"), project.init("web"));
        project.locker("reboot").exits(0);
        assert_ne!(project.init("web"), init);
        assert_eq!(project.ip("web"), ip);
        eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
    });
}
