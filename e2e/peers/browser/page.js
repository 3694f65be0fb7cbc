// What a page does through the gateway, which is another origin to it: `?api=HOST:PORT`. Runs its cases, reports each
// to the server that it came from, and says `{"done": true}` at the end. e2e/README.md describes the cases.
import { GrpcWebClientBase, MethodDescriptor, StatusCode } from '/grpc-web.js'

const api = new URL(location.href).searchParams.get('api')
const secure = location.protocol === 'https:' ? 's' : ''
const METHOD = '/narrows.test.Echo/'

function assert (holds, text) {
  if (!holds) throw new Error(text)
}

// A call and all that comes of it, once it is over: {replies, error}.
function call (format, prefix, name, text, metadata = {}) {
  const raw = bytes => bytes
  const method = new MethodDescriptor(METHOD + name, 'server_streaming', Uint8Array, Uint8Array, raw, raw)
  const client = new GrpcWebClientBase({ format })
  const url = `http${secure}://${api}${prefix}${METHOD}${name}`
  const replies = []
  return new Promise(resolve => {
    const open = client.serverStreaming(url, new TextEncoder().encode(text), metadata, method)
    open.on('data', reply => replies.push(new Uint8Array(reply)))
    open.on('error', error => resolve({ replies, error }))
    open.on('end', () => resolve({ replies }))
  })
}

async function succeeds (format) {
  const { replies, error } = await call(format, '', 'Unary', 'from a page')
  assert(!error, String(error))
  assert(replies.length === 1 && new TextDecoder().decode(replies[0]) === 'from a page', 'another reply')
}

async function fails (outcome, code, text) {
  const { error } = await outcome
  assert(error, 'it succeeded')
  assert(error.code === code, `${error.code} ${error.message}`)
  assert(text === undefined ? error.message !== '' : error.message === text, error.message)
}

// The next message of a socket; its end is a failure.
const next = socket => new Promise((resolve, reject) => {
  socket.onmessage = event => resolve(event.data)
  socket.onclose = event => reject(new Error(`closed ${event.code}`))
})

// Sends messages of both kinds and closes with a code of its own.
async function echoes (host) {
  const socket = new WebSocket(`ws${secure}://${host}/socket`, ['chat'])
  socket.binaryType = 'arraybuffer'
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = () => reject(new Error('it does not open'))
  })
  for (const text of ['text', '\u00e9'.repeat(70000)]) {
    socket.send(text)
    assert(await next(socket) === text, 'another text')
  }
  socket.send(new Uint8Array(1 << 20).fill(7))
  const bytes = new Uint8Array(await next(socket))
  assert(bytes.length === 1 << 20 && bytes.every(byte => byte === 7), 'other bytes')
  const closed = new Promise(resolve => { socket.onclose = resolve })
  socket.close(4001, 'done')
  assert((await closed).code === 4001, 'another code')
}

const CASES = {
  unary_text: () => succeeds('text'),
  unary_binary: () => succeeds('binary'),
  async server_streaming () {
    const { replies, error } = await call('text', '', 'ServerStream', '31415 9 2653')
    assert(!error, String(error))
    assert(replies.map(reply => reply.length).join(' ') === '31415 9 2653', 'other replies')
    assert(replies[0].every((byte, at) => byte === at % 251), 'other bytes')
  },
  status_and_message () {
    const failure = { 'x-status': '9', 'x-message-bin': btoa('not now') }
    return fails(call('text', '', 'Unary', '', failure), StatusCode.FAILED_PRECONDITION, 'not now')
  },
  // The gateway's own failure can be read, too.
  node_down: () => fails(call('text', '/down', 'Unary', ''), StatusCode.UNAVAILABLE),
  // By fetch, framed by hand.
  async fetch_binary () {
    const body = Uint8Array.of(0, 0, 0, 0, 2, 104, 105)
    const headers = { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' }
    const reply = await fetch(`http${secure}://${api}${METHOD}Unary`, { method: 'POST', headers, body })
    const bytes = new Uint8Array(await reply.arrayBuffer())
    assert(body.every((byte, at) => byte === bytes[at]), `${bytes}`)
    assert(bytes[7] === 0x80, `${bytes}`)
    assert(new TextDecoder().decode(bytes.slice(12)).includes('grpc-status: 0\r\n'), `${bytes}`)
  },
  // The preflight is refused, so nothing is sent.
  async origin_not_allowed () {
    const headers = { 'content-type': 'application/grpc-web+proto' }
    const asked = fetch(`http${secure}://${api}/closed${METHOD}Unary`, { method: 'POST', headers, body: '' })
    const outcome = await asked.then(reply => reply.status, error => error.name)
    assert(outcome === 'TypeError', String(outcome))
  },
  // Over TLS it shares the connection of the page, if that takes tunnels (RFC 8441).
  websocket: () => echoes(location.host),
  websocket_elsewhere: () => echoes(api)
}

const report = what => fetch('/report', { method: 'POST', body: JSON.stringify(what) })

for (const [name, run] of Object.entries(CASES)) {
  const outcome = await run().then(() => ({ ok: true }), error => ({ ok: false, detail: String(error) }))
  await report({ case: name, ...outcome })
}
await report({ done: true })
