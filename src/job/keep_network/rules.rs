//! Told by nft: a rule of any table came or went. iptables on nf_tables is heard as well.

use std::process::Stdio;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};

/// After this time `nft monitor` is started again when it has ended, or could not be started.
const AGAIN: Duration = Duration::from_secs(2);

/// The ear at the kernel's rules: a child `nft monitor`, which ends with it.
#[derive(Debug)]
pub(super) struct RuleChanges {
    monitor: Option<(Child, ChildStdout)>,
    /// What it said is of no interest, only that it said something.
    heard: Vec<u8>,
}

impl RuleChanges {
    /// Listens from now on.
    pub(super) fn begin() -> Self {
        Self {
            monitor: start(),
            heard: vec![0; 16 * 1024],
        }
    }

    /// Waits for the next change. What happened while nobody listened may be one.
    pub(super) async fn next(&mut self) {
        let Some((_, output)) = &mut self.monitor else {
            tokio::time::sleep(AGAIN).await;
            self.monitor = start();
            if self.monitor.is_none() {
                std::future::pending::<()>().await;
            }
            return;
        };
        match output.read(&mut self.heard).await {
            Ok(count) if count > 0 => {}
            Ok(_) | Err(_) => self.monitor = None,
        }
    }

    /// Forgets what has been heard meanwhile.
    pub(super) fn drain(&mut self) {
        while let Some((_, output)) = &mut self.monitor {
            match output.read(&mut self.heard).now_or_never() {
                Some(Ok(count)) if count > 0 => {}
                Some(_) => self.monitor = None,
                None => return,
            }
        }
    }
}

fn start() -> Option<(Child, ChildStdout)> {
    let mut command = Command::new("nft");
    command
        .arg("monitor")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = command.spawn().ok()?;
    let output = child.stdout.take()?;
    Some((child, output))
}

/// Whether rules may change unheard: legacy tables are loaded, or there is no nft.
pub(super) fn is_deaf() -> bool {
    let tables = std::fs::read_to_string("/proc/self/net/ip_tables_names");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has_nft = std::env::split_paths(&path).any(|dir| dir.join("nft").is_file());
    tables.is_ok_and(|tables| !tables.trim().is_empty()) || !has_nft
}
