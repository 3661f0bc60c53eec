//! `images`: what application containers are made from.

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::flags::{ListFormat, Names};
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::cli::{change, list, size, table};
use crate::job::{self, ImageRow};

/// As many digits of an id as `docker images` shows.
const SHORT: usize = 12;

const EXAMPLES: &str = "\
Examples:
  locker images
  locker images --format json
";

/// List the images of application containers, with the ones that the host has
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Images {
    #[command(flatten)]
    names: Names,
    /// The form of the list
    #[arg(long, value_name = "FORM", default_value = "table", value_enum)]
    format: ListFormat,
}

impl Images {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let names = &self.names.names;
        let rows = change::block_on(job::images(&global.setting_for(names)?, names))??;
        list::print(&rows, self.format, ui, |rows| {
            let header = ["Name", "Image", "Id", "Size", "Created", "In use"];
            table::text(&header, rows.iter().map(cells), ui.width())
        })?;
        Ok(0)
    }
}

fn cells(row: &ImageRow) -> Vec<String> {
    let dash = || "-".to_string();
    let in_use = match (&row.used, &row.id) {
        (None, _) => dash(),
        (Some(used), Some(id)) if used == id => "yes".into(),
        (Some(used), _) => format!("an older one, {}", short(used)),
    };
    vec![
        row.name.to_string(),
        row.image.clone(),
        row.id.as_deref().map_or_else(|| "missing".into(), short),
        row.size.map_or_else(dash, size::bytes),
        row.created.as_deref().map_or_else(dash, day_and_time),
        in_use,
    ]
}

/// `sha256:` and most of the digits say nothing to people.
fn short(id: &str) -> String {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    digits.chars().take(SHORT).collect()
}

/// `2026-01-31 12:00` of an RFC 3339 time.
fn day_and_time(text: &str) -> String {
    text.chars().take(16).collect::<String>().replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;

    #[test]
    fn a_container_of_an_older_image_is_told_apart() {
        let mut row = ImageRow {
            name: Name::new("web").unwrap(),
            image: "nginx".into(),
            id: Some("sha256:0123456789abcdef".into()),
            size: Some(2048),
            created: Some("2026-01-31T12:00:59.123Z".into()),
            used: Some("sha256:0123456789abcdef".into()),
        };
        let expected = [
            "web",
            "nginx",
            "0123456789ab",
            "2.0 KiB",
            "2026-01-31 12:00",
            "yes",
        ];
        assert_eq!(cells(&row), expected);
        row.used = Some("sha256:fedcba9876543210".into());
        assert_eq!(cells(&row)[5], "an older one, fedcba987654");
        row.id = None;
        assert_eq!(cells(&row)[2], "missing");
    }
}
