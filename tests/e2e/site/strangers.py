#!/usr/bin/env python3
"""strangers.py MAMORI PLUGINS TEST_PLUGINS - who has no business there, at the ports of a running hub and of a running collector: unknown keys, an
altered token, a stolen routing id, another's node id, a session captured and sent again, MessagePack bombs, 500 silent connections. Nothing of it is
taken, each is named in the log with where it came from, and what the members send goes on arriving meanwhile."""
import base64
import hashlib
import json
import os
import re
import resource
import select
import socket
import struct
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from site_lab import Site, case, play, until, usable
from upstream_lab import Collector
sys.path.append("/usr/lib/python3/dist-packages")  # the distribution's, whichever python this is
try:
    import zmq
except ImportError:
    zmq = None

SILENT, CLONE_NEWNET = 500, 0x40000000
OFF = {n: None for n in ("capture", "flow", "protocols", "ndpi", "signature", "behaviour", "proc", "files", "log", "authfail", "sigma", "contain", "nft",
                         "file", "asset", "ransom", "screen", "answers", "report", "mail", "chat", "sms", "voice")}


# ---- what a stranger speaks ----

def varbin(b):
    return b"\xc4" + bytes([len(b)]) + b


def node_id(curve):
    h = bytearray(hashlib.blake2b(curve, digest_size=16).digest())
    h[6], h[8] = h[6] & 0x0f | 0x80, h[8] & 0x3f | 0x80
    return bytes(h)


def hello(node, epoch):
    now = b"\xd3" + struct.pack(">q", time.time_ns())
    return (b"\x9d\x01\x01\x00\x00" + varbin(node) + varbin(epoch) + b"\x00" + varbin(bytes(16)) + now + now + varbin(bytes(16)) + b"\x00" +
            b"\xc6" + struct.pack(">I", 0))


class Keys:
    def __init__(self, path):
        secret, public, _ = re.findall(r"[0-9a-f]{64,128}", open(path).read())
        self.secret, self.public = bytes.fromhex(secret), bytes.fromhex(public)
        self.epoch = os.urandom(16)

    def hello(self, node=None):
        return hello(node or node_id(self.public), self.epoch)


class Speaker:
    """A raw connection with some keys."""

    def __init__(self, ctx, at, server, secret, public, routing_id=None):
        self.s = ctx.socket(zmq.DEALER)
        self.s.linger = 0
        self.s.curve_serverkey, self.s.curve_secretkey, self.s.curve_publickey = server, secret, public
        if routing_id:
            self.s.setsockopt(zmq.IDENTITY, routing_id)
        self.s.connect(at)

    def answer(self, wait_s=10):
        return self.s.recv() if self.s.poll(wait_s * 1000) else b""


class Relay(threading.Thread):
    """Between two ports: keeps every byte that goes in."""

    def __init__(self, ns, listen, to):
        super().__init__(daemon=True)
        self.kept, self.to, self.ns, self.listen, self.is_over = [], to, ns, listen, False
        self.ready = threading.Event()

    def run(self):
        enter(self.ns)
        door = socket.create_server(self.listen)
        self.ready.set()
        pairs = {}
        while not self.is_over:
            for s in select.select([door, *pairs], [], [], 0.2)[0]:
                if s is door:
                    a, _ = door.accept()
                    b = socket.create_connection(self.to)
                    pairs[a], pairs[b] = (b, bytearray()), (a, None)
                    self.kept.append(pairs[a][1])
                    continue
                if s not in pairs:
                    continue
                other, kept = pairs[s]
                try:
                    data = s.recv(65536)
                    if data:
                        other.sendall(data)
                except OSError:
                    data = b""
                if not data:
                    for x in (s, other):
                        pairs.pop(x, None)
                        x.close()
                elif kept is not None and len(kept) < 1 << 20:
                    kept += data
        for s in (*pairs, door):
            s.close()


def enter(ns):
    import ctypes
    fd = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


BOMBS = [b"\xdd\x10\x00\x00\x00", b"\xdf\x0f\xff\xff\xff", b"\xdd\xff\x00\x00\x00", b"\xdc\xff\xff" * 31, b"\xdd\x00\x03\x20\x00" + b"\xc0" * 204800, b"\xc1", b"",
         b"\x9d\x01\x01\x00\x00" + b"\xc6\xff\xff\xff\xff"]


def address_space_mb(pid):
    return int(re.search(r"VmSize:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) / 1024


# ---- one place that is visited ----

class Place:
    def __init__(self, name, m, port, server, dummies, pid, log, count, join):
        self.name, self.m, self.port, self.server, self.dummies = name, m, port, server, dummies
        self.pid, self.log, self.count, self.join = pid, log, count, join
        self.accused = None

    def case(self, name, ok, said=""):
        return case(f"{self.name}_{name}", ok, said)

    def named(self, what, since, wait_s=60):
        """A line of the log since then that says so, and where from."""
        return until(lambda: next((line for line in self.log()[since:].splitlines() if re.search(what, line)), None), wait_s)

    def goes_on(self, since):
        n = self.count()
        return self.case(f"members_go_on_{since}", until(lambda: self.count() >= n + 5, 60), (n, self.count(), self.log()[-1500:]))


def visit(p, relayed):
    ctx = zmq.Context()
    urgent, bulk = f"tcp://{p.m.address}:{p.port}", f"tcp://{p.m.address}:{p.port + 1}"
    source = p.m.address.rsplit(".", 1)[0].replace(".", r"\.")
    owner, thief = p.dummies

    at = len(p.log())
    public, secret = zmq.curve_keypair()
    strangers = [Speaker(ctx, e, p.server, secret, public) for e in (urgent, bulk)]
    for s in strangers:
        s.s.send(owner.hello(), zmq.DONTWAIT)
    p.case("an_unknown_key_is_named", p.named(rf"a key that is not on the allow-list, from {source}", at), p.log()[at:])
    p.case("and_gets_no_answer", not any(s.answer(0.5) for s in strangers))

    at = len(p.log())
    wrong = Speaker(ctx, urgent, public, owner.secret, owner.public)  # it takes somebody else for the server
    p.case("a_handshake_for_another_server_is_named", p.named("did not finish its handshake", at), p.log()[at:])
    for s in (*strangers, wrong):
        s.s.close()

    first = Speaker(ctx, urgent, p.server, owner.secret, owner.public, b"the-routing-id")
    first.s.send(owner.hello())
    p.case("a_member_is_heard", first.answer(30), p.log()[-1500:])
    at = len(p.log())
    second = Speaker(ctx, urgent, p.server, thief.secret, thief.public, b"the-routing-id")
    second.s.send(thief.hello())
    p.case("a_stolen_routing_id_gets_nothing", not second.answer(3))
    p.case("and_is_named", p.named(r"=acme\.thief .*nothing came|=thief .*nothing came", at), p.log()[at:])
    second.s.close()

    time.sleep(1.2)  # of one member a line a second at most
    at = len(p.log())
    posing = Speaker(ctx, urgent, p.server, thief.secret, thief.public)
    posing.s.send(thief.hello(node_id(owner.public)))
    p.case("a_claim_to_be_another_is_named", p.named(r"thief .*a node id that is not its key's", at), p.log()[at:])
    p.case("and_is_not_answered", not posing.answer(1))
    if p.accused:
        p.case("and_the_office_hears_of_it", until(p.accused, 60), p.log()[at:])

    time.sleep(1.2)
    before, at = address_space_mb(p.pid()), len(p.log())
    for _ in range(20):
        for bomb in BOMBS:
            posing.s.send(bomb)
    p.case("bombs_are_named", p.named(r"thief .*a message that cannot be read", at), p.log()[at:])
    p.goes_on("beside_bombs")
    after = address_space_mb(p.pid())
    if b"__asan_init" not in open(sys.argv[1], "rb").read():  # which keeps what was freed
        p.case("bombs_take_no_memory", after < before + 48, (before, after))  # queues of the library hold some of the largest; one alone asks for 8 GiB
    for s in (first, posing):
        s.s.close()

    at = len(p.log())
    n = p.count()
    sent_again = [bytes(k) for k in relayed.kept if len(k) > 400]
    p.case("sessions_were_captured", len(sent_again) >= 2, [len(k) for k in relayed.kept])
    for k in sent_again[:4]:
        for port in (p.port, p.port + 1):
            with socket.create_connection((p.m.address, port)) as s:
                try:
                    s.sendall(k)
                except OSError:
                    pass  # it is shown the door before it is through
                time.sleep(0.5)
    p.case("a_captured_session_is_named", p.named("did not finish its handshake", at), p.log()[at:])
    p.goes_on("beside_captures")

    p.join(p)

    at = len(p.log())
    silent = [socket.create_connection((p.m.address, p.port + i % 2)) for i in range(SILENT)]
    p.goes_on("beside_500_silent_ones")
    p.case("the_silent_are_named", p.named(rf"did not finish its handshake; the last one came, from {source}", at), p.log()[at:])

    def closed():
        n = 0
        for s in silent:
            try:
                while s.recv(256, socket.MSG_DONTWAIT):
                    pass
                n += 1
            except BlockingIOError:
                pass
            except OSError:
                n += 1
        return n == SILENT
    p.case("and_put_out", until(closed, 120, 1))
    for s in silent:
        s.close()
    p.goes_on("after_all_of_it")
    ctx.destroy(0)


def altered(token):
    t = list(token)
    t[60] = "a" if t[60] != "a" else "b"
    return "".join(t)


def forged(token):
    """Another secret, and the check sum made right again."""
    raw = bytearray(base64.b32decode(token.upper() + "=" * (-len(token) % 8)))
    raw[-24] ^= 1
    raw[-4:] = hashlib.blake2b(raw[:-4], digest_size=32).digest()[:4]
    return base64.b32encode(raw).decode().lower().rstrip("=")


def at_the_collector(site, lab):
    collector, hub, thief = lab["collector"], lab["hub"], lab["thief"]

    def count():
        return len(collector.records())

    def join(p):
        token = collector.m.cli3("token", "new", "--name", "acme.new")[1].strip()
        rc, _, err = thief.cli3("upstream", "join", altered(token))
        p.case("a_mistyped_token_is_refused", rc == 2 and "letter" in err, err)
        at = len(p.log())
        rc, _, err = thief.cli3("upstream", "join", forged(token))
        p.case("an_altered_token_is_refused_and_named", rc == 1 and p.named("a token that was altered", at), err + p.log()[at:])
        used = lab["used"]
        at = len(p.log())
        rc, _, err = hub.cli3("upstream", "join", used, "--name", "acme.other")
        p.case("a_used_token_is_refused_and_named", rc == 1 and p.named("join.refused", at), err + p.log()[at:])
    keys = [Keys(os.path.join(m.state, "upstream", "node.key")) for m in (lab["owner"], thief)]
    return Place("collector", collector.m, 7500, Keys(os.path.join(collector.m.state, "node.key")).public, keys, lambda: collector.p.pid, collector.m.log, count, join)


def at_the_hub(site, lab):
    hub, pc, thief = lab["hub"], lab["pc"], lab["thief"]

    def count():
        return sum(len(site.evidence(hub, kind)) for kind in ("incident.class",))

    def join(p):
        rc, out, err = hub.cli3("token", "new")
        rc, _, err = thief.cli3("join", altered(out.strip()))
        p.case("a_mistyped_token_is_refused", rc == 2 and "letter" in err, err)
        at = len(p.log())
        rc, _, err = thief.cli3("join", forged(out.strip()))
        p.case("an_altered_token_is_refused_and_named", rc == 1 and p.named("a token that was altered", at), err + p.log()[at:])
        at = len(p.log())
        rc, _, err = lab["pc"].cli3("join", lab["used_hub"], "--name", "other")
        p.case("a_used_token_is_refused_and_named", rc == 1 and p.named("join.refused", at), err + p.log()[at:])
    keys = [Keys(os.path.join(m.state, "node.key")) for m in (lab["owner"], thief)]
    brain = next(h["pid"] for h in hub.status()["hosts"] if h["name"] == "brain")
    place = Place("hub", hub, 7400, Keys(os.path.join(hub.state, "node.key")).public, keys, lambda: brain, hub.log, count, join)
    place.accused = lambda: [b for b in site.evidence(hub, "incident.class") if "used in the name of another machine" in json.dumps(b) and '"thief"' in json.dumps(b)]
    return place


def through(m, site_file, pattern, port):
    """The link of that machine goes by another port from its next start on."""
    path = os.path.join(m.site, site_file)
    text = open(path).read()
    new = re.sub(pattern, rf"\g<1>{port}", text)
    with open(path, "w") as f:
        f.write(new)
    return new != text


def run(site, so):
    lab = {n: site.machine(n) for n in ("col", "hub", "pc", "owner", "thief")}
    for m in lab.values():
        site.connect(m)
    col = lab.pop("col")
    lab["collector"] = collector = Collector(col, os.path.join(site.root, "sites.jsonl"))
    hub, pc, owner, thief = (lab[n] for n in ("hub", "pc", "owner", "thief"))

    def counter(m):
        return {**OFF, "counter": {"plugin": "org.example.counter", "file": os.path.join(so, "counter.so"), "side": "endpoint", "host": "counter",
                                   "config": {"name": m.name, "every": "100ms", "last": 100000, "grave_every": 5}}}
    col.configure({"deployment": "none", "site": {"listen": f"tcp://{col.address}:7500"}, "collector": {"file": collector.file, "silent_after": "10m"}})
    hub.configure({"deployment": "passive-tap", "site": {"listen": f"tcp://{hub.address}:7400"}, "trust": {"require": "any"}, "plugins": OFF,
                   "correlate": {"max_incidents": 100000}})
    pc.configure({"trust": {"require": "any"}, "plugins": counter(pc)})
    for m in (owner, thief):
        m.configure({"plugins": OFF})
    relays = [Relay(m.ns, (m.address, port + 100 + i), (m.address, port + i)) for m, port in ((col, 7500), (hub, 7400)) for i in (0, 1)]
    try:
        for r in relays:
            r.start()
            r.ready.wait(30)
        collector.start()
        case("the_collector_runs", until(lambda: "collector.ready" in col.log(), 60), col.log())
        for m, name in ((hub, "acme.hub"), (owner, "acme.owner"), (thief, "acme.thief")):
            rc, out, err = col.cli3("token", "new", "--name", name)
            rc, _, err = m.cli3("upstream", "join", out.strip())
            case(f"{name}_joins", rc == 0, err)
            lab["used"] = out.strip()
        case("its_link_goes_by_the_relay", through(hub, "80-upstream.yaml", r"(tcp://[0-9.]+:)7500", 7600))
        hub.start()
        case("the_hub_runs", until(lambda: hub.status()["brain"], 90), hub.log())
        for m in (pc, owner, thief):
            rc, out, err = hub.cli3("token", "new", "--name", m.name)
            rc, _, err = m.cli3("join", out.strip())
            case(f"{m.name}_joins", rc == 0, err)
            lab["used_hub"] = out.strip()
        joined = next(f for f in os.listdir(pc.site) if "7400" in open(os.path.join(pc.site, f)).read())
        case("the_endpoints_goes_by_one_too", through(pc, joined, r"(tcp://[0-9.]+:)7400", 7500))
        pc.start()
        case("records_flow", until(lambda: len(collector.records()) > 10, 90), hub.log() + col.log() + pc.log())
        for place, relay in ((at_the_collector(site, lab), relays[:2]), (at_the_hub(site, lab), relays[2:])):
            both = Relay(None, None, None)
            both.kept = [k for r in relay for k in r.kept]
            here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            visitor = threading.Thread(target=lambda: (enter(thief.ns), visit(place, both)))
            visitor.start()
            visitor.join()
            os.close(here)
        lines = open(collector.file, encoding="utf-8").read().splitlines()
        case("in_all_nothing_stands_twice", len(lines) == len(set(lines)), len(lines) - len(set(lines)))
        rc, out, _ = hub.cli3("node", "list", "--json")
        names = sorted(n["name"] for n in json.loads(out)["nodes"])
        case("nobody_came_in", names == ["owner", "pc", "thief"], names)
    finally:
        for r in relays:
            r.is_over = True
        collector.end()


def main():
    if not usable(sys.argv[2]):
        return 77
    if zmq is None:
        print("[  SKIPPED ] needs python3-zmq")
        return 77
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    return play("strangers", lambda root: Site(root, sys.argv[1], sys.argv[2], "10.86.0"), lambda site: run(site, sys.argv[3]))


if __name__ == "__main__":
    sys.exit(main())
