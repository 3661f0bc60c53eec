//! The resolved file: a project written in Locker's layout, everything merged and put in.
//!
//! Read again it gives the same project, places aside. Dollar signs are doubled, since the reader
//! would take them for variables.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::model::{
    Condition, Container, FirewallChoice, Idmap, InnerCommand, Place, Port, Project, Source,
    Volume, VolumeSource,
};

/// The project as YAML.
pub fn to_yaml(project: &Project) -> String {
    let mut out = String::new();
    yaml(&mut out, &value(project), 0);
    out
}

/// The project as JSON, which is YAML too.
pub fn to_json(project: &Project) -> String {
    format!("{:#}\n", value(project))
}

fn value(project: &Project) -> Value {
    let mut top = Map::new();
    top.insert("name".into(), text(project.name.as_str()));
    let mut network = Map::new();
    if let Some(subnet) = project.network.subnet {
        network.insert("subnet".into(), text(subnet));
    }
    if let Some(subnet) = project.network.subnet6 {
        network.insert("subnet6".into(), text(subnet));
    }
    if project.network.isolate {
        network.insert("isolate".into(), true.into());
    }
    put(&mut top, "network", Value::Object(network));
    let firewall = match project.firewall {
        FirewallChoice::Auto => "auto",
        FirewallChoice::Nftables => "nftables",
        FirewallChoice::Iptables => "iptables",
        FirewallChoice::None => "none",
    };
    top.insert("firewall".into(), firewall.into());
    let groups = project.groups.iter();
    let groups = groups.map(|(name, members)| (name.to_string(), list(members)));
    put(&mut top, "groups", Value::Object(groups.collect()));
    let containers = project.containers.iter();
    let containers = containers.map(|(name, c)| (name.to_string(), container(c)));
    top.insert("containers".into(), Value::Object(containers.collect()));
    Value::Object(top)
}

fn container(container: &Container) -> Value {
    let (key, source) = source(&container.source);
    let idmap = match &container.idmap {
        None => Value::Null,
        Some(Idmap::Auto) => "auto".into(),
        Some(Idmap::Ranges(ranges)) => list(ranges),
    };
    let config = container.config.iter();
    let config = config.map(|(line, _)| text(format!("{} = {}", line.key, line.value)));
    let mut map = Map::new();
    for (key, value) in [
        (key, source),
        ("fqdn", container.fqdn.as_ref().map_or(Value::Null, text)),
        ("ports", each(&container.ports, port)),
        ("volumes", each(&container.volumes, volume)),
        ("links", each(&container.links, text)),
        ("dns", list(&container.dns)),
        ("cgroup", each(&container.cgroup, text)),
        ("environment", pairs(&container.environment)),
        ("config", config.collect()),
        ("idmap", idmap),
        ("depends_on", depends_on(container)),
        ("healthcheck", healthcheck(container)),
        ("labels", pairs(&container.labels)),
        ("setup", container.setup.iter().map(command).collect()),
    ] {
        put(&mut map, key, value);
    }
    if container.autostart {
        map.insert("autostart".into(), true.into());
    }
    Value::Object(map)
}

fn each<'v, T>(all: &'v [(T, Place)], form: impl Fn(&'v T) -> Value) -> Value {
    all.iter().map(|(value, _)| form(value)).collect()
}

fn pairs(all: &BTreeMap<String, String>) -> Value {
    Value::Object(all.iter().map(|(k, v)| (k.clone(), text(v))).collect())
}

fn source(source: &Source) -> (&'static str, Value) {
    let pairs = |args: &[(String, String)]| -> Map<String, Value> {
        args.iter().map(|(k, v)| (k.clone(), text(v))).collect()
    };
    let value = match source {
        Source::Template { name, args } => {
            let mut map = Map::new();
            map.insert("name".into(), text(name));
            map.extend(pairs(args));
            Value::Object(map)
        }
        Source::CloneSibling(name) => text(name),
        Source::CloneHost(name) => text(name),
        Source::Download { args } => Value::Object(pairs(args)),
        Source::Rootfs(path) => text(path.display()),
        Source::Image(image) => text(image),
        Source::Build(build) => text(build.context.display()),
    };
    (source.key().as_str(), value)
}

fn port(port: &Port) -> Value {
    if port.allow.is_empty() {
        return text(port);
    }
    let mut map = Map::new();
    if let Some(ip) = port.host_ip {
        map.insert("host_ip".into(), text(ip));
    }
    map.insert("published".into(), text(port.host));
    map.insert("target".into(), text(port.container));
    map.insert("protocol".into(), text(port.protocol));
    map.insert("allow".into(), list(&port.allow));
    Value::Object(map)
}

fn volume(volume: &Volume) -> Value {
    let source = match &volume.source {
        VolumeSource::Host(path) => path.display().to_string(),
        VolumeSource::Named(name) => name.to_string(),
    };
    let target = volume.target.display().to_string();
    if !source.contains(':') && !target.contains(':') {
        return text(volume);
    }
    let mut map = Map::new();
    map.insert("source".into(), text(source));
    map.insert("target".into(), text(target));
    map.insert("read_only".into(), volume.read_only.into());
    Value::Object(map)
}

fn depends_on(container: &Container) -> Value {
    let entry = |condition: Condition| match condition {
        Condition::Started => json!({"condition": "started"}),
        Condition::Healthy => json!({"condition": "healthy"}),
        Condition::Completed => json!({"condition": "completed_successfully"}),
    };
    let all = container.depends_on.iter();
    Value::Object(
        all.map(|d| (d.on.to_string(), entry(d.condition)))
            .collect(),
    )
}

fn healthcheck(container: &Container) -> Value {
    let Some(check) = &container.healthcheck else {
        return Value::Null;
    };
    let test = match &check.test {
        InnerCommand::Shell(line) => json!(["CMD-SHELL", text(line)]),
        InnerCommand::Exec(argv) => std::iter::once("CMD".into())
            .chain(argv.iter().map(text))
            .collect(),
    };
    let time = |time| humantime::format_duration(time).to_string();
    json!({
        "test": test,
        "interval": time(check.interval),
        "timeout": time(check.timeout),
        "retries": check.retries,
        "start_period": time(check.start_period),
    })
}

fn command(command: &InnerCommand) -> Value {
    match command {
        InnerCommand::Shell(line) => text(line),
        InnerCommand::Exec(argv) => list(argv),
    }
}

/// A text as the reader must find it: with its dollar signs doubled.
fn text(value: impl ToString) -> Value {
    Value::String(value.to_string().replace('$', "$$"))
}

fn list<T: ToString>(values: &[T]) -> Value {
    values.iter().map(|value| text(value.to_string())).collect()
}

/// Adds a key unless its value says nothing.
fn put(map: &mut Map<String, Value>, key: &str, value: Value) {
    let nothing = match &value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if !nothing {
        map.insert(key.into(), value);
    }
}

/// Writes a value in block style, two blanks for each level.
fn yaml(out: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                out.push_str(&indent);
                out.push_str(&word(key));
                out.push(':');
                below(out, value, depth);
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&indent);
                out.push('-');
                below(out, item, depth);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&leaf(value));
        }
    }
}

fn below(out: &mut String, value: &Value, depth: usize) {
    let block = match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if block {
        out.push('\n');
        yaml(out, value, depth + 1);
    } else {
        out.push(' ');
        out.push_str(&leaf(value));
        out.push('\n');
    }
}

fn leaf(value: &Value) -> String {
    match value {
        Value::String(text) => word(text),
        other => other.to_string(),
    }
}

/// A plain word where YAML can take it for nothing else, else a quoted text.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let starts = |c: char| c.is_ascii_alphabetic() || c == '/';
    if text.starts_with(starts)
        && text.chars().all(plain)
        && !reserved.contains(&text.to_ascii_lowercase().as_str())
    {
        return text.into();
    }
    let quoted = Value::String(text.into()).to_string();
    // What YAML calls not printable must be escaped there, and need not be in JSON.
    let mut safe = String::with_capacity(quoted.len());
    for c in quoted.chars() {
        let code = u32::from(c);
        if (0x7f..=0x9f).contains(&code)
            || matches!(code, 0x2028 | 0x2029 | 0xfeff | 0xfffe | 0xffff)
        {
            safe.push_str(&format!("\\u{code:04x}"));
        } else {
            safe.push(c);
        }
    }
    safe
}
