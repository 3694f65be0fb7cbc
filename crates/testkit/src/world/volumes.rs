//! What messages weigh, by part and direction, as the counters of a route have it.

use super::call::{Call, Mode, body_bytes};
use super::client::{Client, head_of};
use super::rng::Rng;
use super::setup::{GATEWAY, client_address};
use super::{Plan, World};

/// The text of ":status" and "200".
const STATUS: u64 = 10;
/// The text of "content-type" and "application/grpc".
const CONTENT_TYPE: u64 = 28;

#[test]
fn a_call_is_counted_by_part_and_direction() {
    let (world, call) = after(Mode::Echo);
    let [request, reply] = volumes(&world);
    let asked = head_of(&call).sizes();
    let [line, fields] = [asked.line, asked.fields].map(u64::from);
    assert_eq!(request, [line, fields, body_bytes(call.up)]);
    // Trailers are fields too.
    let trailers = "grpc-status0".len() as u64;
    assert_eq!(reply, [STATUS, CONTENT_TYPE + trailers, body_bytes(call.down)]);
}

#[test]
fn a_reply_of_our_own_is_counted_like_that_of_a_node() {
    let (world, _) = after(Mode::UnknownJob);
    let [_, [line, fields, body]] = volumes(&world);
    assert_eq!((line, body), (STATUS, 0));
    assert!(fields > CONTENT_TYPE, "with status and message: {fields}");
}

fn after(mode: Mode) -> (World, Call) {
    let mut world = World::new(1, Plan::default());
    let job = if mode == Mode::UnknownJob { "nobody" } else { "job-1" };
    let (job, message) = (job.into(), String::new());
    let call = Call { id: 1, mode, job, up: 100, down: 200, received: 0, fate: None, message };
    let calls = vec![call.clone()];
    world.clients = vec![Client::new(Rng::new(1), GATEWAY, client_address(1), calls, false, false)];
    while !world.is_done() {
        world.step();
    }
    (world, call)
}

/// Line, head, and body, from the caller and to it.
fn volumes(world: &World) -> [[u64; 3]; 2] {
    let shard = world.snapshot.router.route(0).stats.shard(0);
    [&shard.bytes_in, &shard.bytes_out]
        .map(|volume| [&volume.line, &volume.head, &volume.body].map(|counter| counter.get()))
}
