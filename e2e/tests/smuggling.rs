//! Hostile requests through the gateway to servers of several makes: nobody disagrees about where one ends.

use narrows_e2e::differential::{self, Replies};
use narrows_e2e::hostile;
use narrows_e2e::strict::Recorder;
use narrows_testkit::servers::{HttpServer, WebServer};

#[test]
fn nginx_sees_what_the_gateway_forwards() {
    agrees(WebServer::Nginx, Replies::Name);
}

#[test]
fn apache_sees_what_the_gateway_forwards() {
    agrees(WebServer::Apache, Replies::Vary);
}

#[test]
fn node_sees_what_the_gateway_forwards() {
    agrees(WebServer::Node, Replies::Name);
}

#[test]
fn hypercorn_sees_what_the_gateway_forwards() {
    agrees(WebServer::Hypercorn, Replies::Name);
}

#[test]
fn gunicorn_sees_what_the_gateway_forwards() {
    agrees(WebServer::Gunicorn, Replies::Name);
}

/// Here the gateway translates, and the server counts in frames. A part of the corpus, since node ends a connection
/// on which a thousand requests were broken off, in the middle of others.
#[test]
fn a_server_of_http2_sees_what_the_gateway_forwards() {
    let server = HttpServer::start(WebServer::NodeHttp2);
    let gateway = differential::gateway(server.address, "h2c");
    let some: Vec<_> = hostile::corpus().into_iter().step_by(5).collect();
    none_of(differential::disagreements(&gateway, &some, Replies::Name, || server.seen()));
}

/// Byte by byte, nothing that RFC 9112 does not allow leaves the gateway.
#[test]
fn nothing_illegal_is_forwarded() {
    let recorder = Recorder::start();
    let gateway = differential::gateway(recorder.address, "http1");
    let cases = hostile::corpus();
    let found = differential::disagreements(&gateway, &cases, Replies::Name, || recorder.seen());
    none_of(found);
    none_of(recorder.faults());
}

fn agrees(make: WebServer, replies: Replies) {
    let server = HttpServer::start(make);
    let gateway = differential::gateway(server.address, "http1");
    let cases = hostile::corpus();
    none_of(differential::disagreements(&gateway, &cases, replies, || server.seen()));
}

fn none_of(found: Vec<String>) {
    let some: Vec<_> = found.iter().take(40).map(String::as_str).collect();
    assert!(found.is_empty(), "{} disagreements\n{}", found.len(), some.join("\n"));
}
