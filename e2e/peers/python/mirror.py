"""An HTTP/1.1 server that answers with the head of the request as it came, in lines; the standard library's.

`x-answer-NAME` of a request becomes the field NAME of the reply, in which `{self}` stands for this server's own
address. `x-answer-status` is the status.
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "x-answer-"


class Mirror(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "inner-server/9.9"

    def do_GET(self):
        lines = [self.requestline] + [f"{name.lower()}: {value}" for name, value in self.headers.items()]
        body = "".join(line + "\n" for line in lines).encode()
        self.send_response(int(self.headers.get(PREFIX + "status", "200")))
        own = "{}:{}".format(*self.server.server_address)
        for name, value in self.headers.items():
            field = name.lower().removeprefix(PREFIX)
            if field != name.lower() and field != "status":
                self.send_header(field, value.replace("{self}", own))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
print("listening", server.server_address[1], flush=True)
server.serve_forever()
