#!/usr/bin/env python3
"""two_machines.py MAMORI PLUGINS - a hub that only watches and an endpoint that finds and defends, each in a network namespace, keys
placed by hand. What the endpoint finds is judged at the hub and blocked at the endpoint, unless its own list forbids it; this stays so
when either process is killed and after the line was cut; the endpoint's operator can take everything back."""
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

MAMORI, PLUGINS = sys.argv[1:3]
HUB, PC = "10.77.0.1", "10.77.0.2"
NETWORK = ("capture", "flow", "protocols", "ndpi", "signature", "behaviour")
ENDPOINT = ("proc", "files", "ransom", "integrity", "journal", "log", "authfail", "sigma", "contain")


class Machine:
    def __init__(self, root, name):
        self.name, self.dir = name, os.path.join(root, name)
        self.ns = f"mmrsite{os.getpid()}{name}"
        self.site, self.state = os.path.join(self.dir, "site"), os.path.join(self.dir, "state")
        os.makedirs(self.site)
        self.p, self.log_path = None, os.path.join(self.dir, "log")
        subprocess.run(["ip", "netns", "add", self.ns], check=True)
        self.ip("link", "set", "lo", "up")

    def ip(self, *args):
        subprocess.run(["ip", "-n", self.ns, *args], check=True)

    def configure(self, what):
        what["node"] = {**what.get("node", {}), "name": self.name, "state_dir": self.state, "run_dir": os.path.join(self.dir, "run"),
                        "plugin_dirs": [PLUGINS]}
        with open(os.path.join(self.site, "50-site.yaml"), "w") as f:
            json.dump(what, f)  # JSON is YAML

    def keys(self):
        p = subprocess.run([MAMORI, "keys", "new", "--state", self.state], capture_output=True, text=True)
        path = os.path.join(self.dir, "pub")
        with open(path, "w") as f:
            f.write(p.stdout)
        return path, p

    def start(self):
        with open(self.log_path, "ab") as log:
            self.p = subprocess.Popen(["ip", "netns", "exec", self.ns, "unshare", "-u", "sh", "-c",
                                       f"hostname {self.name}; exec \"$0\" \"$@\"", MAMORI, "run", "--quiet", "--config", self.site],
                                      stdout=log, stderr=log)

    def log(self):
        return open(self.log_path, errors="replace").read() if os.path.exists(self.log_path) else ""

    def cli(self, *args):
        p = subprocess.run(["ip", "netns", "exec", self.ns, MAMORI, *args, "--config", self.site], capture_output=True, text=True, timeout=60)
        return p.returncode, p.stdout

    def status(self):
        try:
            return json.loads(self.cli("status", "--json")[1].splitlines()[0])
        except (ValueError, IndexError):
            return {"hosts": [], "brain": None}

    def kill(self, role):
        pid = next((h["pid"] for h in self.status()["hosts"] if h["name"] == role and h["pid"]), None)
        if pid:
            os.kill(pid, signal.SIGKILL)
        return pid

    def end(self):
        if self.p and self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
            try:
                self.p.wait(30)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        subprocess.run(["ip", "netns", "del", self.ns], capture_output=True)


def denied(pc):
    p = subprocess.run(["ip", "netns", "exec", pc.ns, "nft", "-j", "list", "table", "inet", "mamori_host"], capture_output=True, text=True)
    found = set()
    for x in json.loads(p.stdout)["nftables"] if p.returncode == 0 else []:
        for e in x.get("set", {}).get("elem", []) if x.get("set", {}).get("name", "").startswith("src") else []:
            v = e.get("elem", {}).get("val") if isinstance(e, dict) else e
            found.add(v)
    return found


def guess(path, source, is_let_in=True):
    """Password guessing in the words of sshd; and in."""
    with open(path, "a") as f:
        for i in range(6):
            f.write(time.strftime(f"%b %d %H:%M:%S pc1 sshd[{1000 + i}]: Failed password for root from {source} port {4000 + i} ssh2\n"))
        f.flush()
        time.sleep(1.1)
        if is_let_in:
            f.write(time.strftime(f"%b %d %H:%M:%S pc1 sshd[1009]: Accepted password for root from {source} port 4009 ssh2\n"))


def run(hub, pc, auth):
    hub.start()
    pc.start()
    case("the_endpoint_is_known_at_the_hub",
         until(lambda: any(n["name"] == "pc1" and n["up"] and n["responders"] == 1 and "authfail" in n["instances"]
                           for n in ((hub.status()["brain"] or {}).get("nodes", [])))), hub.log() + pc.log())
    case("the_endpoint_knows_its_hub", until(lambda: (pc.status()["brain"] or {}).get("hub_up")), pc.log())

    guess(auth, "198.51.100.66")
    case("found_at_the_endpoint_judged_at_the_hub_blocked_at_the_endpoint", until(lambda: "198.51.100.66" in denied(pc)), hub.log() + pc.log())
    case("the_hub_has_the_proof", until(lambda: "readback" in hub.cli("block", "list", "--json")[1] or "proved" in hub.cli("block", "list")[1]),
         hub.cli("block", "list")[1])

    guess(auth, "198.51.100.99")
    case("the_endpoint_refuses_what_is_on_its_list", until(lambda: "action.refused" in pc.log()), pc.log())
    time.sleep(1)
    case("and_it_is_not_done", "198.51.100.99" not in denied(pc), denied(pc))
    case("and_the_hub_knows_at_once", "receipt.unknown" not in hub.log(), hub.log())

    hub.kill("brain")
    guess(auth, "198.51.100.67")
    case("blocked_though_the_brain_was_killed", until(lambda: "198.51.100.67" in denied(pc)), hub.log() + pc.log())
    pc.kill("agent")
    guess(auth, "198.51.100.68")
    case("blocked_though_the_agent_was_killed", until(lambda: "198.51.100.68" in denied(pc)), hub.log() + pc.log())

    hub.ip("link", "set", "up0", "down")
    guess(auth, "198.51.100.69")
    time.sleep(3)
    waits = (pc.status()["brain"] or {}).get("spool", {})
    case("what_is_found_without_a_line_waits", waits.get("urgent", 0) + waits.get("findings", 0) >= 2, waits)
    case("blocks_hold_without_a_line", "198.51.100.66" in denied(pc), denied(pc))
    hub.ip("link", "set", "up0", "up")
    case("and_is_blocked_when_the_line_is_back", until(lambda: "198.51.100.69" in denied(pc), 60), hub.log() + pc.log())
    waits = until(lambda: (pc.status()["brain"] or {}).get("spool", {}).get("findings") == 0)
    case("nothing_waits_any_more", waits, pc.status())

    rc, _ = pc.cli("block", "undo-all")
    case("the_endpoints_operator_takes_all_back", rc == 0 and until(lambda: not denied(pc)), denied(pc))
    time.sleep(2)
    case("and_it_stays_so", "198.51.100.69" not in denied(pc), denied(pc))


def main():
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft") or not os.path.exists(f"{PLUGINS}/contain.so"):
        print("[  SKIPPED ] needs root, ip, nft and the plugins as files")
        return 77
    root = tempfile.mkdtemp(prefix="mamori-site-")
    machines = []
    try:
        hub = Machine(root, "hub1")
        machines.append(hub)
        pc = Machine(root, "pc1")
        machines.append(pc)
        subprocess.run(["ip", "link", "add", "up0", "netns", hub.ns, "type", "veth", "peer", "name", "up0", "netns", pc.ns], check=True)
        for m, a in ((hub, HUB), (pc, PC)):
            m.ip("addr", "add", f"{a}/24", "dev", "up0")
            m.ip("link", "set", "up0", "up")
        auth = os.path.join(root, "auth.log")
        open(auth, "w").close()
        hub_pub, made = hub.keys()
        pc_pub, _ = pc.keys()
        case("keys_are_made_once", made.returncode == 0 and hub.keys()[1].returncode == 3, made.stderr)
        with open(hub_pub, "w") as f:
            f.write(made.stdout)
        hub.configure({"deployment": "passive-tap", "site": {"listen": f"tcp://{HUB}:7400", "nodes": {"pc1": {"key": pc_pub}}},
                       "defence": {"mode": "auto", "auto_actions_agreed": ["all"]}, "plugins": {n: None for n in (*NETWORK, *ENDPOINT)}})
        pc.configure({"deployment": "endpoint", "node": {"role": "endpoint"}, "site": {"hub": f"tcp://{HUB}:7400", "hub_key": hub_pub},
                      "defence": {"never_block": ["198.51.100.99"]},
                      "plugins": {"proc": None, "files": None, "ransom": None, "integrity": None, "journal": None, "sigma": None, "log": {"config": {"files": [auth]}}}})
        run(hub, pc, auth)
    finally:
        for m in machines:
            m.end()
        shutil.rmtree(root, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
