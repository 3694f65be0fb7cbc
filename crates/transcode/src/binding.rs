//! What a `google.api.http` rule means for a method, checked against its messages.
//!
//! Fields that the path binds, the body, and parameters of the query share the request: the path has its variables,
//! the body its field or all that the path leaves (`*`), and the query what is left then
//! (google/api/http.proto, "Rules for HTTP mapping").

use std::fmt;

use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor};

use crate::annotation::HttpRule;
use crate::fault::Wrong;
use crate::fields::{self, FieldPath, PathFault};
use crate::template::{Template, Variable};

/// The message that stands for content as it is.
pub(crate) const HTTP_BODY: &str = "google.api.HttpBody";

/// A method, and the requests that call it.
pub struct Binding {
    pub(crate) method: MethodDescriptor,
    pub(crate) grpc_path: String,
    pub(crate) http_method: String,
    pub(crate) path: String,
    pub(crate) template: Template,
    pub(crate) variables: Vec<BoundVariable>,
    pub(crate) body: Body,
    pub(crate) reply_field: Option<FieldDescriptor>,
}

/// A variable of the path with the field that it becomes.
#[derive(Debug)]
pub(crate) struct BoundVariable {
    pub(crate) variable: Variable,
    pub(crate) field: FieldPath,
}

/// What the body of a request becomes.
#[derive(Debug)]
pub(crate) enum Body {
    /// There is none.
    None,
    /// The message.
    Whole,
    /// A field.
    Field(FieldPath),
}

// === impl Binding ===

impl Binding {
    /// Reads a rule of the method's annotation.
    pub(crate) fn new(method: &MethodDescriptor, rule: &HttpRule) -> Result<Self, Vec<Wrong>> {
        let Some(pattern) = &rule.pattern else { return Err(vec![Wrong::NoPattern]) };
        let (http_method, path) = pattern.parts();
        let mut wrongs = Vec::new();
        if http_method != "*" && !is_token(http_method) {
            wrongs.push(Wrong::Method(http_method.to_owned()));
        }
        let template = Template::parse(path).map_err(|fault| {
            wrongs.push(Wrong::Template { path: path.to_owned(), fault });
        });
        let template = template.unwrap_or_default();
        let variables = variables(&method.input(), &template, &mut wrongs);
        let body = told(body(method, &rule.body), &mut wrongs);
        let reply_field = told(reply_field(method, &rule.response_body), &mut wrongs);
        match (body, reply_field) {
            (Some(body), Some(reply_field)) if wrongs.is_empty() => Ok(Self {
                grpc_path: grpc_path(method),
                method: method.clone(),
                http_method: http_method.to_owned(),
                path: path.to_owned(),
                template,
                variables,
                body,
                reply_field,
            }),
            _ => Err(wrongs),
        }
    }

    /// `POST /package.Service/Method` with the message as the body.
    pub(crate) fn by_default(method: &MethodDescriptor) -> Self {
        let path = grpc_path(method);
        Self {
            method: method.clone(),
            // Names of services and methods are identifiers.
            template: Template::parse(&path).unwrap_or_default(),
            grpc_path: path.clone(),
            http_method: "POST".to_owned(),
            path,
            variables: Vec::new(),
            body: Body::Whole,
            reply_field: None,
        }
    }

    /// The path of the method in gRPC: `/package.Service/Method`.
    pub fn grpc_path(&self) -> &str {
        &self.grpc_path
    }

    /// The method of HTTP, `*` for any.
    pub fn http_method(&self) -> &str {
        &self.http_method
    }

    /// The template of the path, as it is written.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the body is content as it is.
    pub(crate) fn takes_content(&self) -> bool {
        match &self.body {
            Body::None => false,
            Body::Whole => self.method.input().full_name() == HTTP_BODY,
            Body::Field(path) => is_content(path.field()),
        }
    }

    /// Whether the reply is content as it is.
    pub(crate) fn gives_content(&self) -> bool {
        match &self.reply_field {
            None => self.method.output().full_name() == HTTP_BODY,
            Some(field) => is_content(field),
        }
    }
}

/// What a descriptor writes of itself has no end if its message holds itself.
impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} to {}", self.http_method, self.path, self.grpc_path)
    }
}

fn is_content(field: &FieldDescriptor) -> bool {
    !field.is_list() && field.kind().as_message().is_some_and(|kind| kind.full_name() == HTTP_BODY)
}

fn grpc_path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(token)
}

fn told<T>(result: Result<T, Wrong>, wrongs: &mut Vec<Wrong>) -> Option<T> {
    result.map_err(|wrong| wrongs.push(wrong)).ok()
}

fn resolved(
    message: &MessageDescriptor,
    path: &str,
    user: &'static str,
) -> Result<FieldPath, Wrong> {
    FieldPath::resolve(message, path).map_err(|fault| match fault {
        PathFault::NoField { message, field } => Wrong::NoField { user, message, field },
        PathFault::NoMessage(field) => {
            Wrong::Unusable { user, field, fault: "is no single message to look into" }
        }
    })
}

fn variables(
    message: &MessageDescriptor,
    template: &Template,
    wrongs: &mut Vec<Wrong>,
) -> Vec<BoundVariable> {
    let bind = |variable: &Variable| {
        let user = "a variable of the path";
        let field = resolved(message, &variable.field, user)?;
        if field.field().is_list() || field.field().is_map() || !fields::is_text(field.field()) {
            let fault = "is repeated or a message";
            return Err(Wrong::Unusable { user, field: variable.field.clone(), fault });
        }
        Ok(BoundVariable { variable: variable.clone(), field })
    };
    template.variables.iter().filter_map(|variable| told(bind(variable), wrongs)).collect()
}

fn body(method: &MethodDescriptor, text: &str) -> Result<Body, Wrong> {
    match text {
        "" => Ok(Body::None),
        "*" => Ok(Body::Whole),
        path => resolved(&method.input(), path, "body").map(Body::Field),
    }
}

fn reply_field(method: &MethodDescriptor, text: &str) -> Result<Option<FieldDescriptor>, Wrong> {
    let user = "response_body";
    if text.is_empty() {
        return Ok(None);
    }
    if text.contains('.') {
        let fault = "is not at the top of the reply";
        return Err(Wrong::Unusable { user, field: text.to_owned(), fault });
    }
    resolved(&method.output(), text, user).map(|path| Some(path.field().clone()))
}
