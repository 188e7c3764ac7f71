"""packets.py - made-up captures: Ethernet frames of IPv4, connections said piece by piece, and the file they go into."""
import struct

SYN, ACK, PSH = 2, 16, 8


def ip(src, dst, proto, payload, ident=1, frag=0):
    return bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]) + struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident & 0xFFFF, frag, 64, proto, 0, src, dst) + payload


def tcp(src, dst, sport, dport, seq, ack, flags, data=b""):
    return ip(src, dst, 6, struct.pack(">HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 5 << 4, flags, 65535, 0, 0) + data)


def udp(src, dst, sport, dport, data):
    return ip(src, dst, 17, struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data)


def talk(src, server, sport, dport, up, down=()):
    """A connection: what each side sends, piece by piece, one side after the other."""
    q, a = 1000, 5000
    yield tcp(src, server, sport, dport, q, 0, SYN)
    yield tcp(server, src, dport, sport, a, q + 1, SYN | ACK)
    q, a = q + 1, a + 1
    yield tcp(src, server, sport, dport, q, a, ACK)
    for data in up:
        yield tcp(src, server, sport, dport, q, a, PSH | ACK, data)
        q += len(data)
    for data in down:
        yield tcp(server, src, dport, sport, a, q, PSH | ACK, data)
        a += len(data)


def write(path, *parts):
    n = 0
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for part in parts:
            for p in part:
                us = n * 20
                f.write(struct.pack("<IIII", 1700000000 + us // 1000000, us % 1000000, len(p), len(p)) + p)
                n += 1
    return n
