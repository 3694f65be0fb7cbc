//! What a caller and a node see of a transcoded call, over the service in `protos/library.proto`.

#[path = "transcode/bind.rs"]
mod bind;
#[path = "transcode/content.rs"]
mod content;
#[path = "transcode/faults.rs"]
mod faults;
#[path = "transcode/garbage.rs"]
mod garbage;
#[path = "transcode/openapi.rs"]
mod openapi;
#[path = "transcode/query.rs"]
mod query;
#[path = "transcode/reply.rs"]
mod reply;
#[path = "transcode/request.rs"]
mod request;
#[path = "transcode/roundtrip.rs"]
mod roundtrip;
#[path = "transcode/support.rs"]
mod support;
