//! What the promises stand on inside a test host: a bridge, a driver and marks of containers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use locker::backend::docker::DockerBackend;
use locker::backend::lxc::LxcBackend;
use locker::backend::{Backend, BackendView, Body, Ran, Sought};
use locker::model::{EngineNetwork, InnerCommand, Kind, Name};
use locker::observed::{Mark, ObservedContainer};
use locker::store::Paths;
use serde_json::{Value, json};

/// The bridge that the containers are on.
pub const BRIDGE: &str = "ip link add lk-t type bridge && ip link set lk-t up && \
    ip addr add 10.77.0.1/24 dev lk-t && ip addr add fd77::1/64 dev lk-t nodad";

pub struct Rig {
    pub kind: Kind,
    pub driver: Arc<dyn Backend>,
}

pub fn name(word: &str) -> Name {
    Name::new(word).unwrap()
}

pub fn shell(line: &str) -> InnerCommand {
    InnerCommand::Shell(line.into())
}

pub fn network() -> EngineNetwork {
    serde_json::from_value(json!({
        "project": "t", "network": "default", "bridge": "lk-t", "internal": false, "labels": {"tier": "x"},
        "subnets": {"v4": "10.77.0.0/24", "v6": "fd77::/64"}
    }))
    .unwrap()
}

impl Rig {
    pub fn lxc() -> Self {
        let lxc = LxcBackend::open(
            name("t"),
            "/project".into(),
            "/var/lib/lxc".into(),
            Paths::system(),
        );
        let lxc = lxc.with_program("/usr/local/bin/locker".into());
        Self {
            kind: Kind::System,
            driver: Arc::new(lxc),
        }
    }

    pub fn docker() -> Self {
        let docker = DockerBackend::open(name("t"), "/project".into(), Paths::system());
        Self {
            kind: Kind::Application,
            driver: Arc::new(docker),
        }
    }

    /// A mark of a container, with `change` laid over its spec.
    pub fn mark(&self, name: &str, index: u8, change: Value) -> Mark {
        let nic = json!({"bridge": "lk-t", "veth": format!("lk-t-{index}"),
            "mac": format!("02:00:00:00:00:{index:02}"),
            "addresses": {"v4": format!("10.77.0.{index}"), "v6": format!("fd77::{index}")},
            "subnets": {"v4": "10.77.0.0/24", "v6": "fd77::/64"}});
        let mut spec = json!({
            "project": "t", "name": name, "idmap": [], "hostname": name, "fqdn": null, "nic": nic,
            "source": {"template": {"name": "tiny", "args": []}},
            "mounts": [], "environment": {"COLOUR": "deep blue"}, "config": [], "limits": [], "dns": [],
            "setup": [], "labels": {"tier": "back end"}
        });
        if self.kind == Kind::Application {
            spec["source"] = json!({"image": "busybox:test"});
            spec["app"] = json!({
                "settings": {}, "network_of": null, "healthcheck": null,
                "attached": [{"network": "t_default", "nic": nic, "aliases": []}]
            });
        }
        for (key, value) in change.as_object().unwrap() {
            spec[key] = value.clone();
        }
        serde_json::from_value(
            json!({"version": 1, "directory": "/project", "spec": spec, "setup_done": false}),
        )
        .unwrap()
    }

    pub async fn look(&self) -> BackendView {
        let sought = Sought {
            offer: false,
            images: BTreeSet::new(),
            kinds: BTreeSet::from([self.kind]),
        };
        self.driver.observe(&sought).await.unwrap()
    }

    pub async fn seen(&self, container: &str) -> Option<ObservedContainer> {
        self.look().await.containers.remove(&name(container))
    }

    pub async fn make(&self, mark: &Mark) {
        self.driver
            .create(mark, false, &|line| eprintln!("{line}"))
            .await
            .unwrap();
    }

    pub async fn start(&self, container: &str) {
        self.driver
            .start(&name(container), Body::Present)
            .await
            .unwrap();
    }

    pub async fn stop(&self, container: &str, body: Body) {
        let time = Duration::from_secs(1);
        self.driver
            .stop(&name(container), body, time)
            .await
            .unwrap();
    }

    pub async fn destroy(&self, container: &str, body: Body) {
        self.driver
            .destroy(&name(container), body, true)
            .await
            .unwrap();
    }

    pub async fn sh(&self, container: &str, line: &str) -> Ran {
        let inside = self.driver.inside();
        inside
            .run(
                &name(container),
                &shell(line).into(),
                Some(Duration::from_secs(20)),
            )
            .await
            .unwrap()
    }
}
