//! The key `build` of the resolved file.

use serde_json::{Map, Value};

use super::{list, pairs, put, text};
use crate::model::Build;

/// All of a build but the image's name.
pub(super) fn value(build: &Build) -> Value {
    let mut map = Map::new();
    map.insert("context".into(), text(build.context.display()));
    let some = |value: &Option<String>| value.as_ref().map_or(Value::Null, text);
    let dockerfile = build.dockerfile.as_ref();
    let args = build.args.iter();
    let args = args.map(|(key, value)| (key.clone(), some(value)));
    let hosts: Vec<String> = build
        .extra_hosts
        .iter()
        .map(|(n, a)| format!("{n}={a}"))
        .collect();
    for (key, value) in [
        (
            "dockerfile",
            dockerfile.map_or(Value::Null, |path| text(path.display())),
        ),
        ("dockerfile_inline", some(&build.inline)),
        ("args", Value::Object(args.collect())),
        ("target", some(&build.target)),
        ("labels", pairs(&build.labels)),
        ("tags", list(&build.tags)),
        ("cache_from", list(&build.cache_from)),
        ("network", some(&build.network)),
        ("extra_hosts", list(&hosts)),
        ("shm_size", build.shm_size.map_or(Value::Null, text)),
        ("platforms", build.platform.iter().map(text).collect()),
    ] {
        put(&mut map, key, value);
    }
    for (key, value) in [("no_cache", build.no_cache), ("pull", build.pull)] {
        if value {
            map.insert(key.into(), true.into());
        }
    }
    Value::Object(map)
}
