"""An HTTP/2 client of another make (hyper-h2) that checks every frame it is sent and uses what gRPC clients do not.

Prints one JSON line for each case; e2e/README.md describes them. hyper-h2 raises on whatever the peer does against
RFC 9113, so a case that ends well has also been watched.
"""

import argparse
import json
import socket

import h2.config
import h2.connection
import h2.events
import h2.settings

from echo import message

UNARY = "/narrows.test.Echo/Unary"
BIDI = "/narrows.test.Echo/Bidi"


def framed(payload):
    return b"\0" + len(payload).to_bytes(4, "big") + payload


class Wire:
    """One connection. `replies` collects head, body and trailers by stream."""

    def __init__(self, target, settings=None):
        host, port = target.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        if settings:
            self.h2.local_settings = h2.settings.Settings(client=True, initial_values=settings)
        self.h2.initiate_connection()
        self.replies, self.pongs, self.grant = {}, [], True
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def open(self, path, extra=(), end=False):
        stream = self.h2.get_next_available_stream_id()
        fields = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
        fields += [("content-type", "application/grpc"), ("te", "trailers"), *METADATA, *extra]
        self.h2.send_headers(stream, fields, end_stream=end)
        self.replies[stream] = {"head": None, "body": b"", "trailers": None, "ended": False, "reset": None}
        self.flush()
        return stream

    def send(self, stream, data, end=False, **more):
        while data:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(data))
            if "pad_length" in more:
                room = min(room, 1000)
            if room == 0:
                self.turn()
                continue
            last = room == len(data)
            self.h2.send_data(stream, data[:room], end_stream=end and last, **more)
            data = data[room:]
            self.flush()

    def raw(self, kind, stream, payload):
        self.flush()
        head = len(payload).to_bytes(3, "big") + bytes([kind, 0]) + stream.to_bytes(4, "big")
        self.socket.sendall(head + payload)

    def turn(self):
        data = self.socket.recv(65536)
        if not data:
            raise AssertionError("the connection ended")
        for event in self.h2.receive_data(data):
            self.take(event)
        self.flush()

    def take(self, event):
        reply = self.replies.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ResponseReceived):
            reply["head"] = dict(event.headers)
        elif isinstance(event, h2.events.TrailersReceived):
            reply["trailers"] = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            reply["body"] += event.data
            if self.grant:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            reply["ended"] = True
        elif isinstance(event, h2.events.StreamReset):
            reply["reset"] = event.error_code
        elif isinstance(event, h2.events.PingAckReceived):
            self.pongs.append(event.ping_data)
        elif isinstance(event, h2.events.ConnectionTerminated):
            raise AssertionError(f"GOAWAY {event.error_code} {event.additional_data}")

    def until(self, holds):
        while not holds():
            self.turn()

    def finish(self, stream, payload):
        reply = self.replies[stream]
        self.until(lambda: reply["ended"] or reply["reset"] is not None)
        assert reply["reset"] is None, f"reset with {reply['reset']}"
        assert reply["head"][":status"] == "200", reply["head"]
        status = (reply["trailers"] or reply["head"]).get("grpc-status")
        assert status == "0", (reply["head"], reply["trailers"])
        assert reply["body"] == framed(payload), f"{len(reply['body'])} bytes of body"

    def call(self, payload, extra=()):
        stream = self.open(UNARY, extra)
        self.send(stream, framed(payload), end=True)
        self.finish(stream, payload)


def padded_data(target):
    wire = Wire(target)
    stream = wire.open(UNARY)
    wire.send(stream, framed(message(50000)), end=True, pad_length=200)
    wire.finish(stream, message(50000))
    for _ in range(100):
        wire.call(message(1000))


def continuation(target):
    wire = Wire(target)
    wire.call(b"a", [(f"x-long-{i}", "v" * 1500) for i in range(20)])
    wire.call(b"b")


def small_window(target):
    wire = Wire(target, {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1})
    wire.call(message(300))


def closed_window(target):
    wire = Wire(target, {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
    stream = wire.open(UNARY)
    wire.send(stream, framed(message(1000)), end=True)
    wire.until(lambda: wire.replies[stream]["head"] is not None)
    wire.h2.ping(b"no data.")
    wire.flush()
    wire.until(lambda: wire.pongs)
    assert wire.replies[stream]["body"] == b"", "data came through a closed window"
    wire.h2.increment_flow_control_window(2000, stream)
    wire.flush()
    wire.finish(stream, message(1000))


def window_changes(target):
    wire = Wire(target)
    stream = wire.open(BIDI)
    for size in (1, 65535, 100, 1 << 20):
        wire.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: size})
        wire.flush()
        wire.call(message(20000))
    wire.send(stream, framed(b"still here"), end=True)
    wire.finish(stream, b"still here")


def smaller_table(target):
    wire = Wire(target)
    for size in (4096, 0, 100, 4096):
        wire.h2.update_settings({h2.settings.SettingCodes.HEADER_TABLE_SIZE: size})
        wire.flush()
        for turn in range(5):
            wire.call(b"table", [("x-turn", str(turn))])


def request_trailers(target):
    wire = Wire(target)
    stream = wire.open(UNARY)
    wire.send(stream, framed(b"with trailers"))
    wire.h2.send_headers(stream, [("x-after", "the body")], end_stream=True)
    wire.flush()
    wire.finish(stream, b"with trailers")


def many_streams_interleaved(target):
    wire = Wire(target)
    streams = [wire.open(BIDI) for _ in range(50)]
    bodies = {stream: framed(message(3000 + stream)) for stream in streams}
    for start in range(0, 3200, 100):
        for stream in streams:
            wire.send(stream, bodies[stream][start : start + 100])
    for stream in streams:
        wire.h2.end_stream(stream)
    wire.flush()
    for stream in streams:
        wire.finish(stream, message(3000 + stream))


def ping_and_priority(target):
    wire = Wire(target)
    wire.h2.ping(b"12345678")
    wire.flush()
    wire.until(lambda: wire.pongs == [b"12345678"])
    wire.raw(2, 1, b"\0\0\0\0\7")  # PRIORITY, which is obsolete
    wire.raw(0xEE, 0, b"unknown")  # a type of frame that nobody knows
    wire.call(b"after")


def reset_leaves_the_others_alone(target):
    wire = Wire(target)
    other = wire.open(BIDI)
    for _ in range(20):
        stream = wire.open(BIDI)
        wire.send(stream, framed(message(100)))
        wire.h2.reset_stream(stream, 8)
        wire.flush()
    wire.send(other, framed(b"other"), end=True)
    wire.finish(other, b"other")


CASES = [
    padded_data,
    continuation,
    small_window,
    closed_window,
    window_changes,
    smaller_table,
    request_trailers,
    many_streams_interleaved,
    ping_and_priority,
    reset_leaves_the_others_alone,
]


def main():
    global METADATA
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--target", required=True)
    arguments.add_argument("--metadata", action="append", default=[], help="name=value, sent with every call")
    options = arguments.parse_args()
    METADATA = [tuple(pair.split("=", 1)) for pair in options.metadata]
    for case in CASES:
        detail = ""
        try:
            case(options.target)
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
        print(json.dumps({"case": case.__name__, "ok": not detail, "detail": detail}), flush=True)


main()
