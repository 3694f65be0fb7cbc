"""A server of Apache Thrift; e2e/README.md describes the service. Prints `listening PORT` when it is ready."""

import argparse

from thrift.server.TServer import TThreadedServer
from thrift.Thrift import TApplicationException, TMessageType, TProcessor, TType
from thrift.transport.TSocket import TServerSocket

from thrift_echo import PROTOCOL, TRANSPORTS, Arguments, Refused, Result


class Echo(TProcessor):
    def process(self, iprot, oprot):
        name, kind, seqid = iprot.readMessageBegin()
        if name not in ("echo", "note"):
            iprot.skip(TType.STRUCT)
            iprot.readMessageEnd()
            unknown = TApplicationException(TApplicationException.UNKNOWN_METHOD, f"Unknown function {name}")
            return reply(oprot, name, TMessageType.EXCEPTION, seqid, unknown)
        arguments = Arguments()
        arguments.read(iprot)
        iprot.readMessageEnd()
        if kind == TMessageType.ONEWAY:
            return print("noted", arguments.text, flush=True)
        result = Result(success=arguments.text)
        if arguments.text == "refuse me":
            result = Result(refused=Refused("as you wish"))
        return reply(oprot, name, TMessageType.REPLY, seqid, result)


def reply(oprot, name, kind, seqid, content):
    oprot.writeMessageBegin(name, kind, seqid)
    content.write(oprot)
    oprot.writeMessageEnd()
    oprot.trans.flush()


class Announced(TServerSocket):
    def listen(self):
        super().listen()
        print("listening", self.handle.getsockname()[1], flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", choices=TRANSPORTS, required=True)
    transport = TRANSPORTS[parser.parse_args().transport]
    TThreadedServer(Echo(), Announced("127.0.0.1", 0), transport, PROTOCOL).serve()


main()
