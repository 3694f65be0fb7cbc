// Client of `narrows.test.Echo` on the package grpc-web, on the XMLHttpRequest of the package xhr2: runs its cases and
// prints one JSON line for each. `--format` is `text` or `binary`; e2e/README.md describes the cases.
'use strict'

const assert = require('assert')
global.XMLHttpRequest = require('xhr2')
const { GrpcWebClientBase, MethodDescriptor, StatusCode } = require('grpc-web')
const { SERVICE, message, options } = require('./echo')

const SPECIAL = '\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n'

const asked = options(['target', 'metadata', 'format', 'cases'])
const client = new GrpcWebClientBase({ format: asked.format[0] })
const common = Object.fromEntries((asked.metadata || []).map(pair => pair.split(/=(.*)/s)))
const base64 = bytes => Buffer.from(bytes).toString('base64')
const TRAILING = Buffer.from([0xab, 0xab, 0xab, 0])
// The command that the service takes in bytes, as the client leaves base64 to its caller.
const failure = text => ({ 'x-status': '2', 'x-message-bin': base64(text) })
const tells = { 'x-echo-initial': 'initial value', 'x-echo-trailing-bin': base64(TRAILING) }

// A call and all that comes of it, once it is over: {replies, initial, status, error}.
function call (name, request, extra, { streams = false, onReply = () => {} } = {}) {
  const raw = bytes => bytes
  const kind = streams ? 'server_streaming' : 'unary'
  const method = new MethodDescriptor(`/${SERVICE}/${name}`, kind, Uint8Array, Uint8Array, raw, raw)
  const url = `http://${asked.target[0]}${method.getName()}`
  const metadata = { ...common, ...extra }
  const outcome = { replies: [] }
  return new Promise(resolve => {
    const keep = reply => {
      outcome.replies.push(Buffer.from(reply))
      onReply(open, outcome, resolve)
    }
    const fail = error => {
      outcome.error = error
      resolve(outcome)
    }
    const open = streams
      ? client.serverStreaming(url, request, metadata, method)
      : client.rpcCall(url, request, metadata, method, (error, reply) => error ? fail(error) : keep(reply))
    open.on('metadata', initial => { outcome.initial = initial })
    open.on('status', status => { outcome.status = status })
    if (streams) {
      open.on('data', keep)
      open.on('error', fail)
    }
    open.on('end', () => resolve(outcome))
  })
}

function succeeds (outcome, replies) {
  assert.ifError(outcome.error)
  assert.strictEqual(outcome.replies.length, replies.length)
  replies.forEach((wanted, at) => assert(wanted.equals(outcome.replies[at]), `reply ${at} is another`))
  return outcome
}

function fails (outcome, code, text) {
  assert(outcome.error, 'it succeeded')
  const told = `${outcome.error.code} ${outcome.error.message}`
  assert.strictEqual(outcome.error.code, code, told)
  if (text !== undefined) assert.strictEqual(outcome.error.message, text)
  return outcome
}

function checkMetadata (outcome, trailers) {
  assert.strictEqual(outcome.initial['x-echo-initial'], 'initial value')
  // Some servers pad base64 and some do not.
  assert.deepStrictEqual(Buffer.from(trailers['x-echo-trailing-bin'], 'base64'), TRAILING)
}

const SIZES = [31415, 9, 2653, 58979]
const sizes = list => Buffer.from(list.join(' '))

const CASES = {
  async empty_unary () {
    succeeds(await call('Empty', Buffer.alloc(0)), [Buffer.alloc(0)])
  },
  async large_unary () {
    const outcome = await call('Unary', message(271828), { 'x-reply-size': '314159' })
    succeeds(outcome, [message(314159)])
  },
  async server_streaming () {
    succeeds(await call('ServerStream', sizes(SIZES), {}, { streams: true }), SIZES.map(message))
  },
  async empty_stream () {
    succeeds(await call('ServerStream', sizes([]), {}, { streams: true }), [])
  },
  async cancel_after_first_response () {
    const request = sizes(Array(1000).fill(10000))
    const onReply = (open, outcome, resolve) => {
      open.cancel()
      resolve(outcome)
    }
    const outcome = await call('ServerStream', request, {}, { streams: true, onReply })
    assert(outcome.replies[0].equals(message(10000)))
    assert.strictEqual(outcome.error, undefined)
  },
  async status_code_and_message () {
    const text = 'test status message'
    fails(await call('Unary', Buffer.alloc(0), failure(text)), StatusCode.UNKNOWN, text)
    fails(await call('ServerStream', sizes([9]), failure(text), { streams: true }), StatusCode.UNKNOWN, text)
  },
  async special_status_message () {
    // The client hands on the message as it came, percent-encoded by the protocol, and without white space around it.
    const { error } = fails(await call('Unary', Buffer.alloc(0), failure(SPECIAL)), StatusCode.UNKNOWN)
    assert.strictEqual(decodeURIComponent(error.message).trim(), SPECIAL.trim())
  },
  async custom_metadata () {
    const one = succeeds(await call('Unary', message(314), tells), [message(314)])
    checkMetadata(one, one.status.metadata)
    const many = succeeds(await call('ServerStream', sizes([9]), tells, { streams: true }), [message(9)])
    checkMetadata(many, many.status.metadata)
  },
  async unimplemented_method () {
    fails(await call('Absent', Buffer.alloc(0)), StatusCode.UNIMPLEMENTED)
  },
  // Those that follow fail in the gateway.
  async unknown_job () {
    const extra = { jobid: 'absent' }
    fails(await call('Unary', Buffer.alloc(0), extra), StatusCode.NOT_FOUND)
    fails(await call('ServerStream', sizes([9]), extra, { streams: true }), StatusCode.NOT_FOUND)
  },
  async node_down () {
    const outcome = fails(await call('Unary', Buffer.alloc(0), { jobid: 'down' }), StatusCode.UNAVAILABLE)
    assert.notStrictEqual(outcome.error.message, '')
  },
  async deadline () {
    // The client gives up by itself at the same time, so the gateway is told another one.
    const extra = { 'x-delay-ms': '20000', 'grpc-timeout': '200m' }
    fails(await call('Unary', Buffer.alloc(0), extra), StatusCode.DEADLINE_EXCEEDED)
  }
}

async function main () {
  for (const name of asked.cases ? asked.cases[0].split(',') : Object.keys(CASES)) {
    let detail = ''
    try {
      await CASES[name]()
    } catch (error) {
      detail = String(error.message || error)
    }
    console.log(JSON.stringify({ case: name, ok: detail === '', detail }))
  }
}

// A cancelled call may hold its connection open.
main().then(() => process.exit(0))
