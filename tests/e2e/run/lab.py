"""lab.py - one mamori in a network namespace of the test's own, with a site folder made of drop-ins."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import case, finish, races, until  # noqa: E402

SENSORS = ("capture", "flow", "protocols", "ndpi", "signature", "behaviour", "proc", "files", "ransom", "integrity", "journal", "usb", "log", "authfail", "sigma", "yara", "contain")
AGREED = {"defence": {"mode": "auto", "auto_actions_agreed": ["all"], "per_minute": 100000, "per_hour": 1000000}}


def needs_root():
    if os.geteuid() != 0 or not shutil.which("ip"):
        print("[  SKIPPED ] needs_root_and_namespaces")
        sys.exit(77)


def emitter(build, **config):
    """A network sensor that emits findings (tests/bench/live), alone beside responder and forwarder."""
    return {"plugins": {**{n: None for n in SENSORS},
                        "emitter": {"plugin": "org.mamori.bench-emitter", "file": os.path.join(build, "bench", "bench_emitter.so"),
                                    "side": "network", "config": config}}}


class Lab:
    def __init__(self, mamori, drop_ins):
        self.mamori = mamori
        self.ns = f"mmrlab{os.getpid()}x{int(time.time() * 1000) % 100000}"
        self.dir = tempfile.mkdtemp(prefix="mamori-lab-")
        os.chmod(self.dir, 0o711)  # plugin hosts, each a user of its own, pass through to their folders
        self.site = os.path.join(self.dir, "site")
        os.mkdir(self.site)
        self.drop_in("00-lab", {"node": {"state_dir": f"{self.dir}/state", "run_dir": f"{self.dir}/run", "name": "hub"},
                               "trust": {"require": "any"}})  # the tests' own plugins are not registered
        for i, d in enumerate(drop_ins):
            self.drop_in(f"{i + 10}-test", d)
        subprocess.run(["ip", "netns", "add", self.ns], check=True)
        for c in (["link", "set", "lo", "up"], ["link", "add", "lab0", "type", "veth", "peer", "name", "lab1"],
                  ["addr", "add", "192.168.77.1/24", "dev", "lab0"], ["link", "set", "lab0", "up"], ["link", "set", "lab1", "up"]):
            subprocess.run(["ip", "-n", self.ns, *c], check=True)
        self.p = None
        self.log_path = os.path.join(self.dir, "log")

    def drop_in(self, name, what):
        with open(os.path.join(self.site, name + ".yaml"), "w") as f:
            f.write(what if isinstance(what, str) else json.dumps(what))  # JSON is YAML

    def start(self, before=(), args=()):
        """before: a command that is put in front of it; args: more of `mamori run`."""
        log = open(self.log_path, "ab")
        self.p = subprocess.Popen(["ip", "netns", "exec", self.ns, *before, self.mamori, "run", "--config", self.site, *args], stdout=log, stderr=log)
        log.close()

    def log(self):
        return open(self.log_path, errors="replace").read() if os.path.exists(self.log_path) else ""

    def cli(self, *args, timeout=60):
        p = subprocess.run(["ip", "netns", "exec", self.ns, self.mamori, *args, "--config", self.site], capture_output=True, timeout=timeout)
        return p.returncode, p.stdout.decode("utf-8", "replace"), p.stderr.decode("utf-8", "replace")

    def status(self):
        rc, out, _ = self.cli("status", "--json")
        try:
            return json.loads(out.splitlines()[0]) if rc in (0, 1) and out.strip() else None
        except ValueError:
            return None

    def until(self, what, limit_s=40):
        return until(what, limit_s)

    def is_up(self, names):
        s = self.status()
        if not s:
            return False
        up = {h["name"] for h in s["hosts"] if h["state"] == "running"}
        return set(names) <= up and s.get("brain") is not None

    def count(self, what):
        """One number from the store, as committed."""
        with sqlite3.connect(f"file:{self.dir}/state/mamori.db?mode=ro", uri=True, timeout=5) as c:
            return c.execute("select count(*) from " + what).fetchone()[0]

    def host(self, name):
        s = self.status()
        return next((h for h in (s or {"hosts": []})["hosts"] if h["name"] == name), {})

    def forwarded(self):
        """The lines of the file forwarder, parsed; none may be cut or come twice."""
        path = f"{self.dir}/state/plugins/file/incidents.jsonl"
        lines = open(path).read().splitlines() if os.path.exists(path) else []
        return lines, {json.loads(l)["finding_info_list"][0]["uid"] for l in lines if '"class_uid":2005' in l}

    def blocks(self):
        rc, out, _ = self.cli("block", "list", "--json")
        return [b for b in json.loads(out)["blocks"] if b["state"] in ("proved", "effective")] if rc == 0 else []

    def pids(self):
        return subprocess.run(["ip", "netns", "pids", self.ns], capture_output=True, text=True).stdout.split()

    def pid_of(self, name):
        s = self.status()
        return next((h["pid"] for h in (s or {"hosts": []})["hosts"] if h["name"] == name), None)

    def stop(self):
        if self.p and self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
            try:
                self.p.wait(30)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        subprocess.run(["ip", "netns", "del", self.ns], capture_output=True)
        races(self.log())
        shutil.rmtree(self.dir, ignore_errors=True)
