"""Applications that write down each request they believe to have received, one JSON object a line, in the file that
the variable SEEN names."""

import json
import os

LOG = open(os.environ["SEEN"], "a", buffering=1)


def report(method, target, body):
    seen = {"method": method, "target": target, "body": body, "status": 200}
    LOG.write(json.dumps(seen) + "\n")


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += len(message.get("body", b""))
        more = message.get("more_body", False)
    query = scope["query_string"].decode("latin-1")
    target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    report(scope["method"], target, body)
    text = target.encode("latin-1")
    fields = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": text})


def wsgi(environ, start_response):
    source, body = environ["wsgi.input"], 0
    while piece := source.read(1 << 16):
        body += len(piece)
    target = environ["RAW_URI"]
    report(environ["REQUEST_METHOD"], target, body)
    text = target.encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]
