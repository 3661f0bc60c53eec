//! The one table of keys: what the loader knows and what the published schema says.
//!
//! Unknown keys are found with it, suggestions come from it and [`super::schema`] is made from it,
//! so that none of the three can say something else than the others.

use serde_json::Value;

use super::desk::Desk;
use super::diagnostic::nearest;
use super::docker::{DOCKER, instead_of};
use super::schema;
use super::tree::{Entry, Node};
use crate::model::Key;

/// One key of a map.
pub(super) struct KeySpec {
    /// As it is written.
    pub name: &'static str,
    /// What it means, in one line.
    pub about: &'static str,
    /// What its value may look like.
    pub schema: fn() -> Value,
}

const fn key(name: &'static str, about: &'static str, schema: fn() -> Value) -> KeySpec {
    KeySpec {
        name,
        about,
        schema,
    }
}

/// The top level.
pub(super) const TOP: &[KeySpec] = &[
    key(
        "name",
        "name of the project; the directory's name when left out",
        schema::text,
    ),
    key(
        "backend",
        "default backend; this version has `lxc`",
        schema::backend,
    ),
    key(
        "supervisor",
        "who keeps the containers up; this version has none",
        schema::supervisor,
    ),
    key("network", "the project's network", schema::network),
    key("firewall", "who publishes ports", schema::firewall),
    key(
        "defaults",
        "keys of containers that do not have their own",
        schema::defaults,
    ),
    key("groups", "groups and their members", schema::groups),
    key("containers", "containers by name", schema::containers),
    key(
        "services",
        "containers by name, as in Compose",
        schema::containers,
    ),
    key(
        "include",
        "further files whose containers belong to the project",
        schema::include,
    ),
    key("version", "of old Compose files; ignored", schema::text),
];

/// A container.
pub(super) const CONTAINER: &[KeySpec] = &[
    key(
        "template",
        "LXC template and its arguments",
        schema::template,
    ),
    key(
        "clone",
        "copy of a container of the project or the host",
        schema::text,
    ),
    key("download", "image server download", schema::download),
    key(
        "rootfs",
        "tar archive or directory to start from",
        schema::text,
    ),
    key(
        "ports",
        "published ports: [HOST_IP:]HOST[-END]:CONTAINER[-END][/tcp|udp]",
        schema::ports,
    ),
    key(
        "volumes",
        "mounted directories and files: HOST:CONTAINER[:ro]",
        schema::volumes,
    ),
    key("fqdn", "host name and domain", schema::text),
    key(
        "links",
        "other containers in its hosts file: NAME[:ALIAS]",
        schema::links,
    ),
    key(
        "dns",
        "name servers: addresses, `$bridge`, `$copy`",
        schema::texts,
    ),
    key("cgroup", "limits, of cgroup version 1 or 2", schema::pairs),
    key("environment", "variables of its init", schema::pairs),
    key("env_file", "files of variables", schema::text_or_texts),
    key("config", "raw lines of lxc.container.conf", schema::config),
    key(
        "idmap",
        "`auto` or id ranges: an unprivileged container",
        schema::idmap,
    ),
    key(
        "depends_on",
        "containers that must be there first",
        schema::depends_on,
    ),
    key(
        "healthcheck",
        "how to tell that it is ready",
        schema::healthcheck,
    ),
    key(
        "restart",
        "`no`: this version supervises nothing",
        schema::restart,
    ),
    key("labels", "marks of your own", schema::pairs),
    key(
        "group",
        "the group that it belongs to",
        schema::text_or_texts,
    ),
    key(
        "setup",
        "commands run once, inside, after creation",
        schema::setup,
    ),
    key("autostart", "part of what starts at boot", schema::boolean),
];

/// The map form of a port.
pub(super) const PORT: &[KeySpec] = &[
    key("host_ip", "address of the host", schema::text),
    key(
        "published",
        "port or range on the host; 0 picks one",
        schema::text,
    ),
    key("target", "port or range in the container", schema::text),
    key("protocol", "tcp or udp", schema::protocol),
    key("allow", "subnets that may use it", schema::texts),
];

/// The map form of a volume.
pub(super) const VOLUME: &[KeySpec] = &[
    key(
        "source",
        "path on the host, or the name of a volume",
        schema::text,
    ),
    key("host", "the same as `source`", schema::text),
    key("target", "path in the container", schema::text),
    key(
        "read_only",
        "whether the container may only read it",
        schema::boolean,
    ),
];

/// The map form of a link in a list.
pub(super) const LINK: &[KeySpec] = &[
    key("name", "the container", schema::text),
    key("alias", "a further name for it", schema::text),
];

/// `network`.
pub(super) const NETWORK: &[KeySpec] = &[
    key("subnet", "IPv4 subnet; picked when left out", schema::text),
    key("subnet6", "IPv6 subnet; picked when left out", schema::text),
    key(
        "isolate",
        "whether other projects are kept out",
        schema::boolean,
    ),
];

/// `healthcheck`.
pub(super) const HEALTHCHECK: &[KeySpec] = &[
    key(
        "test",
        "command that ends with 0 when all is well",
        schema::command,
    ),
    key("interval", "time between two tries, 30s", schema::text),
    key("timeout", "longest time of a try, 30s", schema::text),
    key(
        "retries",
        "failures in a row that mean unhealthy, 3",
        schema::whole,
    ),
    key(
        "start_period",
        "time after the start in which failures do not count, 0s",
        schema::text,
    ),
    key(
        "disable",
        "no check, also where `defaults` has one",
        schema::boolean,
    ),
];

/// One entry of the map form of `depends_on`.
pub(super) const DEPENDENCY: &[KeySpec] = &[key(
    "condition",
    "`started` or `healthy`",
    schema::condition,
)];

/// One entry of the map form of `idmap`.
pub(super) const IDMAP: &[KeySpec] = &[
    key("kind", "`user`, `group` or `both`", schema::id_kind),
    key("container", "first id inside", schema::whole),
    key("host", "first id on the host", schema::whole),
    key("count", "how many", schema::whole),
];

/// The key of a container that is written so.
pub(super) fn container_key(name: &str) -> Option<Key> {
    ALL.into_iter().find(|key| key.as_str() == name)
}

/// Whether a map under a name would look like a container's body because of this key.
pub(super) fn is_body_key(name: &str) -> bool {
    container_key(name).is_some() || DOCKER.contains(&name)
}

/// All keys of a container.
pub(super) const ALL: [Key; 21] = [
    Key::Template,
    Key::Clone,
    Key::Download,
    Key::Rootfs,
    Key::Ports,
    Key::Volumes,
    Key::Fqdn,
    Key::Links,
    Key::Dns,
    Key::Cgroup,
    Key::Environment,
    Key::EnvFile,
    Key::Config,
    Key::Idmap,
    Key::DependsOn,
    Key::Healthcheck,
    Key::Restart,
    Key::Labels,
    Key::Group,
    Key::Setup,
    Key::Autostart,
];

/// Reports every key of a container's body that is none, or that needs Docker.
pub(super) fn check_container(desk: &Desk<'_>, map: &Node, owner: &str) {
    for entry in map.entries().unwrap_or_default() {
        let name = entry.key.as_str();
        if DOCKER.contains(&name) {
            let message =
                format!("`{name}` is for Docker containers; this version runs LXC containers only");
            let mut error = desk.about(entry.spot, message);
            error.help = instead_of(name).map(str::to_string);
            desk.push(error);
        } else {
            check_entry(desk, entry, CONTAINER, owner);
        }
    }
}

/// Reports every key of a map that `table` does not have. `owner` names the map in errors.
pub(super) fn check(desk: &Desk<'_>, map: &Node, table: &[KeySpec], owner: &str) {
    for entry in map.entries().unwrap_or_default() {
        check_entry(desk, entry, table, owner);
    }
}

fn check_entry(desk: &Desk<'_>, entry: &Entry, table: &[KeySpec], owner: &str) {
    let name = entry.key.as_str();
    if table.iter().any(|spec| spec.name == name) || name.starts_with("x-") {
        return;
    }
    let mut error = desk.about(entry.spot, format!("unknown key `{name}` in {owner}"));
    error.help = Some(match nearest(name, table.iter().map(|spec| spec.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let names: Vec<String> = table.iter().map(|s| format!("`{}`", s.name)).collect();
            format!("known keys: {}", names.join(", "))
        }
    });
    desk.push(error);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_key_of_the_model_once() {
        let table: Vec<&str> = CONTAINER.iter().map(|spec| spec.name).collect();
        let model: Vec<&str> = ALL.iter().map(|key| key.as_str()).collect();
        assert_eq!(table, model);
    }

    #[test]
    fn no_docker_key_hides_one_of_ours() {
        for name in DOCKER {
            assert!(container_key(name).is_none(), "{name}");
        }
        assert!(DOCKER.is_sorted());
    }
}
