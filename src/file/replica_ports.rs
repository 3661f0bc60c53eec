//! Which host port each replica of a container gets.
//!
//! A range of the host with one port of the container is dealt out, one each. A fixed port can belong
//! to one container only.

use super::desk::Desk;
use super::tree::{Entry, Kind, Node};

/// A port as it is written, for as long as it takes to see its ranges.
struct Written {
    /// Address with its colon.
    ip: String,
    host: (u16, u16),
    target: (u16, u16),
    /// What follows the container's port.
    target_text: String,
}

/// Gives one of `count` replicas its ports.
pub(super) fn deal(desk: &Desk<'_>, entry: &Entry, replica: &mut Entry, index: u32, count: u32) {
    let Kind::Mapping(entries) = &mut replica.value.kind else {
        return;
    };
    let Some(ports) = entries.iter_mut().find(|entry| entry.key == "ports") else {
        return;
    };
    let Kind::Sequence(items) = &mut ports.value.kind else {
        return;
    };
    items.retain_mut(|item| one(desk, &entry.key, item, index, count));
}

/// Whether the replica keeps the port: of one that cannot be dealt out nothing more is said.
fn one(desk: &Desk<'_>, name: &str, item: &mut Node, index: u32, count: u32) -> bool {
    let Some(written) = read(desk, item) else {
        return true;
    };
    let hosts = u32::from(written.host.1 - written.host.0) + 1;
    let targets = u32::from(written.target.1 - written.target.0) + 1;
    if written.host.0 == 0 || hosts < targets || (hosts > targets && targets > 1) {
        return true;
    }
    if count == 1 {
        return true;
    }
    if hosts == targets || count > hosts {
        if index == 0 {
            too_few(desk, name, item, &written, count);
        }
        return false;
    }
    if let Ok(index) = u16::try_from(index) {
        write(item, &written, written.host.0 + index);
    }
    true
}

fn too_few(desk: &Desk<'_>, name: &str, item: &Node, written: &Written, count: u32) {
    let (first, last) = written.host;
    let shown = if first == last {
        format!("the host port {first}")
    } else {
        format!("the host ports {first}-{last}")
    };
    let end = u32::from(first) + count - 1;
    let target = &written.target_text;
    desk.error_help(
        item.spot,
        format!("{shown} cannot serve {count} replicas of `{name}`"),
        format!(
            "write a range with a port for each, `{}{first}-{end}:{target}`, or leave the host port out",
            written.ip
        ),
    );
}

fn read(desk: &Desk<'_>, item: &Node) -> Option<Written> {
    match &item.kind {
        Kind::Scalar(text) => {
            let text = desk.peek(text, item.spot);
            let (rest, target) = text.rsplit_once(':')?;
            let (ip, host) = match rest.rsplit_once(':') {
                Some((ip, host)) => (format!("{ip}:"), host),
                None => (String::new(), rest),
            };
            let number = target.split('/').next().unwrap_or(target);
            Some(Written {
                ip,
                host: range(host)?,
                target: range(number)?,
                target_text: target.to_string(),
            })
        }
        Kind::Mapping(_) => {
            let value = |key: &str| {
                let node = &item.get(key)?.value;
                Some(desk.peek(node.as_text()?, node.spot))
            };
            let target = value("target")?;
            Some(Written {
                ip: String::new(),
                host: range(&value("published")?)?,
                target: range(&target)?,
                target_text: target,
            })
        }
        Kind::Null | Kind::Sequence(_) => None,
    }
}

/// `80` or `80-90`; none for anything else, which is reported where ports are read.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some((first, last))
}

fn write(item: &mut Node, written: &Written, host: u16) {
    match &mut item.kind {
        Kind::Scalar(text) => {
            let line = format!("{}{host}:{}", written.ip, written.target_text);
            *text = line.replace('$', "$$");
        }
        Kind::Mapping(entries) => {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.key == "published") {
                entry.value = Node::scalar(entry.value.spot, host.to_string());
            }
        }
        Kind::Null | Kind::Sequence(_) => {}
    }
}
