//! What a container asks of the engine that only the running engine knows: a runtime, a log driver,
//! processors, how its cgroups are named. Asked before anything is made.

use std::collections::BTreeSet;

use crate::model::{App, AppNetwork, AppSpec, ContainerSpec, Granted, Key, Kind, Name};
use crate::observed::{EngineOffer, HostFacts};

use super::build::Builder;

impl Builder<'_> {
    /// What the host, and for an application its engine, must offer.
    pub(super) fn check_offer(&mut self, name: &Name, spec: &ContainerSpec) {
        let host = &self.observed.host;
        let found = match &spec.app {
            None => beyond(host, &spec.system.granted),
            Some(app) => {
                let mut found = beyond(host, &app.settings.granted);
                if let Some(offer) = &self.observed.engine.offer {
                    found.extend(lacks(offer, &app.settings));
                    found.extend(macs(offer, app));
                }
                found.extend(self.absent(app));
                found
            }
        };
        for (key, message, help) in found {
            self.problem(
                name,
                Some(key),
                format!("container `{name}`: {message}"),
                &help,
            );
        }
    }
}

impl Builder<'_> {
    /// Containers of the host that it shares with and that are not there.
    fn absent(&self, app: &AppSpec) -> Vec<Lack> {
        let settings = &app.settings;
        let word = |text: &Option<String>| {
            let name = text
                .as_deref()
                .and_then(|text| text.strip_prefix("container:"));
            name.map(str::to_owned)
        };
        let network = match &settings.network {
            AppNetwork::Foreign(name) => Some(name.clone()),
            AppNetwork::Networks(_)
            | AppNetwork::Host
            | AppNetwork::None
            | AppNetwork::Bridge
            | AppNetwork::Container(_) => None,
        };
        let volumes = settings
            .volumes_from
            .iter()
            .map(|(full, _)| Some(full.clone()));
        let mut all = vec![
            (Key::NetworkMode, network),
            (Key::Pid, word(&settings.pid)),
            (Key::Ipc, word(&settings.ipc)),
        ];
        all.extend(volumes.map(|name| (Key::VolumesFrom, name)));
        let gone = all.into_iter().filter_map(|(key, name)| Some((key, name?)));
        gone.filter(|(_, name)| !self.is_on_the_host(name))
            .map(|(key, name)| {
                let message =
                    format!("there is no container `{name}` on the host, which `{key}` names");
                let help = "`docker ps -a` lists them; one of this project is `service:NAME`";
                (key, message, help.into())
            })
            .collect()
    }

    /// Whether the engine has, or will have, a container of that name; an id may be any.
    fn is_on_the_host(&self, name: &str) -> bool {
        let id = name.len() >= 12 && name.bytes().all(|b| b.is_ascii_hexdigit());
        let foreign = self.observed.foreign.get(&Kind::Application);
        let mut own = self.observed.containers.values();
        let mut planned = self.desired.values();
        id || foreign.is_some_and(|names| names.contains(name))
            || own.any(|found| found.host_name == name)
            || planned.any(|spec| spec.host_name() == name)
    }
}

/// A key, what is wrong with it, what to do.
type Lack = (Key, String, String);

/// What no process of this host can be given.
fn beyond(host: &HostFacts, granted: &Granted) -> Vec<Lack> {
    let mut found = Vec::new();
    if let (Some(limit), Some(most)) = (granted.ulimits.get("nofile"), host.nr_open) {
        let above = |value: i64| u64::try_from(value).map_or(true, |value| value > most);
        if above(limit.hard) || above(limit.soft) {
            let message = format!("this kernel allows at most {most} open files");
            let help = format!("write `nofile: {most}` or less; `sysctl fs.nr_open` raises it");
            found.push((Key::Ulimits, message, help));
        }
    }
    let lacking = granted.sysctls.keys();
    for (name, why) in lacking.filter_map(|name| host.sysctls.get_key_value(name)) {
        let message = format!("a container cannot set the kernel parameter `{name}`: {why}");
        let help = "leave it out, or set it on the host with sysctl(8)";
        found.push((Key::Sysctls, message, help.into()));
    }
    found
}

/// Hardware addresses that the engine would take no notice of.
fn macs(offer: &EngineOffer, app: &AppSpec) -> Vec<Lack> {
    let AppNetwork::Networks(all) = &app.settings.network else {
        return Vec::new();
    };
    let later = app.attached.iter().skip(1).filter(|_| !offer.macs);
    let lost = later.filter_map(|attached| {
        let key = attached.key.as_ref()?;
        let mac = all.iter().find(|at| at.network == *key)?.mac.as_ref()?;
        let message = format!(
            "this engine gives a hardware address on the first network only, and `{mac}` is for `{key}`"
        );
        let help = "leave it out, name that network first (`priority`), or install Docker Engine 25 or newer";
        Some((Key::Networks, message, help.to_owned()))
    });
    lost.collect()
}

/// Whether the storage driver can keep a container within a size.
fn has_sizes((driver, under): &(String, String)) -> bool {
    match driver.as_str() {
        "overlay2" | "vfs" => matches!(under.as_str(), "xfs" | "" | "<unknown>"),
        "aufs" | "fuse-overlayfs" | "overlayfs" => false,
        _ => true,
    }
}

/// What the settings ask for and the engine does not have: the key, what is wrong, what to do.
fn lacks(offer: &EngineOffer, app: &App) -> Vec<Lack> {
    let listed = |all: &BTreeSet<String>| {
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        format!("it has {}", all.join(", "))
    };
    let mut found = Vec::new();
    if let Some(runtime) = &app.runtime
        // A path, or the name of a shim of containerd, is no name that is listed.
        && !runtime.contains(['.', '/'])
        && !offer.runtimes.contains(runtime)
    {
        let message = format!("the engine has no runtime `{runtime}`");
        found.push((Key::Runtime, message, listed(&offer.runtimes)));
    }
    let driver = app
        .logging
        .as_ref()
        .and_then(|logging| logging.driver.as_ref());
    if let Some(driver) = driver
        && driver != "none"
        && !offer.log_drivers.is_empty()
        && !offer.log_drivers.contains(driver)
        && !offer.log_drivers.contains(&format!("{driver}:latest"))
    {
        let message = format!("the engine has no log driver `{driver}`");
        found.push((Key::Logging, message, listed(&offer.log_drivers)));
    }
    if let Some(parent) = &app.cgroup_parent
        && offer.by_systemd
        && !is_slice(parent)
    {
        let message = format!(
            "the cgroup `{parent}` is not the name of a slice, and the engine has systemd make its cgroups"
        );
        let help = "write the name of a slice without a path, as in `machine-web.slice`";
        found.push((Key::CgroupParent, message, help.into()));
    }
    if !app.storage_opt.is_empty() && !has_sizes(&offer.storage) {
        let (driver, under) = &offer.storage;
        let message = format!(
            "the engine's storage driver `{driver}` on `{under}` cannot limit a container's size"
        );
        let help = "leave it out; `overlay2` can on xfs that is mounted with `pquota`";
        found.push((Key::StorageOpt, message, help.into()));
    }
    let most = u64::from(offer.cpus) * 1_000_000_000;
    if app
        .limits
        .nano_cpus
        .is_some_and(|cpus| most > 0 && cpus > most)
    {
        let message = format!(
            "the engine has {} processors, and more are asked for",
            offer.cpus
        );
        found.push((
            Key::Cpus,
            message,
            "ask for fewer, or leave the limit out".into(),
        ));
    }
    found
}

/// Whether systemd takes the name as that of a slice (systemd.slice(5)).
fn is_slice(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".slice") else {
        return false;
    };
    let parts = || stem.split('-');
    !stem.contains('/') && (stem == "-" || parts().all(|part| !part.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer() -> EngineOffer {
        EngineOffer {
            runtimes: ["runc".to_string()].into(),
            log_drivers: ["local".to_string(), "loki:latest".to_string()].into(),
            by_systemd: true,
            cpus: 2,
            unheld: BTreeSet::new(),
            storage: ("overlay2".into(), "extfs".into()),
            macs: false,
        }
    }

    #[test]
    fn what_no_kernel_and_no_storage_driver_gives_is_known_before() {
        let host = HostFacts {
            nr_open: Some(1_048_576),
            sysctls: [(
                "net.core.nosuch".to_string(),
                "this kernel does not have it".to_string(),
            )]
            .into(),
            ..HostFacts::default()
        };
        for (soft, hard, good) in [
            (1024, 1_048_576, true),
            (1024, 1_048_577, false),
            (-1, -1, false),
        ] {
            let mut app = App::default();
            app.granted.ulimits.insert(
                "nofile".into(),
                crate::model::Ulimit::new(soft, hard).unwrap(),
            );
            assert_eq!(
                beyond(&host, &app.granted).is_empty(),
                good,
                "{soft} {hard}"
            );
            assert!(beyond(&HostFacts::default(), &app.granted).is_empty());
        }
        for (name, good) in [("net.core.nosuch", false), ("net.core.somaxconn", true)] {
            let mut app = App::default();
            app.granted.sysctls.insert(name.into(), "1".into());
            assert_eq!(beyond(&host, &app.granted).is_empty(), good, "{name}");
        }
        let mut app = App::default();
        app.storage_opt.insert("size".into(), "1G".into());
        for (driver, under, good) in [
            ("overlay2", "extfs", false),
            ("overlay2", "xfs", true),
            ("overlayfs", "", false),
            ("btrfs", "", true),
        ] {
            let storage = (driver.to_string(), under.to_string());
            let offer = EngineOffer { storage, ..offer() };
            assert_eq!(lacks(&offer, &app).is_empty(), good, "{driver} {under}");
        }
    }

    #[test]
    fn what_an_engine_does_not_have_is_known_before_anything_is_done() {
        let app = |change: fn(&mut App)| {
            let mut app = App::default();
            change(&mut app);
            lacks(&offer(), &app)
                .into_iter()
                .map(|(key, ..)| key)
                .collect::<Vec<_>>()
        };
        let logs = |driver: &str| {
            Some(crate::model::Logging {
                driver: Some(driver.into()),
                options: Default::default(),
            })
        };
        assert_eq!(app(|app| app.runtime = Some("kata".into())), [Key::Runtime]);
        for known in ["runc", "io.containerd.runc.v2", "/usr/bin/crun"] {
            let app = App {
                runtime: Some(known.into()),
                ..App::default()
            };
            assert_eq!(lacks(&offer(), &app), [], "{known}");
        }
        for (driver, there) in [
            ("nosuch", false),
            ("local", true),
            ("loki", true),
            ("none", true),
        ] {
            let app = App {
                logging: logs(driver),
                ..App::default()
            };
            assert_eq!(lacks(&offer(), &app).is_empty(), there, "{driver}");
        }
        for (parent, good) in [
            ("abc", false),
            ("/x/y", false),
            ("a/b.slice", false),
            ("a--b.slice", false),
            (".slice", false),
            ("my.slice", true),
            ("a-b.slice", true),
        ] {
            let app = App {
                cgroup_parent: Some(parent.into()),
                ..App::default()
            };
            assert_eq!(lacks(&offer(), &app).is_empty(), good, "{parent}");
            let paths = EngineOffer {
                by_systemd: false,
                ..offer()
            };
            assert_eq!(lacks(&paths, &app), [], "{parent}");
        }
        assert_eq!(
            app(|app| app.limits.nano_cpus = Some(3_000_000_000)),
            [Key::Cpus]
        );
        assert_eq!(app(|app| app.limits.nano_cpus = Some(2_000_000_000)), []);
    }
}
