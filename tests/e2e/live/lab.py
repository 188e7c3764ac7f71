"""lab.py - a small office for one scenario: a hub that is the gateway, a PC behind it and the internet before it, each in namespaces of
its own. The PC has folders of its own for all that its sensors watch, so nothing the test machine does is taken for its doings."""
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

HUB, PC, OUT = "10.78.0.1", "10.78.0.2", "198.51.100.1"
ATTACKER, C2, ADMIN = "198.51.100.66", "198.51.100.80", "198.51.100.77"
NETWORK = ("capture", "flow", "protocols", "ndpi", "signature", "behaviour")
ENDPOINT = ("proc", "files", "integrity", "journal", "usb", "ransom", "log", "authfail", "sigma", "contain")
OWN = ("/etc/cron.d", "/var/spool/cron", "/var/www", "/srv", "/home", "/root", "/tmp")
PY = "/usr/bin/python3"  # the system's: one below a home folder is not on these machines


def skip(why):
    print(f"[  SKIPPED ] {why}")
    sys.exit(77)


def sh(*args):
    subprocess.run(args, check=True, capture_output=True)


class Machine:
    """A network, mount and host name of its own, held open by a process that does nothing."""

    def __init__(self, root, name, mamori):
        self.name, self.dir, self.mamori = name, os.path.join(root, name), mamori
        self.site, self.state = os.path.join(self.dir, "site"), os.path.join(self.dir, "state")
        os.makedirs(self.site)
        self.log_path, self.p, self.children = os.path.join(self.dir, "log"), None, []
        keep = [os.path.dirname(os.path.abspath(mamori)), root]
        # a folder that the test needs and that lies below one of the machine's own is shown there again
        script = f"hostname {name}; ip link set lo up; mount --make-rprivate /; "
        for i, d in enumerate(keep):
            script += f"exec {8 - i}< '{d}'; "
        for d in OWN:
            script += f"if [ -d {d} ]; then mount -t tmpfs -o mode=755 lab {d}; fi; "
        script += "chmod 1777 /tmp; "
        for i, d in enumerate(keep):
            if any(d == o or d.startswith(o + "/") for o in OWN):
                script += f"mkdir -p '{d}'; mount --bind /proc/self/fd/{8 - i} '{d}'; "
        script += f"mkdir -p /home/staff/papers /var/www/html 2>/dev/null; exec 7<&- 8<&-; echo up > '{self.dir}/up'; exec sleep infinity"
        self.init = subprocess.Popen(["unshare", "-n", "-m", "-u", "sh", "-c", script], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not until(lambda: os.path.exists(f"{self.dir}/up"), 20):
            raise SystemExit(f"machine {name} cannot be made")

    def inside(self):
        return ["nsenter", "-t", str(self.init.pid), "-n", "-m", "-u"]

    def run(self, *args, **kw):
        """Run a program to its end on this machine."""
        return subprocess.run([*self.inside(), *args], capture_output=True, text=True, timeout=120, **kw)

    def spawn(self, *args, **kw):
        p = subprocess.Popen([*self.inside(), *args], stdin=subprocess.DEVNULL, stdout=kw.pop("stdout", subprocess.DEVNULL),
                             stderr=subprocess.DEVNULL, start_new_session=True, **kw)
        self.children.append(p)
        return p

    def sh(self, script):
        return self.run("sh", "-c", script)

    def write(self, path, text, mode=0o644):
        r = subprocess.run([*self.inside(), "sh", "-c", f"cat > '{path}' && chmod {mode:o} '{path}'"], input=text, text=True, capture_output=True)
        assert r.returncode == 0, r.stderr

    def has(self, path):
        return self.run("test", "-e", path).returncode == 0

    def configure(self, what):
        what["node"] = {**what.get("node", {}), "name": self.name, "state_dir": self.state, "run_dir": os.path.join(self.dir, "run")}
        with open(os.path.join(self.site, "50-site.yaml"), "w") as f:
            json.dump(what, f)  # JSON is YAML

    def keys(self):
        path = os.path.join(self.dir, "pub")
        with open(path, "w") as f:
            f.write(subprocess.run([self.mamori, "keys", "new", "--state", self.state], capture_output=True, text=True, check=True).stdout)
        return path

    def start(self):
        with open(self.log_path, "ab") as log:
            self.p = subprocess.Popen([*self.inside(), self.mamori, "run", "--quiet", "--config", self.site], stdout=log, stderr=log)

    def log(self):
        return open(self.log_path, errors="replace").read() if os.path.exists(self.log_path) else ""

    def cli(self, *args):
        p = self.run(self.mamori, *args, "--config", self.site)
        return p.returncode, p.stdout

    def status(self):
        try:
            return json.loads(self.cli("status", "--json")[1].splitlines()[0])
        except (ValueError, IndexError):
            return {"hosts": [], "brain": None}

    def end(self):
        for p in ([self.p] if self.p else []) + self.children:
            if p.poll() is None:
                p.send_signal(signal.SIGTERM if p is self.p else signal.SIGKILL)
            try:
                p.wait(30)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        left = os.stat(f"/proc/{self.init.pid}/ns/net").st_ino if self.init.poll() is None else 0
        for pid in filter(str.isdigit, os.listdir("/proc")):  # what the scenario left running in this machine
            try:
                if left and int(pid) != self.init.pid and os.stat(f"/proc/{pid}/ns/net").st_ino == left:
                    os.kill(int(pid), signal.SIGKILL)
            except OSError:
                pass
        self.init.kill()
        self.init.wait()


def wire(a, b, name, address_a, address_b):
    sh("ip", "link", "add", name, "netns", str(a.init.pid), "type", "veth", "peer", "name", name, "netns", str(b.init.pid))
    for m, address in ((a, address_a), (b, address_b)):
        for c in (["addr", "add", address, "dev", name], ["link", "set", name, "up"]):
            m.run("ip", *c, check=True)


class Office:
    """hub: watches, gateway of the PC. net: the internet, with the attacker's addresses. pc: finds and defends."""

    def __init__(self, mamori, hub=None, pc=None, is_started=True):
        self.root = tempfile.mkdtemp(prefix="mamori-live-", dir="/var/tmp")
        os.chmod(self.root, 0o755)
        self.machines = []
        try:
            for n in ("hub", "pc", "net"):
                m = Machine(self.root, {"pc": "pc1"}.get(n, n), mamori)
                setattr(self, n, m)
                self.machines.append(m)
            self.prepare(hub or {}, pc or {})
            if is_started:
                self.start()
        except BaseException:
            self.end()
            raise

    def prepare(self, hub, pc):
        wire(self.hub, self.pc, "lan0", f"{HUB}/24", f"{PC}/24")
        wire(self.hub, self.net, "wan0", f"{OUT}/24", f"{ATTACKER}/24")
        for a in (C2, ADMIN):
            self.net.run("ip", "addr", "add", f"{a}/24", "dev", "wan0", check=True)
        self.pc.run("ip", "route", "add", "default", "via", HUB, check=True)
        self.net.run("ip", "route", "add", "10.78.0.0/24", "via", OUT, check=True)
        self.hub.run("sysctl", "-qw", "net.ipv4.ip_forward=1", check=True)
        self.auth = "/home/auth.log"
        self.pc.write(self.auth, "")
        hub_pub, pc_pub = self.hub.keys(), self.pc.keys()
        h = {"deployment": "passive-tap", "site": {"home_net": ["10.78.0.0/24"], "gateway": [HUB], "listen": f"tcp://{HUB}:7400",
                                                   "nodes": {"pc1": {"key": pc_pub, "ip": [PC]}}},
             "assets": {"pc1": {"ip": [PC], "role": "client"}},
             "defence": {"mode": "auto", "auto_actions_agreed": ["all"]}, "plugins": {n: None for n in (*NETWORK, *ENDPOINT)}}
        p = {"deployment": "endpoint", "site": {"hub": f"tcp://{HUB}:7400", "hub_key": hub_pub, "home_net": ["10.78.0.0/24"]},
             "defence": {"mode": "auto", "auto_actions_agreed": ["all"]},
             "plugins": {"proc": {"config": {"scope": "netns"}},
                         "files": {"config": {"scope": "netns", "places": ["/tmp", "/home", "/root", "/srv", "/var/www", "/etc/cron.d", "/var/spool/cron"]}},
                         "integrity": None, "journal": None, "usb": None,
                         "ransom": {"config": {"scope": "netns", "places": ["/home", "/srv"], "hold": "3s"}},
                         "log": {"config": {"files": [self.auth]}}, "contain": {"config": {"scope": "netns"}}}}
        for base, more in ((h, hub), (p, pc)):
            for k, v in more.items():
                base[k] = {**base.get(k, {}), **v} if isinstance(v, dict) else v
        self.hub.configure(h)
        self.pc.configure(p)

    def start(self):
        self.hub.start()
        self.pc.start()
        up = until(lambda: any(n["name"] == "pc1" and n["up"] and n["responders"] == 1 and "ransom" in n["instances"] and "proc" in n["instances"]
                               for n in (self.hub.status()["brain"] or {}).get("nodes", [])), 90)
        if not up:
            raise SystemExit("the office does not come up:\n" + self.hub.log()[-3000:] + self.pc.log()[-3000:])
        time.sleep(0.5)  # what started with it is told

    def incidents(self):
        rc, out = self.hub.cli("incident", "list", "--all", "--json")
        try:
            ids = [i.get("uid") or i.get("id") for i in json.loads(out)["incidents"]]
            return [json.loads(self.hub.cli("incident", "show", i, "--json")[1]) for i in ids]
        except (ValueError, KeyError):
            return []

    def mamori_of(self, i):
        return i["unmapped"]["mamori"]

    def evidence(self):
        return [e for i in self.incidents() for e in self.mamori_of(i).get("evidence", [])]

    def actions(self, verb=None):
        return [a for i in self.incidents() for a in self.mamori_of(i).get("actions", []) if not verb or a["verb"] == verb]

    def is_found(self, rule):
        return any(rule in e.get("rule", "") or rule in e.get("what", "") for e in self.evidence())

    def is_proved(self, verb, target=""):
        return any(a.get("receipt", {}).get("verified") == "confirmed" and target in a.get("target", "") for a in self.actions(verb))

    def said(self):
        short = [{"evidence": [(e.get("rule"), e.get("what")) for e in self.mamori_of(i).get("evidence", [])],
                  "actions": [(a["verb"], a["target"], a.get("receipt", {})) for a in self.mamori_of(i).get("actions", [])]} for i in self.incidents()]
        return json.dumps(short, indent=1, ensure_ascii=False) + "\nhub:\n" + self.hub.log()[-1500:] + "\npc:\n" + self.pc.log()[-1500:]

    def denied(self, table="mamori_host"):
        p = self.pc.run("nft", "-j", "list", "table", "inet", table)
        found = set()
        for x in json.loads(p.stdout)["nftables"] if p.returncode == 0 else []:
            for e in x.get("set", {}).get("elem", []) if x.get("set", {}).get("name", "")[:3] in ("src", "dst") else []:
                found.add(e.get("elem", {}).get("val") if isinstance(e, dict) else e)
        return found

    def reaches(self, machine, source, address, port):
        code = (f"import socket; s = socket.socket(); s.settimeout(1); s.bind(('{source}', 0)) if '{source}' else None; "
                f"s.connect(('{address}', {port}))")
        return machine.run(PY, "-c", code).returncode == 0

    def end(self):
        for m in self.machines:
            m.end()
        shutil.rmtree(self.root, ignore_errors=True)
