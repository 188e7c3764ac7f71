#!/usr/bin/env python3
"""answer.py MAMORI BUILD - from a log line to the block in the kernel: mamori and Debian's fail2ban side by side in one run, each in a
network namespace of its own, on the same lines, in turn; both timed by the same means (`nft monitor`). One JSON object a line."""
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

MAMORI = os.path.abspath(sys.argv[1])
ROUNDS, FAILURES = 40, 5
OFF = ("capture", "flow", "protocols", "ndpi", "signature", "behaviour", "proc", "files", "integrity", "journal", "ransom", "sigma", "contain")


class Side:
    """A namespace, its auth.log, and who watches that."""

    def __init__(self, name):
        self.ns, self.dir = f"mmrans{os.getpid()}{name}", tempfile.mkdtemp(prefix=f"mamori-answer-{name}-", dir="/var/tmp")
        self.log, self.said, self.times = os.path.join(self.dir, "auth.log"), queue.Queue(), []
        open(self.log, "w").close()
        subprocess.run(["ip", "netns", "add", self.ns], check=True)
        subprocess.run(["ip", "-n", self.ns, "link", "set", "lo", "up"], check=True)
        self.p = None

    def watch(self):
        self.monitor = subprocess.Popen(["ip", "netns", "exec", self.ns, "stdbuf", "-oL", "nft", "-n", "monitor"], stdout=subprocess.PIPE, text=True)

        def read():
            for line in self.monitor.stdout:
                self.said.put((time.monotonic(), line))
        threading.Thread(target=read, daemon=True).start()
        time.sleep(0.5)

    def run(self, *args):
        with open(os.path.join(self.dir, "out"), "ab") as out:
            self.p = subprocess.Popen(["ip", "netns", "exec", self.ns, *args], stdout=out, stderr=out)

    def one(self, address, limit_s=20):
        stamp = time.strftime("%b %d %H:%M:%S")
        lines = "".join(f"{stamp} pc sshd[{2000 + i}]: Failed password for root from {address} port {4000 + i} ssh2\n" for i in range(FAILURES))
        with open(self.log, "a") as f:
            f.write(lines)
        begun = time.monotonic()
        while True:
            try:
                at, line = self.said.get(timeout=max(0.01, begun + limit_s - time.monotonic()))
            except queue.Empty:
                return None
            if address in line and "add element" in line:
                return (at - begun) * 1000

    def end(self):
        for p in (self.p, getattr(self, "monitor", None)):
            if p and p.poll() is None:
                p.send_signal(signal.SIGTERM)
                try:
                    p.wait(20)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
        subprocess.run(["ip", "netns", "del", self.ns], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)


def mamori(side):
    site = os.path.join(side.dir, "site")
    os.mkdir(site)
    with open(os.path.join(site, "0.yaml"), "w") as f:
        json.dump({"node": {"state_dir": f"{side.dir}/state", "run_dir": f"{side.dir}/run", "name": "hub"},
                   "defence": {"mode": "auto", "auto_actions_agreed": ["all"], "per_minute": 100000, "per_hour": 1000000},
                   "plugins": {**{n: None for n in OFF}, "log": {"config": {"files": [side.log]}}}}, f)
    side.run(MAMORI, "run", "--quiet", "--config", site)


def fail2ban(side):
    conf = os.path.join(side.dir, "conf")
    shutil.copytree("/etc/fail2ban", conf)
    for name in os.listdir(os.path.join(conf, "jail.d")):
        os.remove(os.path.join(conf, "jail.d", name))
    with open(os.path.join(conf, "jail.local"), "w") as f:
        f.write(f"[DEFAULT]\nbackend = auto\nbanaction = nftables-allports\nbanaction_allports = nftables-allports\n"
                f"[sshd]\nenabled = true\nbackend = auto\nlogpath = {side.log}\nmaxretry = {FAILURES}\nfindtime = 600\n")
    with open(os.path.join(conf, "fail2ban.local"), "w") as f:
        f.write(f"[Definition]\nlogtarget = {side.dir}/f2b.log\nsocket = {side.dir}/sock\npidfile = {side.dir}/pid\ndbfile = None\n")
    side.run("fail2ban-server", "-c", conf, "-f", "start")


def main():
    if os.geteuid() != 0 or not shutil.which("nft"):
        print(json.dumps({"name": "log_line_to_block", "skipped": "needs root and nft"}))
        return
    sides = {"mamori": Side("m")}
    start = {"mamori": mamori, "fail2ban": fail2ban}
    if shutil.which("fail2ban-server"):
        sides["fail2ban"] = Side("f")
    try:
        for name, side in sides.items():
            side.watch()
            start[name](side)
        for name, side in sides.items():  # up when it answers
            for k in range(20):
                if side.one(f"203.0.113.{10 + k}", 5) is not None:
                    break
            else:
                raise SystemExit(f"{name} blocks nobody:\n" + open(os.path.join(side.dir, "out"), errors="replace").read()[-2000:])
        for k in range(ROUNDS):
            for side in sides.values():
                took = side.one(f"198.51.{100 + k // 200}.{1 + k % 200}")
                if took is not None:
                    side.times.append(took)
        for name, side in sides.items():
            v = sorted(side.times)
            print(json.dumps({"name": f"log_line_to_block_{name}", "n": len(v), "of": ROUNDS,
                              **({f"p{q}_ms": round(v[min(len(v) - 1, len(v) * q // 100)], 1) for q in (50, 95)} if v else {}),
                              **({"aim_p95_ms": 10} if name == "mamori" else {})}), flush=True)
    finally:
        for side in sides.values():
            side.end()


main()
