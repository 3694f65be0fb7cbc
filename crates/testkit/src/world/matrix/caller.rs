//! A caller with one call, which notes what it is told.

use std::sync::Arc;

use narrows_wire::codec::{End, ErrorCode, Event, Role, StreamKey};
use narrows_wire::h2::{Config, Connection};
use narrows_wire::{Head, Indexing, Name, Time};

use super::super::net::Net;
use super::super::setup::{GATEWAY, client_address};
use super::Asks;

/// What the caller was told.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) http: Option<u16>,
    pub(super) grpc: Option<u8>,
    pub(super) reset: Option<ErrorCode>,
    pub(super) is_over: bool,
}

#[derive(Debug)]
pub(super) struct Caller {
    socket: usize,
    h2: Connection,
    stream: StreamKey,
    takes: bool,
    pub(super) told: Told,
}

// === impl Caller ===

impl Caller {
    pub(super) fn new(net: &Net, is_grpc: bool, asks: Asks, now: Time) -> Self {
        let socket = net.connect_actor(GATEWAY, client_address(1));
        let mut h2 = Connection::new(Role::Client, Arc::new(Config::default()), now);
        let end = if asks.up == 0 { End::Stream } else { End::Open };
        let stream = h2.open(now, 1, &head(is_grpc, asks), end).expect("the first stream");
        if asks.up > 0 {
            let mut body = vec![0; 5 + asks.up];
            body[1..5].copy_from_slice(&(asks.up as u32).to_be_bytes());
            h2.send_data(stream, &body, End::Stream);
        }
        Self { socket, h2, stream, takes: asks.takes, told: Told::default() }
    }

    pub(super) fn step(&mut self, net: &Net, now: Time) {
        let mut buffer = [0; 4096];
        while let Ok(n) = net.read(self.socket, &mut buffer) {
            self.take(now, &buffer[..n]);
            if n == 0 {
                break;
            }
        }
        write_out(&mut self.h2, self.socket, net);
    }

    pub(super) fn leave(self, net: &Net) {
        net.close(self.socket);
    }

    fn take(&mut self, now: Time, mut input: &[u8]) {
        let mut head = Head::new();
        while let Some(event) = self.h2.receive(now, &mut input, &mut head) {
            match event {
                Event::Head { end, .. } => {
                    self.told.http = number(&head, Name::Status);
                    self.told.grpc = number(&head, Name::GrpcStatus).map(|status| status as u8);
                    self.told.is_over |= end == End::Stream;
                }
                Event::Trailers { .. } => {
                    self.told.grpc = number(&head, Name::GrpcStatus).map(|status| status as u8);
                    self.told.is_over = true;
                }
                Event::Data { data, end, .. } => {
                    if self.takes {
                        self.h2.grant(self.stream, data.len());
                    }
                    self.told.is_over |= end == End::Stream;
                }
                // Behind the end of a reply it says that the rest of the request is not wanted.
                Event::Reset { code, .. } if !self.told.is_over => {
                    self.told.reset = Some(code);
                    self.told.is_over = true;
                }
                _ => {}
            }
        }
    }
}

fn number(head: &Head, name: Name) -> Option<u16> {
    std::str::from_utf8(head.get(name)?).ok()?.parse().ok()
}

fn head(is_grpc: bool, asks: Asks) -> Head {
    let mut head = Head::new();
    head.push(Name::Method, b"POST", Indexing::MayRepeat);
    head.push(Name::Scheme, b"http", Indexing::MayRepeat);
    head.push(Name::Path, b"/sim.World/Call", Indexing::MayRepeat);
    head.push(Name::Authority, b"gateway", Indexing::MayRepeat);
    let content_type: &[u8] = if is_grpc { b"application/grpc" } else { b"text/plain" };
    head.push(Name::ContentType, content_type, Indexing::MayRepeat);
    if is_grpc {
        head.push(Name::Te, b"trailers", Indexing::MayRepeat);
    }
    if let Some(timeout) = asks.timeout {
        head.push(Name::GrpcTimeout, timeout.as_bytes(), Indexing::Unique);
    }
    head
}

/// Writes what the engine has to say, as far as there is room.
pub(super) fn write_out(h2: &mut Connection, socket: usize, net: &Net) {
    loop {
        if h2.output().is_empty() {
            h2.pump();
            if h2.output().is_empty() {
                return;
            }
        }
        match net.write(socket, h2.output().front()) {
            Ok(n) => h2.output().consume(n),
            Err(_) => return,
        }
    }
}
