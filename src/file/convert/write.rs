//! A tree as YAML text, two blanks for each level.

use super::super::config::yaml::word;
use super::super::tree::{Entry, Kind, Node};

/// Appends the text of a map.
pub(super) fn write(out: &mut String, root: &Node) {
    value(out, root, 0);
}

fn value(out: &mut String, node: &Node, depth: usize) {
    match &node.kind {
        Kind::Mapping(entries) => {
            for entry in entries {
                indent(out, depth);
                pair(out, entry, depth);
            }
        }
        Kind::Sequence(items) => {
            for item in items {
                indent(out, depth);
                out.push('-');
                match &item.kind {
                    Kind::Mapping(entries) if !entries.is_empty() => {
                        for (index, entry) in entries.iter().enumerate() {
                            match index {
                                0 => out.push(' '),
                                _ => indent(out, depth + 1),
                            }
                            pair(out, entry, depth + 1);
                        }
                    }
                    Kind::Null | Kind::Scalar(_) | Kind::Sequence(_) | Kind::Mapping(_) => {
                        below(out, item, depth);
                    }
                }
            }
        }
        Kind::Null | Kind::Scalar(_) => {
            out.push_str(&leaf(node, depth));
            out.push('\n');
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    (0..depth).for_each(|_| out.push_str("  "));
}

fn pair(out: &mut String, entry: &Entry, depth: usize) {
    out.push_str(&word(&entry.key));
    out.push(':');
    below(out, &entry.value, depth);
}

/// A value behind its key or dash.
fn below(out: &mut String, node: &Node, depth: usize) {
    let block = match &node.kind {
        Kind::Sequence(items) => !items.is_empty(),
        Kind::Mapping(entries) => !entries.is_empty(),
        Kind::Null | Kind::Scalar(_) => false,
    };
    if block {
        out.push('\n');
        value(out, node, depth + 1);
        return;
    }
    let leaf = leaf(node, depth + 1);
    if !leaf.is_empty() {
        out.push(' ');
        out.push_str(&leaf);
    }
    out.push('\n');
}

fn leaf(node: &Node, depth: usize) -> String {
    match &node.kind {
        Kind::Null => String::new(),
        Kind::Sequence(_) => "[]".into(),
        Kind::Mapping(_) => "{}".into(),
        // What stood without quotes can stand so again: a block has fewer signs of its own than a
        // list in brackets.
        Kind::Scalar(text) if node.plain && !text.contains(['\n', '\r']) => text.clone(),
        Kind::Scalar(text) => literal(text, depth).unwrap_or_else(|| word(text)),
    }
}

/// A text of several lines as they are, where nothing in it must be escaped.
fn literal(text: &str, depth: usize) -> Option<String> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let printable = |c: char| c == '\n' || (' '..='~').contains(&c);
    let fits = body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n'])
        && body.chars().all(printable);
    if !fits {
        return None;
    }
    let sign = if body.len() == text.len() { "|-" } else { "|" };
    let mut out = String::from(sign);
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(&mut out, depth);
            out.push_str(line);
        }
    }
    Some(out)
}
