//! The table of `status`: which columns, what stands in a cell, and its colours.

use std::fmt::Write;
use std::time::SystemTime;

use clap::ValueEnum;
use colored::Colorize;

use super::{status_unit, table};
use crate::job::{State, StatusRow, UnitRow};

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Column {
    /// Whether the file defines it
    #[value(alias = "def.", alias = "defined")]
    Def,
    /// Its name in the file
    Name,
    /// Its name on the host
    Container,
    /// `lxc` or `docker`
    Type,
    /// The image it is made from
    Image,
    /// Its groups
    Group,
    /// Host name and domain
    Fqdn,
    /// absent, stopped or failed with its exit code, waiting for a caller, starting, restarting, running, frozen
    State,
    /// What its health check says
    Health,
    /// Addresses
    #[value(name = "ips", alias = "ip")]
    Ips,
    /// Rules in place, and ports that systemd holds for its callers
    Ports,
    /// Names of others that it knows
    Links,
    /// Processors it may use
    Cpus,
    /// Its share of the processors
    Shares,
    /// Memory as `top` counts it, and its limit, in MiB
    Memory,
    /// The most memory that it ever had, with all caches, in MiB
    Peak,
    /// The state of its service
    Unit,
    /// How often systemd has started it again by itself
    Restarts,
    /// For how long its service is in this state
    Since,
    /// Whether it starts with the host
    Boot,
}

/// The columns of plain `status`.
pub const USUAL: [Column; 8] = [
    Column::Def,
    Column::Name,
    Column::Type,
    Column::Fqdn,
    Column::State,
    Column::Health,
    Column::Ips,
    Column::Ports,
];

/// What `--extended` adds.
pub const EXTENDED: [Column; 8] = [
    Column::Unit,
    Column::Restarts,
    Column::Since,
    Column::Boot,
    Column::Links,
    Column::Cpus,
    Column::Shares,
    Column::Memory,
];

/// What the containers use.
pub const FIGURES: [Column; 4] = [Column::Cpus, Column::Shares, Column::Memory, Column::Peak];

/// What only systemd knows.
pub const UNIT: [Column; 3] = [Column::Unit, Column::Restarts, Column::Since];

/// The table, at most `width` columns wide where that is possible.
pub fn render(rows: &[StatusRow], columns: &[Column], width: Option<u16>) -> String {
    let header: Vec<&str> = columns.iter().map(|column| title(*column)).collect();
    let cells = |row| columns.iter().map(|column| cell(row, *column)).collect();
    paint(
        &table::text(&header, rows.iter().map(cells), width),
        columns,
    )
}

fn title(column: Column) -> &'static str {
    match column {
        Column::Def => "Def.",
        Column::Name => "Name",
        Column::Container => "Container",
        Column::Type => "Type",
        Column::Image => "Image",
        Column::Group => "Group",
        Column::Fqdn => "FQDN",
        Column::State => "State",
        Column::Health => "Health",
        Column::Ips => "IPs",
        Column::Ports => "Ports",
        Column::Links => "Links",
        Column::Cpus => "CPUs",
        Column::Shares => "Shares",
        Column::Memory => "Memory [MiB]",
        Column::Peak => "Peak [MiB]",
        Column::Unit => "Unit",
        Column::Restarts => "Restarts",
        Column::Since => "Since",
        Column::Boot => "Boot",
    }
}

fn cell(row: &StatusRow, column: Column) -> String {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let of_unit = |told: &dyn Fn(&UnitRow) -> Option<String>| {
        let told = row.unit.as_ref().and_then(told);
        told.unwrap_or_else(|| "-".into())
    };
    match column {
        Column::Def => yes(row.defined).into(),
        Column::Boot => yes(row.boot).into(),
        Column::Name => row.name.to_string(),
        Column::Container => row.container.clone(),
        Column::Type => row.r#type.into(),
        Column::Image => or_dash(&row.image),
        Column::Group => or_dash(&row.group),
        Column::Fqdn => or_dash(&row.fqdn),
        Column::State => state(row),
        Column::Health => or_dash(&row.health),
        Column::Ips => lines(row.ips.iter().map(ToString::to_string)),
        Column::Ports => lines(row.ports.iter().cloned()),
        Column::Links => lines(row.links.iter().cloned()),
        Column::Cpus => or_dash(&row.cpus),
        Column::Shares => or_dash(&row.shares),
        Column::Memory => memory(row),
        Column::Peak => or_dash(&row.memory_peak.map(mebibytes)),
        Column::Unit => of_unit(&|unit| Some(status_unit::unit(unit))),
        Column::Restarts => of_unit(&|unit| Some(unit.restarts.to_string())),
        Column::Since => of_unit(&|unit| Some(status_unit::ago(unit.since?, SystemTime::now()))),
    }
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn lines(items: impl Iterator<Item = String>) -> String {
    let text = items.collect::<Vec<_>>().join("\n");
    if text.is_empty() { "-".into() } else { text }
}

fn mebibytes(bytes: u64) -> String {
    (bytes >> 20).to_string()
}

fn memory(row: &StatusRow) -> String {
    match (row.memory, row.memory_limit) {
        (None, None) => "-".into(),
        (used, limit) => format!(
            "{}/{}",
            used.map_or_else(|| "-".into(), mebibytes),
            limit.map_or_else(|| "unlimited".into(), mebibytes)
        ),
    }
}

/// The state, with the exit code of what has ended.
fn state(row: &StatusRow) -> String {
    let word = status_unit::state_word(row).unwrap_or_else(|| state_word(row.state));
    match (row.state, row.exit_code) {
        (State::Stopped, Some(code)) if !["starting", "waiting"].contains(&word) => {
            format!("{word} ({code})")
        }
        _ => word.into(),
    }
}

/// The word of product.md's JSON.
fn state_word(state: State) -> &'static str {
    match state {
        State::Absent => "absent",
        State::Unknown => "unknown",
        State::Stopped => "stopped",
        State::Starting => "starting",
        State::Running => "running",
        State::Frozen => "frozen",
    }
}

/// Colours are laid on after the layout, which would count them as width.
fn paint(table: &str, columns: &[Column]) -> String {
    let mut text = String::new();
    let mut header: Option<Option<usize>> = None;
    for line in table.lines() {
        let column = *header.get_or_insert_with(|| {
            columns
                .contains(&Column::State)
                .then(|| line.find("State"))
                .flatten()
        });
        // A String takes every write.
        let _ = match column.and_then(|at| split_state(line, at)) {
            Some((before, word, after)) => writeln!(text, "{before}{}{after}", coloured(word)),
            None => writeln!(text, "{line}"),
        };
    }
    text
}

/// Splits a line around the state word that begins at byte `at`, if one does.
fn split_state(line: &str, at: usize) -> Option<(&str, &str, &str)> {
    let (before, rest) = (line.get(..at)?, line.get(at..)?);
    let states = [
        State::Absent,
        State::Unknown,
        State::Stopped,
        State::Starting,
        State::Running,
        State::Frozen,
    ];
    let words = states.into_iter().map(state_word);
    let mut words = words.chain(["failed", "restarting", "waiting"]);
    let word = words.find(|word| rest.starts_with(word))?;
    Some((before, word, &rest[word.len()..]))
}

fn coloured(word: &str) -> colored::ColoredString {
    match word {
        "running" => word.green(),
        "stopped" | "failed" => word.red(),
        "frozen" => word.cyan(),
        "starting" | "restarting" | "waiting" => word.yellow(),
        _ => word.dimmed(),
    }
}

#[cfg(test)]
#[path = "status_table_tests.rs"]
pub(super) mod tests;
