//! What a project is called.

use super::desk::{Desk, Scope};
use super::diagnostic::{Diagnostic, Severity};
use super::tree::{Node, Spot};
use crate::model::{Name, Place};

/// `-p`, else `name`, else the directory's name made fit.
pub(super) fn project_name(
    desk: &Desk<'_>,
    given: Option<&str>,
    top: Option<&Node>,
    root: Spot,
) -> Option<Name> {
    if let Some(given) = given {
        return match Name::new(given) {
            Ok(name) => Some(name),
            Err(error) => {
                let message = format!("the project cannot be called so: {error}");
                desk.push(Diagnostic::at(Severity::Error, message, Place::nowhere()));
                None
            }
        };
    }
    match top.and_then(|top| top.get("name")) {
        Some(entry) => {
            let text = desk.text(&entry.value, Scope::Project, "name")?;
            desk.check(entry.value.spot, Name::new(&text))
        }
        None => directory_name(desk, root),
    }
}

fn directory_name(desk: &Desk<'_>, root: Spot) -> Option<Name> {
    let last = desk.directory.file_name().unwrap_or_default();
    let directory = last.to_string_lossy();
    let name = Name::of_directory(&directory).ok();
    if name.is_none() {
        desk.error_help(
            root,
            format!("the project has no name, and the directory's, `{directory}`, cannot be one"),
            "write `name: NAME` at the top of the file, or use `-p NAME`",
        );
    }
    name
}
