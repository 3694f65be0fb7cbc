// What the client and the server of `narrows.test.Echo` agree on; e2e/README.md describes it.
'use strict';

const SERVICE = 'narrows.test.Echo';
const UNLIMITED = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
const PATTERN = Buffer.from(Array.from({ length: 251 * 64 }, (_, i) => i % 251));

// `size` bytes whose content depends on their place, so that a shift or a loss shows.
const message = (size) => (size === 0 ? Buffer.alloc(0) : Buffer.alloc(size, PATTERN));

const raw = (bytes) => bytes;

function method(name, requestStream, responseStream) {
  return {
    path: `/${SERVICE}/${name}`,
    requestStream,
    responseStream,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  };
}

const METHODS = {
  Unary: method('Unary', false, false),
  Empty: method('Empty', false, false),
  ClientStream: method('ClientStream', true, false),
  ServerStream: method('ServerStream', false, true),
  Bidi: method('Bidi', true, true),
};

// `--name value` pairs of the command line; a name that comes twice gives a list.
function options(names) {
  const found = {};
  for (let at = 2; at < process.argv.length; at += 2) {
    const name = process.argv[at].replace(/^--/, '');
    if (!names.includes(name)) throw new Error(`unknown option --${name}`);
    found[name] = (found[name] || []).concat(process.argv[at + 1]);
  }
  return found;
}

module.exports = { SERVICE, UNLIMITED, METHODS, message, options };
