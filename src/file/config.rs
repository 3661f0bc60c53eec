//! The resolved file: a project written in Locker's layout, everything merged and put in.
//!
//! Read again it gives the same project, places aside. Dollar signs are doubled, since the reader
//! would take them for variables. The content of secrets and configs is never written, only where it
//! comes from.

mod app;
mod build;
mod stores;
pub(super) mod yaml;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::model::{
    App, Condition, Container, Dependency, FirewallChoice, HealthTimes, Hook, Identity, Idmap,
    InnerCommand, NetworkWish, Place, Port, Project, Ready, Restart, Source, Supervisor, Test,
    Volume, VolumeSource, default_network, show_time,
};
use stores::EngineVolumes;
use yaml::yaml;

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
    if project.supervisor != Supervisor::Auto {
        top.insert("supervisor".into(), text(project.supervisor));
    }
    // What is asked of the project's own network stands in one place only.
    if !project.networks.contains_key(&default_network()) {
        put(&mut top, "network", Value::Object(wish(&project.network)));
    }
    let networks = project.networks.iter();
    let networks = networks.map(|(name, network)| (name.to_string(), stores::network(network)));
    put(&mut top, "networks", Value::Object(networks.collect()));
    let volumes = EngineVolumes::of(project);
    put(&mut top, "volumes", volumes.value());
    put(&mut top, "secrets", stores::files(project, true));
    put(&mut top, "configs", stores::files(project, false));
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
    let containers = containers.map(|(name, c)| (name.to_string(), container(c, &volumes)));
    top.insert("containers".into(), Value::Object(containers.collect()));
    Value::Object(top)
}

/// The keys of `network`.
fn wish(network: &NetworkWish) -> Map<String, Value> {
    let mut map = Map::new();
    for (key, subnet) in [
        ("subnet", network.subnet.map(text)),
        ("subnet6", network.subnet6.map(text)),
        ("gateway", network.gateway.map(text)),
        ("gateway6", network.gateway6.map(text)),
    ] {
        map.extend(subnet.map(|subnet| (key.to_string(), subnet)));
    }
    if !network.ipv6 {
        map.insert("enable_ipv6".into(), false.into());
    }
    if network.isolate {
        map.insert("isolate".into(), true.into());
    }
    map.extend(network.mtu.map(|mtu| ("mtu".to_string(), mtu.into())));
    map
}

fn container(container: &Container, volumes: &EngineVolumes<'_>) -> Value {
    let mut map = Map::new();
    source(&mut map, &container.source);
    let idmap = match &container.idmap {
        None => Value::Null,
        Some(Idmap::Auto) => "auto".into(),
        Some(Idmap::Ranges(ranges)) => list(ranges),
    };
    let config = container.config.iter();
    let config = config.map(|(line, _)| text(format!("{} = {}", line.key, line.value)));
    let app = container.app.as_deref();
    let mut mounts: Vec<Value> = Vec::new();
    mounts.extend(container.volumes.iter().map(|(v, _)| volume(v, app)));
    mounts.extend(app.into_iter().flat_map(|app| volumes.mounts(app)));
    for (key, value) in [
        ("fqdn", container.fqdn.as_ref().map_or(Value::Null, text)),
        ("ports", each(&container.ports, port)),
        ("volumes", Value::Array(mounts)),
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
        (
            "ready",
            container.hooks.ready.as_ref().map_or(Value::Null, ready),
        ),
        ("post_start", hooks(&container.hooks.post_start)),
        ("pre_stop", hooks(&container.hooks.pre_stop)),
    ] {
        put(&mut map, key, value);
    }
    if let Some(settings) = app {
        app::settings(&mut map, settings);
    }
    app::system(&mut map, &container.system);
    if let Some(at) = &container.network {
        let one = (at.network.to_string(), app::attachment(at, None));
        map.insert(
            "networks".into(),
            Value::Object([one].into_iter().collect()),
        );
    }
    upkeep(&mut map, container);
    Value::Object(map)
}

fn ready(ready: &Ready) -> Value {
    let mut map = Map::new();
    map.insert("test".into(), command(&ready.test));
    map.insert("within".into(), text(show_time(ready.within)));
    Value::Object(map)
}

fn hooks(hooks: &[Hook]) -> Value {
    let one = |hook: &Hook| {
        let mut map = Map::new();
        let optional = |word: &Option<String>| word.as_ref().map_or(Value::Null, text);
        map.insert("command".into(), list(&hook.command.argv()));
        put(&mut map, "user", optional(&hook.user));
        if hook.privileged {
            map.insert("privileged".into(), true.into());
        }
        put(&mut map, "working_dir", optional(&hook.working_dir));
        put(&mut map, "environment", pairs(&hook.environment));
        Value::Object(map)
    };
    hooks.iter().map(one).collect()
}

/// Who keeps it up and for how long.
fn upkeep(map: &mut Map<String, Value>, container: &Container) {
    if container.restart != Restart::No {
        map.insert("restart".into(), text(container.restart));
    }
    for (key, time) in [
        ("stop_grace_period", container.stop_grace),
        ("idle", container.idle),
    ] {
        if let Some(time) = time {
            map.insert(key.into(), text(show_time(time)));
        }
    }
    if container.identity != Identity::default() {
        map.insert("identity".into(), text(container.identity));
    }
    if let Some(supervisor) = container.supervisor {
        map.insert("supervisor".into(), text(supervisor));
    }
    for (key, value) in [
        ("autostart", container.autostart),
        ("isolate", container.isolate),
        ("on_demand", container.on_demand),
    ] {
        if value {
            map.insert(key.into(), true.into());
        }
    }
}

fn each<'v, T>(all: &'v [(T, Place)], form: impl Fn(&'v T) -> Value) -> Value {
    all.iter().map(|(value, _)| form(value)).collect()
}

fn pairs(all: &BTreeMap<String, String>) -> Value {
    Value::Object(all.iter().map(|(k, v)| (k.clone(), text(v))).collect())
}

fn source(map: &mut Map<String, Value>, source: &Source) {
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
        Source::Build(build) => {
            map.insert("image".into(), text(&build.image));
            build::value(build)
        }
    };
    map.insert(source.key().as_str().into(), value);
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

fn volume(volume: &Volume, app: Option<&App>) -> Value {
    let (kind, source) = match &volume.source {
        VolumeSource::Host(path) => ("bind", path.display().to_string()),
        VolumeSource::Named(name) => ("volume", name.to_string()),
    };
    let target = volume.target.display().to_string();
    let options = app.and_then(|app| app.mount_options.get(&volume.target));
    if !source.contains(':') && !target.contains(':') && options.is_none() {
        return text(volume);
    }
    let mut map = Map::new();
    map.insert("type".into(), text(kind));
    map.insert("source".into(), text(source));
    map.insert("target".into(), text(target));
    map.insert("read_only".into(), volume.read_only.into());
    if let Some(propagation) = options.and_then(|options| options.propagation.as_ref()) {
        map.insert("bind".into(), json!({"propagation": propagation}));
    }
    if options.is_some_and(|options| options.no_copy) {
        map.insert("volume".into(), json!({"nocopy": true}));
    }
    Value::Object(map)
}

fn depends_on(container: &Container) -> Value {
    let entry = |dependency: &Dependency| {
        let condition = match dependency.condition {
            Condition::Started => "started",
            Condition::Healthy => "healthy",
            Condition::Completed => "completed_successfully",
        };
        let mut map = Map::new();
        map.insert("condition".into(), condition.into());
        if dependency.restart {
            map.insert("restart".into(), true.into());
        }
        if !dependency.required {
            map.insert("required".into(), false.into());
        }
        (dependency.on.to_string(), Value::Object(map))
    };
    Value::Object(container.depends_on.iter().map(entry).collect())
}

fn healthcheck(container: &Container) -> Value {
    let app = container.app.as_deref();
    let Some(check) = &container.healthcheck else {
        return match app {
            Some(app) if app.no_healthcheck => json!({"disable": true}),
            Some(app) if app.health_times != HealthTimes::default() => {
                Value::Object(times(&app.health_times))
            }
            Some(_) | None => Value::Null,
        };
    };
    let (key, test) = match &check.test {
        Test::Port { port } => ("port", json!(port)),
        Test::Command(InnerCommand::Shell(line)) => ("test", json!(["CMD-SHELL", text(line)])),
        Test::Command(InnerCommand::Exec(argv)) => {
            let words = argv.iter().map(text);
            ("test", std::iter::once("CMD".into()).chain(words).collect())
        }
    };
    let said = match app {
        // What the file does not say is the image's.
        Some(app) => app.health_times,
        None => HealthTimes::of(check),
    };
    let mut map = times(&said);
    map.insert(key.into(), test);
    Value::Object(map)
}

fn times(said: &HealthTimes) -> Map<String, Value> {
    let mut map = Map::new();
    for (key, time) in [
        ("interval", said.interval),
        ("timeout", said.timeout),
        ("start_period", said.start_period),
        ("start_interval", said.start_interval),
    ] {
        map.extend(time.map(|time| (key.to_string(), show_time(time).into())));
    }
    map.extend(
        said.retries
            .map(|count| ("retries".to_string(), count.into())),
    );
    map
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
