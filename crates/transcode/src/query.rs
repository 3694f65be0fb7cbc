//! Parameters of a query, which become the fields that neither the path nor the body has.

use std::fmt;

use prost_reflect::Value;

use crate::binding::{Binding, Body};
use crate::failure::Failure;
use crate::fields::{self, FieldPath, PathFault};
use crate::options::{Options, Unknown};
use crate::percent::{self, Decoding};

/// A field and what it is set to.
#[derive(Clone)]
pub(crate) struct Assignment {
    pub(crate) field: FieldPath,
    pub(crate) value: Value,
}

// === impl Assignment ===

/// Without the value: it is the caller's, and need not have an end as text.
impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.field.fmt(f)
    }
}

/// What the parameters of a query set.
pub(crate) fn assignments(
    binding: &Binding,
    query: &str,
    options: &Options,
) -> Result<Vec<Assignment>, Failure> {
    let mut assignments: Vec<Assignment> = Vec::new();
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    for (number, parameter) in parameters.enumerate() {
        if number >= options.limits.query_parameters_max {
            return Err(Failure::wrong(format!("more than {number} query parameters")));
        }
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let name = decoded(name, name)?;
        match resolve(binding, &name) {
            Ok(field) => add(&mut assignments, field, &name, &decoded(value, &name)?)?,
            Err(_) if options.unknown_query == Unknown::Ignore => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(assignments)
}

fn decoded(text: &str, name: &str) -> Result<String, Failure> {
    percent::decode(text.as_bytes(), Decoding::Query)
        .map_err(|fault| Failure::wrong(format!("query parameter {name}: {}", fault.text())))
}

/// The field of a parameter, if the query may set it.
fn resolve(binding: &Binding, name: &str) -> Result<FieldPath, Failure> {
    let wrong = |fault: &str| Err(Failure::wrong(format!("query parameter {name}: {fault}")));
    let field = match FieldPath::resolve(&binding.method.input(), name) {
        Ok(field) => field,
        Err(PathFault::NoField { message, field }) => {
            return wrong(&format!("{message} has no field {field}"));
        }
        Err(PathFault::NoMessage(field)) => {
            return wrong(&format!("{field} is no single message to look into"));
        }
    };
    if binding.variables.iter().any(|bound| bound.field == field) {
        return wrong("the path has it");
    }
    match &binding.body {
        Body::Whole => return wrong("the body has all fields that the path has not"),
        Body::Field(body) if field.is_within(body) => return wrong("the body has it"),
        Body::Field(_) | Body::None => {}
    }
    if !fields::is_text(field.field()) {
        return wrong("a message or a map can not be a parameter");
    }
    Ok(field)
}

fn add(
    assignments: &mut Vec<Assignment>,
    field: FieldPath,
    name: &str,
    text: &str,
) -> Result<(), Failure> {
    let value = fields::parse(field.field(), text)
        .map_err(|fault| Failure::wrong(format!("query parameter {name}: {fault}")))?;
    let before = assignments.iter_mut().find(|assignment| assignment.field == field);
    match before.map(|assignment| &mut assignment.value) {
        Some(Value::List(values)) => values.push(value),
        Some(_) => return Err(Failure::wrong(format!("query parameter {name} is there twice"))),
        None => {
            let value = if field.field().is_list() { Value::List(vec![value]) } else { value };
            assignments.push(Assignment { field, value });
        }
    }
    Ok(())
}
