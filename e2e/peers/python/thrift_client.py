"""A client of Apache Thrift; e2e/README.md says what its cases are."""

import argparse
import json

from thrift.Thrift import TApplicationException, TMessageType
from thrift.transport.TSocket import TSocket

from thrift_echo import PROTOCOL, TRANSPORTS, Arguments, Refused, Result

LARGE = "a text that comes again and again: \u00e9\n" * (5 << 20)
LARGE = LARGE[: 5 << 20]


class Client:
    """One connection."""

    def __init__(self, options):
        host, port = options.target.split(":")
        socket = TSocket(host, int(port))
        socket.setTimeout(30000)
        self.transport = TRANSPORTS[options.transport].getTransport(socket)
        self.protocol = PROTOCOL.getProtocol(self.transport)
        self.turn = 0

    def __enter__(self):
        self.transport.open()
        return self

    def __exit__(self, *_):
        self.transport.close()

    def send(self, name, kind, text):
        self.turn += 1
        self.protocol.writeMessageBegin(name, kind, self.turn)
        Arguments(text).write(self.protocol)
        self.protocol.writeMessageEnd()
        self.transport.flush()

    def receive(self):
        _, kind, turn = self.protocol.readMessageBegin()
        assert turn == self.turn, f"the answer to call {turn}, not to {self.turn}"
        answer = TApplicationException() if kind == TMessageType.EXCEPTION else Result()
        answer.read(self.protocol)
        self.protocol.readMessageEnd()
        if kind == TMessageType.EXCEPTION:
            raise answer
        if answer.refused is not None:
            raise answer.refused
        return answer.success

    def call(self, text, name="echo"):
        self.send(name, TMessageType.CALL, text)
        return self.receive()

    def note(self, text):
        self.send("note", TMessageType.ONEWAY, text)


def calls(client, _other):
    for turn in range(200):
        assert client.call(f"call {turn}") == f"call {turn}"


def two_clients(client, other):
    for turn in range(50):
        client.send("echo", TMessageType.CALL, f"mine {turn}")
        other.send("echo", TMessageType.CALL, f"other {turn}")
        assert other.receive() == f"other {turn}"
        assert client.receive() == f"mine {turn}"


def exception(client, _other):
    try:
        raise AssertionError(client.call("refuse me"))
    except Refused as refused:
        assert refused.why == "as you wish", refused
    assert client.call("go on") == "go on"


def unknown_method(client, _other):
    try:
        raise AssertionError(client.call("text", name="absent"))
    except TApplicationException as error:
        assert error.type == TApplicationException.UNKNOWN_METHOD, error
    assert client.call("go on") == "go on"


def large(client, _other):
    assert client.call(LARGE) == LARGE


def oneway(client, _other):
    client.note("no answer to this")
    assert client.call("but to this") == "but to this"


CASES = [calls, two_clients, exception, unknown_method, large, oneway]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--transport", choices=TRANSPORTS, required=True)
    options = parser.parse_args()
    # The same two connections for all cases.
    with Client(options) as client, Client(options) as other:
        for case in CASES:
            try:
                case(client, other)
                outcome = {"ok": True}
            except Exception as error:
                outcome = {"ok": False, "detail": repr(error)[:1000]}
            print(json.dumps({"case": case.__name__, **outcome}), flush=True)


main()
