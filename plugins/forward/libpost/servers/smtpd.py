#!/usr/bin/env python3
"""smtpd.py DIR MODE - a mail server (aiosmtpd) on loopback. MODE: plain, starttls, implicit; 'auth' added: log-in needed
(user 'office', password 'correct horse'). Recipients: busy@… is told 451, gone@… 550; others are taken. 'dns:PORT' added:
answers MX for any domain with mx.example.test, 127.0.0.1, on that UDP port (0: any, said as a second line in DIR/dns)."""
import asyncio
import email
import email.policy
import os
import socket
import ssl
import struct
import sys
import threading

from common import certificate, log, ready, skip

try:
    from aiosmtpd.smtp import SMTP, AuthResult
except ImportError:
    skip("python3-aiosmtpd is not here")

DIR, MODES = sys.argv[1], sys.argv[2:]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("busy@"):
            return "451 4.2.1 try again later"
        if address.startswith("gone@"):
            return "550 5.1.1 nobody here of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        m = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {p.get_content_type(): p.get_content() for p in m.walk() if not p.is_multipart()}
        log(DIR, sender=envelope.mail_from, to=envelope.rcpt_tos, tls=session.ssl is not None or "implicit" in MODES, user=getattr(session, "user", None),
            subject=str(m["Subject"]), message_id=m["Message-ID"], from_=str(m["From"]), text=parts.get("text/plain"), html=parts.get("text/html"),
            longest=max(len(line) for line in envelope.content.split(b"\r\n")), eight_bit=any(b > 127 for b in envelope.content))
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"office" and data.password == b"correct horse"
    if good:
        session.user = "office"
    return AuthResult(success=good)


def name_server(port):
    """A name server that knows one mail server."""
    def name(text):
        return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".")) + b"\0"

    def answer(query):
        end = 12
        while query[end]:
            end += query[end] + 1
        question, kind = query[12:end + 5], struct.unpack("!H", query[end + 1:end + 3])[0]
        asked = query[12:end + 1]
        if asked == name("nowhere.test"):
            return query[:2] + struct.pack("!HHHHH", 0x8583, 1, 0, 0, 0) + question
        data = struct.pack("!H", 10) + name("mx.example.test") if kind == 15 else socket.inet_aton("127.0.0.1") if kind == 1 else None
        head = query[:2] + struct.pack("!HHHHH", 0x8580, 1, 1 if data else 0, 0, 0)
        return head + question + (b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data if data else b"")

    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", port))
    with open(os.path.join(DIR, "dns"), "w", encoding="ascii") as f:
        f.write(f"127.0.0.1:{s.getsockname()[1]}")

    def run():
        while True:
            query, peer = s.recvfrom(4096)
            s.sendto(answer(query), peer)
    threading.Thread(target=run, daemon=True).start()


def main():
    cert, key = certificate(DIR)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    auth = "auth" in MODES
    for m in MODES:
        if m.startswith("dns:"):
            name_server(int(m[4:]))

    async def serve():
        def one():
            return SMTP(Handler(), hostname="127.0.0.1", tls_context=context if "starttls" in MODES else None, authenticator=authenticate if auth else None,
                        auth_required=auth, auth_require_tls="starttls" in MODES)
        server = await asyncio.get_running_loop().create_server(one, "127.0.0.1", 0, ssl=context if "implicit" in MODES else None)
        ready(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


main()
