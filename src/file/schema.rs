//! The JSON Schema of the project file, for editors; made from the table of keys that the loader
//! itself uses. It describes shapes only: what a port may be is the model's business.

use serde_json::{Map, Value, json};

use super::keys::{self, KeySpec};

/// The schema (draft 2020-12) of both layouts that this version reads.
pub fn schema() -> Value {
    let mut locker = object(keys::TOP);
    locker["required"] = json!(["containers"]);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "locker project file",
        "description": "A project of LXC containers; see docs/file.md",
        "anyOf": [
            locker,
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
    word(&["lxc"])
}

pub(super) fn supervisor() -> Value {
    word(&["auto", "none"])
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
    word(&["started", "healthy", "service_started", "service_healthy"])
}

pub(super) fn healthcheck() -> Value {
    object(keys::HEALTHCHECK)
}

pub(super) fn command() -> Value {
    either(scalar(), texts())
}

pub(super) fn restart() -> Value {
    json!({"enum": ["no", false]})
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
            assert!(
                schema["anyOf"][0]["properties"][spec.name].is_object(),
                "{}",
                spec.name
            );
        }
    }
}
