//! JSON over HTTP to gRPC and back, without I/O.
//!
//! A [`Transcoder`] is made from the descriptors of services and their `google.api.http` annotations. It binds a
//! request to a method and gives a [`Call`], which turns the body into framed messages and the framed messages of
//! the reply into JSON, as they come. It opens nothing, waits for nothing, and reads no clock, so that a worker
//! can hold a call as a stage of an exchange. Nothing that a peer sends may make it panic or hold more than
//! [`Limits`] say. Start reading at `call.rs`; `binding.rs` has what an annotation means.
#![warn(missing_docs)]

mod accept;
mod annotation;
mod binding;
mod call;
mod details;
mod failure;
mod fault;
mod fields;
mod frame;
mod heads;
mod json;
mod matcher;
mod openapi;
mod options;
mod percent;
mod query;
mod reply;
mod request;
mod template;
mod transcoder;

pub use accept::ReplyForm;
pub use binding::Binding;
pub use call::{Call, Ended, Ending, Finish, ReplyHead};
pub use failure::Failure;
pub use fault::{Fault, Wrong};
pub use openapi::About;
pub use options::{
    DefaultMapping, DefaultValues, EnumForm, FieldNames, Limits, Options, Print, Services, Unknown,
};
pub use transcoder::Transcoder;
