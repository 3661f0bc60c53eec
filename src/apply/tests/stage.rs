//! A project of three containers on a fake host, and plans that change all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::apply::fake::{Fake, Made};
use crate::apply::{
    AnonymousVolumes, Applied, ApplyError, ApplyOptions, Cancel, Canceller, Earlier, Event, Events,
    Host, apply,
};
use crate::backend::Sought;
use crate::firewall::Firewall;
use crate::hosts::HostsFile;
use crate::model::{
    Addresses, AppSpec, Attached, ContainerSpec, EngineNetwork, HostsLine, Kind, Name,
    NetworkRules, Nic, Port, PortRange, PortRule, Protocol, Restart, Source, Subnets,
};
use crate::network::Network;
use crate::observed::{HostFacts, Mark, Observed, ProjectRecord, State};
use crate::plan::Plan;
use crate::store::{Paths, load_record, save_record};

pub(super) fn name(word: &str) -> Name {
    Name::new(word).unwrap()
}

pub(super) fn subnets() -> Subnets {
    Subnets::new("10.77.0.0/24".parse().unwrap(), "fd77::/64".parse().ok())
}

pub(in crate::apply) fn spec(word: &str, hostname: &str) -> ContainerSpec {
    ContainerSpec {
        project: name("shop"),
        name: name(word),
        source: Source::Rootfs("/srv/rootfs".into()),
        idmap: Vec::new(),
        identity: Default::default(),
        hostname: hostname.into(),
        fqdn: None,
        nic: Some(Nic {
            bridge: "lk-shop".into(),
            veth: "lk0".into(),
            mac: "02:00:00:00:00:02".into(),
            addresses: Addresses {
                v4: "10.77.0.2".parse().unwrap(),
                v6: "fd77::2".parse().ok(),
            },
            subnets: subnets(),
        }),
        mounts: Vec::new(),
        environment: BTreeMap::new(),
        config: Vec::new(),
        limits: Vec::new(),
        dns: Vec::new(),
        setup: Vec::new(),
        hooks: Default::default(),
        labels: BTreeMap::new(),
        restart: Restart::No,
        stop_grace: None,
        supervised: false,
        replica_of: None,
        network: None,
        system: Default::default(),
        app: None,
    }
}

pub(super) fn record(addresses: u32) -> ProjectRecord {
    ProjectRecord {
        version: 1,
        name: name("shop"),
        directory: "/srv/shop".into(),
        moved: None,
        lxcpath: "/var/lib/lxc".into(),
        subnets: subnets(),
        networks: BTreeMap::new(),
        applications: false,
        leaving: Default::default(),
        addresses: (0..addresses)
            .map(|i| (name(&format!("c{i}")), i + 2))
            .collect(),
        added_ports: BTreeMap::new(),
        withdrawn: BTreeMap::new(),
        ids: Vec::new(),
        picked_ports: BTreeMap::new(),
    }
}

pub(super) fn rule(container: &str, host: u16) -> PortRule {
    PortRule {
        project: name("shop"),
        container: name(container),
        port: Port {
            host_ip: None,
            host: PortRange::single(host),
            container: PortRange::single(80),
            protocol: Protocol::Tcp,
            allow: Vec::new(),
        },
        to4: "10.77.0.2".parse().unwrap(),
        to6: "fd77::2".parse().ok(),
    }
}

pub(super) fn network_rules() -> NetworkRules {
    NetworkRules {
        project: name("shop"),
        bridge: "lk-shop".into(),
        subnets: subnets(),
        isolate: false,
        internal: false,
    }
}

pub(super) fn hosts(word: &str) -> Vec<HostsLine> {
    vec![HostsLine {
        address: "10.77.0.2".parse().unwrap(),
        names: vec![word.into()],
    }]
}

/// A fake host in a directory of its own.
pub(super) struct Stage {
    pub(super) fake: Fake,
    pub(super) host: Host,
    pub(super) dir: tempfile::TempDir,
    /// What `--timeout` says.
    pub(super) stop_timeout: Option<Duration>,
}

/// Everything that a run may change, to be compared.
pub(super) type Picture = (
    crate::apply::fake::World,
    Option<ProjectRecord>,
    String,
    bool,
);

impl Stage {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hosts"), "127.0.0.1 localhost\n").unwrap();
        let paths = Paths::under(dir.path()).with_etc(dir.path());
        let fake = Fake::default();
        let host = Host {
            project: name("shop"),
            directory: "/srv/shop".into(),
            backend: Arc::new(fake.engines()),
            network: Arc::new(fake.clone()),
            firewall: Arc::new(fake.clone()),
            units: Arc::new(crate::systemd::NoUnits),
            hosts: HostsFile::new(paths.hosts()),
            paths,
        };
        Self {
            fake,
            host,
            dir,
            stop_timeout: Some(Duration::from_secs(1)),
        }
    }

    /// `web` runs, `old` is stopped, `ice` is frozen, all with a record, a bridge and rules.
    pub(super) fn living() -> Self {
        let stage = Self::new();
        save_record(&stage.host.paths, &record(3)).unwrap();
        {
            let mut world = stage.fake.world.lock().unwrap();
            world.bridges.insert("lk-shop".into(), subnets());
            world.networks.insert("lk-shop".into(), network_rules());
            world.rules.insert(rule("web", 8080));
            for (word, state) in [
                ("web", State::Running),
                ("old", State::Stopped),
                ("ice", State::Frozen),
            ] {
                let made = Made {
                    names: Some(hosts(word)),
                    dns: vec!["9.9.9.9".parse().unwrap()],
                    ..Made::new(state, mark(word))
                };
                world.containers.insert(name(word), made);
            }
        }
        stage
    }

    pub(super) async fn observed(&self) -> Observed {
        let sought = Sought {
            offer: false,
            images: ["shop/web".to_string()].into(),
            kinds: [Kind::System, Kind::Application].into(),
        };
        let backend = self.host.backend.observe(&sought).await.unwrap();
        Observed {
            host: HostFacts::default(),
            record: load_record(&self.host.paths, &name("shop")).unwrap(),
            containers: backend.containers,
            engine: backend.engine,
            network: Network::observe(&self.fake, &name("shop"), &BTreeSet::new())
                .await
                .unwrap()
                .network,
            firewall: Firewall::observe(&self.fake).await.unwrap(),
            host_names: self.host.hosts.read("shop").await.unwrap(),
            ..Observed::default()
        }
    }

    pub(super) fn picture(&self) -> Picture {
        (
            self.fake.world(),
            load_record(&self.host.paths, &name("shop")).unwrap(),
            std::fs::read_to_string(self.host.paths.hosts()).unwrap(),
            self.data().exists(),
        )
    }

    /// The host path of the volume that `big_plan` fills.
    pub(super) fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data/new")
    }

    pub(super) async fn run(&self, plan: &Plan) -> Result<Applied, ApplyError> {
        let (_mouth, ear) = Canceller::new();
        self.run_with(plan, None, &Heard::default(), ear).await
    }

    pub(super) async fn run_with(
        &self,
        plan: &Plan,
        parallel: Option<usize>,
        events: &Heard,
        cancel: Cancel,
    ) -> Result<Applied, ApplyError> {
        self.run_as(plan, parallel, events, cancel, (false, false))
            .await
    }

    /// Where containers that do not need a failed one are finished and stay.
    pub(super) async fn run_independently(&self, plan: &Plan) -> Result<Applied, ApplyError> {
        let (_mouth, ear) = Canceller::new();
        let heard = Heard::default();
        self.run_as(plan, None, &heard, ear, (true, false)).await
    }

    /// The same, after runs that have come to a part of their end.
    pub(super) async fn go_on(&self, plan: &Plan, earlier: Earlier) -> Result<Applied, ApplyError> {
        let options = ApplyOptions {
            independent: true,
            keep_failed: false,
            command: "up".into(),
            parallel: None,
            stop_timeout: self.stop_timeout,
            volumes: AnonymousVolumes::default(),
        };
        let (_mouth, ear) = Canceller::new();
        let (observed, heard) = (self.observed().await, Heard::default());
        apply(plan, &observed, &self.host, &options, &heard, ear, earlier).await
    }

    /// Where containers that failed stay as well.
    pub(super) async fn run_and_keep(&self, plan: &Plan) -> Result<Applied, ApplyError> {
        let (_mouth, ear) = Canceller::new();
        let heard = Heard::default();
        self.run_as(plan, None, &heard, ear, (true, true)).await
    }

    async fn run_as(
        &self,
        plan: &Plan,
        parallel: Option<usize>,
        events: &Heard,
        cancel: Cancel,
        (independent, keep_failed): (bool, bool),
    ) -> Result<Applied, ApplyError> {
        let options = ApplyOptions {
            independent,
            keep_failed,
            command: "up".into(),
            parallel,
            stop_timeout: self.stop_timeout,
            volumes: AnonymousVolumes::default(),
        };
        let observed = self.observed().await;
        let earlier = Earlier::default();
        apply(
            plan, &observed, &self.host, &options, events, cancel, earlier,
        )
        .await
    }
}

pub(super) fn mark(word: &str) -> Mark {
    Mark {
        version: 1,
        directory: "/srv/shop".into(),
        spec: spec(word, word),
        setup_done: true,
        setup_failed: None,
        provisioned: Vec::new(),
        seeded: true,
    }
}

/// What is asked for of an application container on the project's network.
pub(in crate::apply) fn app(word: &str) -> ContainerSpec {
    let plain = spec(word, word);
    let attached = Attached {
        network: "shop_default".into(),
        nic: plain.nic.clone(),
        aliases: Vec::new(),
        key: None,
        fixed: Default::default(),
    };
    ContainerSpec {
        source: Source::Image("shop/web".into()),
        app: Some(Box::new(AppSpec {
            attached: vec![attached],
            ..AppSpec::default()
        })),
        ..plain
    }
}

pub(super) fn app_mark(word: &str) -> Mark {
    Mark {
        spec: app(word),
        ..mark(word)
    }
}

/// The project's network as the engine knows it.
pub(in crate::apply) fn engine_network() -> EngineNetwork {
    EngineNetwork {
        project: name("shop"),
        network: name("default"),
        bridge: "lk-shop".into(),
        name: None,
        subnets: subnets(),
        internal: false,
        labels: BTreeMap::new(),
        mtu: None,
    }
}

/// An application container runs beside the others, with its image and its network.
pub(super) fn running_app(stage: &Stage, word: &str) {
    let mut world = stage.fake.world.lock().unwrap();
    world.images.insert("shop/web".into());
    let network = engine_network();
    world
        .engine_networks
        .insert(network.network.clone(), network);
    let made = Made::new(State::Running, app_mark(word));
    world.containers.insert(name(word), made);
}

/// Remembers what was told.
#[derive(Debug, Default)]
pub(super) struct Heard(pub(super) Mutex<Vec<String>>);

impl Heard {
    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Events for Heard {
    fn tell(&self, event: Event<'_>) {
        let line = match event {
            Event::Waiting { holder } => format!("waiting {holder}"),
            Event::Note(note) => format!("note {note}"),
            Event::Begin { id, .. } => format!("begin {id}"),
            Event::Output { id, line, .. } => format!("output {id} {line}"),
            Event::Done { id, already, .. } => format!("done {id} {already}"),
            Event::Undone { id, .. } => format!("undone {id}"),
            Event::Failed { id, .. } => format!("failed {id}"),
            Event::UndoFailed { id, .. } => format!("undo failed {id}"),
        };
        self.0.lock().unwrap().push(line);
    }
}
