//! What a running container costs the host.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use locker::backend::lxc::LxcBackend;
use locker::backend::{Backend, Body, Inside, Sought};
use locker::model::Name;
use serde_json::json;

use crate::rig::{Rig, in_own_network, name, sh, shell};

/// What a process has in memory, kB.
#[derive(Debug)]
struct Size {
    /// Its own pages.
    own: u64,
    /// Pages of the program that are the same in its file.
    program: u64,
    /// All, as `ps` counts.
    all: u64,
}

impl Size {
    /// Of the process `pid`, that runs `program` (proc(5), `smaps`).
    fn of(pid: &str, program: &Path) -> Self {
        let smaps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
        let (mut size, mut ours, mut resident) = (Self::none(), false, 0);
        for line in smaps.lines() {
            let kb = |key| {
                let value: &str = line.strip_prefix(key)?;
                Some(value.trim().trim_end_matches(" kB").parse::<u64>().unwrap())
            };
            if line.contains("-") && !line.starts_with(char::is_uppercase) {
                ours = line.ends_with(program.to_str().unwrap());
            } else if let Some(kb) = kb("Rss:") {
                (resident, size.all) = (kb, size.all + kb);
            } else if let Some(anonymous) = kb("Anonymous:") {
                size.own += anonymous;
                size.program += if ours { resident - anonymous } else { 0 };
            }
        }
        size
    }

    const fn none() -> Self {
        Self {
            own: 0,
            program: 0,
            all: 0,
        }
    }

    /// Whether it is as small as it must be. In a program that was not optimised the code is ten times
    /// as large and the linker's tables are, so only that it is let go of, and what is its own, can be
    /// judged.
    fn is_small(&self) -> bool {
        match cfg!(debug_assertions) {
            true => self.own <= 3000 && self.program <= 1500,
            false => self.all <= 3 * 1024,
        }
    }
}

/// The program in a file that was written in small pieces. Of one that was written at once the kernel
/// brings up to 2 MB into a process for each byte that is touched, as it happens to lie in the page cache.
fn in_small_pieces(dir: &Path) -> PathBuf {
    let program = dir.join("locker");
    let bytes = std::fs::read(env!("CARGO_BIN_EXE_locker")).unwrap();
    let mut file = std::fs::File::create(&program).unwrap();
    for piece in bytes.chunks(4096) {
        file.write_all(piece).unwrap();
    }
    file.set_permissions(PermissionsExt::from_mode(0o755))
        .unwrap();
    program
}

#[test]
fn monitor_and_guard_together_stay_within_three_megabytes() {
    in_own_network(
        "memory::monitor_and_guard_together_stay_within_three_megabytes",
        async |rig| {
            let db = name("db");
            let program = in_small_pieces(&rig.top);
            let lxc = rig.lxc.clone().with_program(program.clone());
            rig.make(&rig.mark("db", 2, json!({}))).await;
            lxc.start(&db, Body::Present).await.unwrap();
            let ours = format!(
                "grep -lsF {} /proc/[0-9]*/environ | cut -d/ -f3",
                rig.top.display()
            );
            let pids = sh(&ours);
            assert_eq!(pids.split_whitespace().count(), 2, "a monitor and a guard");
            settled(&pids, &program, "a start").await;
            it_works(&lxc, &db).await;
            settled(&pids, &program, "work").await;
            it_speaks(&rig, &lxc, &db).await;
            settled(&pids, &program, "words on the console").await;
            lxc.stop(&db, Body::Present, Duration::ZERO).await.unwrap();
            lxc.destroy(&db, Body::Present, false).await.unwrap();
        },
    );
}

/// Waits until both have let go of what they needed.
async fn settled(pids: &str, program: &Path, after: &str) {
    let begun = Instant::now();
    loop {
        let pids = pids.split_whitespace();
        let sizes: Vec<Size> = pids.map(|pid| Size::of(pid, program)).collect();
        let together = sizes.iter().map(|size| size.all).sum::<u64>();
        if sizes.iter().all(Size::is_small) && (cfg!(debug_assertions) || together <= 3 * 1024) {
            eprintln!("after {after}: {sizes:?}, {:?}", begun.elapsed());
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "they keep what they needed for {after}: {sizes:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn it_works(lxc: &LxcBackend, db: &Name) {
    let line = "ip addr flush dev eth0; sleep 1; ip -o addr show eth0 | grep -c '10.77.0.2/24'";
    let said = lxc.run(db, &shell(line), None).await.unwrap();
    assert_eq!(said.output, "1\n");
    lxc.set_frozen(db, true).await.unwrap();
    lxc.set_frozen(db, false).await.unwrap();
    for _ in 0..20 {
        lxc.observe(&Sought::default()).await.unwrap();
    }
}

/// Its console says something, and the guard has noted when.
async fn it_speaks(rig: &Rig, lxc: &LxcBackend, db: &Name) {
    let times = rig.top.join("lib/logs/t/db.console.times");
    let noted = || std::fs::metadata(&times).map_or(0, |note| note.len());
    let before = noted();
    let line = "dd if=/dev/zero bs=1k count=200 2>/dev/null > /dev/console";
    lxc.run(db, &shell(line), None).await.unwrap();
    let begun = Instant::now();
    while noted() == before {
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(10), "it was not heard");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
