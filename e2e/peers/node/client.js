// Client of `narrows.test.Echo` on @grpc/grpc-js: runs the interoperability cases and prints one JSON line for each.
// e2e/README.md describes the cases.
'use strict';

const assert = require('assert');
const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const { SERVICE, UNLIMITED, METHODS, message, options } = require('./echo');

const SPECIAL = '\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n';
const HUGE = 100 << 20;

const asked = options(['target', 'ca', 'metadata', 'cases']);
const credentials = asked.ca
  ? grpc.credentials.createSsl(fs.readFileSync(asked.ca[0]))
  : grpc.credentials.createInsecure();
const channel = { ...UNLIMITED, ...(asked.ca ? { 'grpc.ssl_target_name_override': 'localhost' } : {}) };
const connect = (more) => new grpc.Client(asked.target[0], credentials, { ...channel, ...more });
const client = connect({});

function metadata(extra) {
  const all = new grpc.Metadata();
  for (const pair of asked.metadata || []) {
    const at = pair.indexOf('=');
    all.set(pair.slice(0, at), pair.slice(at + 1));
  }
  for (const [name, value] of Object.entries(extra || {})) all.set(name, value);
  return all;
}

const within = (seconds) => ({ deadline: Date.now() + seconds * 1000 });

function same(got, wanted) {
  const equal = Buffer.isBuffer(wanted) ? wanted.equals(got) : got === wanted;
  assert(equal, `got ${String(got).slice(0, 120)}, wanted ${String(wanted).slice(0, 120)}`);
}

// Each of these opens a call; the promise of the outcome is in `done`: {replies, initial, status}.
function unary(path, request, extra, { seconds = 20, from = client } = {}) {
  const outcome = { replies: [] };
  outcome.done = new Promise((resolve) => {
    const raw = (bytes) => bytes;
    const call = from.makeUnaryRequest(path, raw, raw, request, metadata(extra), within(seconds), (_error, reply) => {
      if (reply !== undefined && reply !== null) outcome.replies.push(reply);
    });
    finish(call, outcome, resolve);
  });
  return outcome;
}

function stream(kind, extra, { seconds = 20, from = client, request } = {}) {
  const { path, requestSerialize: raw } = METHODS[kind];
  const outcome = { replies: [] };
  outcome.done = new Promise((resolve) => {
    const head = metadata(extra);
    const keep = (_error, reply) => reply !== undefined && reply !== null && outcome.replies.push(reply);
    if (kind === 'ClientStream') outcome.call = from.makeClientStreamRequest(path, raw, raw, head, within(seconds), keep);
    else if (kind === 'ServerStream')
      outcome.call = from.makeServerStreamRequest(path, raw, raw, request, head, within(seconds));
    else outcome.call = from.makeBidiStreamRequest(path, raw, raw, head, within(seconds));
    if (kind !== 'ClientStream') outcome.call.on('data', (reply) => outcome.replies.push(reply));
    finish(outcome.call, outcome, resolve);
  });
  return outcome;
}

function finish(call, outcome, resolve) {
  call.on('metadata', (initial) => (outcome.initial = initial));
  call.on('error', () => {});
  call.on('status', (status) => {
    outcome.status = status;
    setImmediate(() => resolve(outcome));
  });
}

const told = ({ code, details }) => (code === 0 ? '0' : `${code} ${details}`);

async function succeeds(outcome, replies) {
  same(told((await outcome.done).status), '0');
  same(outcome.replies.length, replies.length);
  replies.forEach((wanted, at) => same(outcome.replies[at], wanted));
  return outcome;
}

async function fails(outcome, code) {
  const { status } = await outcome.done;
  assert(status.code === code, `got ${told(status)}, wanted status ${code}`);
  return status;
}

const next = (outcome) => new Promise((resolve) => outcome.call.once('data', resolve));
const path = (name) => `/${SERVICE}/${name}`;

function checkMetadata(outcome) {
  same(outcome.initial.get('x-echo-initial')[0], 'test_initial_metadata_value');
  same(outcome.status.metadata.get('x-echo-trailing-bin')[0], Buffer.from([0xab, 0xab, 0xab, 0]));
}

const CASES = {
  async empty_unary() {
    await succeeds(unary(path('Empty'), Buffer.alloc(0)), [Buffer.alloc(0)]);
  },
  async large_unary() {
    await succeeds(unary(path('Unary'), message(271828), { 'x-reply-size': '314159' }), [message(314159)]);
  },
  async client_streaming() {
    const outcome = stream('ClientStream');
    for (const size of [27182, 8, 1828, 45904]) outcome.call.write(message(size));
    outcome.call.end();
    await succeeds(outcome, [Buffer.from('4 74922')]);
  },
  async server_streaming() {
    const outcome = stream('ServerStream', {}, { request: Buffer.from('31415 9 2653 58979') });
    await succeeds(outcome, [31415, 9, 2653, 58979].map(message));
  },
  async ping_pong() {
    const outcome = stream('Bidi');
    for (const size of [27182, 8, 1828, 45904]) {
      outcome.call.write(message(size));
      same(await next(outcome), message(size));
    }
    outcome.call.end();
    await succeeds(outcome, [27182, 8, 1828, 45904].map(message));
  },
  async empty_stream() {
    const outcome = stream('Bidi');
    outcome.call.end();
    await succeeds(outcome, []);
  },
  async timeout_on_sleeping_server() {
    const outcome = stream('Bidi', { 'x-delay-ms': '2000' }, { seconds: 0.2 });
    outcome.call.write(message(27182));
    await fails(outcome, grpc.status.DEADLINE_EXCEEDED);
  },
  async cancel_after_begin() {
    const outcome = stream('ClientStream');
    outcome.call.cancel();
    await fails(outcome, grpc.status.CANCELLED);
  },
  async cancel_after_first_response() {
    const outcome = stream('Bidi');
    outcome.call.write(message(27182));
    same(await next(outcome), message(27182));
    outcome.call.cancel();
    await fails(outcome, grpc.status.CANCELLED);
  },
  async status_code_and_message() {
    const extra = { 'x-status': '2', 'x-message-bin': Buffer.from('test status message') };
    same((await fails(unary(path('Unary'), Buffer.alloc(0), extra), 2)).details, 'test status message');
    const outcome = stream('Bidi', extra);
    outcome.call.write(Buffer.from('a'));
    outcome.call.end();
    same((await fails(outcome, 2)).details, 'test status message');
  },
  async special_status_message() {
    const extra = { 'x-status': '2', 'x-message-bin': Buffer.from(SPECIAL) };
    same((await fails(unary(path('Unary'), Buffer.alloc(0), extra), 2)).details, SPECIAL);
  },
  async custom_metadata() {
    const extra = {
      'x-echo-initial': 'test_initial_metadata_value',
      'x-echo-trailing-bin': Buffer.from([0xab, 0xab, 0xab, 0]),
    };
    checkMetadata(await succeeds(unary(path('Unary'), message(314), extra), [message(314)]));
    const outcome = stream('Bidi', extra);
    outcome.call.write(message(314));
    outcome.call.end();
    checkMetadata(await succeeds(outcome, [message(314)]));
  },
  async unimplemented_method() {
    await fails(unary(path('Absent'), Buffer.alloc(0)), grpc.status.UNIMPLEMENTED);
  },
  async unimplemented_service() {
    await fails(unary('/narrows.test.Absent/Unary', Buffer.alloc(0)), grpc.status.UNIMPLEMENTED);
  },
  async client_compressed_unary() {
    const from = connect({ 'grpc.default_compression_algorithm': 2 });
    const outcome = await succeeds(unary(path('Unary'), message(271828), {}, { from }), [message(271828)]);
    same(outcome.initial.get('x-request-encoding')[0] || 'gzip', 'gzip');
    from.close();
  },
  async server_compressed_unary() {
    await succeeds(unary(path('Unary'), message(314159), { 'x-compress': 'gzip' }), [message(314159)]);
  },
  async client_compressed_streaming() {
    const from = connect({ 'grpc.default_compression_algorithm': 2 });
    const outcome = stream('ClientStream', {}, { from });
    for (const size of [27182, 45904]) outcome.call.write(message(size));
    outcome.call.end();
    await succeeds(outcome, [Buffer.from('2 73086')]);
    from.close();
  },
  async server_compressed_streaming() {
    const outcome = stream('ServerStream', { 'x-compress': 'gzip' }, { request: Buffer.from('31415 92653') });
    await succeeds(outcome, [31415, 92653].map(message));
  },
  async huge_unary() {
    await succeeds(unary(path('Unary'), message(HUGE), {}, { seconds: 120 }), [message(HUGE)]);
  },
};

async function main() {
  const names = asked.cases ? asked.cases[0].split(',') : Object.keys(CASES);
  for (const name of names) {
    let detail = '';
    try {
      await CASES[name]();
    } catch (error) {
      detail = String(error.message || error);
    }
    console.log(JSON.stringify({ case: name, ok: detail === '', detail }));
  }
  client.close();
}

// A cancelled call leaves its deadline timer behind, which would hold the process up.
main().then(() => process.exit(0));
