//! What the top level of the resolved file defines: networks, volumes of the engine, secrets, configs.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{pairs, put, text, wish};
use crate::model::{
    App, EngineVolume, ExtraNetwork, FileContent, InnerFile, Name, Project, VolumeSource,
};

/// One entry of `networks`.
pub(super) fn network(network: &ExtraNetwork) -> Value {
    if let Some(name) = &network.external {
        return json!({"external": true, "name": text(name)});
    }
    let mut map = wish(&network.wish);
    if network.internal {
        map.insert("internal".into(), true.into());
    }
    put(
        &mut map,
        "name",
        network.name.as_ref().map_or(Value::Null, text),
    );
    put(&mut map, "labels", pairs(&network.labels));
    Value::Object(map)
}

/// Volumes of the engine that have a name, each with the key that it gets.
pub(super) struct EngineVolumes<'p> {
    all: Vec<(String, &'p EngineVolume)>,
}

impl<'p> EngineVolumes<'p> {
    /// Those of all containers. Volumes that locker keeps have their keys already.
    pub fn of(project: &'p Project) -> Self {
        let containers = project.containers.values();
        let mut taken: BTreeSet<String> = containers
            .clone()
            .flat_map(|container| &container.volumes)
            .filter_map(|(volume, _)| match &volume.source {
                VolumeSource::Named(name) => Some(name.to_string()),
                VolumeSource::Host(_) => None,
            })
            .collect();
        let mut all: Vec<(String, &EngineVolume)> = Vec::new();
        let apps = containers.filter_map(|container| container.app.as_deref());
        for mount in apps.flat_map(|app| &app.engine_volumes) {
            let name = match &mount.volume {
                EngineVolume::Anonymous => continue,
                EngineVolume::External(name) | EngineVolume::Driver { name, .. } => name,
            };
            if all.iter().any(|(_, volume)| **volume == mount.volume) {
                continue;
            }
            let numbered = (1..).map(|number| format!("volume-{number}"));
            let own = Name::new(name).ok().map(String::from);
            let key = own
                .into_iter()
                .chain(numbered)
                .find(|key| !taken.contains(key));
            let key = key.unwrap_or_default();
            taken.insert(key.clone());
            all.push((key, &mount.volume));
        }
        Self { all }
    }

    /// The map `volumes`.
    pub fn value(&self) -> Value {
        let entry = |(key, volume): &(String, &EngineVolume)| (key.clone(), definition(volume));
        Value::Object(self.all.iter().map(entry).collect())
    }

    /// The entries of `volumes` of a container.
    pub fn mounts(&self, app: &App) -> Vec<Value> {
        let mount = |mount: &crate::model::EngineMount| {
            let key = self.all.iter().find(|(_, volume)| **volume == mount.volume);
            let mut map = Map::new();
            map.insert("type".into(), "volume".into());
            if let Some((key, _)) = key {
                map.insert("source".into(), text(key));
            }
            map.insert("target".into(), text(mount.target.display()));
            map.insert("read_only".into(), mount.read_only.into());
            if mount.no_copy {
                map.insert("volume".into(), json!({"nocopy": true}));
            }
            Value::Object(map)
        };
        app.engine_volumes.iter().map(mount).collect()
    }
}

fn definition(volume: &EngineVolume) -> Value {
    match volume {
        EngineVolume::Anonymous => Value::Null,
        EngineVolume::External(name) => json!({"external": true, "name": text(name)}),
        EngineVolume::Driver {
            name,
            driver,
            options,
            labels,
        } => {
            let mut map = Map::new();
            map.insert("name".into(), text(name));
            map.insert("driver".into(), text(driver));
            put(&mut map, "driver_opts", pairs(options));
            put(&mut map, "labels", pairs(labels));
            Value::Object(map)
        }
    }
}

/// The map `secrets` or `configs`: where each has its content, never the content itself.
pub(super) fn files(project: &Project, secret: bool) -> Value {
    let apps = project
        .containers
        .values()
        .filter_map(|container| container.app.as_deref());
    let files = apps
        .flat_map(|app| &app.files)
        .filter(|file| file.origin.secret == secret);
    let entry = |file: &InnerFile| {
        let content = match &file.origin.content {
            FileContent::File(path) => json!({"file": text(path.display())}),
            FileContent::Variable(name) => json!({"environment": text(name)}),
            FileContent::Inline => json!({"content": "(not shown)"}),
        };
        (file.origin.name.clone(), content)
    };
    Value::Object(files.map(entry).collect())
}
