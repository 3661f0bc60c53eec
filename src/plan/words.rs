//! A step in words: sign, verb, subject, detail. The text and the JSON form are made of them.

use std::collections::BTreeMap;

use crate::model::{
    Hook, HookAt, HostsLine, Identity, InnerCommand, Kind, Name, NetworkRules, PortRule,
    ProgramCopy, Provision, Subnets, USUAL_MTU, UnitsChange,
};

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
            | Self::AwaitCompleted { container, .. }
            | Self::Setup { container, .. }
            | Self::Stop { container, .. }
            | Self::Freeze { container }
            | Self::Unfreeze { container }
            | Self::SetAside { container }
            | Self::Destroy { container, .. } => Some(container),
            Self::EndJob { job, .. } => Some(job),
            Self::SaveRecord(_)
            | Self::ForgetProject(_)
            | Self::EnsureBridge { .. }
            | Self::RemoveBridge { .. }
            | Self::OpenNetwork(_)
            | Self::CloseNetwork(_)
            | Self::Sweep(_)
            | Self::Pull { .. }
            | Self::Build(_)
            | Self::EnsureNetwork(_)
            | Self::RemoveNetwork(_)
            | Self::InstallProgram(_)
            | Self::WriteUnits(_)
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
            Self::Sweep(left) => left.driver.clone(),
            Self::WriteHostNames { .. } => "host".into(),
            Self::RemoveVolume { path, engine, .. } => match (engine, path) {
                (Some(name), _) => name.clone(),
                (None, Some(path)) => path.display().to_string(),
                (None, None) => String::new(),
            },
            Self::Pull { image, .. } => image.clone(),
            Self::Build(build) => build.image.clone(),
            Self::EnsureNetwork(network) | Self::RemoveNetwork(network) => network.host_name(),
            Self::InstallProgram(copy) => copy.path.display().to_string(),
            Self::WriteUnits(change) => change.units.project.to_string(),
            Self::RemoveWreck { .. }
            | Self::BringBack { .. }
            | Self::Create(_)
            | Self::Seed { .. }
            | Self::Configure(_)
            | Self::WriteNames { .. }
            | Self::Start { .. }
            | Self::AwaitHealthy { .. }
            | Self::AwaitCompleted { .. }
            | Self::Setup { .. }
            | Self::Stop { .. }
            | Self::Freeze { .. }
            | Self::Unfreeze { .. }
            | Self::SetAside { .. }
            | Self::EndJob { .. }
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
            Self::Sweep(_) => ('-', "rules", "sweep"),
            Self::Pull { .. } => ('+', "pull", "pull"),
            Self::Build(_) => ('+', "build", "build"),
            Self::EnsureNetwork(_) => ('+', "network", "ensure_network"),
            Self::InstallProgram(copy) if copy.before.is_none() => {
                ('+', "program", "install_program")
            }
            Self::InstallProgram(_) => ('~', "program", "install_program"),
            Self::WriteUnits(change) if change.units.services.is_empty() => {
                ('-', "units", "write_units")
            }
            Self::WriteUnits(_) => ('~', "units", "write_units"),
            Self::RemoveNetwork(_) => ('-', "network", "remove_network"),
            Self::Create(_) => ('+', "create", "create"),
            Self::Seed { .. } => ('+', "volumes", "seed"),
            Self::Configure(_) => ('~', "change", "configure"),
            Self::WriteNames { .. } => ('~', "names", "write_names"),
            Self::Start { .. } => ('+', "start", "start"),
            Self::AwaitHealthy { .. } => ('+', "await", "await_healthy"),
            Self::AwaitCompleted { .. } => ('+', "await", "await_completed"),
            Self::Setup { .. } => ('+', "setup", "setup"),
            Self::Stop { .. } => ('-', "stop", "stop"),
            Self::Freeze { .. } => ('~', "freeze", "freeze"),
            Self::Unfreeze { .. } => ('~', "unfreeze", "unfreeze"),
            Self::Publish { add, .. } if add.is_empty() => ('-', "publish", "publish"),
            Self::Publish { remove, .. } if remove.is_empty() => ('+', "publish", "publish"),
            Self::Publish { .. } => ('~', "publish", "publish"),
            Self::WriteHostNames { .. } => ('~', "names", "write_host_names"),
            Self::SetAside { .. } => ('~', "aside", "set_aside"),
            Self::EndJob { .. } => ('-', "end", "end_job"),
            Self::Destroy { .. } => ('!', "destroy", "destroy"),
            Self::RemoveVolume { .. } => ('!', "remove", "remove_volume"),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Create(spec) => match spec.identity {
                Identity::New => spec.source.to_string(),
                Identity::Keep => format!("{}, the same machine", spec.source),
            },
            Self::EnsureBridge { subnets, mtu, .. } => {
                let wide = mtu.filter(|mtu| *mtu != USUAL_MTU);
                let wide = wide.map(|mtu| format!(" mtu {mtu}"));
                format!("{}{}", nets(subnets), wide.unwrap_or_default())
            }
            Self::RemoveBridge { subnets, .. } => nets(subnets),
            Self::OpenNetwork(rules) | Self::CloseNetwork(rules) => manner(rules),
            Self::Sweep(left) => match left.rules.len() {
                0 => "network rules".into(),
                1 => "1 port rule".into(),
                count => format!("{count} port rules"),
            },
            Self::EnsureNetwork(network) | Self::RemoveNetwork(network) => {
                format!("on {}", network.bridge)
            }
            Self::InstallProgram(copy) => digests(copy),
            Self::WriteUnits(change) => units(change),
            Self::Pull { platform, .. } => platform.clone().unwrap_or_default(),
            Self::Build(build) => build.context.display().to_string(),
            Self::AwaitCompleted { .. } => "until it has ended".into(),
            Self::Seed { mounts, .. } if mounts.is_empty() => "of the engine".into(),
            Self::Seed { mounts, .. } => {
                let paths = mounts.iter().map(|m| m.target.display().to_string());
                paths.collect::<Vec<_>>().join(" ")
            }
            Self::WriteNames { hosts, .. } | Self::WriteHostNames { hosts } => names(hosts),
            Self::Setup {
                provisions,
                commands,
                post_start,
                ..
            } => setup(provisions, commands, post_start),
            Self::Publish { add, remove } => rules(add, remove),
            Self::Stop { aside: true, .. } => "the older self".into(),
            Self::Destroy { aside: true, .. } => "the older self".into(),
            Self::Destroy { kind, .. } => match kind {
                Kind::System => "with its root file system".into(),
                Kind::Application => "with what it wrote inside".into(),
            },
            Self::SaveRecord(_)
            | Self::ForgetProject(_)
            | Self::RemoveWreck { .. }
            | Self::BringBack { .. }
            | Self::Configure(_)
            | Self::Start { .. }
            | Self::AwaitHealthy { .. }
            | Self::Stop { aside: false, .. }
            | Self::Freeze { .. }
            | Self::Unfreeze { .. }
            | Self::SetAside { .. }
            | Self::EndJob { .. }
            | Self::RemoveVolume { .. } => String::new(),
        }
    }
}

/// What is special about a network's rules.
fn manner(rules: &NetworkRules) -> String {
    let words = [(rules.isolate, "isolated"), (rules.internal, "internal")];
    let words = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word);
    words.collect::<Vec<_>>().join(" ")
}

/// Which program it is, and which it was: so many digits tell two apart.
fn digests(copy: &ProgramCopy) -> String {
    let short = |digest: &str| digest.chars().take(12).collect::<String>();
    let new = short(&copy.digest);
    match &copy.before {
        None => format!("sha256 {new}"),
        Some(before) => format!("sha256 {} → {new}", short(before)),
    }
}

/// How many services there will be, and who starts at boot.
fn units(change: &UnitsChange) -> String {
    let services = count(change.units.services.len(), "service");
    let enabled: Vec<&str> = change.enabled.iter().map(Name::as_str).collect();
    match enabled.is_empty() {
        true => services,
        false => format!("{services}, at boot {}", enabled.join(" ")),
    }
}

/// What a container is furnished with, and how many commands run in it.
fn setup(provisions: &[Provision], commands: &[InnerCommand], post_start: &[Hook]) -> String {
    let wishes = provisions.iter().map(Provision::to_string);
    let own = (!commands.is_empty()).then(|| count(commands.len(), "command"));
    let last = (!post_start.is_empty()).then(|| HookAt::PostStart.to_string());
    wishes.chain(own).chain(last).collect::<Vec<_>>().join(", ")
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

fn nets(subnets: &Subnets) -> String {
    let nets: Vec<String> = subnets.each().map(|net| net.to_string()).collect();
    nets.join(" ")
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_manual_names_all_actions() {
        let verbs = include_str!("words.rs").split("fn verb(").nth(1).unwrap();
        let verbs = verbs.split("\n    }\n").next().unwrap();
        // The sign and two words of each, of which the second is the action.
        let words = verbs.split('"').skip(1).step_by(2);
        let mut known: Vec<&str> = words.skip(1).step_by(2).collect();
        known.sort();
        known.dedup();
        let page = include_str!("../../docs/plan.md");
        let told = page.split("Actions: `").nth(1).unwrap();
        let mut told: Vec<&str> = told.split('`').next().unwrap().split_whitespace().collect();
        told.sort();
        assert_eq!(known, told);
    }
}
