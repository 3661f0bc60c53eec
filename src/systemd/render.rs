//! Unit files from what a unit is to be. Pure: same input, same text.
//!
//! Each template of `templates/*.{service,socket,slice,target}` is used here and nowhere else; all
//! values pass [`super::write`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::UnitsError;
use super::names;
use super::sandbox::{Walls, sandbox};
use super::write::{At, command, fill, paths};
use crate::model::{DemandPort, Kind, MONITOR_PATH, Name, ProjectUnits, Restart, UnitSpec};
use crate::store::Paths;

/// The proxy that systemd brings along, systemd-socket-proxyd(8).
const PROXY: &str = "/lib/systemd/systemd-socket-proxyd";
/// How many connections it keeps at once; each takes six of the 65536 files that its unit allows it.
const CALLERS: u32 = 8192;
/// Starts within this time count as one row; a row that is too long ends the tries.
const LIMIT_INTERVAL: Duration = Duration::from_secs(60);

/// By this signal a supervisor ends itself that has counted too many failures.
const GIVES_UP: &str = "SIGUSR2";

/// Where locker's state usually is.
const STATE: &str = "/var/lib/locker";

/// What the places of a template are filled with.
type Values = Vec<(&'static str, At, String)>;

/// All unit files of a project by name, the host's network service not among them.
pub(super) fn project(
    units: &ProjectUnits,
    walls: Walls,
) -> Result<BTreeMap<String, String>, UnitsError> {
    let mut files = BTreeMap::new();
    let (name, directory) = (&units.project, shown(&units.directory));
    let common = |extra: Values| {
        let mut values = vec![
            ("project", At::Comment, name.to_string()),
            ("directory", At::Comment, directory.clone()),
            ("target", At::Ours, names::target(name)),
            ("network", At::Ours, names::NETWORK.to_string()),
            ("slice", At::Ours, names::slice(name)),
        ];
        values.extend(extra);
        values
    };
    let target = include_str!("../../templates/project.target");
    files.insert(names::target(name), fill(target, &common(Vec::new()))?);
    let slice = include_str!("../../templates/project.slice");
    files.insert(names::slice(name), fill(slice, &common(Vec::new()))?);
    for (group, members) in groups(&units.services) {
        let services: Vec<String> = members.iter().map(|m| names::service(name, m)).collect();
        let extra = vec![
            ("group", At::Comment, group.to_string()),
            ("members", At::Ours, services.join(" ")),
        ];
        let text = include_str!("../../templates/group.target");
        files.insert(names::group(name, group), fill(text, &common(extra))?);
    }
    for unit in units.services.values() {
        let service = names::service(name, &unit.name);
        let text = include_str!("../../templates/container.service");
        files.insert(service, fill(text, &common(container(unit, walls)?))?);
        for demand in &unit.on_demand {
            on_demand(unit, demand, &common, &mut files)?;
        }
    }
    Ok(files)
}

/// The service that keeps bridges and rules of all projects.
pub(super) fn network(program: &Path, state_dir: Option<&Path>) -> Result<String, UnitsError> {
    let mut arguments = vec!["__network"];
    let dir = state_dir.map(shown);
    if let Some(dir) = &dir {
        arguments.push(dir);
    }
    let line = command(program, &arguments)?;
    let text = include_str!("../../templates/network.service");
    let state = state_dir.unwrap_or(Path::new(STATE));
    let home = match is_hidden(state) {
        true => "",
        false => "ProtectHome=yes\n",
    };
    let values = [
        ("command", At::Ours, line),
        ("state", At::Ours, paths([state])?),
        ("home", At::Ours, home.to_string()),
    ];
    fill(text, &values)
}

/// The program that the text of the network service runs.
pub(super) fn program_of(text: &str) -> Option<PathBuf> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=\""))?;
    let mut word = String::new();
    let mut letters = line.chars();
    loop {
        match letters.next()? {
            '"' => break,
            '\\' => word.extend(letters.next()),
            // Doubled by the writer, so that it stands for itself.
            twice @ ('%' | '$') => {
                word.push(twice);
                letters.next();
            }
            letter => word.push(letter),
        }
    }
    Some(word.into())
}

fn groups(services: &BTreeMap<Name, UnitSpec>) -> BTreeMap<&Name, BTreeSet<&Name>> {
    let mut groups: BTreeMap<&Name, BTreeSet<&Name>> = BTreeMap::new();
    for unit in services.values() {
        for group in &unit.groups {
            groups.entry(group).or_default().insert(&unit.name);
        }
    }
    groups
}

fn container(unit: &UnitSpec, walls: Walls) -> Result<Values, UnitsError> {
    let (most, interval) = start_limit(unit);
    let dir = unit.state_dir.as_deref().map(shown);
    let call = |verb: &str| {
        let mut arguments = vec![verb, unit.project.as_str(), unit.name.as_str()];
        arguments.extend(dir.as_deref());
        command(&unit.program, &arguments)
    };
    let stop = match unit.kind {
        Kind::System => format!("ExecStop={}\n", call("__stop")?),
        // It hears the signal of a stop itself.
        Kind::Application => String::new(),
    };
    let stop = format!("{stop}{}", closes_ways(unit)?);
    Ok(vec![
        ("name", At::Comment, unit.name.to_string()),
        ("dependencies", At::Ours, dependencies(unit)),
        ("path", At::Ours, path(unit.kind).into()),
        ("limit_interval", At::Ours, interval.to_string()),
        ("limit_burst", At::Ours, most.to_string()),
        ("unneeded", At::Ours, unneeded(unit)),
        ("kind", At::Ours, kind(unit)),
        ("command", At::Ours, call("__supervise")?),
        ("stop", At::Ours, stop),
        ("restart", At::Ours, restart(unit)),
        ("stop_timeout", At::Ours, seconds(stop_time(unit))),
        ("properties", At::Ours, properties(unit)?),
        ("sandbox", At::Ours, sandbox(unit, walls)),
        ("writes", At::Ours, writes(unit, walls)?),
    ])
}

/// A container on demand that has ended for good takes along the ways that lead to it, which would go on taking calls. Not one
/// that comes back in any case. Outside of the supervisor's walls: it speaks to systemd.
fn closes_ways(unit: &UnitSpec) -> Result<String, UnitsError> {
    let comes_back = match unit.restart {
        Restart::Always | Restart::UnlessStopped => !unit.oneshot,
        Restart::No | Restart::OnFailure { .. } | Restart::OnUnhealthy => false,
    };
    if unit.on_demand.is_empty() || comes_back {
        return Ok(String::new());
    }
    let restart = match unit.restart {
        Restart::No => "no",
        Restart::Always | Restart::UnlessStopped => "on-failure",
        Restart::OnFailure { .. } | Restart::OnUnhealthy => "on-failure",
    };
    let held = unit.on_demand.iter().flat_map(|demand| {
        let ports = &demand.port.host;
        ports.first..=ports.last
    });
    let ways: Vec<String> = held
        .map(|port| names::demand(&unit.project, &unit.name, port, "service"))
        .collect();
    let words = ["__closes", restart].into_iter();
    let words: Vec<&str> = words.chain(ways.iter().map(String::as_str)).collect();
    Ok(format!(
        "ExecStopPost=-+{}\n",
        command(&unit.program, &words)?
    ))
}

/// The notes that a supervisor behind walls writes for longer than a boot.
fn writes(unit: &UnitSpec, walls: Walls) -> Result<String, UnitsError> {
    match (unit.kind, walls) {
        (Kind::Application, Walls::Mounts) if unit.oneshot => {
            let known = unit.state_dir.as_deref().map(Paths::under);
            let notes = known.unwrap_or_else(Paths::system).stopped(&unit.project);
            Ok(format!("ReadWritePaths=-{}\n", paths([notes.as_path()])?))
        }
        (Kind::Application | Kind::System, Walls::Mounts | Walls::Landlock) => Ok(String::new()),
    }
}

/// What a supervisor needs beyond the container's own time. An engine of a busy host takes many seconds to
/// kill a container, and a stop that is cut short is a failed unit.
pub(super) const STOP_MORE: Duration = Duration::from_secs(30);

/// Each command before the stop has as long as the container.
fn stop_time(unit: &UnitSpec) -> Duration {
    let commands = u32::try_from(unit.hooks.pre_stop.len()).unwrap_or(u32::MAX);
    let all = unit.stop_timeout.saturating_mul(commands.saturating_add(1));
    all.saturating_add(STOP_MORE)
}

fn kind(unit: &UnitSpec) -> String {
    let start = match unit.oneshot {
        true => "Type=notify\nRemainAfterExit=yes\n",
        false => "Type=notify\n",
    };
    // A service that waits for others is stopped by a signal to its main process (systemd.service(5),
    // `ExecStop=`). One that is a container's monitor hands every signal on to the container's init, to which
    // SIGTERM may mean a reboot. This one ends a process that waits, and an init does not hear it.
    let signal = match unit.kind {
        Kind::System => "KillSignal=SIGVTALRM\nSuccessExitStatus=SIGVTALRM\n",
        Kind::Application => "",
    };
    format!("{start}{signal}")
}

/// Order and need. Each list is a line of its own, so that a line never grows beyond systemd's limit.
fn dependencies(unit: &UnitSpec) -> String {
    let service = |name: &Name| names::service(&unit.project, name);
    let mut lines = String::new();
    let mut put = |key: &str, value: &str| {
        let _ = writeln!(lines, "{key}={value}");
    };
    // Not `Requires`: when the keeper of the network ends and comes back, no container has to.
    put("Wants", names::NETWORK);
    put("After", names::NETWORK);
    match unit.kind {
        // Of another engine nobody knows the unit; its supervisor waits for it.
        Kind::Application if unit.engine.is_some() => {}
        Kind::Application => {
            // Not `Requires`: a restart of the engine must not stop what it keeps alive.
            put("Wants", "docker.service");
            put("After", "docker.service docker.socket");
        }
        Kind::System => put("After", "lxc.service"),
    }
    for name in &unit.requires {
        // Not `Requires`: with it every new start of one that has ended would stop and start this one
        // too. That this one waits until the other is ready is the supervisor's business.
        put("Wants", &service(name));
    }
    for name in &unit.binds {
        // Stopped with it and, when systemd starts it anew, started anew with it: that one's network is
        // another one then. Not `BindsTo`: it would end this one for good where that one comes back.
        put("Wants", &service(name));
        put("PartOf", &service(name));
    }
    let after: BTreeSet<&Name> = unit
        .requires
        .iter()
        .chain(&unit.binds)
        .chain(&unit.after)
        .collect();
    for name in after {
        put("After", &service(name));
    }
    let own = match unit.kind {
        Kind::System => Some(&unit.lxcpath),
        Kind::Application => None,
    };
    for needed in unit.mounts.iter().chain(own) {
        // One that cannot stand in a unit is looked at by the supervisor alone.
        if let Ok(path) = paths([needed.as_path()]) {
            put("RequiresMountsFor", &path);
        }
    }
    lines
}

/// Where a monitor's hooks, and nobody else, look for programs of the host.
fn path(kind: Kind) -> &'static str {
    match kind {
        Kind::System => MONITOR_PATH,
        Kind::Application => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
}

/// Whether `ProtectHome=` hides it.
fn is_hidden(path: &Path) -> bool {
    ["/home", "/root", "/run/user"]
        .iter()
        .any(|dir| path.starts_with(dir))
}

fn unneeded(unit: &UnitSpec) -> String {
    match unit.on_demand.is_empty() {
        true => String::new(),
        false => "StopWhenUnneeded=yes\n".into(),
    }
}

/// How many starts in a row, and what a row is.
fn start_limit(unit: &UnitSpec) -> (u32, u64) {
    if !unit.on_demand.is_empty() {
        // Each call after a rest is a start, and no failure: the supervisor counts those itself.
        return (5, 0);
    }
    match unit.restart {
        // `always` means it: back-off makes a broken container harmless, giving up would break the word.
        Restart::No | Restart::Always | Restart::UnlessStopped | Restart::OnUnhealthy => (5, 0),
        Restart::OnFailure { most: None } => (5, 0),
        Restart::OnFailure { most: Some(most) } => (
            most.saturating_add(1),
            LIMIT_INTERVAL.as_secs() * u64::from(most.max(1)),
        ),
    }
}

fn restart(unit: &UnitSpec) -> String {
    let word = match (unit.oneshot, unit.restart) {
        (true, Restart::Always | Restart::UnlessStopped) => "on-failure",
        (_, Restart::No) => "no",
        (false, Restart::Always | Restart::UnlessStopped) => "always",
        (_, Restart::OnFailure { .. } | Restart::OnUnhealthy) => "on-failure",
    };
    match word {
        "no" => "Restart=no\n".into(),
        word if matches!(unit.restart, Restart::OnFailure { most: Some(_) })
            && !unit.on_demand.is_empty() =>
        {
            format!("Restart={word}\nRestartSec=100ms\nRestartPreventExitStatus={GIVES_UP}\n")
        }
        // The supervisor waits longer from failure to failure; systemd 252 has no RestartSteps.
        word => format!("Restart={word}\nRestartSec=100ms\n"),
    }
}

/// Limits as they are: systemd expands no specifiers in them, so that the `%` of a quota stands for itself
/// and a doubled one makes it no quota at all. Nothing else than numbers, words and lists may stand there.
fn properties(unit: &UnitSpec) -> Result<String, UnitsError> {
    let plain = |c: char| c.is_ascii_alphanumeric();
    let limit = |c: char| plain(c) || matches!(c, '%' | ',' | '-' | ' ');
    let mut lines = String::new();
    for (key, value) in &unit.properties {
        if key.is_empty() || !key.chars().all(plain) {
            return Err(UnitsError::Control(key.escape_debug().to_string()));
        }
        if !value.chars().all(limit) {
            return Err(UnitsError::Control(value.escape_debug().to_string()));
        }
        let _ = writeln!(lines, "{key}={value}");
    }
    Ok(lines)
}

fn on_demand(
    unit: &UnitSpec,
    demand: &DemandPort,
    common: &dyn Fn(Values) -> Values,
    files: &mut BTreeMap<String, String>,
) -> Result<(), UnitsError> {
    let (project, name) = (&unit.project, &unit.name);
    let service = names::service(project, name);
    let count = demand.port.host.last - demand.port.host.first;
    for offset in 0..=count {
        let port = demand.port.host.first + offset;
        let inner = demand.port.container.first + offset;
        let socket = names::demand(project, name, port, "socket");
        let way = names::demand(project, name, port, "service");
        let mut arguments = Vec::new();
        let idle = unit
            .idle
            .map(|idle| format!("--exit-idle-time={}", seconds(idle)));
        arguments.extend(idle);
        arguments.push(format!("--connections-max={CALLERS}"));
        let to = format!("{}:{inner}", demand.to);
        arguments.push(to.clone());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let extra = vec![
            ("name", At::Comment, name.to_string()),
            ("port", At::Ours, port.to_string()),
            ("listen", At::Ours, listen(demand.port.host_ip, port)),
            ("socket", At::Ours, socket.clone()),
            ("service", At::Ours, service.clone()),
            (
                "answers",
                At::Ours,
                command(&unit.program, &["__answers", &to, &service])?,
            ),
            (
                "leaves",
                At::Ours,
                command(&unit.program, &["__leaves", &way, &service])?,
            ),
            ("proxy", At::Ours, command(Path::new(PROXY), &arguments)?),
        ];
        let text = include_str!("../../templates/demand.socket");
        files.insert(socket, fill(text, &common(extra.clone()))?);
        let text = include_str!("../../templates/demand.service");
        files.insert(way, fill(text, &common(extra))?);
    }
    Ok(())
}

/// Without an address both families, each by its own socket: one that takes both is refused where
/// `net.ipv6.bindv6only` is set.
fn listen(address: Option<IpAddr>, port: u16) -> String {
    match address {
        None => {
            format!("ListenStream=0.0.0.0:{port}\nListenStream=[::]:{port}\nBindIPv6Only=ipv6-only")
        }
        // The address may come later than the socket.
        Some(IpAddr::V4(address)) => format!("ListenStream={address}:{port}\nFreeBind=yes"),
        // `[::]` is IPv6 alone, as in a port rule: IPv4 addresses are left to others.
        Some(IpAddr::V6(address)) => {
            format!("ListenStream=[{address}]:{port}\nBindIPv6Only=ipv6-only\nFreeBind=yes")
        }
    }
}

/// A time as systemd.time(7) has it; one that is longer than systemd can count has no end.
fn seconds(time: Duration) -> String {
    const MOST: u128 = u64::MAX as u128 / 2;
    if time.as_micros() > MOST {
        return "infinity".into();
    }
    match time.subsec_millis() {
        0 => time.as_secs().to_string(),
        milliseconds => format!("{}s {milliseconds}ms", time.as_secs()),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
