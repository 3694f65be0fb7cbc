"""Client of `narrows.test.Echo` on grpcio: runs the interoperability cases and prints one JSON line for each.

e2e/README.md describes the cases.
"""

import argparse
import json
import queue

import grpc

from echo import SERVICE, UNLIMITED, message

SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"
HUGE = 100 << 20


def same(got, wanted):
    if got != wanted:
        raise AssertionError(f"got {str(got)[:120]}, wanted {str(wanted)[:120]}")


def fails_with(code, call):
    try:
        call()
    except grpc.RpcError as error:
        same(error.code(), code)
        return error
    raise AssertionError(f"no error, wanted {code}")


class Cases:
    """One method for each case; its name is the name of the case."""

    def __init__(self, channel, metadata):
        self.metadata = metadata
        self.channel = channel
        self.unary = channel.unary_unary(f"/{SERVICE}/Unary")
        self.empty = channel.unary_unary(f"/{SERVICE}/Empty")
        self.client_stream = channel.stream_unary(f"/{SERVICE}/ClientStream")
        self.server_stream = channel.unary_stream(f"/{SERVICE}/ServerStream")
        self.bidi = channel.stream_stream(f"/{SERVICE}/Bidi")

    def call(self, method, request, *extra, timeout=20, **more):
        return method(request, metadata=self.metadata + list(extra), timeout=timeout, **more)

    def empty_unary(self):
        same(self.call(self.empty, b""), b"")

    def large_unary(self):
        reply = self.call(self.unary, message(271828), ("x-reply-size", "314159"))
        same(reply, message(314159))

    def client_streaming(self):
        requests = iter([message(size) for size in (27182, 8, 1828, 45904)])
        same(self.call(self.client_stream, requests), b"4 74922")

    def server_streaming(self):
        replies = list(self.call(self.server_stream, b"31415 9 2653 58979"))
        same(replies, [message(size) for size in (31415, 9, 2653, 58979)])

    def ping_pong(self):
        requests = queue.Queue()
        replies = self.call(self.bidi, iter(requests.get, None))
        for size in (27182, 8, 1828, 45904):
            requests.put(message(size))
            same(next(replies), message(size))
        requests.put(None)
        same(list(replies), [])

    def empty_stream(self):
        same(list(self.call(self.bidi, iter([]))), [])

    def timeout_on_sleeping_server(self):
        def late():
            requests = queue.Queue()
            requests.put(message(27182))
            try:
                list(self.call(self.bidi, iter(requests.get, None), ("x-delay-ms", "2000"), timeout=0.2))
            finally:
                requests.put(None)

        fails_with(grpc.StatusCode.DEADLINE_EXCEEDED, late)

    def cancel_after_begin(self):
        requests = queue.Queue()
        call = self.client_stream.future(iter(requests.get, None), metadata=self.metadata)
        call.cancel()
        requests.put(None)
        same(call.cancelled(), True)
        same(call.code(), grpc.StatusCode.CANCELLED)

    def cancel_after_first_response(self):
        requests = queue.Queue()
        requests.put(message(27182))
        call = self.call(self.bidi, iter(requests.get, None))
        same(next(call), message(27182))
        call.cancel()
        requests.put(None)
        fails_with(grpc.StatusCode.CANCELLED, lambda: list(call))

    def status_code_and_message(self):
        extra = [("x-status", "2"), ("x-message-bin", b"test status message")]
        for call in (
            lambda: self.call(self.unary, b"", *extra),
            lambda: list(self.call(self.bidi, iter([b"a"]), *extra)),
        ):
            same(fails_with(grpc.StatusCode.UNKNOWN, call).details(), "test status message")

    def special_status_message(self):
        extra = [("x-status", "2"), ("x-message-bin", SPECIAL.encode())]
        error = fails_with(grpc.StatusCode.UNKNOWN, lambda: self.call(self.unary, b"", *extra))
        same(error.details(), SPECIAL)

    def custom_metadata(self):
        extra = [("x-echo-initial", "test_initial_metadata_value"), ("x-echo-trailing-bin", b"\xab\xab\xab\x00")]
        reply, call = self.unary.with_call(message(314), metadata=self.metadata + extra, timeout=20)
        same(reply, message(314))
        self.check_metadata(call)
        stream = self.call(self.bidi, iter([message(314)]), *extra)
        same(list(stream), [message(314)])
        self.check_metadata(stream)

    def check_metadata(self, call):
        same(dict(call.initial_metadata()).get("x-echo-initial"), "test_initial_metadata_value")
        same(dict(call.trailing_metadata()).get("x-echo-trailing-bin"), b"\xab\xab\xab\x00")

    def unimplemented_method(self):
        method = self.channel.unary_unary(f"/{SERVICE}/Absent")
        fails_with(grpc.StatusCode.UNIMPLEMENTED, lambda: self.call(method, b""))

    def unimplemented_service(self):
        method = self.channel.unary_unary("/narrows.test.Absent/Unary")
        fails_with(grpc.StatusCode.UNIMPLEMENTED, lambda: self.call(method, b""))

    def client_compressed_unary(self):
        reply, call = self.unary.with_call(
            message(271828), metadata=self.metadata, timeout=20, compression=grpc.Compression.Gzip
        )
        same(reply, message(271828))
        same(dict(call.initial_metadata()).get("x-request-encoding", "gzip"), "gzip")

    def server_compressed_unary(self):
        same(self.call(self.unary, message(314159), ("x-compress", "gzip")), message(314159))

    def client_compressed_streaming(self):
        requests = iter([message(size) for size in (27182, 45904)])
        reply = self.call(self.client_stream, requests, compression=grpc.Compression.Gzip)
        same(reply, b"2 73086")

    def server_compressed_streaming(self):
        replies = list(self.call(self.server_stream, b"31415 92653", ("x-compress", "gzip")))
        same(replies, [message(31415), message(92653)])

    def huge_unary(self):
        same(self.call(self.unary, message(HUGE), timeout=120) == message(HUGE), True)


NAMES = [name for name, value in vars(Cases).items() if callable(value) and not name.startswith("_")]
NAMES = [name for name in NAMES if name not in ("call", "check_metadata")]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--target", required=True)
    arguments.add_argument("--ca")
    arguments.add_argument("--metadata", action="append", default=[], help="name=value, sent with every call")
    arguments.add_argument("--cases", default=",".join(NAMES))
    options = arguments.parse_args()
    if options.ca:
        credentials = grpc.ssl_channel_credentials(open(options.ca, "rb").read())
        override = [("grpc.ssl_target_name_override", "localhost")]
        channel = grpc.secure_channel(options.target, credentials, options=UNLIMITED + override)
    else:
        channel = grpc.insecure_channel(options.target, options=UNLIMITED)
    cases = Cases(channel, [tuple(pair.split("=", 1)) for pair in options.metadata])
    for name in options.cases.split(","):
        try:
            getattr(cases, name)()
            outcome = {"case": name, "ok": True, "detail": ""}
        except grpc.RpcError as error:
            outcome = {"case": name, "ok": False, "detail": f"{error.code()}: {error.details()}"}
        except Exception as error:
            outcome = {"case": name, "ok": False, "detail": f"{type(error).__name__}: {error}"}
        print(json.dumps(outcome), flush=True)


main()
