//! Whether a container that shares another one's namespaces still shares them.
//!
//! The engine joins a namespace when a container starts. When the other one ends and starts again it gets
//! a new namespace, and who had joined the old one stays there: its network leads nowhere. That shows in
//! the namespaces of both first processes (namespaces(7)) and nowhere in the engine's answers.

use std::fs::read_link;
use std::path::PathBuf;

use super::init::init_of;
use super::known::{self, Known};
use super::list::Entry;
use crate::model::{AppNetwork, AppSpec, Name, host_name_of};

/// Whether the first process `pid` of a container is in another namespace than the running container
/// whose it should be in.
pub(super) fn is_left_behind(all: &[Entry], known: &Known, pid: Option<u32>) -> bool {
    let Some(pid) = pid else { return false };
    let differs = |(namespace, with): (&str, String)| {
        let bears = |entry: &&Entry| {
            let id = entry.id.as_deref().unwrap_or_default();
            known::name_of(entry) == Some(&with) || (with.len() >= 12 && id.starts_with(&with))
        };
        let other = all.iter().find(bears).and_then(|entry| entry.id.as_deref());
        let other = other.and_then(init_of);
        other.is_some_and(|other| !same(namespace, pid, other))
    };
    let spec = &known.mark.spec;
    let app = spec.app.as_deref();
    app.is_some_and(|app| shared(&spec.project, app).into_iter().any(differs))
}

/// The namespaces that a container shares, each with the full name of the one that has it.
fn shared(project: &Name, app: &AppSpec) -> Vec<(&'static str, String)> {
    let settings = &app.settings;
    let net = match &settings.network {
        AppNetwork::Container(name) => Some(host_name_of(project, name)),
        AppNetwork::Foreign(name) => Some(name.clone()),
        AppNetwork::Networks(_) | AppNetwork::Host | AppNetwork::Bridge | AppNetwork::None => None,
    };
    let of = |word: &Option<String>| {
        let word = word.as_deref()?;
        let sibling = word
            .strip_prefix("service:")
            .and_then(|name| Name::new(name).ok());
        let sibling = sibling.map(|name| host_name_of(project, &name));
        sibling.or_else(|| word.strip_prefix("container:").map(str::to_owned))
    };
    let all = [
        ("net", net),
        ("pid", of(&settings.pid)),
        ("ipc", of(&settings.ipc)),
    ];
    all.into_iter()
        .filter_map(|(namespace, with)| Some((namespace, with?)))
        .collect()
}

/// Whether two processes are in the same namespace; yes as well when one of them has just ended.
fn same(namespace: &str, one: u32, other: u32) -> bool {
    let of = |pid: u32| read_link(PathBuf::from(format!("/proc/{pid}/ns/{namespace}"))).ok();
    match (of(one), of(other)) {
        (Some(one), Some(other)) => one == other,
        (_, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_shares_its_own_namespaces_and_one_that_is_gone_differs_from_nobody() {
        let own = std::process::id();
        assert!(same("net", own, own));
        assert!(same("net", own, u32::MAX));
    }

    #[test]
    fn what_is_shared_is_named_as_the_engine_names_it() {
        let mut app = AppSpec::default();
        let project = Name::new("shop").unwrap();
        app.settings.network = AppNetwork::Container(Name::new("vpn").unwrap());
        app.settings.pid = Some("service:vpn".into());
        app.settings.ipc = Some("container:other".into());
        assert_eq!(
            shared(&project, &app),
            [
                ("net", "shop_vpn".to_string()),
                ("pid", "shop_vpn".to_string()),
                ("ipc", "other".to_string())
            ]
        );
        (app.settings.pid, app.settings.ipc) = (Some("host".into()), None);
        app.settings.network = AppNetwork::None;
        assert_eq!(shared(&project, &app), []);
    }
}
