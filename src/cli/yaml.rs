//! Replies as YAML: what JSON can say, one value a line.
//!
//! Strings are always written as JSON strings, which are YAML 1.2 double-quoted scalars; so no word
//! can turn into a number, a boolean or a second key, and control characters are escaped.

use serde_json::Value;

use crate::model::shown_quoted;

/// `value` as a YAML document.
pub fn to_string(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                indent(depth, text);
                text.push_str("- ");
                inline(item, depth + 1, text);
            }
        }
        Value::Object(map) if !map.is_empty() => {
            for (key, item) in map {
                indent(depth, text);
                entry(key, item, depth, text);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            indent(depth, text);
            scalar(value, text);
        }
    }
}

/// An item behind its dash: a map begins on the same line.
fn inline(item: &Value, depth: usize, text: &mut String) {
    match item {
        Value::Object(map) if !map.is_empty() => {
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    indent(depth, text);
                }
                entry(key, value, depth, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            write(item, depth, text);
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => scalar(item, text),
    }
}

fn entry(key: &str, value: &Value, depth: usize, text: &mut String) {
    let plain = key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if plain && !key.is_empty() && !matches!(key, "null" | "true" | "false") {
        text.push_str(key);
    } else {
        text.push_str(&shown_quoted(&Value::from(key).to_string()));
    }
    text.push(':');
    let nested = match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if nested {
        text.push('\n');
        write(value, depth + 1, text);
    } else {
        text.push(' ');
        scalar(value, text);
    }
}

/// JSON's scalars and empty collections are YAML's.
fn scalar(value: &Value, text: &mut String) {
    text.push_str(&shown_quoted(&value.to_string()));
    text.push('\n');
}

fn indent(depth: usize, text: &mut String) {
    text.push_str(&"  ".repeat(depth));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_of_rows_reads_well() {
        let rows = json!([
            {"name": "web", "defined": true, "fqdn": null, "ports": ["80:80/tcp"], "ips": []},
            {"name": "no", "defined": false},
        ]);
        assert_eq!(
            to_string(&rows),
            "- name: \"web\"\n  defined: true\n  fqdn: null\n  ports:\n    - \"80:80/tcp\"\n  ips: []\n\
             - name: \"no\"\n  defined: false\n"
        );
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for value in [
            json!([]),
            json!("a: b\n- c\u{7}\u{202e}"),
            json!({"a b": [[1, 2], [{"x": "yes"}], []], "n": -1.5, "null": {}}),
            json!([{"deep": {"deeper": ["#", "'", "\""]}}]),
        ] {
            let text = to_string(&value);
            let back: Value = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(back, value, "{text}");
        }
    }
}
