//! What a system container is granted, in the words of lxc.container.conf(5): capabilities, devices, limits
//! of processes, kernel parameters.
//!
//! Only what the file asks for is written; the rest is LXC's own configuration. Mounts are not made here
//! ([`super::mounts`]).

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::model::{System, Ulimit};

/// One line, key and value.
type Line = (String, String);

/// The lines of `system`. `dropped` are the capabilities that LXC's own configuration takes away, `rules`
/// the rules of the device cgroup for its devices, as [`device_rules`] makes them.
pub(super) fn lines(
    system: &System,
    mapped: bool,
    dropped: &[String],
    family: &str,
    rules: &[String],
) -> Vec<Line> {
    let mut all: Vec<Line> = Vec::new();
    let mut put = |key: &str, value: &str| all.push((key.to_owned(), value.to_owned()));
    if system.granted.privileged {
        put("lxc.apparmor.profile", "unconfined");
        put("lxc.seccomp.profile", "");
        put("lxc.mount.auto", "");
        put("lxc.mount.auto", "cgroup:rw proc:rw sys:rw");
    }
    // With an id map LXC leaves the device cgroup alone.
    if !mapped {
        let allow = format!("{family}.devices.allow");
        let all_of_them = system.granted.privileged.then_some("a");
        let given = system
            .granted
            .device_cgroup_rules
            .iter()
            .map(String::as_str);
        let rules = rules.iter().map(String::as_str).chain(given);
        for rule in all_of_them.into_iter().chain(rules) {
            put(&allow, rule);
        }
    }
    for (name, limit) in &system.granted.ulimits {
        put(&format!("lxc.prlimit.{name}"), &prlimit(*limit));
    }
    for (name, value) in &system.granted.sysctls {
        // sysctl(8) takes both.
        put(&format!("lxc.sysctl.{}", name.replace('/', ".")), value);
    }
    if let Some(signal) = &system.stop_signal {
        put("lxc.signal.halt", &signal_word(signal));
    }
    if system.granted.read_only {
        put("lxc.rootfs.options", "ro");
    }
    all.extend(capabilities(system, dropped));
    all
}

/// `soft:hard`, or one word where both are the same.
fn prlimit(limit: Ulimit) -> String {
    let word = |value: i64| match value {
        -1 => "unlimited".to_owned(),
        value => value.to_string(),
    };
    match limit.soft == limit.hard {
        true => word(limit.soft),
        false => format!("{}:{}", word(limit.soft), word(limit.hard)),
    }
}

/// LXC knows signals by names with `SIG` and by numbers, those of real time by their distance alone.
fn signal_word(signal: &str) -> String {
    let word = signal.to_ascii_uppercase();
    let bare = word.strip_prefix("SIG").unwrap_or(&word);
    match bare {
        "RTMIN" => "SIGRTMIN+0".to_owned(),
        "RTMAX" => "SIGRTMAX-0".to_owned(),
        // Not every C library has the name.
        "UNUSED" => "31".to_owned(),
        number if number.starts_with(|c: char| c.is_ascii_digit()) => number.to_owned(),
        name => format!("SIG{name}"),
    }
}

/// What is dropped, said anew: lines of LXC's own configuration can only be taken back all at once.
fn capabilities(system: &System, dropped: &[String]) -> Vec<Line> {
    let word = |name: &String| name.to_ascii_lowercase();
    let added: Vec<String> = system.granted.cap_add.iter().map(word).collect();
    let taken: Vec<String> = system.granted.cap_drop.iter().map(word).collect();
    if !system.granted.privileged && added.is_empty() && taken.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![("lxc.cap.drop".to_owned(), String::new())];
    if taken.iter().any(|name| name == "all") {
        let kept: Vec<String> = match system.granted.privileged {
            true => return lines,
            false => added.into_iter().filter(|name| name != "all").collect(),
        };
        let kept = match kept.is_empty() {
            true => "none".to_owned(),
            false => kept.join(" "),
        };
        lines.push(("lxc.cap.keep".to_owned(), kept));
        return lines;
    }
    let all = system.granted.privileged || added.iter().any(|name| name == "all");
    let usual = dropped.iter().filter(|name| !all && !added.contains(name));
    let mut still: Vec<&str> = usual.chain(&taken).map(String::as_str).collect();
    still.sort_unstable();
    still.dedup();
    if !still.is_empty() {
        lines.push(("lxc.cap.drop".to_owned(), still.join(" ")));
    }
    lines
}

/// The capabilities that a configuration drops, by itself and by what it includes; `ours` is left out.
pub(super) fn dropped_by(config: &str, ours: &Path) -> Vec<String> {
    let mut all = Vec::new();
    read_drops(config, ours, &mut all, 0);
    all
}

/// As deep as any package's configuration goes; a circle ends here.
const DEPTH: u32 = 8;

fn read_drops(config: &str, ours: &Path, all: &mut Vec<String>, depth: u32) {
    for line in config.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        match (key.trim(), value.trim()) {
            ("lxc.cap.drop", "") => all.clear(),
            ("lxc.cap.drop", words) => {
                all.extend(words.split_whitespace().map(str::to_ascii_lowercase));
            }
            ("lxc.include", path) if Path::new(path) != ours && depth < DEPTH => {
                for file in included(Path::new(path)) {
                    let text = fs::read_to_string(&file).unwrap_or_default();
                    read_drops(&text, ours, all, depth + 1);
                }
            }
            _ => {}
        }
    }
}

/// A file, or the `.conf` files of a directory in the order of their names.
fn included(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.into()];
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path());
    let mut all: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|end| end == "conf"))
        .collect();
    all.sort();
    all
}

/// The rules that let a container use its devices, `c 10:200 rwm`; of a directory all devices in it. What is
/// not there now is told when the container starts.
pub(super) fn device_rules(system: &System) -> Vec<String> {
    let mut rules = Vec::new();
    for device in &system.granted.devices {
        nodes(&device.host, &mut |kind, number| {
            let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
            let rule = format!("{kind} {major}:{minor} {}", device.permissions);
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        });
    }
    rules
}

fn nodes(path: &Path, found: &mut dyn FnMut(char, u64)) {
    let Ok(metadata) = fs::metadata(path) else {
        return;
    };
    let kind = metadata.file_type();
    if kind.is_char_device() {
        found('c', metadata.rdev());
    } else if kind.is_block_device() {
        found('b', metadata.rdev());
    } else if kind.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            // A link may lead anywhere; the device it means has a name of its own.
            if !entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                nodes(&entry.path(), found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Granted;

    fn with(granted: Granted) -> System {
        System {
            granted,
            ..System::default()
        }
    }

    fn text(system: &System, mapped: bool) -> String {
        let usual = ["sys_time", "sys_module"].map(str::to_owned);
        let rules = ["c 10:200 rwm".to_owned()];
        let lines = lines(system, mapped, &usual, "lxc.cgroup2", &rules);
        lines
            .iter()
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect()
    }

    #[test]
    fn each_grant_is_a_line_of_lxc() {
        let granted = Granted {
            ulimits: [
                ("nofile".to_owned(), Ulimit { soft: 10, hard: 20 }),
                ("core".to_owned(), Ulimit { soft: -1, hard: -1 }),
            ]
            .into(),
            sysctls: [("net.ipv4.ip_forward".to_owned(), "1".to_owned())].into(),
            read_only: true,
            device_cgroup_rules: vec!["c 1:3 mr".into()],
            ..Granted::default()
        };
        let system = System {
            stop_signal: Some("rtmin+3".into()),
            ..with(granted)
        };
        let expected = "\
lxc.cgroup2.devices.allow = c 10:200 rwm
lxc.cgroup2.devices.allow = c 1:3 mr
lxc.prlimit.core = unlimited
lxc.prlimit.nofile = 10:20
lxc.sysctl.net.ipv4.ip_forward = 1
lxc.signal.halt = SIGRTMIN+3
lxc.rootfs.options = ro
";
        assert_eq!(text(&system, false), expected);
        assert!(!text(&system, true).contains("devices"));
    }

    #[test]
    fn capabilities_are_those_of_lxc_with_the_file_s_changes() {
        let caps = |add: &[&str], drop: &[&str]| {
            let list = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect();
            let system = with(Granted {
                cap_add: list(add),
                cap_drop: list(drop),
                ..Granted::default()
            });
            let text = text(&system, true);
            text.replace("lxc.cap.", "").replace('\n', ";")
        };
        assert_eq!(caps(&[], &[]), "");
        assert_eq!(caps(&["SYS_TIME"], &[]), "drop = ;drop = sys_module;");
        assert_eq!(
            caps(&[], &["NET_RAW"]),
            "drop = ;drop = net_raw sys_module sys_time;"
        );
        assert_eq!(caps(&["ALL"], &["MKNOD"]), "drop = ;drop = mknod;");
        assert_eq!(
            caps(&["CHOWN", "KILL"], &["ALL"]),
            "drop = ;keep = chown kill;"
        );
        assert_eq!(caps(&[], &["ALL"]), "drop = ;keep = none;");
    }

    #[test]
    fn privileged_is_everything() {
        let system = with(Granted {
            privileged: true,
            ..Granted::default()
        });
        let text = text(&system, false);
        for line in [
            "lxc.cgroup2.devices.allow = a\n",
            "lxc.mount.auto = cgroup:rw proc:rw sys:rw\n",
            "lxc.apparmor.profile = unconfined\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.ends_with("lxc.cap.drop = \n"), "{text}");
    }

    #[test]
    fn what_is_dropped_is_found_through_includes_and_without_our_own_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("d")).unwrap();
        fs::write(path("d/b.conf"), "lxc.cap.drop = MKNOD\n").unwrap();
        fs::write(path("d/a.txt"), "lxc.cap.drop = chown\n").unwrap();
        fs::write(path("locker.conf"), "lxc.cap.drop = kill\n").unwrap();
        let common = format!(
            "lxc.cap.drop = sys_time  sys_module\nlxc.include={}\n",
            path("d").display()
        );
        fs::write(path("common"), common).unwrap();
        let config = format!(
            "lxc.include = {}\nlxc.include = {}\n# lxc.cap.drop = x\n",
            path("common").display(),
            path("locker.conf").display()
        );
        let found = dropped_by(&config, &path("locker.conf"));
        assert_eq!(found, ["sys_time", "sys_module", "mknod"]);
        let circle = format!("lxc.include = {}\n", path("circle").display());
        fs::write(path("circle"), &circle).unwrap();
        assert!(dropped_by(&circle, &path("locker.conf")).is_empty());
    }

    #[test]
    fn a_device_is_allowed_by_its_number_and_a_directory_by_all_in_it() {
        let device = |host: &str| crate::model::Device::parse(host).unwrap();
        let system = |host: &str| {
            with(Granted {
                devices: vec![device(host)],
                ..Granted::default()
            })
        };
        assert_eq!(device_rules(&system("/dev/null:rw")), ["c 1:3 rw"]);
        assert!(device_rules(&system("/dev/nothing-here")).is_empty());
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/null", dir.path().join("null")).unwrap();
        assert!(device_rules(&system(dir.path().to_str().unwrap())).is_empty());
    }
}
