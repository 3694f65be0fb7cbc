// A WebSocket client of the package ws, over HTTP/1.1 or, with --h2, over HTTP/2 (RFC 8441); e2e/README.md says
// what its cases are.
'use strict'

const assert = require('assert')
const http2 = require('http2')
const { once } = require('events')
const { WebSocket } = require('ws')

const LIMIT = 32 << 20
const BIG = Buffer.alloc(16 << 20).map((_, at) => at % 251)

const target = process.argv[process.argv.indexOf('--target') + 1]
const isH2 = process.argv.includes('--h2')

// Gives { socket } once it is open, or { status } if it was refused.
function dial (path = '/', protocols = []) {
  return isH2 ? dialHttp2(path, protocols) : dialHttp1(path, protocols)
}

function dialHttp1 (path, protocols) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${target}${path}`, protocols, { maxPayload: LIMIT })
    socket.on('open', () => resolve({ socket, protocol: socket.protocol }))
    socket.on('unexpected-response', (_, reply) => resolve({ status: reply.statusCode }))
    socket.on('error', reject)
  })
}

async function dialHttp2 (path, protocols) {
  const session = http2.connect(`http://${target}`)
  await once(session, 'remoteSettings')
  assert(session.remoteSettings.enableConnectProtocol, 'announced')
  const offer = protocols.length ? { 'sec-websocket-protocol': protocols.join(', ') } : {}
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'http',
    ':authority': target,
    ':path': path,
    'sec-websocket-version': '13',
    ...offer
  }, { endStream: false })
  stream.on('close', () => session.close())
  const [headers] = await once(stream, 'response')
  if (headers[':status'] !== 200) {
    stream.close()
    return { status: headers[':status'] }
  }
  const socket = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30000 })
  socket._isServer = false
  socket.setSocket(stream, Buffer.alloc(0), { maxPayload: LIMIT })
  socket.on('error', () => {})
  return { socket, protocol: headers['sec-websocket-protocol'] }
}

async function answer (socket, message) {
  socket.send(message)
  const [data, isBinary] = await once(socket, 'message')
  return isBinary ? data : data.toString()
}

async function close (socket, code = 1000) {
  socket.close(code)
  const [closed] = await once(socket, 'close')
  assert.strictEqual(closed, code)
}

const cases = {
  async messages () {
    const { socket } = await dial()
    for (const message of ['text', Buffer.from([0, 1]), '', '\u00e9'.repeat(70000)]) {
      assert.deepStrictEqual(await answer(socket, message), message)
    }
    await close(socket)
  },
  async subprotocol () {
    const { socket, protocol } = await dial('/', ['other', 'chat'])
    assert.strictEqual(protocol, 'chat')
    await close(socket)
  },
  async large () {
    const { socket } = await dial()
    assert(BIG.equals(await answer(socket, BIG)), 'the same bytes')
    await close(socket)
  },
  async pings () {
    const { socket } = await dial()
    socket.ping('mark')
    const [mark] = await once(socket, 'pong')
    assert.strictEqual(mark.toString(), 'mark')
    assert.strictEqual(await answer(socket, 'ping me'), 'ponged')
    await close(socket)
  },
  async refused () {
    assert.strictEqual((await dial('/refused')).status, 403)
  },
  async code () {
    const { socket } = await dial()
    await close(socket, 4001)
  }
}

async function hold () {
  const { socket } = await dial()
  socket.on('close', code => console.log(`closed ${code}`))
  await answer(socket, 'still here')
  console.log('open')
}

async function main () {
  if (process.argv.includes('--hold')) return hold()
  for (const [name, run] of Object.entries(cases)) {
    const late = new Promise((resolve, reject) => setTimeout(reject, 30000, new Error('late')).unref())
    const outcome = await Promise.race([run(), late]).then(
      () => ({ ok: true }), error => ({ ok: false, detail: String(error.stack || error) }))
    console.log(JSON.stringify({ case: name, ...outcome }))
  }
  process.exit(0)
}

main().catch(error => {
  console.log(String(error.stack || error))
  process.exit(1)
})
