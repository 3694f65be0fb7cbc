"""Server of `narrows.test.Echo` on grpcio; e2e/README.md describes the service.

Prints `listening PORT` when it is ready and serves until it is killed.
"""

import argparse
import time
from concurrent import futures

import grpc

from echo import SERVICE, UNLIMITED, message


def prepare(context):
    """Obeys the commands that come as metadata; returns the metadata as a dict."""
    asked = dict(context.invocation_metadata())
    initial = [("x-node", NODE)]
    if "x-echo-initial" in asked:
        initial.append(("x-echo-initial", asked["x-echo-initial"]))
    if "x-echo-trailing-bin" in asked:
        context.set_trailing_metadata([("x-echo-trailing-bin", asked["x-echo-trailing-bin"])])
    if asked.get("x-compress") == "gzip":
        context.set_compression(grpc.Compression.Gzip)
    if "x-delay-ms" in asked:
        time.sleep(int(asked["x-delay-ms"]) / 1000)
    context.send_initial_metadata(initial)
    if asked.get("x-status", "0") != "0":
        code = next(c for c in grpc.StatusCode if c.value[0] == int(asked["x-status"]))
        context.abort(code, asked.get("x-message-bin", b"").decode())
    return asked


def unary(request, context):
    asked = prepare(context)
    return message(int(asked["x-reply-size"])) if "x-reply-size" in asked else request


def empty(_request, context):
    prepare(context)
    return b""


def client_stream(requests, context):
    prepare(context)
    sizes = [len(request) for request in requests]
    return b"%d %d" % (len(sizes), sum(sizes))


def server_stream(request, context):
    prepare(context)
    for size in request.split():
        yield message(int(size))


def bidi(requests, context):
    prepare(context)
    yield from requests


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Empty": grpc.unary_unary_rpc_method_handler(empty),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
}


def main():
    global NODE
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--node", default="python")
    arguments.add_argument("--certificate")
    arguments.add_argument("--private-key")
    options = arguments.parse_args()
    NODE = options.node
    server = grpc.server(futures.ThreadPoolExecutor(64), options=UNLIMITED + [("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, METHODS)])
    if options.certificate:
        pair = (open(options.private_key, "rb").read(), open(options.certificate, "rb").read())
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print("listening", port, flush=True)
    server.wait_for_termination()


main()
