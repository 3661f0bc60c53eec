//! Listing port rules: those of the file, those added by hand, and those in place.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Name, Port};

use super::select::select;
use super::{JobError, Setting, road};

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortRow {
    /// Short name of the container.
    pub name: Name,
    /// The rule as in the file.
    pub rule: String,
    /// Whether it is in the kernel.
    pub active: bool,
    /// Whether the file has it; a rule added by hand is not in the file.
    pub defined: bool,
}

/// The rules of the selected containers, by container and in the order of file, record and kernel.
pub async fn ports(setting: &Setting, names: &[String]) -> Result<Vec<PortRow>, JobError> {
    let opened = road::open(setting, "port list").await?;
    let observed = opened.host.observe(&opened.project, None).await?;
    let selection = select(&opened.project, &observed, names)?;
    let mut rules: BTreeMap<Name, Rules> = BTreeMap::new();
    for (name, container) in &opened.project.containers {
        let rules = rules.entry(name.clone()).or_default();
        for (port, _) in &container.ports {
            rules.get(port).defined = true;
        }
    }
    if let Some(record) = &observed.record {
        for (name, ports) in &record.added_ports {
            let rules = rules.entry(name.clone()).or_default();
            for port in ports {
                rules.get(port);
            }
        }
    }
    for rule in &observed.firewall.rules {
        if rule.project == opened.project.name {
            let rules = rules.entry(rule.container.clone()).or_default();
            rules.activate(&rule.port);
        }
    }
    let selected = |name: &Name| selection.as_ref().is_none_or(|some| some.contains(name));
    let rows = rules
        .into_iter()
        .filter(|(name, _)| selected(name))
        .flat_map(|(name, rules)| rules.rows(name));
    Ok(rows.collect())
}

#[derive(Default)]
struct Rules(Vec<(Port, Flags)>);

#[derive(Clone, Copy, Default)]
struct Flags {
    active: bool,
    defined: bool,
}

impl Rules {
    fn get(&mut self, port: &Port) -> &mut Flags {
        let at = match self.0.iter().position(|(known, _)| known == port) {
            Some(at) => at,
            None => {
                self.0.push((port.clone(), Flags::default()));
                self.0.len() - 1
            }
        };
        &mut self.0[at].1
    }

    /// A rule in the kernel; one with a picked host port belongs to the wish for any port.
    fn activate(&mut self, port: &Port) {
        let wish = self.0.iter_mut().find(|(wish, flags)| {
            !flags.active
                && wish.host.first == 0
                && wish.container == port.container
                && wish.protocol == port.protocol
                && wish.host_ip == port.host_ip
        });
        match wish {
            Some((wish, flags)) => {
                *wish = port.clone();
                flags.active = true;
            }
            None => self.get(port).active = true,
        }
    }

    fn rows(self, name: Name) -> impl Iterator<Item = PortRow> {
        self.0.into_iter().map(move |(port, flags)| PortRow {
            name: name.clone(),
            rule: port.to_string(),
            active: flags.active,
            defined: flags.defined,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PortRange, Protocol};

    fn port(host: u16, container: u16) -> Port {
        Port {
            host_ip: None,
            host: PortRange::single(host),
            container: PortRange::single(container),
            protocol: Protocol::Tcp,
            allow: Vec::new(),
        }
    }

    #[test]
    fn a_picked_port_is_shown_as_the_rule_that_asked_for_it() {
        let mut rules = Rules::default();
        rules.get(&port(0, 80)).defined = true;
        rules.get(&port(8080, 81)).defined = true;
        rules.activate(&port(49_152, 80));
        rules.activate(&port(9000, 90));
        let rows: Vec<PortRow> = rules.rows(Name::new("web").unwrap()).collect();
        let seen: Vec<_> = rows
            .iter()
            .map(|row| (row.rule.as_str(), row.active, row.defined))
            .collect();
        assert_eq!(
            seen,
            [
                ("49152:80/tcp", true, true),
                ("8080:81/tcp", false, true),
                ("9000:90/tcp", true, false)
            ]
        );
    }
}
