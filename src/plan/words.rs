//! A step in words: sign, verb, subject, detail. The text and the JSON form are made of them.

use std::collections::BTreeMap;

use crate::model::{HostsLine, Name, PortRule};

use super::Step;

/// A step in words.
pub(super) struct Words {
    pub(super) sign: char,
    pub(super) verb: &'static str,
    pub(super) action: &'static str,
    pub(super) subject: String,
    pub(super) detail: String,
}

impl Step {
    /// The container it is about; none for steps of the project.
    pub fn container(&self) -> Option<&Name> {
        match self {
            Self::Create(spec) | Self::Configure(spec) => Some(&spec.name),
            Self::RemoveWreck { container }
            | Self::BringBack { container }
            | Self::Seed { container, .. }
            | Self::WriteNames { container, .. }
            | Self::Start { container }
            | Self::AwaitHealthy { container, .. }
            | Self::Setup { container, .. }
            | Self::Stop { container, .. }
            | Self::Freeze { container }
            | Self::Unfreeze { container }
            | Self::SetAside { container }
            | Self::Destroy { container, .. } => Some(container),
            Self::SaveRecord(_)
            | Self::ForgetProject(_)
            | Self::EnsureBridge { .. }
            | Self::RemoveBridge { .. }
            | Self::OpenNetwork(_)
            | Self::CloseNetwork(_)
            | Self::Publish { .. }
            | Self::WriteHostNames { .. }
            | Self::RemoveVolume { .. } => None,
        }
    }

    pub(super) fn words(&self) -> Words {
        let (sign, verb, action) = self.verb();
        let subject = match self {
            Self::SaveRecord(record) | Self::ForgetProject(record) => record.name.to_string(),
            Self::EnsureBridge { bridge, .. } | Self::RemoveBridge { bridge, .. } => bridge.clone(),
            Self::OpenNetwork(rules) | Self::CloseNetwork(rules) => rules.bridge.clone(),
            Self::Publish { .. } => "ports".into(),
            Self::WriteHostNames { .. } => "host".into(),
            Self::RemoveVolume { path } => path.display().to_string(),
            Self::RemoveWreck { .. }
            | Self::BringBack { .. }
            | Self::Create(_)
            | Self::Seed { .. }
            | Self::Configure(_)
            | Self::WriteNames { .. }
            | Self::Start { .. }
            | Self::AwaitHealthy { .. }
            | Self::Setup { .. }
            | Self::Stop { .. }
            | Self::Freeze { .. }
            | Self::Unfreeze { .. }
            | Self::SetAside { .. }
            | Self::Destroy { .. } => self.container().map_or(String::new(), Name::to_string),
        };
        Words {
            sign,
            verb,
            action,
            subject,
            detail: self.detail(),
        }
    }

    fn verb(&self) -> (char, &'static str, &'static str) {
        match self {
            Self::SaveRecord(_) => ('~', "record", "save_record"),
            Self::ForgetProject(_) => ('-', "forget", "forget_project"),
            Self::RemoveWreck { .. } => ('-', "clear", "remove_wreck"),
            Self::BringBack { .. } => ('~', "restore", "bring_back"),
            Self::EnsureBridge { .. } => ('+', "bridge", "ensure_bridge"),
            Self::RemoveBridge { .. } => ('-', "bridge", "remove_bridge"),
            Self::OpenNetwork(_) => ('+', "open", "open_network"),
            Self::CloseNetwork(_) => ('-', "close", "close_network"),
            Self::Create(_) => ('+', "create", "create"),
            Self::Seed { .. } => ('+', "volumes", "seed"),
            Self::Configure(_) => ('~', "change", "configure"),
            Self::WriteNames { .. } => ('~', "names", "write_names"),
            Self::Start { .. } => ('+', "start", "start"),
            Self::AwaitHealthy { .. } => ('+', "await", "await_healthy"),
            Self::Setup { .. } => ('+', "setup", "setup"),
            Self::Stop { .. } => ('-', "stop", "stop"),
            Self::Freeze { .. } => ('~', "freeze", "freeze"),
            Self::Unfreeze { .. } => ('~', "unfreeze", "unfreeze"),
            Self::Publish { add, .. } if add.is_empty() => ('-', "publish", "publish"),
            Self::Publish { remove, .. } if remove.is_empty() => ('+', "publish", "publish"),
            Self::Publish { .. } => ('~', "publish", "publish"),
            Self::WriteHostNames { .. } => ('~', "names", "write_host_names"),
            Self::SetAside { .. } => ('~', "aside", "set_aside"),
            Self::Destroy { .. } => ('!', "destroy", "destroy"),
            Self::RemoveVolume { .. } => ('!', "remove", "remove_volume"),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Create(spec) => spec.source.to_string(),
            Self::EnsureBridge { subnets, .. } | Self::RemoveBridge { subnets, .. } => {
                format!("{} {}", subnets.v4, subnets.v6)
            }
            Self::OpenNetwork(rules) | Self::CloseNetwork(rules) if rules.isolate => {
                "isolated".into()
            }
            Self::Seed { mounts, .. } => {
                let paths = mounts.iter().map(|m| m.target.display().to_string());
                paths.collect::<Vec<_>>().join(" ")
            }
            Self::WriteNames { hosts, .. } | Self::WriteHostNames { hosts } => names(hosts),
            Self::Setup { commands, .. } => count(commands.len(), "command"),
            Self::Publish { add, remove } => rules(add, remove),
            Self::Destroy { aside: true, .. } => "the older root file system".into(),
            Self::Destroy { aside: false, .. } => "with its root file system".into(),
            Self::SaveRecord(_)
            | Self::ForgetProject(_)
            | Self::RemoveWreck { .. }
            | Self::BringBack { .. }
            | Self::OpenNetwork(_)
            | Self::CloseNetwork(_)
            | Self::Configure(_)
            | Self::Start { .. }
            | Self::AwaitHealthy { .. }
            | Self::Stop { .. }
            | Self::Freeze { .. }
            | Self::Unfreeze { .. }
            | Self::SetAside { .. }
            | Self::RemoveVolume { .. } => String::new(),
        }
    }
}

/// `1 command`, `2 commands`.
fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// The rules by container: `web +8080:80/tcp -80:80/tcp`.
fn rules(add: &[PortRule], remove: &[PortRule]) -> String {
    let mut all: BTreeMap<&Name, Vec<String>> = BTreeMap::new();
    for (sign, rules) in [('+', add), ('-', remove)] {
        for rule in rules {
            let list = all.entry(&rule.container).or_default();
            list.push(format!("{sign}{}", rule.port));
        }
    }
    let texts = all
        .iter()
        .map(|(name, rules)| format!("{name} {}", rules.join(" ")));
    texts.collect::<Vec<_>>().join(", ")
}

/// The names without addresses: which address it is, is seldom the question.
fn names(hosts: &[HostsLine]) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for name in hosts.iter().flat_map(|line| &line.names) {
        if !seen.contains(&name.as_str()) {
            seen.push(name);
        }
    }
    if seen.is_empty() {
        return "none".into();
    }
    seen.join(" ")
}
