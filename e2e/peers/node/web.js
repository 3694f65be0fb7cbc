// A web server whose replies the path asks for, over HTTP/1 (`h1`) or HTTP/2 in the clear (`h2`), as its argument says.
// Prints `listening PORT`, and `gone PATH` when a request is broken off.
'use strict';

const http = require('node:http');
const http2 = require('node:http2');

const protocol = process.argv[2];
let connections = 0;
let event = null;

const answers = {
  // The body comes back as it came, and so do the trailers.
  '/echo': (request, reply) => {
    if (request.method === 'HEAD') return reply.end();
    reply.writeHead(200, { 'x-method': request.method, trailer: 'x-trailer' });
    request.on('data', (data) => { if (!reply.write(data)) { request.pause(); reply.once('drain', () => request.resume()); } });
    request.on('end', () => {
      reply.addTrailers({ 'x-trailer': request.trailers['x-trailer'] ?? 'none' });
      reply.end();
    });
    return undefined;
  },
  '/fields': (request, reply) => reply.end(JSON.stringify(request.headers)),
  '/connections': (request, reply) => reply.end(String(connections)),
  '/204': (request, reply) => { reply.writeHead(204); reply.end(); },
  '/304': (request, reply) => { reply.writeHead(304, { etag: '"x"' }); reply.end(); },
  '/hints': (request, reply) => {
    reply.writeEarlyHints({ link: '</style.css>; rel=preload' });
    reply.end('hinted');
  },
  '/close': (request, reply) => { reply.writeHead(200, { connection: 'close' }); reply.end('bye'); },
  '/sink': (request, reply) => {
    let bytes = 0;
    request.on('data', (data) => { bytes += data.length; });
    request.on('end', () => reply.end(String(bytes)));
  },
  '/source': (request, reply, query) => {
    const piece = Buffer.alloc(64 << 10);
    let left = Number(query);
    const more = () => {
      while (left > 0) {
        left -= piece.length;
        if (!reply.write(piece)) return reply.once('drain', more);
      }
      return reply.end();
    };
    more();
  },
  '/early': (request, reply) => { reply.writeHead(413); reply.end('too much'); },
  '/hang': (request, reply) => {
    reply.on('close', () => console.log(`gone ${request.url}`));
    console.log(`hanging ${request.url}`);
  },
  // Sends part of what it promised.
  '/cut': (request, reply, query) => {
    reply.writeHead(200, query === 'length' ? { 'content-length': 100 } : {});
    reply.write('part', () => setImmediate(() => (reply.stream ? reply.stream.close(2) : reply.socket.destroy())));
  },
  // Sends its second event when it is asked to.
  '/events': (request, reply) => {
    reply.writeHead(200, { 'content-type': 'text/event-stream' });
    reply.write('data: first\n\n');
    event = () => reply.end('data: second\n\n');
  },
  '/next': (request, reply) => { event(); reply.end(); },
};

const serve = (request, reply) => {
  const [path, query] = request.url.split('?');
  const answer = answers[path] ?? ((_, other) => other.end(request.url));
  answer(request, reply, query);
};

const server = protocol === 'h2' ? http2.createServer(serve) : http.createServer(serve);
server.on(protocol === 'h2' ? 'session' : 'connection', () => { connections += 1; });
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
