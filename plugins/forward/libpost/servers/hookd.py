#!/usr/bin/env python3
"""hookd.py DIR - a receiver of webhooks over TLS on loopback. The path says what it answers: /ok, /later (503), /no (400),
/moved (302), /sms ({"messages": [{"status": "delivered"}]} when the body's "to" ends in 1, else "queued")."""
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from common import certificate, log, ready

DIR = sys.argv[1]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        log(DIR, path=self.path, body=body, headers={k.lower(): v for k, v in self.headers.items()})
        status = {"/later": 503, "/no": 400, "/moved": 302}.get(self.path, 200)
        answer = b"{}"
        if self.path == "/sms":
            to = json.loads(body).get("to", "")
            answer = json.dumps({"messages": [{"status": "delivered" if to.endswith("1") else "queued"}]}).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/ok")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


cert, key = certificate(DIR)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
ready(server.server_address[1])
server.serve_forever()
