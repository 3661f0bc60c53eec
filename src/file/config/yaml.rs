//! YAML in block style from a value.

use serde_json::Value;

use crate::model::turns_text;

/// Writes a value in block style, two blanks for each level.
pub(super) fn yaml(out: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                out.push_str(&indent);
                out.push_str(&word(key));
                out.push(':');
                below(out, value, depth);
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&indent);
                out.push('-');
                below(out, item, depth);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&leaf(value));
        }
    }
}

fn below(out: &mut String, value: &Value, depth: usize) {
    let block = match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if block {
        out.push('\n');
        yaml(out, value, depth + 1);
    } else {
        out.push(' ');
        out.push_str(&leaf(value));
        out.push('\n');
    }
}

fn leaf(value: &Value) -> String {
    match value {
        Value::String(text) => word(text),
        other => other.to_string(),
    }
}

/// A plain word where YAML can take it for nothing else, else a quoted text.
pub(in crate::file) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let starts = |c: char| c.is_ascii_alphabetic() || c == '/';
    if text.starts_with(starts)
        && text.chars().all(plain)
        && !reserved.contains(&text.to_ascii_lowercase().as_str())
    {
        return text.into();
    }
    let quoted = Value::String(text.into()).to_string();
    // What YAML calls not printable must be escaped there, and need not be in JSON.
    let mut safe = String::with_capacity(quoted.len());
    for c in quoted.chars() {
        let code = u32::from(c);
        if (0x7f..=0x9f).contains(&code)
            || turns_text(c)
            || matches!(code, 0x2028 | 0x2029 | 0xfeff | 0xfffe | 0xffff)
        {
            safe.push_str(&format!("\\u{code:04x}"));
        } else {
            safe.push(c);
        }
    }
    safe
}
