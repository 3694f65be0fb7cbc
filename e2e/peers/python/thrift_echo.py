"""What the client and the server of Apache Thrift agree on, as its compiler would write it for this service:

    exception Refused { 1: string why }
    service Echo {
      string echo(1: string text) throws (1: Refused refused)
      oneway void note(1: string text)
    }
"""

from thrift.protocol.TBase import TBase, TExceptionBase
from thrift.protocol.TBinaryProtocol import TBinaryProtocolFactory
from thrift.Thrift import TType
from thrift.transport.TTransport import TBufferedTransportFactory, TFramedTransportFactory

TRANSPORTS = {"buffered": TBufferedTransportFactory(), "framed": TFramedTransportFactory()}
PROTOCOL = TBinaryProtocolFactory()


class Refused(TExceptionBase):
    __slots__ = ("why",)
    thrift_spec = (None, (1, TType.STRING, "why", "UTF8", None))

    def __init__(self, why=None):
        self.why = why


class Arguments(TBase):
    """Of both methods."""

    __slots__ = ("text",)
    thrift_spec = (None, (1, TType.STRING, "text", "UTF8", None))

    def __init__(self, text=None):
        self.text = text


class Result(TBase):
    """Of `echo`."""

    __slots__ = ("success", "refused")
    thrift_spec = (
        (0, TType.STRING, "success", "UTF8", None),
        (1, TType.STRUCT, "refused", [Refused, Refused.thrift_spec], None),
    )

    def __init__(self, success=None, refused=None):
        self.success = success
        self.refused = refused
