#!/usr/bin/env python3
"""forwarder.py - a sender of the Fluentd forward protocol, written after its public specification (v1): handshake with a shared key, packed
and compressed chunks, and a chunk is only forgotten once it was acknowledged.

forwarder.py HOST PORT NAME KEY CHUNKS DONE [PAUSE [CERTIFICATES]]: sends the chunks that the file DONE does not list, one at a time, writes each acknowledged one
there (and to the disk) and ends when all are. May be killed at any time and started again. CERTIFICATES: a folder with ca.pem, other.pem
and other.key; then over TLS, to a server that is "hub"."""
import gzip
import hashlib
import os
import socket
import ssl
import struct
import sys
import time


def pack(v):
    if v is None:
        return b"\xc0"
    if isinstance(v, bool):
        return b"\xc3" if v else b"\xc2"
    if isinstance(v, int):
        return b"\xce" + struct.pack(">I", v)
    if isinstance(v, str):
        b = v.encode()
        return b"\xdb" + struct.pack(">I", len(b)) + b
    if isinstance(v, bytes):
        return b"\xc6" + struct.pack(">I", len(v)) + v
    if isinstance(v, (list, tuple)):
        return b"\xdd" + struct.pack(">I", len(v)) + b"".join(pack(x) for x in v)
    if isinstance(v, dict):
        return b"\xdf" + struct.pack(">I", len(v)) + b"".join(pack(k) + pack(x) for k, x in v.items())
    raise TypeError(v)


def event_time(t):
    return b"\xd7\x00" + struct.pack(">II", int(t), 0)


class Refused(Exception):
    pass


class More(Exception):
    pass


def unpack(b, at=0):
    """One value of what a server answers; (value, end)."""
    def take(n):
        nonlocal at
        if at + n > len(b):
            raise More
        at += n
        return b[at - n:at]
    c = take(1)[0]
    if c < 0x80:
        return c, at
    if 0x80 <= c < 0xa0 or c in (0xdc, 0xdd, 0xde, 0xdf):
        n = c & 15 if c < 0xa0 else struct.unpack(">H", take(2))[0] if c in (0xdc, 0xde) else struct.unpack(">I", take(4))[0]
        items = []
        for _ in range(n * (2 if c < 0x90 or c in (0xde, 0xdf) else 1)):
            v, at = unpack(b, at)
            items.append(v)
        return (dict(zip(items[::2], items[1::2])) if c < 0x90 or c in (0xde, 0xdf) else items), at
    if 0xa0 <= c < 0xc0:
        return take(c & 31).decode(), at
    if c in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[c], at
    if c in (0xc4, 0xd9):
        v = take(take(1)[0])
        return v if c == 0xc4 else v.decode(), at
    raise ValueError(hex(c))


class Server:
    def __init__(self, host, port, name, key, certificates=None):
        self.s = socket.create_connection((host, port), timeout=20)
        if certificates:
            tls = ssl.create_default_context(cafile=f"{certificates}/ca.pem")
            tls.load_cert_chain(f"{certificates}/other.pem", f"{certificates}/other.key")
            self.s = tls.wrap_socket(self.s, server_hostname="hub")
        self.buf = b""
        if key:
            word, helo = self.read()
            assert word == "HELO", word
            salt = os.urandom(16).hex()
            digest = hashlib.sha512(salt.encode() + name.encode() + helo["nonce"] + key.encode()).hexdigest()
            self.s.sendall(pack(["PING", name, salt, digest, "", ""]))
            pong = self.read()
            if not pong[1]:
                raise Refused(pong[2])
            proof = hashlib.sha512(salt.encode() + pong[3].encode() + helo["nonce"] + key.encode()).hexdigest()
            assert pong[4] == proof, "the server does not have the key"

    def read(self):
        while True:
            try:
                v, end = unpack(self.buf)
                self.buf = self.buf[end:]
                return v
            except More:
                more = self.s.recv(65536)
                if not more:
                    raise ConnectionError("closed")
                self.buf += more

    def send(self, lines, chunk, is_gzip=False):
        entries = b"".join(b"\x92" + event_time(time.time()) + pack({"message": line}) for line in lines)
        self.s.sendall(pack(["tag", gzip.compress(entries) if is_gzip else entries, {"chunk": chunk, **({"compressed": "gzip"} if is_gzip else {})}]))
        while True:
            if self.read() == {"ack": chunk}:
                return


def chunk_lines(i):
    """Five failed log-ins of one address: one finding, and only with all five."""
    return [f"<38>Jan  2 03:04:05 srv1 sshd[{100 + k}]: Failed password for root from 198.18.{i // 250}.{i % 250 + 1} port {4000 + k} ssh2" for k in range(5)]


def main():
    host, port, name, key, chunks, done = sys.argv[1:7]
    pause = float(sys.argv[7]) if len(sys.argv) > 7 else 0
    certificates = sys.argv[8] if len(sys.argv) > 8 else None
    have = set(open(done).read().split()) if os.path.exists(done) else set()
    server = None
    for i in range(int(chunks)):
        chunk = f"chunk-{i}"
        while chunk not in have:
            try:
                server = server or Server(host, int(port), name, key, certificates)
                server.send(chunk_lines(i), chunk, i % 2 == 1)
                with open(done, "a") as f:
                    f.write(chunk + "\n")
                    f.flush()
                    os.fsync(f.fileno())
                have.add(chunk)
                time.sleep(pause)
            except (OSError, ConnectionError) as e:
                if not isinstance(e, ConnectionError):
                    print(e, file=sys.stderr, flush=True)
                server = None
                time.sleep(0.2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
