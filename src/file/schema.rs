//! The JSON Schema of the project file, for editors; made from the table of keys that the loader
//! itself uses. It describes shapes only: what a port may be is the model's business.

mod values;

use serde_json::{Map, Value, json};

use super::keys::{self, KeySpec};
pub(super) use values::*;

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

const NAME: &str = "^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$";

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
