//! `${NAME}` and `${NAME:-default}` inside scalars.
//!
//! Expanded once, before the text is read as what its key wants: a value can not bring in another
//! variable. `$${` stands for a literal `${`; a lone `$` means itself, so that patterns need no
//! escape.

/// Where variables come from.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The text with every variable replaced; `None`: there is none in it.
pub(crate) fn expand(text: &str, environment: Environment<'_>) -> Result<Option<String>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(literal) = rest[..at].strip_suffix('$') {
            out.push_str(literal);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let (inner, after) = rest[at + 2..].split_once('}').ok_or("\"${\" has no closing \"}\"")?;
        out.push_str(&variable(inner, environment)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(Some(out))
}

fn variable(inner: &str, environment: Environment<'_>) -> Result<String, String> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!("{name:?} is not the name of an environment variable"));
    }
    // As in a shell, `:-` also replaces a variable that is set to nothing.
    match (environment(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!(
            "the environment variable {name} is not set (${{{name}:-default}} gives a default)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<Option<String>, String> {
        expand(text, &|name| match name {
            "HOST" => Some("10.0.0.1".into()),
            "NESTED" => Some("${HOST}".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_are_replaced_once() {
        assert_eq!(run("plain"), Ok(None));
        assert_eq!(run("^/a$"), Ok(None));
        assert_eq!(run("${HOST}:${PORT:-80}"), Ok(Some("10.0.0.1:80".into())));
        assert_eq!(run("${NESTED}"), Ok(Some("${HOST}".into())));
        assert_eq!(run("$${HOST} ${HOST}"), Ok(Some("${HOST} 10.0.0.1".into())));
        assert_eq!(run("<${EMPTY}>${EMPTY:-x}"), Ok(Some("<>x".into())));
    }

    #[test]
    fn what_can_not_be_replaced_says_why() {
        assert_eq!(
            run("${GONE}"),
            Err("the environment variable GONE is not set (${GONE:-default} gives a default)"
                .into())
        );
        assert_eq!(run("${HOST"), Err("\"${\" has no closing \"}\"".into()));
        assert_eq!(run("${a b}"), Err("\"a b\" is not the name of an environment variable".into()));
    }
}
