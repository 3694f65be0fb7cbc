//! The configuration in effect, as YAML: defaults filled in, secrets masked.
//!
//! Reading the dump gives the same configuration again, but for the secrets.

use std::fmt::Write as _;

use serde_json::Value;

use super::Config;

/// The configuration in effect, as YAML.
pub fn dump(config: &Config) -> String {
    let value = serde_json::to_value(config).expect("a configuration is plain JSON");
    let mut out = String::new();
    block(&mut out, &value, 0);
    out
}

/// Writes the inside of a list or map, one entry on a line; `out` is at the start of a line.
fn block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let _ = write!(out, "{:indent$}{}:", "", text(key));
                after_key(out, value, indent);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut inner = String::new();
                if is_block(item) {
                    block(&mut inner, item, indent + 2);
                } else {
                    let _ = writeln!(inner, "{:1$}{2}", "", indent + 2, scalar(item));
                }
                let _ = write!(out, "{:indent$}- {}", "", &inner[indent + 2..]);
            }
        }
        _ => {
            let _ = writeln!(out, "{:indent$}{}", "", scalar(value));
        }
    }
}

fn after_key(out: &mut String, value: &Value, indent: usize) {
    if is_block(value) {
        out.push('\n');
        block(out, value, indent + 2);
    } else {
        let _ = writeln!(out, " {}", scalar(value));
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(object) => !object.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(string) => text(&string.replace("${", "$${")),
        other => other.to_string(),
    }
}

/// The text plain where every reader of YAML takes it as text, else in quotes.
fn text(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || "_./-:".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    let lower = text.to_ascii_lowercase();
    let other = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"].contains(&&*lower)
        || text.parse::<f64>().is_ok()
        || ["0x", "0o", "0b"].iter().any(|prefix| lower.starts_with(prefix))
        || text.chars().all(|c| c.is_ascii_digit() || "_:-.".contains(c)) && !text.contains('.');
    if begins && !other && text.chars().all(word) && !text.ends_with(':') {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_could_be_something_else_is_quoted() {
        for plain in ["a", "10s", "64KiB", "/tmp/a-b.pem", "10.0.0.1:80", "h:1", "H2c"] {
            assert_eq!(text(plain), plain);
        }
        for quoted in [
            "", "1", "1.5", "1e3", "no", "True", "null", "0x1f", "a b", "a:", "{key}", "*.a", "1:2",
        ] {
            assert_eq!(text(quoted), format!("{quoted:?}"));
        }
    }

    #[test]
    fn lists_and_maps_are_nested_by_indentation() {
        let value = serde_json::json!({
            "a": [{"b": 1, "c": [2, "x"]}, []], "d": {}, "e": {"f": true}
        });
        let mut out = String::new();
        block(&mut out, &value, 0);
        assert_eq!(
            out,
            "a:\n  - b: 1\n    c:\n      - 2\n      - x\n  - []\nd: {}\ne:\n  f: true\n"
        );
    }
}
