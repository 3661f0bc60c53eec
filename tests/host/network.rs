//! Addresses, names and the way out.

use crate::on_a_host;
use crate::project::{Project, eventually};

#[test]
fn an_address_survives_restarts_and_another_order_in_the_file() {
    on_a_host(|host| {
        let (a, b) = (
            "  a:\n    template: {name: tiny}\n",
            "  b:\n    template: {name: tiny}\n",
        );
        let project = Project::new(host, "shop", &format!("{a}{b}"));
        project.up();
        let before = (project.ip("a"), project.ip("b"));
        project.locker("stop a").exits(0);
        project.locker("restart b").exits(0);
        project.locker("start a").exits(0);
        assert_eq!((project.ip("a"), project.ip("b")), before);
        project.rewrite(&format!("  aa:\n    template: {{name: tiny}}\n{b}{a}"));
        project.up();
        assert_eq!((project.ip("a"), project.ip("b")), before);
        assert!(project.ip("aa") != before.0 && project.ip("aa") != before.1);
    });
}

#[test]
fn an_address_survives_a_dhcp_client_that_flushes_it() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", "  web:\n    template: {name: busybox}\n");
        project.up();
        let before = project.ip("web");
        std::thread::sleep(std::time::Duration::from_secs(5));
        assert_eq!(project.ip("web"), before);
        project
            .inside(
                "web",
                "killall udhcpc; ip addr flush dev eth0; sleep 0.5; ip route",
            )
            .exits(0);
        assert_eq!(project.ip("web"), before);
        project
            .inside("web", &format!("ping -c1 -W2 {}", host.outer_address()))
            .exits(0);
    });
}

#[test]
fn containers_reach_the_world_through_the_host() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", "  web:\n    template: {name: tiny}\n");
        project.up();
        // The machine outside has no route to the project's subnet: an answer proves masquerading.
        project
            .inside("web", &format!("ping -c1 -W2 {}", host.outer_address()))
            .exits(0);
    });
}

#[test]
fn two_projects_get_subnets_of_their_own_beside_the_host_s_routes() {
    on_a_host(|host| {
        host.sh("ip link add vpn0 type bridge && ip link set vpn0 up && ip route add 10.0.0.0/8 dev vpn0");
        host.remember_as_clean();
        let one = Project::new(host, "one", "  web:\n    template: {name: tiny}\n");
        let two = Project::new(host, "two", "  web:\n    template: {name: tiny}\n");
        one.up();
        two.up();
        let (a, b) = (one.ip("web"), two.ip("web"));
        let net = |ip: &str| ip.rsplit_once('.').map(|(net, _)| net.to_owned());
        assert_ne!(net(&a), net(&b));
        assert!(
            !a.starts_with("10.") && !b.starts_with("10."),
            "{a} or {b} lies in the vpn's route"
        );
    });
}

#[test]
fn links_follow_names_aliases_and_fqdns() {
    on_a_host(|host| {
        let project = Project::new(
            host,
            "shop",
            "  db:\n    template: {name: tiny}\n    fqdn: db.example.net\n  \
             web:\n    template: {name: tiny}\n    links: [\"db:database\", \"db:store\"]\n",
        );
        project.up();
        for name in ["db", "database", "store", "db.example.net"] {
            let page = || {
                project
                    .inside("web", &format!("wget -qO- http://{name}/"))
                    .out
                    .trim()
                    .to_owned()
            };
            eventually("db".to_owned(), page);
        }
        project.locker("rmlinks web").exits(0);
        let hosts = project.inside("web", "cat /etc/hosts").exits(0).out;
        assert!(!hosts.contains("database"), "{hosts}");
        project.locker("links web").exits(0);
        let hosts = project.inside("web", "cat /etc/hosts").exits(0).out;
        assert!(
            hosts.contains("database") && hosts.contains(&project.ip("db")),
            "{hosts}"
        );
    });
}

#[test]
fn the_host_learns_names_only_when_asked_and_keeps_its_own_lines() {
    on_a_host(|host| {
        let own = host.sh("cat /etc/hosts");
        let project = Project::new(
            host,
            "shop",
            "  db:\n    template: {name: tiny}\n    fqdn: db.example.net\n",
        );
        project.up();
        assert_eq!(host.sh("cat /etc/hosts"), own);
        project.locker("up --add-hosts").exits(0);
        let hosts = host.sh("cat /etc/hosts");
        assert!(
            hosts.starts_with(&own) && hosts.contains("db.example.net"),
            "{hosts}"
        );
        assert!(hosts.contains(&project.ip("db")), "{hosts}");
    });
}

#[test]
fn without_dns_the_container_s_own_resolv_conf_stays() {
    on_a_host(|host| {
        let project = Project::new(host, "shop", "  web:\n    template: {name: tiny}\n");
        project.locker("create").exits(0);
        let path = format!("{}/etc/resolv.conf", project.rootfs("web"));
        host.sh(&format!("echo 'nameserver 192.0.2.9' > {path}"));
        project.up();
        assert_eq!(host.sh(&format!("cat {path}")), "nameserver 192.0.2.9");
    });
}

#[test]
fn the_last_project_gives_forwarding_back_exactly() {
    on_a_host(|host| {
        let read = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/{all/forwarding,eth0/accept_ra} | xargs";
        let tiny = "  web:\n    template: {name: tiny}\n";
        let (one, two) = (
            Project::new(host, "one", tiny),
            Project::new(host, "two", tiny),
        );
        host.sh("echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_ra");
        assert_eq!(host.sh(read), "0 0 1");
        one.up();
        two.up();
        // With forwarding on, router advertisements are heeded only where `accept_ra` is 2.
        assert_eq!(host.sh(read), "1 1 2");
        one.locker("down --yes").exits(0);
        assert_eq!(host.sh(read), "1 1 2", "`two` is still up");
        two.inside("web", &format!("ping -c1 -W2 {}", host.outer_address()))
            .exits(0);
        two.locker("cleanup --yes").exits(0);
        assert_eq!(host.sh(read), "0 0 1", "after `cleanup` of the last");
        host.sh("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
        two.up();
        assert_eq!(host.sh(read), "1 1 1");
        two.locker("down --yes").exits(0);
        assert_eq!(host.sh(read), "0 1 1", "only what was changed comes back");
        host.sh("echo 0 > /proc/sys/net/ipv6/conf/all/forwarding");
    });
}

#[test]
fn search_domains_options_and_the_oom_score_are_those_of_the_file() {
    on_a_host(|host| {
        let lx = |keys: &str| {
            format!("  lx:\n    template: {{name: tiny}}\n    dns: [192.0.2.1]\n{keys}")
        };
        let said = "    dns_search: [example.net, b.c]\n    dns_opt: [\"ndots:3\"]\n    oom_score_adj: 300\n";
        let project = Project::new(host, "shop", &lx(said));
        project.up();
        let file = || project.inside("lx", "cat /etc/resolv.conf").exits(0).out;
        let text = file();
        for line in [
            "nameserver 192.0.2.1",
            "search example.net b.c",
            "options ndots:3",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line}: {text}");
        }
        let score = || host.sh(&format!("cat /proc/{}/oom_score_adj", project.init("lx")));
        assert_eq!(score(), "300");
        assert_eq!(
            project
                .inside("lx", "cat /proc/self/oom_score_adj")
                .exits(0)
                .out
                .trim(),
            "300"
        );
        project.locker("plan --exit-code").exits(0);

        // What somebody changes inside is told, and set back while it runs.
        let init = project.init("lx");
        project
            .inside("lx", "sed -i 's/example.net/evil.net/' /etc/resolv.conf")
            .exits(0);
        let told = project.locker("status").exits(0).err;
        assert!(
            told.contains("search domains or resolver options were changed inside"),
            "{told}"
        );
        project.up();
        assert_eq!(file(), text);

        // They change, and go, while it runs.
        project.rewrite(&lx("    dns_search: d.e\n    oom_score_adj: 300\n"));
        project.up();
        assert!(
            file().contains("search d.e\n") && !file().contains("ndots"),
            "{}",
            file()
        );
        project.rewrite(&lx("    oom_score_adj: 300\n"));
        project.up();
        assert!(
            !file().contains("search") && !file().contains("locker"),
            "{}",
            file()
        );
        assert_eq!(project.init("lx"), init, "it was restarted");
        project.rewrite(&lx("    oom_score_adj: 500\n"));
        project.up();
        assert_eq!(score(), "500");
        project.locker("plan --exit-code").exits(0);
    });
}

#[test]
fn a_dhcp_client_that_writes_resolv_conf_anew_is_no_drift() {
    on_a_host(|host| {
        let file = "  lx:\n    template: busybox\n    dns: [192.0.2.1]\n    dns_search: [example.net, b.c]\n    dns_opt: [use-vc]\n";
        let project = Project::new(host, "shop", file);
        project.up();
        // The template's udhcpc takes one domain.
        eventually(true, || {
            let text = project.inside("lx", "cat /etc/resolv.conf").out;
            text.lines().any(|line| line == "search example.net")
        });
        project.locker("plan --exit-code").exits(0);
    });
}
