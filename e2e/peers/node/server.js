// Server of `narrows.test.Echo` on @grpc/grpc-js; e2e/README.md describes the service.
// Prints `listening PORT` when it is ready and serves until it is killed.
'use strict';

const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const { UNLIMITED, METHODS, message, options } = require('./echo');

const asked = options(['node', 'certificate', 'private-key']);
const node = (asked.node || ['node'])[0];

// Obeys the commands that come as metadata. Calls `go(trailers)`, or ends the call with the status asked for.
function prepare(call, fail, go) {
  const command = (name) => call.metadata.get(name)[0];
  const trailers = new grpc.Metadata();
  const bytes = command('x-echo-trailing-bin');
  if (bytes !== undefined) trailers.set('x-echo-trailing-bin', bytes);
  const begin = () => {
    const initial = new grpc.Metadata();
    initial.set('x-node', node);
    if (command('x-echo-initial') !== undefined) initial.set('x-echo-initial', command('x-echo-initial'));
    call.sendMetadata(initial);
    const code = Number(command('x-status') || 0);
    if (code === 0) return go(trailers);
    const details = Buffer.from(command('x-message-bin') || '').toString();
    return fail({ code, details, metadata: trailers });
  };
  const delay = Number(command('x-delay-ms') || 0);
  if (delay) setTimeout(begin, delay);
  else begin();
}

const failStream = (call) => (status) => call.emit('error', status);

function unary(call, done) {
  prepare(call, done, (trailers) => {
    const size = call.metadata.get('x-reply-size')[0];
    done(null, size === undefined ? call.request : message(Number(size)), trailers);
  });
}

function empty(call, done) {
  prepare(call, done, (trailers) => done(null, Buffer.alloc(0), trailers));
}

function clientStream(call, done) {
  prepare(call, done, (trailers) => {
    let count = 0;
    let bytes = 0;
    call.on('data', (request) => {
      count += 1;
      bytes += request.length;
    });
    call.on('end', () => done(null, Buffer.from(`${count} ${bytes}`), trailers));
  });
}

function serverStream(call) {
  prepare(call, failStream(call), async (trailers) => {
    for (const size of call.request.toString().split(' ').filter(Boolean)) {
      if (!call.write(message(Number(size)))) await new Promise((resolve) => call.once('drain', resolve));
    }
    call.end(trailers);
  });
}

function bidi(call) {
  prepare(call, failStream(call), (trailers) => {
    call.on('data', (request) => {
      if (call.write(request)) return;
      call.pause();
      call.once('drain', () => call.resume());
    });
    call.on('end', () => call.end(trailers));
  });
}

const server = new grpc.Server(UNLIMITED);
server.addService(METHODS, {
  Unary: unary,
  Empty: empty,
  ClientStream: clientStream,
  ServerStream: serverStream,
  Bidi: bidi,
});
const credentials = asked.certificate
  ? grpc.ServerCredentials.createSsl(null, [
      { cert_chain: fs.readFileSync(asked.certificate[0]), private_key: fs.readFileSync(asked['private-key'][0]) },
    ])
  : grpc.ServerCredentials.createInsecure();
server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
  if (error) throw error;
  console.log('listening', port);
});
