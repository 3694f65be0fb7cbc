//! Lists from the admin listener as columns.

use serde_json::Value;

/// Columns of a list of objects: heading and where the value is, written `a/b` for a field of a field.
pub(crate) type Columns = &'static [(&'static str, &'static str)];

/// The list with a heading; each column as wide as its widest value.
pub(crate) fn render(list: &Value, columns: Columns) -> String {
    let mut rows =
        vec![columns.iter().map(|(heading, _)| (*heading).to_owned()).collect::<Vec<_>>()];
    for item in list.as_array().into_iter().flatten() {
        rows.push(columns.iter().map(|(_, path)| text(item, path)).collect());
    }
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths = (0..columns.len()).map(width).collect::<Vec<_>>();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

fn text(item: &Value, path: &str) -> String {
    let value = path.split('/').fold(item, |value, name| &value[name]);
    match value {
        Value::Null => "-".to_owned(),
        // Control characters, as a job id may hold them, would drive the terminal.
        Value::String(text) => text.escape_debug().to_string(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.1}", number.as_f64().unwrap_or_default())
        }
        Value::Array(all) => all.len().to_string(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_value() {
        let list = json!([
            { "a": "x", "b": { "c": 1.25 }, "d": [1, 2] },
            { "a": "longer\u{1b}", "b": { "c": null }, "d": [] },
        ]);
        let table = render(&list, &[("A", "a"), ("BC", "b/c"), ("D", "d")]);
        let lines = ["A             BC   D", "x             1.2  2", "longer\\u{1b}  -    0"];
        assert_eq!(table.lines().collect::<Vec<_>>(), lines);
    }
}
