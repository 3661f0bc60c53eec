//! Renders `locker.conf`, the part of a container's LXC configuration that is wholly ours.
//!
//! The only place that writes lxc.container.conf(5). Every value passes through [`Lines::set`], which
//! refuses whatever could end a line or that LXC would silently read as something else.

use std::path::{Path, PathBuf};

use crate::model::{CgroupVersion, ContainerSpec, USUAL_MTU};

/// What the host adds to a spec.
pub(super) struct Surroundings<'a> {
    /// LXC's own settings for containers with an id map.
    pub(super) unprivileged: &'a Path,
    /// Where the console log goes.
    pub(super) console_log: &'a Path,
    /// Which cgroup version holds a limit's controller.
    pub(super) cgroup: &'a dyn Fn(&str) -> CgroupVersion,
    /// The capabilities that LXC's own configuration drops.
    pub(super) dropped: &'a [String],
    /// The rules of the device cgroup for its devices.
    pub(super) rules: &'a [String],
    /// LXC's own settings for containers in the container.
    pub(super) nesting: &'a Path,
    /// The longest packet of its bridge, bytes; none when the bridge is not there.
    pub(super) mtu: Option<u32>,
}

/// Why a value cannot be written to an LXC configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RenderError {
    #[error("the value of `{key}` holds a control character")]
    Control { key: String },
    #[error("`{key}` is not a key of an LXC configuration")]
    Key { key: String },
    #[error("the path in `{key}` is not valid UTF-8")]
    Path { key: String },
    #[error("`{name}` cannot be the name of a variable")]
    Variable { name: String },
    #[error("{what} needs LXC's `{}`, which is not there (apt-get install liblxc-common)", path.display())]
    Include { what: &'static str, path: PathBuf },
}

struct Lines(String);

impl Lines {
    /// LXC's own settings for `what`, without which the container would be made as another one.
    fn include(&mut self, what: &'static str, file: &Path) -> Result<(), RenderError> {
        if !file.exists() {
            let path = file.into();
            return Err(RenderError::Include { what, path });
        }
        self.set("lxc.include", text("lxc.include", file)?)
    }

    /// A value that LXC reads as it is here.
    fn set(&mut self, key: &str, value: &str) -> Result<(), RenderError> {
        let quoted = value.len() > 1
            && ['"', '\'']
                .iter()
                .any(|q| value.starts_with(*q) && value.ends_with(*q));
        // LXC drops blanks at the ends, and then one pair of quotes around it all.
        match value.trim() != value || quoted {
            true => self.raw(key, &format!("\"{value}\"")),
            false => self.raw(key, value),
        }
    }

    /// A line in LXC's own words.
    fn raw(&mut self, key: &str, value: &str) -> Result<(), RenderError> {
        let key_is_good = key.starts_with("lxc.")
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if !key_is_good {
            return Err(RenderError::Key { key: key.into() });
        }
        if value.chars().any(char::is_control) {
            return Err(RenderError::Control { key: key.into() });
        }
        self.0.push_str(key);
        self.0.push_str(if value.is_empty() { " =" } else { " = " });
        self.0.push_str(value);
        self.0.push('\n');
        Ok(())
    }
}

/// The text of `locker.conf`.
pub(super) fn render(spec: &ContainerSpec, around: &Surroundings) -> Result<String, RenderError> {
    let mut lines = Lines("# Written by locker; changes made here are lost.\n".into());
    unprivileged(&mut lines, spec, around)?;
    if spec.system.nesting {
        // Without it the container would start as one that cannot have any inside.
        lines.include("`nesting`", around.nesting)?;
    }
    lines.set("lxc.uts.name", &spec.hostname)?;
    network(&mut lines, spec, around.mtu)?;
    lines.set("lxc.idmap", "")?; // whatever the template or the host's default.conf set
    if !spec.idmap.is_empty() {
        for range in &spec.idmap {
            lines.set("lxc.idmap", &range.to_string())?;
        }
    }
    if super::mounts::has_any(spec) {
        lines.set("lxc.hook.start-host", super::mounts::HOOK)?;
    }
    let family = match (around.cgroup)("devices.allow") {
        CgroupVersion::V1 => "lxc.cgroup",
        CgroupVersion::V2 => "lxc.cgroup2",
    };
    let mapped = !spec.idmap.is_empty();
    // With an id map LXC's own list does not hold, but ours.
    let worthless: Vec<String> = WORTHLESS.split(' ').map(str::to_owned).collect();
    let dropped = if mapped { &worthless } else { around.dropped };
    let granted = super::granted::lines(&spec.system, mapped, dropped, family, around.rules);
    for (key, value) in granted {
        lines.set(&key, &value)?;
    }
    for (name, value) in &spec.environment {
        if name.is_empty() || name.contains('=') || name.contains(char::is_whitespace) {
            return Err(RenderError::Variable { name: name.clone() });
        }
        lines.set("lxc.environment", &format!("{name}={value}"))?;
    }
    for limit in &spec.limits {
        let family = match (around.cgroup)(&limit.key) {
            CgroupVersion::V1 => "lxc.cgroup",
            CgroupVersion::V2 => "lxc.cgroup2",
        };
        lines.set(&format!("{family}.{}", limit.key), &limit.value)?;
    }
    lines.set(
        "lxc.console.logfile",
        text("lxc.console.logfile", around.console_log)?,
    )?;
    if let Some(score) = spec.system.oom_score_adj {
        lines.set("lxc.proc.oom_score_adj", &score.to_string())?;
    }
    lines.set("lxc.console.size", "1MB")?;
    lines.set("lxc.console.rotate", "1")?;
    for line in &spec.config {
        lines.raw(&line.key, &line.value)?;
    }
    Ok(lines.0)
}

/// Capabilities that the kernel asks for in the host's user namespace only: with an id map they are worth nothing.
/// LXC leaves them, and an init that sees them starts units that must fail (`ConditionCapability=`,
/// systemd.unit(5)): debugfs, configfs, kernel modules, the clock.
const WORTHLESS: &str = "sys_rawio sys_module sys_time";

fn unprivileged(
    lines: &mut Lines,
    spec: &ContainerSpec,
    around: &Surroundings,
) -> Result<(), RenderError> {
    if spec.idmap.is_empty() {
        return Ok(());
    }
    lines.include("an id map", around.unprivileged)?;
    // LXC takes one of both.
    if spec.config.iter().all(|line| line.key != "lxc.cap.keep") {
        lines.set("lxc.cap.drop", WORTHLESS)?;
    }
    Ok(())
}

fn network(lines: &mut Lines, spec: &ContainerSpec, mtu: Option<u32>) -> Result<(), RenderError> {
    lines.set("lxc.net", "")?; // whatever the template or the host's default.conf set
    let Some(nic) = spec.nic.as_ref().filter(|nic| !nic.bridge.is_empty()) else {
        return lines.set("lxc.net.0.type", "empty");
    };
    let subnets = &nic.subnets;
    for (key, value) in [
        ("type", "veth".to_owned()),
        ("link", nic.bridge.clone()),
        ("flags", "up".to_owned()),
        ("name", super::guard::INTERFACE.to_owned()),
        ("veth.pair", nic.veth.clone()),
        ("hwaddr", nic.mac.clone()),
        (
            "ipv4.address",
            format!("{}/{}", nic.addresses.v4, subnets.v4.prefix_len()),
        ),
        ("ipv4.gateway", subnets.gateway4().to_string()),
    ] {
        lines.set(&format!("lxc.net.0.{key}"), &value)?;
    }
    if let Some(mtu) = mtu.filter(|mtu| *mtu != USUAL_MTU) {
        lines.set("lxc.net.0.mtu", &mtu.to_string())?;
    }
    if let (Some(address), Some(net)) = (nic.addresses.v6, subnets.v6) {
        let address = format!("{address}/{}", net.prefix_len());
        lines.set("lxc.net.0.ipv6.address", &address)?;
    }
    if let Some(gateway) = subnets.gateway6() {
        lines.set("lxc.net.0.ipv6.gateway", &gateway.to_string())?;
    }
    Ok(())
}

fn text<'a>(key: &str, path: &'a Path) -> Result<&'a str, RenderError> {
    path.to_str()
        .ok_or_else(|| RenderError::Path { key: key.into() })
}

/// `config` with exactly one line that includes ours, at its end, and without what creation left in it.
pub(super) fn with_include(config: &str, ours: &Path) -> Result<String, RenderError> {
    let mut kept = String::new();
    let ours_or_dead = |line: &str| is_our_include(line) || is_log(line);
    for line in config.lines().filter(|line| !ours_or_dead(line)) {
        kept.push_str(line);
        kept.push('\n');
    }
    let mut lines = Lines(kept);
    lines.set("lxc.include", text("lxc.include", ours)?)?;
    Ok(lines.0)
}

/// Where liblxc logged to when a template was run: it saves that with all else, and each later start
/// would make the file anew.
fn is_log(line: &str) -> bool {
    let key = line.split_once('=').map(|(key, _)| key.trim());
    matches!(key, Some("lxc.log.file" | "lxc.log.level"))
}

fn is_our_include(line: &str) -> bool {
    line.split_once('=').is_some_and(|(key, value)| {
        key.trim() == "lxc.include" && value.trim().ends_with("/locker.conf")
    })
}

/// `config` with every path below the directory `from` led to the directory `to`.
pub(super) fn moved(config: &str, from: &Path, to: &Path) -> String {
    let (from, to) = (format!("{}/", from.display()), format!("{}/", to.display()));
    config
        .lines()
        .map(|line| format!("{}\n", line.replace(&from, &to)))
        .collect()
}

/// The configuration of a container that no template made.
pub(super) fn base(rootfs: &Path, host: &str) -> Result<String, RenderError> {
    let mut lines = Lines(String::new());
    let common = "/usr/share/lxc/config/common.conf";
    if Path::new(common).exists() {
        lines.set("lxc.include", common)?;
    }
    lines.0.push_str(host);
    if !lines.0.ends_with('\n') {
        lines.0.push('\n');
    }
    lines.set(
        "lxc.rootfs.path",
        &format!("dir:{}", text("lxc.rootfs.path", rootfs)?),
    )?;
    Ok(lines.0)
}

#[cfg(test)]
#[path = "render_tests.rs"]
pub(super) mod tests;
