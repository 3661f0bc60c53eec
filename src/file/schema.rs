//! The JSON Schema of the project file, for editors; made from the table of keys that the loader
//! itself uses. It describes shapes only: what a port may be is the model's business.

use serde_json::{Map, Value, json};

use super::keys::{self, KeySpec};

/// The schema (draft 2020-12) of the layouts.
pub fn schema() -> Value {
    let mut locker = object(keys::TOP);
    locker["required"] = json!(["containers"]);
    locker["properties"]["services"] = json!(false);
    let mut compose = object(keys::TOP);
    compose["required"] = json!(["services"]);
    compose["properties"]["containers"] = json!(false);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "locker project file",
        "description": "A project of LXC and Docker containers; see docs/file.md",
        "anyOf": [
            locker,
            compose,
            {
                "description": "the early layout: names of containers at the top level",
                "type": "object",
                "not": {"anyOf": [{"required": ["containers"]}, {"required": ["services"]}]},
                "patternProperties": {(NAME): {"$ref": "#/$defs/container"}},
                "additionalProperties": false,
            },
        ],
        "$defs": {"container": object(keys::CONTAINER)},
    })
}

const NAME: &str = "^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,47}$";

/// A map with exactly these keys, and `x-` ones.
fn object(table: &[KeySpec]) -> Value {
    let mut properties = Map::new();
    for spec in table {
        let mut schema = (spec.schema)();
        if let Value::Object(fields) = &mut schema {
            fields.insert("description".into(), spec.about.into());
        }
        properties.insert(spec.name.into(), schema);
    }
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": {"^x-": true},
        "additionalProperties": false,
    })
}

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

pub(super) fn text() -> Value {
    scalar()
}

pub(super) fn texts() -> Value {
    list_of(scalar())
}

pub(super) fn text_or_texts() -> Value {
    either(scalar(), texts())
}

pub(super) fn boolean() -> Value {
    json!({"type": ["boolean", "string"]})
}

pub(super) fn whole() -> Value {
    json!({"type": ["integer", "string"]})
}

pub(super) fn pairs() -> Value {
    let value = json!({"type": ["string", "number", "boolean", "null"]});
    either(texts(), map_of(value))
}

pub(super) fn config() -> Value {
    either(texts(), map_of(either(scalar(), texts())))
}

pub(super) fn backend() -> Value {
    word(&["lxc", "docker"])
}

pub(super) fn supervisor() -> Value {
    word(&["auto", "systemd", "none"])
}

/// What is read but not looked into.
pub(super) fn anything() -> Value {
    json!({})
}

pub(super) fn cgroup() -> Value {
    either(pairs(), word(&["host", "private"]))
}

pub(super) fn env_file() -> Value {
    let file = either(scalar(), object(keys::ENV_FILE));
    either(scalar(), list_of(file))
}

pub(super) fn external() -> Value {
    either(boolean(), object(keys::EXTERNAL))
}

pub(super) fn networks() -> Value {
    map_of(either(object(keys::NETWORKS), nothing()))
}

pub(super) fn ipam() -> Value {
    object(keys::IPAM)
}

pub(super) fn ipam_config() -> Value {
    list_of(object(keys::IPAM_CONFIG))
}

pub(super) fn store_volumes() -> Value {
    map_of(either(object(keys::STORE_VOLUME), nothing()))
}

pub(super) fn store_files() -> Value {
    map_of(object(keys::STORE_FILE))
}

pub(super) fn build() -> Value {
    either(scalar(), object(keys::BUILD))
}

pub(super) fn ulimits() -> Value {
    map_of(either(scalar(), object(keys::ULIMIT)))
}

pub(super) fn devices() -> Value {
    list_of(either(scalar(), object(keys::DEVICE)))
}

pub(super) fn logging() -> Value {
    object(keys::LOGGING)
}

pub(super) fn extra_hosts() -> Value {
    either(texts(), map_of(text_or_texts()))
}

pub(super) fn blkio() -> Value {
    object(keys::BLKIO)
}

pub(super) fn throttles() -> Value {
    list_of(object(keys::THROTTLE))
}

pub(super) fn deploy() -> Value {
    object(keys::DEPLOY)
}

pub(super) fn resources() -> Value {
    object(keys::RESOURCES)
}

pub(super) fn limits() -> Value {
    object(keys::LIMITS)
}

pub(super) fn reservations() -> Value {
    object(keys::RESERVATIONS)
}

pub(super) fn restart_policy() -> Value {
    object(keys::RESTART_POLICY)
}

pub(super) fn attachments() -> Value {
    either(texts(), map_of(either(object(keys::ATTACHMENT), nothing())))
}

pub(super) fn inner_files() -> Value {
    list_of(either(scalar(), object(keys::INNER_FILE)))
}

pub(super) fn bind() -> Value {
    object(keys::BIND)
}

pub(super) fn volume_options() -> Value {
    object(keys::VOLUME_OPTIONS)
}

pub(super) fn tmpfs_options() -> Value {
    object(keys::TMPFS_OPTIONS)
}

pub(super) fn extends() -> Value {
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

pub(super) fn network() -> Value {
    object(keys::NETWORK)
}

pub(super) fn firewall() -> Value {
    word(&["auto", "nftables", "iptables", "none"])
}

pub(super) fn defaults() -> Value {
    json!({"$ref": "#/$defs/container"})
}

pub(super) fn include() -> Value {
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

pub(super) fn groups() -> Value {
    map_of(texts())
}

pub(super) fn containers() -> Value {
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

pub(super) fn template() -> Value {
    let mut map = map_of(json!({"type": ["string", "number", "boolean", "null"]}));
    map["required"] = json!(["name"]);
    either(scalar(), map)
}

pub(super) fn download() -> Value {
    let mut map = map_of(json!({"type": ["string", "number", "boolean", "null"]}));
    map["required"] = json!(["dist", "release", "arch"]);
    map
}

pub(super) fn ports() -> Value {
    list_of(either(scalar(), object(keys::PORT)))
}

pub(super) fn protocol() -> Value {
    word(&["tcp", "udp"])
}

pub(super) fn volumes() -> Value {
    list_of(either(scalar(), object(keys::VOLUME)))
}

pub(super) fn links() -> Value {
    let list = list_of(either(scalar(), object(keys::LINK)));
    either(
        list,
        map_of(json!({"anyOf": [scalar(), texts(), {"type": "null"}]})),
    )
}

pub(super) fn idmap() -> Value {
    either(scalar(), list_of(either(scalar(), object(keys::IDMAP))))
}

pub(super) fn id_kind() -> Value {
    word(&["user", "group", "both", "u", "g", "b"])
}

pub(super) fn depends_on() -> Value {
    let entry = either(object(keys::DEPENDENCY), json!({"type": "null"}));
    either(texts(), map_of(entry))
}

pub(super) fn condition() -> Value {
    word(&[
        "started",
        "healthy",
        "completed_successfully",
        "service_started",
        "service_healthy",
        "service_completed_successfully",
    ])
}

pub(super) fn healthcheck() -> Value {
    object(keys::HEALTHCHECK)
}

pub(super) fn command() -> Value {
    either(scalar(), texts())
}

pub(super) fn setup() -> Value {
    list_of(command())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schema_is_the_one_of_this_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema.json");
        let fresh = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        if std::env::var_os("LOCKER_BLESS").is_some() {
            std::fs::write(path, &fresh).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap();
        assert!(
            published == fresh,
            "docs/schema.json is old: LOCKER_BLESS=1 cargo test schema"
        );
    }

    #[test]
    fn every_key_of_the_table_is_in_the_schema() {
        let schema = schema();
        for spec in keys::CONTAINER {
            assert!(
                schema["$defs"]["container"]["properties"][spec.name].is_object(),
                "{}",
                spec.name
            );
        }
        for spec in keys::TOP {
            let layouts = [0, 1].map(|n| &schema["anyOf"][n]["properties"][spec.name]);
            assert!(layouts.iter().any(|one| one.is_object()), "{}", spec.name);
        }
    }
}
