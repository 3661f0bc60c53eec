//! Published ports beside the firewalls that hosts really run, and after those have flushed our rules.

use crate::beside::on_a_host_with_docker;
use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};

const WEB: &str = "  web:\n    template: {name: tiny}\n    ports: [\"8080:80\"]\n";

/// The same where nobody but `locker ports` puts rules back: with systemd the network service would, sooner
/// than a test can look.
fn by_hand() -> String {
    format!("{WEB}    supervisor: none\n")
}

/// The policy DROP is Docker's doing only where it turned forwarding on itself. A restart puts its
/// rules into the order that they keep.
const DOCKER: &str = "echo 0 > /proc/sys/net/ipv4/ip_forward
    systemctl unmask docker docker.socket containerd && systemctl start docker && \
    systemctl restart docker && iptables -S FORWARD | grep -q -- '-P FORWARD DROP'";

/// What iptables on nf_tables makes for the first rule and never removes.
pub const TABLES: &str = "for tool in iptables ip6tables; do for table in raw nat filter; do
    printf '*%s\\nCOMMIT\\n' $table | $tool-restore --noflush
    for chain in PREROUTING OUTPUT POSTROUTING FORWARD; do
        $tool -t $table -S $chain >/dev/null 2>&1 && $tool -t $table -A $chain -j ACCEPT && \
        $tool -t $table -D $chain -j ACCEPT; done; done; done; true";

/// All rules without their counters.
const RULES: &str = "nft -s list ruleset; iptables-save -t nat | grep -v '^[#:]'; true";

fn reachable(host: &Host) {
    eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
}

/// A machine beside the host that knows a way to the containers, as a neighbour on the wire may.
fn guest(host: &Host) {
    host.sh(
        "ip netns add guest && ip link add g0 type veth peer name g1 netns guest && \
         ip addr add 198.51.100.1/24 dev g0 && ip link set g0 up && \
         ip -n guest addr add 198.51.100.2/24 dev g1 && ip -n guest link set g1 up && \
         ip -n guest route add default via 198.51.100.1",
    );
}

/// Every road answers, nothing unpublished does, and the containers get out.
#[track_caller]
fn all_is_well(host: &Host, project: &Project) {
    reachable(host);
    let checked = project.locker("port check");
    assert_eq!(checked.code, 0, "{}\n{}", checked.out, checked.err);
    let ip = project.ip("web");
    let ran = host.try_sh(&format!(
        "ip netns exec guest curl -s --max-time 2 http://{ip}:80/"
    ));
    assert_ne!(ran.code, 0, "an unpublished port answers a neighbour");
    project
        .inside("web", &format!("ping -c1 -W2 {}", host.outer_address()))
        .exits(0);
}

/// `flush` takes rules away: seen by `status`, put back by `ports`.
#[track_caller]
fn heals(host: &Host, project: &Project, flush: &str) {
    let whole = host.sh(RULES);
    host.sh(flush);
    let drift = || {
        let rows = project.locker("status --format json").exits(0).out;
        let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
        rows[0]["drift"].clone()
    };
    assert_ne!(drift(), serde_json::json!([]), "unseen: {flush}");
    project.locker("ports").exits(0);
    assert_eq!(drift(), serde_json::json!([]), "{flush}");
    assert_eq!(host.sh(RULES), whole, "{flush}");
    reachable(host);
}

#[test]
fn flushed_rules_are_seen_and_come_back_exactly() {
    on_a_host(|host| {
        guest(host);
        host.remember_as_clean();
        let project = Project::new(host, "shop", &by_hand());
        project.up();
        all_is_well(host, &project);
        heals(host, &project, "nft flush ruleset");
        heals(host, &project, "nft flush chain inet locker publish");
        heals(host, &project, "nft flush map inet locker any4");
        heals(host, &project, "nft delete table inet locker");
        all_is_well(host, &project);
    });
}

#[test]
fn flushed_chains_of_iptables_are_seen_and_come_back_exactly() {
    on_a_host(|host| {
        guest(host);
        host.sh(TABLES);
        host.remember_as_clean();
        let project = Project::new(host, "shop", &format!("{}firewall: iptables\n", by_hand()));
        project.up();
        assert_eq!(host.try_sh("nft list table inet locker").code, 1);
        all_is_well(host, &project);
        heals(host, &project, "iptables -F -t nat");
        heals(host, &project, "iptables -F; ip6tables -F -t nat");
        all_is_well(host, &project);
    });
}

#[test]
fn docker_may_come_go_and_restart() {
    on_a_host(|host| {
        guest(host);
        host.sh(DOCKER);
        host.remember_as_clean();
        let project = Project::new(host, "shop", WEB);
        project.up();
        all_is_well(host, &project);
        host.sh("systemctl restart docker");
        all_is_well(host, &project);
        // A deny of the administrator wins, and is named.
        host.sh("iptables -I DOCKER-USER -p tcp --dport 80 -j DROP");
        assert_eq!(host.fetch_from_outside(8080), None);
        let rows = project.locker("port check web --format json").exits(1).out;
        let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
        let rows = rows.as_array().unwrap();
        let row = rows.iter().find(|row| row["from"] == "another machine");
        let row = row.unwrap();
        assert_eq!(row["result"], "dropped", "{row}");
        assert_eq!(row["table"], "ip filter", "{row}");
        assert_eq!(row["chain"], "DOCKER-USER", "{row}");
        host.sh("iptables -D DOCKER-USER -p tcp --dport 80 -j DROP");
        all_is_well(host, &project);
    });
}

#[test]
fn docker_that_starts_after_us_is_seen_and_passed() {
    on_a_host(|host| {
        guest(host);
        let project = Project::new(host, "shop", &by_hand());
        project.up();
        host.sh("iptables -P FORWARD DROP");
        assert_eq!(host.fetch_from_outside(8080), None);
        let checked = project.locker("port check").exits(1).out;
        assert!(checked.contains("FORWARD"), "{checked}");
        project.locker("ports").exits(0);
        all_is_well(host, &project);
        // What somebody's new rules keep from working is taken out all the same.
        host.sh("iptables -P FORWARD ACCEPT; iptables -F FORWARD; iptables -P FORWARD DROP");
        project.locker("down --yes").exits(0);
        host.sh("iptables -P FORWARD ACCEPT");
        let left = host.sh("nft list ruleset").to_lowercase();
        assert!(!left.contains("locker"), "{left}");
        host.remember_as_clean();
    });
}

#[test]
fn rules_of_legacy_iptables_are_passed_and_their_drops_named() {
    on_a_host(|host| {
        guest(host);
        if host.try_sh("iptables-legacy -P FORWARD DROP").code != 0 {
            eprintln!("this kernel has no legacy iptables");
            return;
        }
        host.remember_as_clean();
        let project = Project::new(host, "shop", WEB);
        project.up();
        all_is_well(host, &project);
        host.sh("iptables-legacy -I FORWARD -p tcp --dport 80 -j DROP");
        assert_eq!(host.fetch_from_outside(8080), None);
        let checked = project.locker("port check").exits(1).out;
        assert!(checked.contains("iptables-legacy"), "{checked}");
        host.sh("iptables-legacy -D FORWARD -p tcp --dport 80 -j DROP");
        all_is_well(host, &project);
    });
}

#[test]
fn ufw_is_passed_and_its_denies_win() {
    on_a_host(|host| {
        guest(host);
        host.sh("ufw --force enable && iptables -S FORWARD | grep -q -- '-P FORWARD DROP'");
        host.remember_as_clean();
        let project = Project::new(host, "shop", &by_hand());
        project.up();
        all_is_well(host, &project);
        host.sh("ufw reload");
        if host.fetch_from_outside(8080).is_none() {
            assert!(
                !project
                    .locker("status --format json")
                    .out
                    .contains("\"drift\":[]")
            );
            project.locker("ports").exits(0);
        }
        all_is_well(host, &project);
        host.sh("ufw route deny proto tcp from any to any port 80");
        assert_eq!(host.fetch_from_outside(8080), None);
        let checked = project.locker("port check").exits(1).out;
        assert!(checked.contains("ufw"), "{checked}");
        host.sh("ufw route delete deny proto tcp from any to any port 80");
        project.locker("ports").exits(0);
        all_is_well(host, &project);
        project.locker("down --yes").exits(0);
        assert!(
            !host
                .sh("nft list ruleset")
                .to_lowercase()
                .contains("locker")
        );
        host.remember_as_clean();
    });
}

/// The command that is told to deny for good what ufw's own rule does not.
fn cure(told: &str) -> String {
    let (_, cure) = told.split_once("deny it with: ").expect("a cure");
    cure.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_denial_of_ufw_that_has_no_effect_is_told_with_the_rule_that_has() {
    on_a_host(|host| {
        guest(host);
        host.sh("ufw --force enable && iptables -S FORWARD | grep -q -- '-P FORWARD DROP'");
        let project = Project::new(host, "shop", WEB);
        project.up();
        reachable(host);
        let quiet = |why: &str| {
            for told in said(&project) {
                assert!(!told.contains("has no effect"), "{why}: {told}");
            }
        };
        quiet("no denial");
        let (here, outer) = (host.address(), host.outer_address());
        for rule in [
            "8080/udp",
            "8081",
            "in on lo to any port 8080 proto tcp",
            "from any to 203.0.113.77 port 8080 proto tcp",
        ] {
            host.sh(&format!("ufw deny {rule}"));
            quiet(rule);
            host.sh(&format!("ufw delete deny {rule}"));
        }
        for (rule, words) in [
            ("8080".to_owned(), "8080/tcp".to_owned()),
            (
                format!("proto tcp from {outer} to any port 8080"),
                format!("proto tcp from {outer} to any port 8080"),
            ),
            (format!("from {outer}"), format!("from {outer} to any")),
            (
                format!("proto tcp from any to {here} port 8080"),
                format!("proto tcp from any to {here} port 8080"),
            ),
        ] {
            host.sh(&format!("ufw deny {rule}"));
            // It has none.
            reachable(host);
            let told = said(&project);
            let text = format!(
                "`ufw deny {words}` has no effect on the published port `8080:80/tcp` of `web`"
            );
            for told in &told {
                assert!(told.contains(&text), "{rule}: {told}");
            }
            let cure = cure(&told[0]);
            host.sh(&cure);
            assert_eq!(host.fetch_from_outside(8080), None, "{cure}");
            quiet(&cure);
            host.sh(&cure
                .replace("ufw route", "ufw route delete")
                .replace("-I FORWARD", "-D FORWARD"));
            host.sh(&format!("ufw delete deny {rule}"));
            reachable(host);
        }
        project.locker("down --yes").exits(0);
        host.sh("ufw --force disable");
        host.remember_as_clean();
    });
}

#[test]
fn firewalld_is_passed_and_may_reload() {
    on_a_host(|host| {
        guest(host);
        host.sh("systemctl unmask firewalld && systemctl start firewalld && firewall-cmd --state");
        host.remember_as_clean();
        let project = Project::new(host, "shop", &by_hand());
        project.up();
        all_is_well(host, &project);
        // Published ports pass it even before its zones are mended.
        host.sh("firewall-cmd --reload");
        reachable(host);
        project.locker("ports").exits(0);
        heals(host, &project, "firewall-cmd --reload");
        heals(host, &project, "firewall-cmd --complete-reload");
        let restart = "systemctl restart firewalld
            until nft list chain inet firewalld filter_FORWARD_ZONES | grep -q public; do sleep 0.1; done";
        heals(host, &project, restart);
        all_is_well(host, &project);
        // The zone's own chains, now empty, are firewalld's.
        project.locker("down --yes").exits(0);
        let left = host.sh("nft list ruleset; firewall-cmd --get-active-zones");
        assert!(!left.contains("lk-") && !left.contains("locker"), "{left}");
        host.remember_as_clean();
    });
}

/// What `up`, `plan` and `status` say of a chain of somebody else's.
fn said(project: &Project) -> [String; 3] {
    ["up", "plan", "status"].map(|words| project.locker(words).exits(0).err)
}

#[test]
fn a_closed_forward_chain_of_somebody_else_is_told_with_the_rules_that_open_it() {
    on_a_host(|host| {
        guest(host);
        host.remember_as_clean();
        let project = Project::new(
            host,
            "shop",
            &format!("{WEB}  api:\n    template: {{name: tiny}}\n"),
        );
        project.up();
        reachable(host);
        let out = || {
            let ping = format!("ping -c1 -W1 {}", host.outer_address());
            project.inside("api", &ping).code == 0
        };
        let quiet = |why: &str| {
            for told in said(&project) {
                assert!(!told.contains("nftables"), "{why}: {told}");
            }
            assert!(out(), "{why}");
            reachable(host);
        };
        quiet("nobody else");
        host.sh("nft add table inet theirs");
        let chain = "nft 'add chain inet theirs forward { type filter hook forward priority 0; policy POLICY; }'";
        host.sh(&chain.replace("POLICY", "accept"));
        host.sh("nft add rule inet theirs forward ip saddr 203.0.113.0/24 drop");
        quiet("a rule about others");
        host.sh(&chain.replace("POLICY", "drop"));
        host.sh("nft add rule inet theirs forward ct state established,related accept");
        assert_eq!((host.fetch_from_outside(8080), out()), (None, false));
        for told in said(&project) {
            assert!(
                told.contains("`inet theirs forward` of nftables drops what is forwarded"),
                "{told}"
            );
        }
        host.sh("nft add rule inet theirs forward ct status dnat accept");
        reachable(host);
        assert!(!out());
        let told = said(&project);
        for told in &told {
            let said = "`inet theirs forward` of nftables lets published ports pass and drops what containers send";
            assert!(told.contains(said), "{told}");
        }
        // Who publishes nothing is told as well: it does not get out.
        assert!(told[2].contains("api: the chain"), "{}", told[2]);
        let (_, cure) = told[0]
            .split_once("let locker's traffic through, run: ")
            .unwrap();
        let cure = cure.lines().next().unwrap();
        for rule in cure.split(" && ") {
            host.sh(&rule
                .replace("nft insert", "nft 'insert")
                .replace("accept", "accept'"));
        }
        quiet("the rules that were told");
        host.sh("nft delete table inet theirs");
    });
}

#[test]
fn containers_reach_docker_containers_of_others_by_published_ports_alone() {
    on_a_host_with_docker(|host| {
        for driver in ["nftables", "iptables"] {
            host.sh(
                "docker network create theirs; docker run -d --name hidden --network theirs busybox:test; \
                 docker network create --internal back; docker run -d --name inner --network back busybox:test; \
                 docker run -d --name shown -p 8999:80 busybox:test",
            );
            let file = format!(
                "{WEB}  app: {{image: 'busybox:test', stop_signal: KILL}}\nfirewall: {driver}\n"
            );
            let project = Project::new(host, "shop", &file);
            project.up();
            let address = |name: &str| {
                host.sh(&format!(
                    "docker inspect -f '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}' {name}"
                ))
            };
            let call = |from: &str, to: &str, port: u16| {
                let get = format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {to} {port}");
                let get = format!("cd /srv/shop; timeout 5 locker exec -T {from} sh -c \"{get}\"");
                host.try_sh(&get).out.contains("200 OK")
            };
            let gets = |from: &str, to: &str| call(from, to, 80);
            for from in ["web", "app"] {
                for name in ["hidden", "shown", "inner"] {
                    assert!(!gets(from, &address(name)), "{driver}: {from}, {name}");
                }
            }
            assert!(call("web", &host.address(), 8999), "{driver}");
            host.sh("docker network create later; docker run -d --name late --network later busybox:test");
            eventually(false, || gets("web", &address("late")));
            // Our own is reached, and the way out is open.
            assert!(gets("web", &address("shop_app")) && gets("app", &project.ip("web")));
            let ping = format!("ping -c1 -W1 {}", host.outer_address());
            project.inside("web", &ping).exits(0);
            project.locker("plan --exit-code").exits(0);
            project.locker("down --yes").exits(0);
            host.sh("docker rm -f hidden shown inner late; docker network rm theirs back later");
        }
        // iptables leaves the tables that it has looked at, empty.
        host.remember_as_clean();
    });
}
