//! The network card of a real container: its lease, its address, its own published ports.

use std::time::{Duration, Instant};

use locker::backend::{Backend, Body, Inside, Sought};
use locker::model::Name;
use serde_json::json;

use crate::rig::{Rig, in_own_network, name, sh, shell};

async fn told(rig: &Rig, name: &Name, line: &str) -> String {
    rig.lxc.run(name, &shell(line), None).await.unwrap().output
}

/// Waits until a command inside says so.
async fn until(rig: &Rig, name: &Name, line: &str, wanted: &str) {
    let begun = Instant::now();
    loop {
        let said = told(rig, name, line).await;
        if said.trim() == wanted {
            eprintln!("{line}: {wanted} after {:?}", begun.elapsed());
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "`{line}` says {said}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_stock_dhcp_client_gets_its_lease_and_lets_the_boot_go_on() {
    in_own_network(
        "net::a_stock_dhcp_client_gets_its_lease_and_lets_the_boot_go_on",
        async |rig| {
            let db = name("db");
            rig.make(&rig.mark("db", 2, json!({"dns": ["9.9.9.9", "1.1.1.1"]})))
                .await;
            let dns = ["9.9.9.9".parse().unwrap(), "1.1.1.1".parse().unwrap()];
            rig.lxc.write_names(&db, &[], &dns).await.unwrap();
            let resolv = rig.rootfs("db").join("etc/resolv.conf");
            let before = std::fs::read_to_string(&resolv).unwrap();
            rig.lxc.start(&db, Body::Present).await.unwrap();
            // The start script ends with the DHCP client, then init goes on to its console.
            until(&rig, &db, "ps | grep -c '[r]cS'", "0").await;
            until(&rig, &db, "ps | grep -c '[u]dhcpc'", "1").await;
            let text = told(&rig, &db, "ip addr show eth0; ip route").await;
            assert!(text.contains("10.77.0.2/24"), "{text}");
            assert!(text.contains("default via 10.77.0.1"), "{text}");
            assert_eq!(std::fs::read_to_string(&resolv).unwrap(), before);
            assert_eq!(
                rig.lxc
                    .observe(&Sought::default())
                    .await
                    .unwrap()
                    .containers[&db]
                    .dns,
                dns
            );

            let begun = Instant::now();
            rig.lxc
                .stop(&db, Body::Present, Duration::from_secs(20))
                .await
                .unwrap();
            eprintln!("stop {:?}", begun.elapsed());
            assert!(begun.elapsed() < Duration::from_secs(4));
            rig.lxc.destroy(&db, Body::Present, false).await.unwrap();
        },
    );
}

#[test]
fn no_container_answers_for_its_neighbour() {
    in_own_network("net::no_container_answers_for_its_neighbour", async |rig| {
        for (word, index) in [("db", 2), ("web", 3)] {
            rig.make(&rig.mark(word, index, json!({}))).await;
            rig.lxc.start(&name(word), Body::Present).await.unwrap();
        }
        let ask = "udhcpc -f -q -n -t 2 -T 1 -s /bin/true 2>&1 | grep -o 'lease of [0-9.]*'";
        for (word, address) in [("db", "10.77.0.2"), ("web", "10.77.0.3")] {
            let said = told(&rig, &name(word), ask).await;
            assert_eq!(said, format!("lease of {address}\n"), "{word}");
        }
        let strange = "ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:77; \
                       ip link set eth0 up; udhcpc -f -q -n -t 2 -T 1 -s /bin/true 2>&1 | grep -c lease.of";
        assert_eq!(told(&rig, &name("db"), strange).await, "0\n");
        for word in ["db", "web"] {
            rig.lxc
                .stop(&name(word), Body::Present, Duration::ZERO)
                .await
                .unwrap();
            rig.lxc
                .destroy(&name(word), Body::Present, false)
                .await
                .unwrap();
        }
    });
}

#[test]
fn a_started_card_may_reach_itself_and_a_guard_outlives_the_reboot_but_not_the_container() {
    in_own_network(
        "net::a_started_card_may_reach_itself_and_a_guard_outlives_the_reboot_but_not_the_container",
        async |rig| {
            let db = name("db");
            rig.make(&rig.mark("db", 2, json!({}))).await;
            rig.lxc.start(&db, Body::Present).await.unwrap();
            // It hears at once: nobody else has its address, so nobody is looked for (IFA_F_PERMANENT and
            // IFA_F_NODAD).
            let own = "grep -c '^fd77.* 82 *eth0$' /proc/net/if_inet6";
            until(&rig, &db, own, "1").await;
            let hairpin = "/sys/class/net/lkt-2/brport/hairpin_mode";
            assert_eq!(std::fs::read_to_string(hairpin).unwrap(), "1\n");
            // The guard may take the same address away and back at that moment.
            let loses = "ip addr flush dev eth0 2>/dev/null; sleep 1; ip -o addr show eth0 | grep -c 'inet.* 10.77.0.2/24'";
            until(&rig, &db, "ps | grep -c '[r]cS'", "0").await;
            assert_eq!(told(&rig, &db, loses).await, "1\n");
            let inet6 = told(&rig, &db, "ip -6 -o addr show eth0").await;
            assert!(
                !inet6.contains("dadfailed") && inet6.contains("fd77::2/64"),
                "{inet6}"
            );

            let before = rig
                .lxc
                .observe(&Sought::default())
                .await
                .unwrap()
                .containers[&db]
                .pid;
            rig.lxc.run(&db, &shell("reboot"), None).await.unwrap();
            let begun = Instant::now();
            while rig
                .lxc
                .observe(&Sought::default())
                .await
                .unwrap()
                .containers[&db]
                .pid
                == before
                || rig
                    .lxc
                    .observe(&Sought::default())
                    .await
                    .unwrap()
                    .containers[&db]
                    .pid
                    .is_none()
            {
                assert!(
                    begun.elapsed() < Duration::from_secs(10),
                    "it never rebooted"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            until(&rig, &db, "ps | grep -c '[r]cS'", "0").await;
            assert_eq!(told(&rig, &db, loses).await, "1\n");
            assert_eq!(std::fs::read_to_string(hairpin).unwrap(), "1\n");
            rig.lxc
                .stop(&db, Body::Present, Duration::from_secs(20))
                .await
                .unwrap();
            let left = format!(
                "grep -lsF {} /proc/[0-9]*/environ | wc -l",
                rig.top.display()
            );
            let begun = Instant::now();
            while sh(&left).trim() != "0" {
                let waited = begun.elapsed();
                assert!(
                    waited < Duration::from_secs(5),
                    "a monitor or guard lives on"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            rig.lxc.destroy(&db, Body::Present, false).await.unwrap();
        },
    );
}
