//! `port`: port rules by hand, beside those of the file.

use std::str::FromStr;

use clap::{Args, Subcommand};

use crate::cli::error::CliError;
use crate::cli::flags::{ListFormat, Names};
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::cli::{change, yaml};
use crate::job::{self, Goal, PortCheckRow, PortResult, PortRow};
use crate::model::Port as Rule;

const EXAMPLES: &str = "\
Examples:
  locker port add web 8080:80
  locker port add dns 192.168.2.1:53:53/udp
  locker port rm web 8080
  locker port list
  locker port check web
";

/// Add, remove, list and check port rules
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Port {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Publish a port of a container; it stays until it is removed by hand
    Add {
        /// The container
        name: String,
        /// `[HOST_IP:]HOST_PORT:CONTAINER_PORT[/tcp|/udp]`, as in the file
        rule: String,
    },
    /// Take out a rule of a container
    Rm {
        /// The container
        name: String,
        /// The rule, or only its host port: `8080`, `53/udp`
        rule: String,
    },
    /// List the rules, those of the file and those added by hand
    List {
        #[command(flatten)]
        names: Names,
        /// The form of the list
        #[arg(long, value_name = "FORM", default_value = "table", value_enum)]
        format: ListFormat,
    },
    /// Probe each published port by each road, and name who drops the packet where one does not answer
    Check {
        #[command(flatten)]
        names: Names,
        /// The form of the list
        #[arg(long, value_name = "FORM", default_value = "table", value_enum)]
        format: ListFormat,
    },
}

impl Port {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        match self.verb {
            Verb::Add { name, rule } => {
                let goal = Goal::PortAdd(parse(&rule, &rule)?);
                let request = change::request("port add", goal, &[name], global);
                change::run(&request, global, ui, false)
            }
            Verb::Rm { name, rule } => {
                let goal = Goal::PortRemove(parse(&rule, &whole(&rule))?);
                let request = change::request("port rm", goal, &[name], global);
                change::run(&request, global, ui, false)
            }
            Verb::List { names, format } => {
                let setting = global.setting()?;
                let rows = change::block_on(job::ports(&setting, &names.names))??;
                print(&rows, format, ui)?;
                Ok(0)
            }
            Verb::Check { names, format } => {
                let setting = global.setting()?;
                let rows = change::block_on(job::port_check(&setting, &names.names))??;
                print_check(&rows, format, ui)?;
                Ok(u8::from(!rows.iter().all(|row| row.result.is_fine())))
            }
        }
    }
}

fn parse(typed: &str, rule: &str) -> Result<Rule, CliError> {
    rule.parse()
        .map_err(|reason: <Rule as FromStr>::Err| CliError::Value {
            value: typed.into(),
            what: "port rule",
            reason: reason.to_string(),
        })
}

/// A host port alone is made a rule: which port of the container it leads to does not matter.
fn whole(rule: &str) -> String {
    let (ports, protocol) = match rule.split_once('/') {
        Some((ports, protocol)) => (ports, format!("/{protocol}")),
        None => (rule, String::new()),
    };
    if !ports.is_empty() && ports.chars().all(|c| c.is_ascii_digit() || c == '-') {
        format!("{ports}:{ports}{protocol}")
    } else {
        rule.into()
    }
}

fn print(rows: &[PortRow], format: ListFormat, ui: &Ui) -> Result<(), CliError> {
    match format {
        ListFormat::Json => ui.data_json(&rows),
        ListFormat::Yaml => {
            let value = serde_json::to_value(rows).map_err(|source| CliError::Json { source })?;
            ui.data(&yaml::to_string(&value))
        }
        ListFormat::Table => {
            let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_string();
            let lines = rows.iter().map(|row| {
                vec![
                    row.name.to_string(),
                    row.rule.clone(),
                    yes_no(row.active),
                    yes_no(row.defined),
                ]
            });
            let table =
                crate::cli::table::text(&["Name", "Rule", "Active", "In file"], lines, ui.width());
            ui.data(&table)
        }
    }
}

fn print_check(rows: &[PortCheckRow], format: ListFormat, ui: &Ui) -> Result<(), CliError> {
    match format {
        ListFormat::Json => ui.data_json(&rows),
        ListFormat::Yaml => {
            let value = serde_json::to_value(rows).map_err(|source| CliError::Json { source })?;
            ui.data(&yaml::to_string(&value))
        }
        ListFormat::Table => {
            let lines = rows.iter().map(|row| {
                let why = [&row.reason, &row.help].map(|text| text.as_deref());
                let why: Vec<&str> = why.into_iter().flatten().collect();
                vec![
                    row.name.to_string(),
                    row.rule.clone(),
                    row.from.clone(),
                    row.to.clone(),
                    word(row.result).to_string(),
                    why.join("; "),
                ]
            });
            let header = ["Name", "Rule", "From", "To", "Result", "Why"];
            ui.data(&crate::cli::table::text(&header, lines, ui.width()))
        }
    }
}

fn word(result: PortResult) -> &'static str {
    match result {
        PortResult::Answers => "answers",
        PortResult::Delivered => "delivered",
        PortResult::Refused => "refused",
        PortResult::Silent => "silent",
        PortResult::Dropped => "dropped",
        PortResult::Lost => "lost",
        PortResult::NotInPlace => "not in place",
        PortResult::NotRunning => "not running",
        PortResult::Skipped => "skipped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_port_alone_names_a_rule() {
        for (typed, rule) in [
            ("8080", "8080:8080"),
            ("53/udp", "53:53/udp"),
            ("9000-9100", "9000-9100:9000-9100"),
            ("8080:80", "8080:80"),
            ("[::1]:80:80/tcp", "[::1]:80:80/tcp"),
            ("", ""),
            ("web", "web"),
        ] {
            assert_eq!(whole(typed), rule, "{typed}");
        }
    }
}
