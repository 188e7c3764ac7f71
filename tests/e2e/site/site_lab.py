"""site_lab.py - machines in network namespaces on one bridge, for the tests of the site: each with its own folders and its own mamori."""
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
from cases import case, failed, races, until  # noqa: E402


def play(name, lab_of, run):
    """run(lab_of(a folder of its own)), and what it made is ended and removed; with KEEP set, the folder of a failed one stays.
    Returns the exit status."""
    root = tempfile.mkdtemp(prefix=f"mamori-{name}-")
    lab = lab_of(root)
    try:
        run(lab)
    finally:
        lab.end()
        if failed and os.environ.get("KEEP"):
            print("kept:", root)
        else:
            shutil.rmtree(root, ignore_errors=True)
    return 1 if failed else 0


def usable(plugins):
    if os.geteuid() == 0 and shutil.which("ip") and shutil.which("nft") and os.path.exists(f"{plugins}/contain.so"):
        return True
    print("[  SKIPPED ] needs root, ip, nft and the plugins as files")
    return False


def findings_of(path, source, n=6):
    """Password guessing in the words of sshd."""
    with open(path, "a") as f:
        for i in range(n):
            f.write(time.strftime(f"%b %d %H:%M:%S pc1 sshd[{1000 + i}]: Failed password for root from {source} port {4000 + i} ssh2\n"))


class Machine:
    def __init__(self, site, name, address):
        self.lab, self.name, self.address = site, name, address
        self.dir = os.path.join(site.root, name)
        self.ns = f"mmr{os.getpid()}{name}"
        self.site, self.state = os.path.join(self.dir, "site"), os.path.join(self.dir, "state")
        os.makedirs(self.site)
        self.p, self.log_path = None, os.path.join(self.dir, "log")
        subprocess.run(["ip", "netns", "add", self.ns], check=True)
        self.ip("link", "set", "lo", "up")

    def ip(self, *args):
        subprocess.run(["ip", "-n", self.ns, *args], check=True)

    def configure(self, what):
        node = {"state_dir": self.state, "run_dir": os.path.join(self.dir, "run"), "plugin_dirs": [self.lab.plugins]}
        if "site" in what and "listen" in what["site"]:
            node["name"] = self.name
        with open(os.path.join(self.site, "50-site.yaml"), "w") as f:
            json.dump({**what, "node": {**what.get("node", {}), **node}}, f)  # JSON is YAML

    def command(self, *args):
        return ["ip", "netns", "exec", self.ns, "unshare", "-u", "sh", "-c", f"hostname {self.name}; exec \"$0\" \"$@\"", self.lab.mamori, *args]

    def start(self):
        with open(self.log_path, "ab") as log:
            self.p = subprocess.Popen(self.command("run", "--quiet", "--config", self.site), stdout=log, stderr=log)

    def log(self):
        return open(self.log_path, errors="replace").read() if os.path.exists(self.log_path) else ""

    def cli3(self, *args):
        p = subprocess.run(self.command(*args, "--config", self.site), capture_output=True, text=True, timeout=120)
        return p.returncode, p.stdout, p.stderr

    def cli(self, *args):
        return self.cli3(*args)[:2]

    def status(self):
        try:
            return json.loads(self.cli("status", "--json")[1].splitlines()[0])
        except (ValueError, IndexError):
            return {"hosts": [], "brain": None, "light": "", "why": []}

    def kill(self, role):
        pid = next((h["pid"] for h in self.status()["hosts"] if h["name"] == role and h["pid"]), None)
        if pid:
            os.kill(pid, signal.SIGKILL)
        return pid

    def end(self, keep=False):
        if self.p and self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
            try:
                self.p.wait(30)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        if not keep:
            subprocess.run(["ip", "netns", "del", self.ns], capture_output=True)
            races(self.log())


class Site:
    """A bridge in a namespace of its own; machines have an address each, in the order they were made."""

    def __init__(self, root, mamori, plugins, net):
        self.root, self.mamori, self.plugins, self.net = root, mamori, plugins, net
        self.ns, self.machines = f"mmr{os.getpid()}sw", []
        subprocess.run(["ip", "netns", "add", self.ns], check=True)
        self.ip("link", "add", "br0", "type", "bridge")
        self.ip("link", "set", "br0", "up")

    def ip(self, *args):
        subprocess.run(["ip", "-n", self.ns, *args], check=True)

    def machine(self, name):
        return self.add(Machine(self, name, f"{self.net}.{len(self.machines) + 1}"))

    def add(self, m):
        self.machines.append(m)
        return m

    def connect(self, m):
        port = f"p{self.machines.index(m)}"
        subprocess.run(["ip", "link", "add", port, "netns", self.ns, "type", "veth", "peer", "name", "up0", "netns", m.ns], check=True)
        self.ip("link", "set", port, "master", "br0", "up")
        m.ip("addr", "add", f"{m.address}/24", "dev", "up0")
        m.ip("link", "set", "up0", "up")

    def cut(self, m):
        self.ip("link", "set", f"p{self.machines.index(m)}", "down")

    def join(self, m):
        self.ip("link", "set", f"p{self.machines.index(m)}", "up")

    @staticmethod
    def evidence(hub, kind):
        db = sqlite3.connect(f"file:{hub.state}/mamori.db?mode=ro", uri=True)
        try:
            return [json.loads(r[0]) for r in db.execute("SELECT body FROM evidence WHERE kind = ? ORDER BY seq", (kind,))]
        except (sqlite3.Error, ValueError) as e:
            return [{"node": "", "seconds": 0, "error": str(e)}]
        finally:
            db.close()

    def end(self):
        for m in self.machines:
            m.end()
        subprocess.run(["ip", "netns", "del", self.ns], capture_output=True)
