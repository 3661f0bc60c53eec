//! A list in the form that was asked for.

use serde::Serialize;

use super::error::CliError;
use super::flags::ListFormat;
use super::ui::Ui;
use super::yaml;

/// Prints `rows` as JSON, as YAML, or as what `table` makes of them.
pub fn print<T: Serialize>(
    rows: &[T],
    format: ListFormat,
    ui: &Ui,
    table: impl FnOnce(&[T]) -> String,
) -> Result<(), CliError> {
    match format {
        ListFormat::Json => ui.data_json(&rows),
        ListFormat::Yaml => {
            let value = serde_json::to_value(rows).map_err(|source| CliError::Json { source })?;
            ui.data(&yaml::to_string(&value))
        }
        ListFormat::Table => ui.data(&table(rows)),
    }
}
