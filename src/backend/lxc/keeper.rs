//! Why a container's monitor does not answer, as far as the kernel tells, and what to do about it.

use std::path::Path;
use std::time::Duration;

use crate::backend::BackendError;
use crate::sys::{self, Hierarchies};

/// The error of a call that `monitor` did not answer within `waited`.
pub(super) fn silent(
    verb: &'static str,
    full: &str,
    monitor: Option<u32>,
    waited: Duration,
) -> BackendError {
    let seconds = waited.as_secs();
    let Some(pid) = monitor else {
        return BackendError::Silent {
            verb,
            container: full.into(),
            reason: format!("its LXC monitor did not answer within {seconds} s"),
            help: format!("look for it: ps -eo pid,stat,wchan:24,args | grep -F {full}"),
        };
    };
    let (why, help) = why(pid, &Hierarchies::here());
    BackendError::Silent {
        verb,
        container: full.into(),
        reason: format!("its LXC monitor (pid {pid}) did not answer within {seconds} s{why}"),
        help,
    }
}

/// What keeps a process from answering, in words, and the command that mends it.
fn why(pid: u32, hierarchies: &Hierarchies) -> (String, String) {
    let frozen = sys::freezer_of(pid, hierarchies);
    if let Some(dir) = frozen {
        let file = dir.join("cgroup.freeze");
        return (
            format!(": its cgroup `{}` is frozen", dir.display()),
            thaw(&dir).unwrap_or_else(|| format!("thaw it: echo 0 > {}", file.display())),
        );
    }
    match sys::process::Stat::of(pid).map(|stat| stat.state) {
        Some('T' | 't') => (
            ": somebody has stopped it (SIGSTOP, or a debugger)".into(),
            format!("let it go on: kill -CONT {pid}"),
        ),
        Some('D') => (
            ": it waits in the kernel, most often for a disk or a network file system".into(),
            format!("see for what: cat /proc/{pid}/stack; dmesg | tail"),
        ),
        Some(_) => (
            String::new(),
            format!(
                "see what it does: ps -o pid,stat,wchan:24,args -p {pid}; as a last resort `kill -KILL {pid}` ends it and its container"
            ),
        ),
        None => (": it has just ended".into(), "run the command again".into()),
    }
}

/// The command for a unit's own cgroup, which systemd has frozen.
fn thaw(dir: &Path) -> Option<String> {
    let unit = dir.file_name()?.to_str()?;
    let is_unit = unit.ends_with(".service") || unit.ends_with(".slice");
    is_unit.then(|| format!("thaw it: systemctl thaw {unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_monitor_is_told_with_the_command_that_lets_it_go_on() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        let begun = std::time::Instant::now();
        let told = loop {
            let told = silent(
                "freeze",
                "shop_db",
                Some(child.id()),
                Duration::from_secs(10),
            );
            let stopped = told.to_string().contains("SIGSTOP");
            if stopped || begun.elapsed() > Duration::from_secs(5) {
                break told;
            }
        };
        let _ = child.kill();
        let _ = child.wait();
        let pid = pid.as_raw_nonzero();
        assert_eq!(
            told.to_string(),
            format!(
                "cannot freeze container `shop_db`: its LXC monitor (pid {pid}) did not answer within 10 s: \
                 somebody has stopped it (SIGSTOP, or a debugger)"
            )
        );
        let BackendError::Silent { help, .. } = told else {
            panic!("{told}")
        };
        assert_eq!(help, format!("let it go on: kill -CONT {pid}"));
    }

    #[test]
    fn a_unit_is_thawed_by_systemd() {
        let command = |dir| thaw(Path::new(dir));
        let told = command("/sys/fs/cgroup/locker.slice/locker-shop-db.service");
        assert_eq!(
            told.as_deref(),
            Some("thaw it: systemctl thaw locker-shop-db.service")
        );
        assert_eq!(command("/sys/fs/cgroup/a"), None);
    }
}
