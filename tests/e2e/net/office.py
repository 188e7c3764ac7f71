"""office.py - a small office of network namespaces: a gateway with mamori on it, two PCs on its bridge, and the internet behind it."""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import case, failed, until  # noqa: E402

LAN, WAN = "192.168.88", "203.0.113"
GATEWAY, PC1, PC2, INTERNET = f"{LAN}.1", f"{LAN}.11", f"{LAN}.12", f"{WAN}.9"
HOST_PARTS = ("proc", "files", "log", "authfail", "sigma", "contain", "ransom", "integrity", "journal", "usb", "yara")  # they would watch the machine the test runs on


def needs(*programs):
    missing = [p for p in ("ip", "nft", *programs) if not shutil.which(p)]
    if os.geteuid() != 0 or missing:
        print(f"[  SKIPPED ] needs root, namespaces and {' '.join(('ip', 'nft', *programs))}")
        sys.exit(77)


class Office:
    def settings(self):
        """What this office's mamori starts from; a test's own drop-in comes over it."""
        return {"deployment": "inline-gateway", "site": {"home_net": [f"{LAN}.0/24"]},
                "node": {"state_dir": f"{self.dir}/state", "run_dir": f"{self.dir}/run", "name": "gateway"},
                "defence": {"mode": "auto", "auto_actions_agreed": ["all"], "inside_crosses_gateway": True},
                "plugins": {**{n: None for n in HOST_PARTS}, "capture": {"config": {"interfaces": ["br0", "wan0"]}}}}

    def __init__(self, mamori, drop_in):
        self.mamori, self.p, self.children = mamori, None, []
        self.tag = f"mmrnet{os.getpid()}"
        self.dir = tempfile.mkdtemp(prefix="mamori-net-")
        self.site = os.path.join(self.dir, "site")
        os.mkdir(self.site)
        for name, what in (("10-lab", self.settings()), ("20-test", drop_in)):
            with open(os.path.join(self.site, name + ".yaml"), "w") as f:
                json.dump(what, f)  # JSON is YAML
        self.gw, self.pc1, self.pc2, self.inet = self.spaces = [f"{self.tag}{n}" for n in ("gw", "a", "b", "i")]
        self.node, self.parts = self.gw, {"network", "nft", "file"}  # where mamori runs, and what of it must
        for ns in self.spaces:
            subprocess.run(["ip", "netns", "add", ns], check=True)
            self.ip(ns, "link", "set", "lo", "up")
        self.ip(self.gw, "link", "add", "br0", "type", "bridge")
        self.ip(self.gw, "addr", "add", f"{GATEWAY}/24", "dev", "br0")
        self.ip(self.gw, "link", "set", "br0", "up")
        for ns, addr, port in ((self.pc1, PC1, "p1"), (self.pc2, PC2, "p2")):
            self.ip(self.gw, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", ns)
            self.ip(self.gw, "link", "set", port, "master", "br0", "up")
            self.ip(ns, "addr", "add", f"{addr}/24", "dev", "eth0")
            self.ip(ns, "link", "set", "eth0", "up")
            self.ip(ns, "route", "add", "default", "via", GATEWAY)
        self.ip(self.gw, "link", "add", "wan0", "type", "veth", "peer", "name", "eth0", "netns", self.inet)
        self.ip(self.gw, "addr", "add", f"{WAN}.1/24", "dev", "wan0")
        self.ip(self.gw, "link", "set", "wan0", "up")
        for last in (9, *range(20, 40)):  # an address for each attack
            self.ip(self.inet, "addr", "add", f"{WAN}.{last}/24", "dev", "eth0")
        self.ip(self.inet, "link", "set", "eth0", "up")
        self.ip(self.inet, "route", "add", f"{LAN}.0/24", "via", f"{WAN}.1")
        subprocess.run(["ip", "netns", "exec", self.gw, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"], check=True)
        self.log_path = os.path.join(self.dir, "log")

    def ip(self, ns, *args):
        subprocess.run(["ip", "-n", ns, *args], check=True)

    def run(self, ns, *args, timeout=60, **kw):
        return subprocess.run(["ip", "netns", "exec", ns, *args], capture_output=True, text=True, timeout=timeout, **kw)

    def python(self, ns, code, *args, timeout=120):
        return self.run(ns, sys.executable, "-c", code, *map(str, args), timeout=timeout)

    def serve(self, ns, *args):
        p = subprocess.Popen(["ip", "netns", "exec", ns, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.children.append(p)
        return p

    def serve_python(self, ns, code, *args):
        return self.serve(ns, sys.executable, "-c", code, *map(str, args))

    def start(self):
        with open(self.log_path, "ab") as log:
            self.p = subprocess.Popen(["ip", "netns", "exec", self.node, self.mamori, "run", "--quiet", "--config", self.site], stdout=log, stderr=log)
        return until(lambda: self.is_up(), 120)

    def log(self):
        return open(self.log_path, errors="replace").read() if os.path.exists(self.log_path) else ""

    def cli(self, *args):
        p = self.run(self.node, self.mamori, *args, "--config", self.site)
        return p.returncode, p.stdout, p.stderr

    def status(self):
        rc, out, _ = self.cli("status", "--json")
        try:
            return json.loads(out.splitlines()[0])
        except (ValueError, IndexError):
            return None

    def is_up(self):
        s = self.status()
        return s and s.get("brain") and self.parts <= {h["name"] for h in s["hosts"] if h["state"] == "running"}

    def incidents(self):
        """The incidents as they were forwarded, the newest picture of each."""
        found = {}
        for path in glob.glob(f"{self.dir}/state/plugins/file/*.jsonl"):
            for line in open(path, encoding="utf-8"):
                if line.endswith("\n") and '"class_uid":2005' in line:
                    o = json.loads(line)
                    found[o["finding_info_list"][0]["uid"]] = o
        return list(found.values())

    def evidence(self, rule):
        """(incident, evidence) of a rule."""
        return [(o, e) for o in self.incidents() for e in o["unmapped"]["mamori"].get("evidence", []) if rule in e.get("rule", "")]

    def blocked(self, addr):
        """Packets dropped on account of this address, or None: it is not blocked."""
        seen = None
        for family, table in (("inet", "mamori"), ("bridge", "mamori")):
            p = self.run(self.gw, "nft", "-j", "list", "table", family, table)
            for x in json.loads(p.stdout)["nftables"] if p.returncode == 0 else []:
                for e in x.get("set", {}).get("elem", []) if "never" not in x.get("set", {}).get("name", "") else []:
                    e = e.get("elem", {}) if isinstance(e, dict) else {"val": e}
                    if addr in json.dumps(e.get("val")):
                        seen = (seen or 0) + e.get("counter", {}).get("packets", 0)
        return seen

    def proved(self, addr):
        """Blocks of this address that were forwarded as confirmed."""
        return [a for i in self.incidents() for a in i["unmapped"]["mamori"].get("actions", [])
                if addr in a["target"] and a.get("receipt", {}).get("verified") == "confirmed"]

    def end(self):
        if self.p and self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
            try:
                self.p.wait(30)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        for c in self.children:
            if c.poll() is None:
                os.killpg(c.pid, signal.SIGKILL)
            c.wait()
        for ns in self.spaces:  # a file server's helpers are in groups of their own
            for pid in subprocess.run(["ip", "netns", "pids", ns], capture_output=True, text=True).stdout.split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            subprocess.run(["ip", "netns", "del", ns], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)
