//! YAML that has no schema, as JSON: lists of nodes that others write.
//!
//! A plain whole number is a number, everything else is text; what it should be is said where it is read.

use serde_json::{Map, Value};

use super::yaml::{self, Kind, Node};

/// The content of a text, `null` if it has none, or the first thing that is wrong with it.
pub(crate) fn untyped(text: &str) -> Result<Value, String> {
    let (root, errors) = yaml::parse(0, text);
    if let Some(error) = errors.first() {
        let (line, column) = (error.place.line, error.place.column);
        return Err(format!("{line}:{column}: {}", error.message));
    }
    Ok(root.as_ref().map_or(Value::Null, value))
}

fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar { text, plain: true } => {
            let number = text.parse::<u64>().ok().filter(|number| number.to_string() == *text);
            number.map_or_else(|| text.as_str().into(), Value::from)
        }
        Kind::Scalar { text, plain: false } => text.as_str().into(),
        Kind::List(items) => items.iter().map(value).collect(),
        Kind::Map(entries) => {
            let entry = |entry: &yaml::Entry| (entry.key.clone(), value(&entry.value));
            entries.iter().map(entry).collect::<Map<_, _>>().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_are_read_alike() {
        let yaml =
            "- 10.0.0.1:80\n- address: h:1\n  weight: 3\n  labels: { version: 1.10, n: '7' }\n";
        let json =
            r#"["10.0.0.1:80",{"address":"h:1","weight":3,"labels":{"version":"1.10","n":"7"}}]"#;
        let expected: Value = serde_json::from_str(json).expect("JSON");
        assert_eq!(untyped(yaml), Ok(expected.clone()));
        assert_eq!(untyped(json), Ok(expected));
        assert_eq!(untyped("# nothing\n"), Ok(Value::Null));
        assert!(untyped("- [").expect_err("not whole").contains(':'));
    }
}
