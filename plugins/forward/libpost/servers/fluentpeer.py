#!/usr/bin/env python3
"""fluentpeer.py DIR tcp|tls [KEY [USER PASSWORD]] [--do=…] - a receiver of the Fluentd forward protocol version 1, as its specification
says it, on loopback. It logs what it got: {"tag", "sec", "nsec", "record", "chunk"}, {"ping": …} and {"refused": …}.

--do=deaf       takes chunks and never acknowledges
--do=drop       ends the first connection after its first chunk, unacknowledged; then as usual
--do=echo       answers the handshake with the sender's own name and proof
--do=liar       a PONG that lets in, with a wrong proof
--do=slow       every answer byte by byte
--do=reversed   acknowledges two chunks at a time, the last one first
--do=endless    answers that do not end"""
import hashlib
import os
import socket
import ssl
import sys
import threading

from common import certificate, log, ready, skip

try:
    import msgpack
except ImportError:
    skip("python3-msgpack is not here")
DO = next((a[5:] for a in sys.argv if a.startswith("--do=")), "")
ARGS = [a for a in sys.argv[1:] if not a.startswith("--")]
DIR, KIND, KEY, USER, PASSWORD = (ARGS + [""] * 3)[:5]
NAME = "receiver.example"
seen = []


def sha(*parts):
    h = hashlib.sha512()
    for p in parts:
        h.update(p if isinstance(p, bytes) else p.encode())
    return h.hexdigest()


def say(c, what):
    data = msgpack.packb(what, use_bin_type=True)
    if DO == "slow":
        for i in range(len(data)):
            c.sendall(data[i:i + 1])
    else:
        c.sendall(data)


def messages(c):
    u = msgpack.Unpacker(raw=False, strict_map_key=True, ext_hook=lambda code, data: (code, data))
    while True:
        data = c.recv(65536)
        if not data:
            return
        u.feed(data)
        yield from u


def shake(c, incoming):
    nonce, auth = os.urandom(16), os.urandom(16) if USER else b""
    say(c, ["HELO", {"nonce": nonce, "auth": auth, "keepalive": True}])
    word, name, salt, proof, user, password = next(incoming)
    log(DIR, ping={"name": name, "user": user, "salt": len(salt)})
    if word != "PING":
        raise ValueError(word)
    if proof != sha(salt, name, nonce, KEY):
        say(c, ["PONG", False, "shared_key mismatch", "", ""])
        return False
    if USER and (user != USER or password != sha(auth, USER, PASSWORD)):
        say(c, ["PONG", False, "username/password mismatch", "", ""])
        return False
    if DO == "echo":
        say(c, ["PONG", True, "", name, proof])
    elif DO == "liar":
        say(c, ["PONG", True, "", NAME, sha(salt, NAME, nonce, KEY + "x")])
    else:
        say(c, ["PONG", True, "", NAME, sha(salt, NAME, nonce, KEY)])
    return True


def entries(message):
    tag, body = message[0], message[1]
    option = message[2] if len(message) > 2 else {}
    if isinstance(body, bytes):
        body = list(msgpack.Unpacker(__import__("io").BytesIO(body), raw=False, ext_hook=lambda code, data: (code, data)))
    if option.get("size") != len(body):
        raise ValueError("size %r of %d entries" % (option.get("size"), len(body)))
    for (code, when), record in body:
        if code != 0 or len(when) != 8:
            raise ValueError("no EventTime")
        yield {"tag": tag, "sec": int.from_bytes(when[:4], "big"), "nsec": int.from_bytes(when[4:], "big"), "record": record, "chunk": option["chunk"]}


def serve(c):
    held = []
    try:
        incoming = messages(c)
        if KEY and not shake(c, incoming):
            c.close()
            return
        if DO == "endless":
            c.sendall(b"\x81\xa3ack\xdb\x00\x00\x0f\x00" + b"x" * 3000)
        for m in incoming:
            for e in entries(m):
                log(DIR, **e)
            if DO in ("deaf", "endless"):
                continue
            if DO == "drop" and not seen:
                seen.append(1)
                c.close()
                return
            held.append(m[2]["chunk"])
            if DO != "reversed" or len(held) == 2:
                while held:
                    say(c, {"ack": held.pop()})
    except (OSError, ValueError, TypeError, StopIteration) as e:
        log(DIR, refused=str(e)[:200])
        c.close()


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(16)
context = None
if KIND == "tls":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(DIR))
ready(listener.getsockname()[1])
while True:
    conn, _ = listener.accept()
    try:
        if context:
            conn = context.wrap_socket(conn, server_side=True)
    except OSError as e:
        log(DIR, refused=str(e)[:200])
        continue
    threading.Thread(target=serve, args=(conn,), daemon=True).start()
