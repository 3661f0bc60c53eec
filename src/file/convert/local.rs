//! What comes from a further file as if it stood in the project's own: its relative paths are
//! written relative to the project's directory, and variables that only it sees are put in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::layout::Layout;
use super::super::tree::{Node, Spot};
use super::{Notes, map_texts};

/// The tree in which every value means the same in the project's own file.
pub(super) fn localise(notes: &mut Notes<'_, '_>, root: Node, layout: Layout) -> Node {
    let desk = notes.desk;
    let first = desk.origins.numbered(0);
    let mut told: Vec<u16> = Vec::new();
    let mut strange: Vec<Spot> = Vec::new();
    let root = map_texts(root, &mut Vec::new(), &mut |path, text, spot| {
        let origin = desk.origins.of(spot);
        let mut changed: Option<String> = None;
        if !Arc::ptr_eq(&origin.variables, &first.variables) && text.contains('$') {
            if !told.contains(&spot.file) {
                told.push(spot.file);
                strange.push(spot);
            }
            changed = Some(desk.peek(text, spot).replace('$', "$$"));
        }
        if origin.directory != first.directory {
            let now = changed.as_deref().unwrap_or(text);
            let moved = moved(path, now, layout, &origin.directory, &first.directory);
            changed = moved.or(changed);
        }
        changed
    });
    for spot in strange {
        let file = desk.origins.of(spot).shown;
        let message = format!(
            "`{}` sees variables of its own; their present values are put in",
            file.display()
        );
        notes.lost(spot, message, None);
    }
    root
}

/// The relative path in a value as seen from the other directory; none where there is no path.
fn moved(path: &[String], text: &str, layout: Layout, from: &Path, to: &Path) -> Option<String> {
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    let relative = text.starts_with('.');
    match keys.as_slice() {
        [section, _, body @ ..] if *section == layout.section() => match body {
            ["volumes"] if relative => {
                let (source, rest) = text.split_once(':')?;
                Some(format!("{}:{rest}", shift(source, from, to)))
            }
            ["volumes", "source" | "host"]
            | ["build", "additional_contexts", _]
            | ["template"]
            | ["template", "name"]
                if relative =>
            {
                Some(shift(text, from, to))
            }
            ["env_file" | "label_file" | "rootfs"] | ["env_file", "path"] => file(text, from, to),
            ["build"] | ["build", "context"] if !text.contains("://") && !text.contains("git@") => {
                file(text, from, to)
            }
            _ => None,
        },
        ["secrets" | "configs", _, "file"] => file(text, from, to),
        _ => None,
    }
}

fn file(text: &str, from: &Path, to: &Path) -> Option<String> {
    let relative = !text.starts_with(['/', '~', '$']);
    relative.then(|| shift(text, from, to))
}

fn shift(text: &str, from: &Path, to: &Path) -> String {
    let mut whole = PathBuf::new();
    for part in from.join(text).components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                whole.pop();
            }
            other @ (std::path::Component::Prefix(_)
            | std::path::Component::RootDir
            | std::path::Component::Normal(_)) => whole.push(other),
        }
    }
    match whole.strip_prefix(to) {
        Ok(below) => format!("./{}", below.display()),
        Err(_) => whole.display().to_string(),
    }
}
