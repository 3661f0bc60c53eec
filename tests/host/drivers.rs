//! The way past foreign DROP policies belongs to all firewall drivers of a host: to those of two projects, and to none once the
//! last one has gone.

use crate::firewalls::TABLES;
use crate::machine::Host;
use crate::on_a_host;
use crate::project::{Project, eventually};

/// A host whose rules are as Docker's and ufw's: nothing is forwarded that no rule lets through.
const DROP: &str = "for tool in iptables ip6tables; do $tool -P FORWARD DROP; done";

fn web(port: u16, firewall: &str) -> String {
    format!(
        "  web:\n    template: {{name: tiny}}\n    ports: [\"{port}:80\"]\nfirewall: {firewall}\n"
    )
}

fn ours(host: &Host) -> String {
    host.sh(
        "{ iptables-save; ip6tables-save; nft list ruleset; } 2>/dev/null | grep -i locker || true",
    )
}

#[test]
fn nothing_is_left_of_the_way_when_the_file_wants_no_rules_any_more() {
    on_a_host(|host| {
        host.sh(TABLES);
        host.sh(DROP);
        host.remember_as_clean();
        for driver in ["nftables", "iptables"] {
            let project = Project::new(host, "shop", &web(8080, driver));
            project.up();
            eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
            assert!(ours(host).contains("LOCKER-FORWARD"), "{driver}");
            project.rewrite(&web(8080, "none"));
            project.up();
            assert_eq!(ours(host), "", "{driver}");
            project.locker("plan --exit-code").exits(0);
            project.locker("down --yes").exits(0);
        }
    });
}

#[test]
fn projects_with_two_drivers_leave_each_other_the_way() {
    on_a_host(|host| {
        host.sh(TABLES);
        host.sh(DROP);
        host.remember_as_clean();
        let shop = Project::new(host, "shop", &web(8080, "nftables"));
        let wiki = Project::new(host, "wiki", &web(9090, "iptables"));
        let both = || {
            for (project, port) in [(&shop, 8080), (&wiki, 9090)] {
                eventually(Some("web".to_owned()), || host.fetch_from_outside(port));
                project.locker("plan --exit-code").exits(0);
            }
        };
        shop.up();
        wiki.up();
        both();
        shop.locker("rmports").exits(0);
        shop.locker("ports").exits(0);
        both();
        wiki.locker("down --yes").exits(0);
        eventually(Some("web".to_owned()), || host.fetch_from_outside(8080));
        shop.locker("plan --exit-code").exits(0);
        wiki.up();
        shop.locker("down --yes").exits(0);
        eventually(Some("web".to_owned()), || host.fetch_from_outside(9090));
        wiki.locker("plan --exit-code").exits(0);
        wiki.locker("down --yes").exits(0);
        assert_eq!(ours(host), "");
    });
}
