//! What the values of keys may look like: the functions that the table of keys names.

use serde_json::{Value, json};

use super::{NAME, object};
use crate::file::keys;

fn scalar() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}

fn list_of(item: Value) -> Value {
    json!({"type": ["array", "null"], "items": item})
}

fn map_of(item: Value) -> Value {
    json!({"type": "object", "additionalProperties": item})
}

fn word(words: &[&str]) -> Value {
    json!({"enum": words})
}

fn either(first: Value, second: Value) -> Value {
    json!({"anyOf": [first, second]})
}

pub(in crate::file) fn text() -> Value {
    scalar()
}

pub(in crate::file) fn texts() -> Value {
    list_of(scalar())
}

pub(in crate::file) fn text_or_texts() -> Value {
    either(scalar(), texts())
}

pub(in crate::file) fn users() -> Value {
    let user = either(json!({"type": "null"}), object(keys::USER));
    either(text_or_texts(), map_of(user))
}

pub(in crate::file) fn boolean() -> Value {
    json!({"type": ["boolean", "string"]})
}

pub(in crate::file) fn whole() -> Value {
    json!({"type": ["integer", "string"]})
}

pub(in crate::file) fn pairs() -> Value {
    let value = json!({"type": ["string", "number", "boolean", "null"]});
    either(texts(), map_of(value))
}

pub(in crate::file) fn config() -> Value {
    either(texts(), map_of(either(scalar(), texts())))
}

pub(in crate::file) fn backend() -> Value {
    word(&["lxc", "docker"])
}

pub(in crate::file) fn supervisor() -> Value {
    word(&["auto", "systemd", "none"])
}

pub(in crate::file) fn identity() -> Value {
    word(&["new", "keep"])
}

/// What is read but not looked into.
pub(in crate::file) fn anything() -> Value {
    json!({})
}

pub(in crate::file) fn cgroup() -> Value {
    either(pairs(), word(&["host", "private"]))
}

pub(in crate::file) fn env_file() -> Value {
    let file = either(scalar(), object(keys::ENV_FILE));
    either(scalar(), list_of(file))
}

pub(in crate::file) fn external() -> Value {
    either(boolean(), object(keys::EXTERNAL))
}

pub(in crate::file) fn networks() -> Value {
    map_of(either(object(keys::NETWORKS), nothing()))
}

pub(in crate::file) fn ipam() -> Value {
    object(keys::IPAM)
}

pub(in crate::file) fn ipam_config() -> Value {
    list_of(object(keys::IPAM_CONFIG))
}

pub(in crate::file) fn store_volumes() -> Value {
    map_of(either(object(keys::STORE_VOLUME), nothing()))
}

pub(in crate::file) fn store_files() -> Value {
    map_of(object(keys::STORE_FILE))
}

pub(in crate::file) fn build() -> Value {
    either(scalar(), object(keys::BUILD))
}

pub(in crate::file) fn ulimits() -> Value {
    map_of(either(scalar(), object(keys::ULIMIT)))
}

pub(in crate::file) fn devices() -> Value {
    list_of(either(scalar(), object(keys::DEVICE)))
}

pub(in crate::file) fn device_requests() -> Value {
    list_of(object(keys::DEVICE_REQUEST))
}

pub(in crate::file) fn gpus() -> Value {
    either(scalar(), device_requests())
}

pub(in crate::file) fn logging() -> Value {
    object(keys::LOGGING)
}

pub(in crate::file) fn extra_hosts() -> Value {
    either(texts(), map_of(text_or_texts()))
}

pub(in crate::file) fn blkio() -> Value {
    object(keys::BLKIO)
}

pub(in crate::file) fn throttles() -> Value {
    list_of(object(keys::THROTTLE))
}

pub(in crate::file) fn deploy() -> Value {
    object(keys::DEPLOY)
}

pub(in crate::file) fn resources() -> Value {
    object(keys::RESOURCES)
}

pub(in crate::file) fn limits() -> Value {
    object(keys::LIMITS)
}

pub(in crate::file) fn reservations() -> Value {
    object(keys::RESERVATIONS)
}

pub(in crate::file) fn restart_policy() -> Value {
    object(keys::RESTART_POLICY)
}

pub(in crate::file) fn attachments() -> Value {
    either(texts(), map_of(either(object(keys::ATTACHMENT), nothing())))
}

pub(in crate::file) fn inner_files() -> Value {
    list_of(either(scalar(), object(keys::INNER_FILE)))
}

pub(in crate::file) fn bind() -> Value {
    object(keys::BIND)
}

pub(in crate::file) fn volume_options() -> Value {
    object(keys::VOLUME_OPTIONS)
}

pub(in crate::file) fn tmpfs_options() -> Value {
    object(keys::TMPFS_OPTIONS)
}

pub(in crate::file) fn extends() -> Value {
    let map = json!({
        "type": "object",
        "properties": {"service": scalar(), "file": scalar()},
        "required": ["service"],
        "additionalProperties": false,
    });
    either(scalar(), map)
}

fn nothing() -> Value {
    json!({"type": "null"})
}

pub(in crate::file) fn network() -> Value {
    object(keys::NETWORK)
}

pub(in crate::file) fn firewall() -> Value {
    word(&["auto", "nftables", "iptables", "none"])
}

pub(in crate::file) fn defaults() -> Value {
    json!({"$ref": "#/$defs/container"})
}

pub(in crate::file) fn include() -> Value {
    let long = json!({
        "type": "object",
        "properties": {
            "path": text_or_texts(),
            "project_directory": scalar(),
            "env_file": text_or_texts(),
        },
        "required": ["path"],
        "additionalProperties": false,
    });
    list_of(either(scalar(), long))
}

pub(in crate::file) fn groups() -> Value {
    map_of(texts())
}

pub(in crate::file) fn containers() -> Value {
    let container = either(
        json!({"$ref": "#/$defs/container"}),
        json!({"type": "null"}),
    );
    json!({
        "type": "object",
        "minProperties": 1,
        "patternProperties": {(NAME): container, "^x-": true},
        "additionalProperties": false,
    })
}

pub(in crate::file) fn template() -> Value {
    let mut map = map_of(json!({"type": ["string", "number", "boolean", "null"]}));
    map["required"] = json!(["name"]);
    either(scalar(), map)
}

pub(in crate::file) fn download() -> Value {
    let mut map = map_of(json!({"type": ["string", "number", "boolean", "null"]}));
    map["required"] = json!(["dist", "release", "arch"]);
    map
}

pub(in crate::file) fn ports() -> Value {
    list_of(either(scalar(), object(keys::PORT)))
}

pub(in crate::file) fn protocol() -> Value {
    word(&["tcp", "udp"])
}

pub(in crate::file) fn volumes() -> Value {
    list_of(either(scalar(), object(keys::VOLUME)))
}

pub(in crate::file) fn links() -> Value {
    let list = list_of(either(scalar(), object(keys::LINK)));
    either(
        list,
        map_of(json!({"anyOf": [scalar(), texts(), {"type": "null"}]})),
    )
}

pub(in crate::file) fn idmap() -> Value {
    either(scalar(), list_of(either(scalar(), object(keys::IDMAP))))
}

pub(in crate::file) fn id_kind() -> Value {
    word(&["user", "group", "both", "u", "g", "b"])
}

pub(in crate::file) fn depends_on() -> Value {
    let entry = either(object(keys::DEPENDENCY), json!({"type": "null"}));
    either(texts(), map_of(entry))
}

pub(in crate::file) fn condition() -> Value {
    word(&[
        "started",
        "healthy",
        "completed_successfully",
        "service_started",
        "service_healthy",
        "service_completed_successfully",
    ])
}

pub(in crate::file) fn healthcheck() -> Value {
    object(keys::HEALTHCHECK)
}

pub(in crate::file) fn command() -> Value {
    either(scalar(), texts())
}

pub(in crate::file) fn ready() -> Value {
    either(command(), object(keys::READY))
}

pub(in crate::file) fn hooks() -> Value {
    list_of(object(keys::HOOK))
}

pub(in crate::file) fn setup() -> Value {
    list_of(command())
}
