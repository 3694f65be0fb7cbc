// A server that writes down each request it believes to have received, one JSON object a line, in the file that its
// first argument names. The second is `h1` or `h2`; HTTP/1 is read as leniently as node can be made to.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');

const [file, protocol] = process.argv.slice(2);
const log = fs.openSync(file, 'a');

const serve = (request, reply) => {
  let body = 0;
  request.on('data', (data) => { body += data.length; });
  request.on('end', () => {
    const seen = { method: request.method, target: request.url, body, status: 200 };
    fs.writeSync(log, `${JSON.stringify(seen)}\n`);
    reply.end(request.url);
  });
};

const lenient = { insecureHTTPParser: true, keepAliveTimeout: 60000, maxHeaderSize: 1 << 20 };
const server = protocol === 'h2' ? http2.createServer(serve) : http.createServer(lenient, serve);
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
