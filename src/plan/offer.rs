//! What a container asks of the engine that only the running engine knows: a runtime, a log driver,
//! processors, how its cgroups are named. Asked before anything is made.

use std::collections::BTreeSet;

use crate::model::{App, ContainerSpec, Key, Name};
use crate::observed::EngineOffer;

use super::build::Builder;

impl Builder<'_> {
    /// What the engine must offer.
    pub(super) fn check_offer(&mut self, name: &Name, spec: &ContainerSpec) {
        let Some(offer) = &self.observed.engine.offer else {
            return;
        };
        let Some(app) = &spec.app else { return };
        for (key, message, help) in lacks(offer, &app.settings) {
            self.problem(
                name,
                Some(key),
                format!("container `{name}`: {message}"),
                &help,
            );
        }
    }
}

/// What the settings ask for and the engine does not have: the key, what is wrong, what to do.
fn lacks(offer: &EngineOffer, app: &App) -> Vec<(Key, String, String)> {
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
