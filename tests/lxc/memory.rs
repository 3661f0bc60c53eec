//! What a running container costs the host.

use std::time::{Duration, Instant};

use locker::backend::{Backend, Body, Inside, Sought};
use serde_json::json;

use crate::rig::{in_own_network, name, sh, shell};

/// Resident memory of a process in kB (proc(5)).
fn resident(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

#[test]
fn monitor_and_guard_together_stay_within_three_megabytes() {
    in_own_network(
        "memory::monitor_and_guard_together_stay_within_three_megabytes",
        async |rig| {
            let db = name("db");
            rig.make(&rig.mark("db", 2, json!({}))).await;
            rig.lxc.start(&db, Body::Present).await.unwrap();
            let ours = format!(
                "grep -lsF {} /proc/[0-9]*/environ | cut -d/ -f3",
                rig.top.display()
            );
            let pids = sh(&ours);
            assert_eq!(pids.split_whitespace().count(), 2, "a monitor and a guard");
            settled(&pids).await;
            lxc_answers(&rig.lxc, &db).await; // they still work
            let sizes: Vec<u64> = pids.split_whitespace().map(resident).collect();
            eprintln!("resident after work: {sizes:?} kB");
            assert!(sizes.iter().all(|size| *size <= ROOM), "{sizes:?} kB");
            rig.lxc
                .stop(&db, Body::Present, Duration::ZERO)
                .await
                .unwrap();
            rig.lxc.destroy(&db, Body::Present, false).await.unwrap();
        },
    );
}

/// kB for both. A program that was not optimised has many times the pages.
const ROOM: u64 = if cfg!(debug_assertions) {
    9000
} else {
    3 * 1024
};

/// Waits until they have let go of what a start needs.
async fn settled(pids: &str) {
    let begun = Instant::now();
    loop {
        let sizes: Vec<u64> = pids.split_whitespace().map(resident).collect();
        if sizes.iter().sum::<u64>() <= ROOM {
            eprintln!("resident: {sizes:?} kB after {:?}", begun.elapsed());
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{sizes:?} kB");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn lxc_answers(lxc: &locker::backend::lxc::LxcBackend, db: &locker::model::Name) {
    let line = "ip addr flush dev eth0; sleep 1; ip -o addr show eth0 | grep -c '10.77.0.2/24'; \
                dd if=/dev/zero bs=1k count=200 2>/dev/null > /dev/console";
    let said = lxc.run(db, &shell(line), None).await.unwrap();
    assert_eq!(said.output, "1\n");
    lxc.set_frozen(db, true).await.unwrap();
    lxc.set_frozen(db, false).await.unwrap();
    for _ in 0..20 {
        lxc.observe(&Sought::default()).await.unwrap();
    }
}
