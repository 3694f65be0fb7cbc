// Node's own clients against a server like `web.js`: `node web_client.js h1|h2 HOST:PORT`. Prints `ok` at the end.
'use strict';

const assert = require('node:assert');
const http = require('node:http');
const http2 = require('node:http2');

const [protocol, target] = process.argv.slice(2);
const [host, port] = target.split(':');

function h1() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const call = (method, path, body, trailers) => new Promise((resolve, reject) => {
    const headers = trailers ? { trailer: Object.keys(trailers).join(), 'transfer-encoding': 'chunked' } : {};
    const request = http.request({ host, port, agent, method, path, headers });
    let hints = null;
    request.on('information', (info) => { hints = info; });
    request.on('error', reject);
    request.on('response', (reply) => {
      const pieces = [];
      reply.on('data', (data) => pieces.push(data));
      reply.on('end', () => resolve({ status: reply.statusCode, body: Buffer.concat(pieces).toString(), trailers: reply.trailers, hints }));
    });
    if (trailers) request.addTrailers(trailers);
    request.end(body);
  });
  return { call, close: () => agent.destroy() };
}

function h2() {
  const session = http2.connect(`http://${target}`);
  const call = (method, path, body, trailers) => new Promise((resolve, reject) => {
    const stream = session.request({ ':method': method, ':path': path }, { endStream: body === undefined, waitForTrailers: Boolean(trailers) });
    const reply = { body: '', trailers: {}, hints: null };
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.on('headers', (fields) => { reply.hints = fields; });
    stream.on('response', (fields) => { reply.status = fields[':status']; });
    stream.on('trailers', (fields) => { reply.trailers = fields; });
    stream.on('data', (data) => { reply.body += data; });
    stream.on('end', () => resolve(reply));
    stream.on('error', reject);
    if (body !== undefined) stream.end(body);
  });
  return { call, close: () => session.close() };
}

async function main() {
  const { call, close } = protocol === 'h2' ? h2() : h1();
  const text = 'x'.repeat(200000);
  const echo = await call('POST', '/echo', text, { 'x-trailer': 'end' });
  assert.strictEqual(echo.status, 200);
  assert.strictEqual(echo.body, text);
  assert.strictEqual(echo.trailers['x-trailer'], 'end');
  assert.strictEqual((await call('HEAD', '/echo')).body, '');
  assert.strictEqual((await call('GET', '/204')).status, 204);
  assert.strictEqual((await call('GET', '/304')).status, 304);
  const hinted = await call('GET', '/hints');
  assert.strictEqual(hinted.body, 'hinted');
  assert.ok(hinted.hints, 'the hints came');
  for (let turn = 0; turn < 50; turn += 1) assert.strictEqual((await call('GET', `/${turn}`)).body, `/${turn}`);
  close();
  console.log('ok');
}

main().catch((error) => { console.log(error); process.exit(1); });
