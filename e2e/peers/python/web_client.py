"""Python's own client against a server like `e2e/peers/node/web.js`: `web_client.py HOST:PORT`. Prints `ok` at the end."""

import http.client
import sys

connection = http.client.HTTPConnection(sys.argv[1], timeout=60)


def call(method, path, **how):
    connection.request(method, path, **how)
    reply = connection.getresponse()
    return reply.status, reply.read()


text = b"y" * 300_000
assert call("POST", "/echo", body=text) == (200, text)
pieces = [text[at : at + 1000] for at in range(0, len(text), 1000)]
assert call("POST", "/echo", body=iter(pieces), encode_chunked=True) == (200, text)
# A reply that begins before the request has ended may end the connection. Those that follow do not.
assert call("HEAD", "/echo") == (200, b"")
socket = connection.sock
assert call("GET", "/204") == (204, b"")
assert call("GET", "/304") == (304, b"")
for turn in range(50):
    assert call("GET", f"/{turn}") == (200, f"/{turn}".encode())
assert connection.sock is socket, "all over one connection"
print("ok")
