// A WebSocket server of the package ws, over HTTP/1.1 or, with --h2, over HTTP/2 (RFC 8441); e2e/README.md says
// what it does.
'use strict'

const http = require('http')
const http2 = require('http2')
const { WebSocket, WebSocketServer } = require('ws')

const LIMIT = 32 << 20

function echo (socket) {
  let waits = false
  socket.on('message', (data, isBinary) => {
    console.log(`message ${data.length}`)
    if (!isBinary && data.toString() === 'ping me') {
      waits = true
      return socket.ping()
    }
    socket.send(data, { binary: isBinary })
  })
  socket.on('pong', () => {
    if (waits) socket.send('ponged')
    waits = false
  })
  socket.on('error', () => {})
  socket.on('close', code => console.log(`closed ${code}`))
}

function refuse (socket) {
  socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 9\r\n\r\nnot here\n')
}

function serveHttp1 () {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: LIMIT,
    handleProtocols: offered => offered.has('chat') && 'chat'
  })
  const server = http.createServer()
  server.on('upgrade', (request, socket, head) => {
    if (request.url === '/refused') return refuse(socket)
    sockets.handleUpgrade(request, socket, head, echo)
  })
  return server
}

function serveHttp2 () {
  const server = http2.createServer({ settings: { enableConnectProtocol: true } })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    if (headers[':method'] !== 'CONNECT' || headers[':protocol'] !== 'websocket') {
      return stream.respond({ ':status': 400 }, { endStream: true })
    }
    if (headers[':path'] === '/refused') {
      stream.respond({ ':status': 403 })
      return stream.end('not here\n')
    }
    const offered = (headers['sec-websocket-protocol'] || '').split(/, */)
    const chosen = offered.includes('chat') ? { 'sec-websocket-protocol': 'chat' } : {}
    stream.respond({ ':status': 200, ...chosen })
    const socket = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30000 })
    socket.setSocket(stream, Buffer.alloc(0), { maxPayload: LIMIT })
    echo(socket)
  })
  return server
}

const server = process.argv.includes('--h2') ? serveHttp2() : serveHttp1()
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`))
