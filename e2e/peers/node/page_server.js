// Serves what a browser needs for `e2e/peers/browser/page.html`, and prints each report of the page as a line.
'use strict'

const fs = require('fs')
const http = require('http')
const path = require('path')

const page = name => path.join(__dirname, '../browser', name)
const library = path.join(path.dirname(require.resolve('grpc-web')), 'index.esm.js')
const FILES = {
  '/': [page('page.html'), 'text/html'],
  '/page.js': [page('page.js'), 'text/javascript'],
  '/grpc-web.js': [library, 'text/javascript']
}

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://page.test')
  if (request.method === 'POST' && pathname === '/report') {
    let body = ''
    request.on('data', data => { body += data })
    request.on('end', () => {
      console.log(body)
      response.end()
    })
    return
  }
  const found = FILES[pathname]
  if (found === undefined) {
    response.statusCode = 404
    return response.end()
  }
  response.setHeader('content-type', found[1])
  response.end(fs.readFileSync(found[0]))
})
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`))
