//! The settings of a system container in the resolved file.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::super::{list, put, text};
use super::{Out, granted, hosts};
use crate::model::{Provision, System, User};

/// The settings of a system container.
pub(in super::super) fn system(map: &mut Out, system: &System) {
    provisions(map, &system.provisions);
    if system.nesting {
        map.insert("nesting".into(), true.into());
    }
    granted(map, &system.granted);
    hosts(map, &system.extra_hosts);
    put(map, "dns_search", list(&system.dns_search));
    put(map, "dns_opt", list(&system.dns_opt));
    let score = system.oom_score_adj;
    put(map, "oom_score_adj", score.map_or(Value::Null, text));
    let signal = system.stop_signal.as_ref();
    put(map, "stop_signal", signal.map_or(Value::Null, text));
}

/// What a system container is furnished with from inside.
fn provisions(map: &mut Out, all: &[Provision]) {
    let keys_of = |name: &str| {
        let mut all = all.iter();
        all.find_map(|wish| match wish {
            Provision::SshKeys { user, keys } if user == name => Some(list(keys)),
            Provision::SshKeys { .. }
            | Provision::Packages(_)
            | Provision::Timezone(_)
            | Provision::Locale(_)
            | Provision::User(_) => None,
        })
    };
    let mut users = Map::new();
    for wish in all {
        match wish {
            Provision::Packages(names) => put(map, "packages", list(names)),
            Provision::Timezone(zone) => put(map, "timezone", text(zone)),
            Provision::Locale(locale) => put(map, "locale", text(locale)),
            Provision::User(user) => {
                let keys = keys_of(&user.name).unwrap_or_default();
                users.insert(user.name.clone(), account(user, keys));
            }
            Provision::SshKeys { user, keys } if user == "root" => {
                put(map, "ssh_keys", list(keys));
            }
            Provision::SshKeys { .. } => {}
        }
    }
    put(map, "users", Value::Object(users));
}

fn account(user: &User, keys: Value) -> Value {
    let path = |path: &Option<PathBuf>| {
        let path = path.as_ref();
        path.map_or(Value::Null, |path| text(path.display()))
    };
    let mut map = Map::new();
    put(&mut map, "uid", user.uid.map_or(Value::Null, Value::from));
    put(&mut map, "shell", path(&user.shell));
    put(&mut map, "home", path(&user.home));
    put(&mut map, "groups", list(&user.groups));
    put(&mut map, "ssh_keys", keys);
    Value::Object(map)
}
