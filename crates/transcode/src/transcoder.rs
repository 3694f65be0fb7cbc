//! Services with their bindings, and how a request finds its own.

use std::fmt;
use std::sync::Arc;

use narrows_wire::{Head, Name};
use prost_reflect::{DescriptorPool, ServiceDescriptor};

use crate::accept::{self, ReplyForm};
use crate::annotation;
use crate::binding::{Binding, BoundVariable};
use crate::call::{Call, HeadState};
use crate::failure::Failure;
use crate::fault::{Fault, Wrong};
use crate::fields;
use crate::matcher::{Found, Matcher};
use crate::options::{DefaultMapping, Options, Services};
use crate::percent::{self, Decoding};
use crate::query::{self, Assignment};
use crate::reply::Reply;
use crate::request::Request;
use crate::template::Segment;

/// Binds requests of HTTP to methods of gRPC. A copy of it is cheap.
#[derive(Debug, Clone)]
pub struct Transcoder {
    shared: Arc<Shared>,
}

/// What all calls of a transcoder use.
pub(crate) struct Shared {
    pub(crate) pool: DescriptorPool,
    pub(crate) options: Options,
    bindings: Vec<Arc<Binding>>,
    matcher: Matcher,
}

/// Bindings on their way into a transcoder.
struct Builder {
    bindings: Vec<Arc<Binding>>,
    matcher: Matcher,
    faults: Vec<Fault>,
}

// === impl Transcoder ===

impl Transcoder {
    /// Reads an encoded `google.protobuf.FileDescriptorSet`, such as `protoc --include_imports` writes.
    pub fn new(descriptor_set: &[u8], options: Options) -> Result<Self, Vec<Fault>> {
        let pool = DescriptorPool::decode(descriptor_set).map_err(|error| {
            let wrong = Wrong::Descriptors(error.to_string());
            vec![Fault { place: String::new(), wrong }]
        })?;
        let (bindings, matcher) = (Vec::new(), Matcher::default());
        let mut builder = Builder { bindings, matcher, faults: Vec::new() };
        let services = builder.services(&pool, &options.services);
        for service in &services {
            builder.annotated(service);
        }
        if options.default_mapping == DefaultMapping::On {
            for service in &services {
                builder.by_default(service);
            }
        }
        let Builder { bindings, matcher, faults } = builder;
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self { shared: Arc::new(Shared { pool, options, bindings, matcher }) })
    }

    /// All bindings: those of annotations, then those that are there by default.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.shared.bindings.iter().map(|binding| &**binding)
    }

    /// Binds a request by its head. None if it is gRPC itself, or no binding has its path.
    pub fn bind(&self, head: &Head) -> Result<Option<Call>, Failure> {
        let text = |name| head.get(name).and_then(|value| std::str::from_utf8(value).ok());
        let content_type = text(Name::ContentType);
        // gRPC-Web as well: it needs no transcoding.
        if content_type.is_some_and(|kind| kind.starts_with("application/grpc")) {
            return Ok(None);
        }
        let (Some(method), Some(target)) = (text(Name::Method), text(Name::Path)) else {
            return Ok(None);
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (binding, path_bytes) = match self.shared.matcher.find(method, path) {
            Found::Binding { binding, path_bytes } => (binding, path_bytes),
            Found::Methods(allow) => return Err(not_allowed(method, allow)),
            Found::Nothing => return Ok(None),
        };
        let Some(binding) = self.shared.bindings.get(binding) else { return Ok(None) };
        if let Some(coding) = text(Name::ContentEncoding)
            && !coding.eq_ignore_ascii_case("identity")
        {
            return Err(Failure::media(format!("the body must not be encoded with {coding}")));
        }
        let options = &self.shared.options;
        let mut assignments = query::assignments(binding, query, options)?;
        let path = path.get(..path_bytes).unwrap_or(path);
        for bound in &binding.variables {
            assignments.push(assignment(binding, bound, path)?);
        }
        let form = match binding.method.is_server_streaming() {
            false => ReplyForm::Whole,
            true => accept::stream_form(head.get(Name::Accept).unwrap_or_default()),
        };
        let content_type = content_type.map(str::to_owned);
        Ok(Some(Call {
            shared: Arc::clone(&self.shared),
            grpc_path: binding.grpc_path().to_owned(),
            request: Request::new(Arc::clone(binding), assignments, content_type),
            reply: Reply::new(Arc::clone(binding), form, options),
            head: HeadState::Due,
        }))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

/// RFC 9110 §15.5.6: the path is there, but not for this method.
fn not_allowed(method: &str, allow: Vec<String>) -> Failure {
    let message = format!("{method} is not bound at this path; there are {}", allow.join(", "));
    let status = narrows_wire::grpc::Status::Unimplemented;
    Failure { http_status: 405, allow, ..Failure::new(status, message) }
}

fn assignment(binding: &Binding, bound: &BoundVariable, path: &str) -> Result<Assignment, Failure> {
    let (variable, template) = (&bound.variable, &binding.template);
    let wrong = |fault: &str| Failure::wrong(format!("{} in the path: {fault}", variable.field));
    let takes_rest = template.segments.get(variable.end.saturating_sub(1)) == Some(&Segment::Rest);
    let end = if takes_rest { usize::MAX } else { variable.end };
    let decoding =
        if template.is_multiple(variable) { Decoding::Segments } else { Decoding::Segment };
    let text = percent::decode(covered(path, variable.start, end).as_bytes(), decoding)
        .map_err(|fault| wrong(fault.text()))?;
    let field = bound.field.clone();
    let value = fields::parse(field.field(), &text).map_err(|fault| wrong(&fault))?;
    Ok(Assignment { field, value })
}

/// The segments of a path from one up to another.
fn covered(path: &str, start: usize, end: usize) -> &str {
    let inside = path.get(1..).unwrap_or_default();
    let place = |number: usize| match number {
        0 => Some(0),
        _ => inside.match_indices('/').nth(number - 1).map(|(at, _)| at + 1),
    };
    let Some(first) = place(start) else { return "" };
    let last = place(end).map_or(inside.len(), |at| at - 1);
    inside.get(first..last).unwrap_or_default()
}

// === impl Shared ===

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.bindings).finish()
    }
}

// === impl Builder ===

impl Builder {
    /// The services that were asked for.
    fn services(&mut self, pool: &DescriptorPool, asked: &Services) -> Vec<ServiceDescriptor> {
        let names = match asked {
            Services::All => return pool.services().collect(),
            Services::Named(names) => names,
        };
        let mut services = Vec::new();
        for name in names {
            match pool.get_service_by_name(name) {
                Some(service) => services.push(service),
                None => {
                    let known: Vec<_> =
                        pool.services().map(|service| service.full_name().to_owned()).collect();
                    self.fault(name, Wrong::NoService { known: known.join(", ") });
                }
            }
        }
        services
    }

    fn annotated(&mut self, service: &ServiceDescriptor) {
        for method in service.methods() {
            let name = method.full_name();
            let rules = annotation::rules(&method).unwrap_or_else(|wrong| {
                self.fault(name, wrong);
                Vec::new()
            });
            for rule in rules {
                match Binding::new(&method, &rule) {
                    Ok(binding) => self.insert(binding),
                    Err(wrongs) => wrongs.into_iter().for_each(|wrong| self.fault(name, wrong)),
                }
            }
        }
    }

    /// What an annotation has bound in the same way is not bound again.
    fn by_default(&mut self, service: &ServiceDescriptor) {
        for method in service.methods() {
            let binding = Binding::by_default(&method);
            let same = |other: &Arc<Binding>| {
                other.method == method
                    && other.path == binding.path
                    && other.http_method == binding.http_method
            };
            if !self.bindings.iter().any(same) {
                self.insert(binding);
            }
        }
    }

    fn insert(&mut self, binding: Binding) {
        let number = self.bindings.len();
        match self.matcher.insert(&binding.http_method, &binding.template, number) {
            Ok(()) => self.bindings.push(Arc::new(binding)),
            Err(other) => {
                let other = self.bindings.get(other).map(|other| other.method.full_name());
                let other = other.unwrap_or_default().to_owned();
                let pattern = format!("{} {}", binding.http_method, binding.path);
                let wrong = Wrong::Ambiguous { pattern, other };
                self.fault(binding.method.full_name(), wrong);
            }
        }
    }

    fn fault(&mut self, place: &str, wrong: Wrong) {
        self.faults.push(Fault { place: place.to_owned(), wrong });
    }
}
