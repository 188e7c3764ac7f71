#!/usr/bin/env python3
"""same.py MAMORI SOURCE_DIR - signature rules say the same in every run: one made-up capture three times, and read in pieces of other sizes, gives the same
bytes; so do recorded ones with a large set of rules, where they are on this machine."""
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import packets  # noqa: E402
from cases import case, failed  # noqa: E402

MAMORI, SOURCE = sys.argv[1:3]
DATA = os.path.join(SOURCE, "..", "shared", "data")
SERVER, RESOLVER = bytes([192, 168, 77, 5]), bytes([192, 168, 77, 1])
RULES = r"""
alert http any any -> any any (msg:"a name in the address"; flow:established,to_server; http.uri; content:"/cgi-bin/"; fast_pattern; content:".sh"; distance:0; classtype:web-application-attack; sid:1000001;)
alert http any any -> any any (msg:"by expression"; flow:established,to_server; http.uri; content:"id="; pcre:"/[?&]id=\d+'\s*(?:or|and)\s/i"; classtype:web-application-attack; sid:1000002;)
alert http any any -> any any (msg:"first of two"; flow:established,to_server; http.uri; content:"/login"; flowbits:set,asked; noalert; sid:1000003;)
alert http any any -> any any (msg:"second of two"; flow:established,to_client; flowbits:isset,asked; http.stat_code; content:"500"; sid:1000004;)
alert http any any -> any any (msg:"in a packed body"; flow:established,to_client; file.data; content:"needle in the hay"; sid:1000005;)
alert tcp any any -> any 80 (msg:"every fifth of a source"; flow:established,to_server; content:"GET"; depth:3; threshold:type threshold, track by_src, count 5, seconds 60; sid:1000006;)
alert tcp any any -> any 4444 (msg:"across segments"; flow:established,to_server; content:"split|20|over|20|three"; content:"segments"; distance:1; within:12; sid:1000007;)
alert dns any any -> any any (msg:"a name that ends so"; dns.query; content:".bad.example"; nocase; endswith; sid:1000008;)
alert tcp any any -> any 9999 (msg:"a number in it"; flow:established,to_server; content:"LEN"; depth:3; byte_test:2,>,1000,0,relative; isdataat:40,relative; sid:1000009;)
alert udp any any -> any 5000 (msg:"one a minute"; dsize:>10; content:"beat"; threshold:type limit, track by_src, count 1, seconds 60; sid:1000010;)
"""


def answer(body, code=b"200 OK", more=b""):
    return b"HTTP/1.1 " + code + b"\r\n" + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


def get(path):
    return b"GET " + path + b" HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0\r\n\r\n"


def query(i, name):
    q = b"".join(bytes([len(l)]) + l for l in name.split(b".")) + b"\0\0\1\0\1"
    return packets.udp(bytes([192, 168, 77, 20 + i % 7]), RESOLVER, 30000 + i, 53, bytes([i & 255, 1]) + b"\1\0\0\1\0\0\0\0\0\0" + q)


def conversations():
    """Some fifty, of many kinds, each a list of packets."""
    packed = gzip.compress(b"hay " * 3000 + b"needle in the hay" + b" hay" * 3000, mtime=0)
    for i in range(12):
        injected = get(b"/?id=%d'%%20OR%%201" % i)
        src, port = bytes([198, 51, 100, 1 + i % 5]), 40000 + i
        yield packets.talk(src, SERVER, port, 80, [get(b"/cgi-bin/t%d.sh" % i), injected[:9], injected[9:]], [answer(b"ok" * 500)] * 2)
        yield packets.talk(src, SERVER, port + 100, 80, [get(b"/login")], [answer(b"no", b"500 Error" if i % 2 else b"200 OK")])
        head = answer(packed, more=b"Content-Encoding: gzip\r\nContent-Type: text/html\r\n")
        yield packets.talk(src, SERVER, port + 200, 80, [get(b"/page")], [head[k:k + 700] for k in range(0, len(head), 700)])
        yield packets.talk(src, SERVER, port + 300, 4444, [b"it is split ov", b"er thr", b"ee\0segments and more"])
        yield packets.talk(src, SERVER, port + 400, 9999, [b"LEN" + (990 + 4 * i).to_bytes(2, "big") + b"x" * 60])
        yield [query(i, b"www%d.bad.EXAMPLE" % i), query(i, b"www%d.good.example" % i)]
        yield [packets.udp(src, SERVER, 5001, 5000, b"beat number %d" % i) for _ in range(3)]


def mixed():
    """Turn by turn, a packet of each; those of one conversation in three come late, behind the one that follows them."""
    lines = [list(c) for c in conversations()]
    for n, line in enumerate(lines):
        if n % 3 == 0 and len(line) > 5:
            line[3], line[4] = line[4], line[3]
    for k in range(max(map(len, lines))):
        yield from (line[k] for line in lines if k < len(line))


def run(folder, name, *args):
    return subprocess.run([MAMORI, *args, "--pcap", name, "--home-net", "192.168.77.0/24"], cwd=folder, capture_output=True, timeout=300)


def in_pieces(folder, whole, size, *args):
    """The same capture under the same name, but it comes out of a pipe, so many bytes at a time."""
    path = os.path.join(folder, "a.pcap")
    os.mkfifo(path)

    def feed():
        with open(path, "wb", buffering=0) as f:
            try:
                for k in range(0, len(whole), size):
                    f.write(whole[k:k + size])
            except BrokenPipeError:
                pass
    t = threading.Thread(target=feed)
    t.start()
    p = run(folder, "a.pcap", *args)
    t.join()
    os.unlink(path)
    return p


def site_of(folder, rules):
    site = os.path.join(folder, "site")
    os.makedirs(site)
    with open(os.path.join(site, "rules.yaml"), "w") as f:
        json.dump({"plugins": {"signature": {"config": {"rules": [rules]}}}}, f)  # JSON is YAML
    return site


def made_up(folder):
    rules, pipe = os.path.join(folder, "a.rules"), os.path.join(folder, "pipe")
    os.mkdir(pipe)
    with open(rules, "w") as f:
        f.write(RULES)
    packets.write(os.path.join(folder, "a.pcap"), mixed())
    whole = open(os.path.join(folder, "a.pcap"), "rb").read()
    for name, args in (("findings", ("replay", "--config", site_of(folder, rules), "--findings")), ("matches", ("rules", "match", "--rules", rules))):
        runs = [run(folder, "a.pcap", *args) for _ in range(3)]
        silent = [sid for sid in range(1000001, 1000011) if sid != 1000003 and str(sid).encode() not in runs[0].stdout]
        case(f"{name}_of_every_rule_are_there", all(p.returncode == 0 for p in runs) and not silent, (silent, runs[0].stderr, runs[0].stdout[:600]))
        case(f"{name}_are_the_same_three_times", len({p.stdout for p in runs}) == 1)
        for size in (1, 13, 4093, 65536):
            p = in_pieces(pipe, whole, size, *args)
            case(f"{name}_are_the_same_read_{size}_at_a_time", p.returncode == 0 and p.stdout == runs[0].stdout, p.stderr)


def recorded(folder):
    et, catalog = os.path.join(DATA, "rules-et", "et-open-2025.rules.gz"), os.path.join(DATA, "catalog.json")
    if not os.path.exists(et) or not os.path.exists(catalog):
        print("[  SKIPPED ] recorded captures with a large set of rules\nthe recorded data is not on this machine")
        return
    rules = os.path.join(folder, "large.rules")
    with gzip.open(et, "rb") as i, open(rules, "wb") as o:
        shutil.copyfileobj(i, o)
    site = site_of(os.path.join(folder, "recorded"), rules)
    attacks = [c for c in json.load(open(catalog))["cases"] if c["kind"] == "network-attack"]
    for c in attacks[:2]:
        runs = [run(folder, os.path.join(DATA, c["files"][0]["path"]), "replay", "--config", site, "--findings") for _ in range(3)]
        case(f"{c['id'].replace('-', '_')}_is_the_same_three_times", all(p.returncode == 0 for p in runs) and runs[0].stdout and len({p.stdout for p in runs}) == 1,
             [p.stderr[-300:] for p in runs])


def main():
    folder = tempfile.mkdtemp(prefix="mamori-same-")
    os.chmod(folder, 0o755)
    try:
        (recorded if sys.argv[3:] == ["recorded"] else made_up)(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


sys.exit(main())
