#!/usr/bin/env python3
"""agent.py MAMORI BUILD - an endpoint that has nothing to do, linked to its hub over CURVE: memory (proportional set size of all its
processes), processor time and wake-ups. One JSON object a line."""
import json
import os
import re
import signal
import shutil
import subprocess
import sys
import tempfile
import time

import office
from office import MAMORI, NS, Office, cpu_s, pss_kib, sh, tree

SETTLE_S, SECONDS, REST_S = 10, 30, 240


def switches(pids):
    """How often a thread of these was put to sleep of its own will: each is one wake-up."""
    n = 0
    for p in pids:
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                n += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", open(f"/proc/{p}/task/{t}/status").read(), re.M).group(1))
        except (OSError, AttributeError):
            pass
    return n


def bytes_read(pids):
    n = 0
    for p in pids:
        try:
            n += int(re.search(r"^rchar:\s+(\d+)", open(f"/proc/{p}/io").read(), re.M).group(1))
        except (OSError, AttributeError):
            pass
    return n


def until_it_rests(pid):
    """The first walk over the system's files (integrity's baseline) is work, not rest: its length and processor time, by when nothing reads any more."""
    start, cpu, quiet = time.time(), cpu_s(tree(pid)), 0
    while quiet < 8 and time.time() - start < REST_S:
        before = bytes_read(tree(pid))
        time.sleep(1)
        quiet = quiet + 1 if bytes_read(tree(pid)) - before < 65536 else 0
    return round(time.time() - start - quiet, 1), round(cpu_s(tree(pid)) - cpu, 2)


def name_of(pid):
    try:
        return open(f"/proc/{pid}/cmdline").read().replace("\0", " ").strip()[:60]
    except OSError:
        return "?"


def main():
    if os.geteuid() != 0:
        print(json.dumps({"name": "idle_agent", "skipped": "needs root"}))
        return
    pc, root = NS + "pc", tempfile.mkdtemp(prefix="mamori-bench-pc-")
    for ns in (NS, pc):
        sh("ip", "netns", "add", ns)
    hub = None
    try:
        sh("ip", "link", "add", "benchh", "netns", NS, "type", "veth", "peer", "name", "benchp", "netns", pc)
        for ns, link, addr in ((NS, "benchh", "10.77.0.1/24"), (pc, "benchp", "10.77.0.2/24")):
            sh("ip", "-n", ns, "addr", "add", addr, "dev", link)
            sh("ip", "-n", ns, "link", "set", link, "up")
            sh("ip", "-n", ns, "link", "set", "lo", "up")
        parts = office.alone({})
        del parts[0]["plugins"]["emitter"]
        parts.append({"site": {"listen": "tcp://10.77.0.1:7700", "nodes": {"pc1": {"key": f"{root}/pc.pub", "ip": ["10.77.0.2"]}}}})
        hub = Office(parts, is_started=False)
        for state, pub in ((f"{hub.dir}/state", f"{root}/hub.pub"), (f"{root}/state", f"{root}/pc.pub")):
            with open(pub, "w") as f:
                f.write(subprocess.run([MAMORI, "keys", "new", "--state", state], capture_output=True, text=True, check=True).stdout)
        hub.go()
        os.mkdir(f"{root}/site")
        # what other programs of this machine do meanwhile is not idle: the sensors look at the namespace and at a filesystem of their own
        os.mkdir(f"{root}/w")
        sh("mount", "-t", "tmpfs", "-o", "size=4m", "none", f"{root}/w")
        quiet = {"scope": "netns"}
        with open(f"{root}/site/0.yaml", "w") as f:
            json.dump({"deployment": "endpoint", "node": {"name": "pc1", "state_dir": f"{root}/state", "run_dir": f"{root}/run"}, "trust": {"require": "any"},
                       "site": {"hub": "tcp://10.77.0.1:7700", "hub_key": f"{root}/hub.pub"},
                       "plugins": {"proc": {"config": quiet}, "files": {"config": {**quiet, "places": [f"{root}/w"]}}, "log": {"config": {"files": [f"{root}/auth.log"]}},
                                   "integrity": {"config": {"wait": "1s"}}, "ransom": {"config": {**quiet, "places": [f"{root}/w"], "canaries": False}}}}, f)
        open(f"{root}/auth.log", "w").close()
        with open(f"{root}/log", "wb") as log:
            p = subprocess.Popen(["ip", "netns", "exec", pc, MAMORI, "run", "--config", f"{root}/site"], stdout=log, stderr=log)
        try:
            end = time.time() + 60
            while "Watching" not in open(f"{root}/log", errors="replace").read() and time.time() < end:
                if p.poll() is not None:
                    raise SystemExit("mamori ended:\n" + open(f"{root}/log", errors="replace").read()[-3000:])
                time.sleep(0.1)
            walk_s, walk_cpu_s = until_it_rests(p.pid)
            print(json.dumps({"name": "agent_first_walk", "seconds": walk_s, "cpu_s": walk_cpu_s}), flush=True)
            time.sleep(SETTLE_S)
            pids = tree(p.pid)
            a, s, t = cpu_s(pids), switches(pids), time.time()
            each = {x: (cpu_s([x]), switches([x])) for x in pids}
            time.sleep(SECONDS)
            dt = time.time() - t
            b, w, pss = cpu_s(pids), switches(pids), pss_kib(pids)
            print(json.dumps({"name": "idle_agent", "pss_mb": round(sum(pss.values()) / 1024, 1), "aim_pss_mb": 20,
                              "cpu_percent": round(100 * (b - a) / dt, 2), "aim_cpu_percent": 0.2, "wakeups_per_s": round((w - s) / dt, 1),
                              "processes": {k: round(v / 1024, 1) for k, v in pss.items()},
                              "wakeups_each": {f"{name_of(x)}:{x}": round((switches([x]) - each[x][1]) / dt, 1) for x in pids}}), flush=True)
            if os.environ.get("MMR_BENCH_HOLD"):
                print(root, pids, file=sys.stderr, flush=True)
                time.sleep(float(os.environ["MMR_BENCH_HOLD"]))
        finally:
            p.send_signal(signal.SIGTERM)
            p.wait(20)
            if os.environ.get("MMR_BENCH_HOLD"):
                sys.stderr.write(open(f"{root}/log", errors="replace").read())
    finally:
        if hub:
            hub.stop()
        for ns in (NS, pc):
            subprocess.run(["ip", "netns", "del", ns])
        subprocess.run(["umount", f"{root}/w"], capture_output=True)
        shutil.rmtree(root, ignore_errors=True)


main()
