#!/usr/bin/env python3
"""faults.py MAMORI PLUGINS TEST_PLUGINS [SECONDS [SEED]] - two endpoints count aloud to a hub while brain, agents and plugin hosts are killed
at random, the line is cut for seconds, and the endpoint's disk is full for a while. In the end every number is at the hub, each once, and
each endpoint's in the order it counted. Short by default (the ordinary suite); SECONDS makes it longer, SEED repeats a run."""
import os
import random
import re
import shutil
import subprocess
import sqlite3
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from site_lab import Site, case, failed, until, usable

SECONDS = float(sys.argv[4]) if len(sys.argv) > 4 else 25
SEED = int(sys.argv[5]) if len(sys.argv) > 5 else int(time.time())
EVERY_MS = 25


def counted(hub):
    """By endpoint: the numbers in the order in which the hub first recorded them, and how many incidents each has."""
    db = sqlite3.connect(f"file:{hub.state}/mamori.db?mode=ro", uri=True, timeout=10)
    try:
        order, seen, times = {}, set(), {}
        for (body,) in db.execute("SELECT body FROM evidence WHERE kind = 'incident.class' ORDER BY seq"):
            text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
            for name, number in re.findall(r'counted (\w+)-(\d+)!', text)[:1]:
                if (name, number) not in seen:
                    seen.add((name, number))
                    order.setdefault(name, []).append(int(number))
        for (title,) in db.execute("SELECT title FROM incident"):
            for key in re.findall(r'counted (\w+-\d+)!', title)[:1]:
                times[key] = times.get(key, 0) + 1
        return order, times
    finally:
        db.close()


def fill(path):
    """Until nothing more goes on that disk."""
    with open(path, "wb", buffering=0) as f:
        try:
            while f.write(b"x" * 4096):
                pass
        except OSError:
            return


def storm(site, hub, pcs, rng):
    kills = {"brain": 0, "agent": 0, "host": 0, "cut": 0, "disk": 0}
    end = time.time() + SECONDS
    while time.time() < end:
        what = rng.choice(["brain", "brain", "agent", "agent", "host", "cut", "disk"])
        pc = rng.choice(pcs)
        if what == "brain":
            kills[what] += hub.kill("brain") is not None
        elif what == "agent":
            kills[what] += pc.kill("agent") is not None
        elif what == "host":
            kills[what] += pc.kill("counter") is not None
        elif what == "cut":
            site.cut(pc)
            time.sleep(rng.uniform(0.5, 4))
            site.join(pc)
            kills[what] += 1
        else:
            fill(os.path.join(pc.state, "filler"))
            time.sleep(rng.uniform(0.5, 3))
            os.unlink(os.path.join(pc.state, "filler"))
            kills[what] += 1
        time.sleep(rng.uniform(0.2, 2.5))
    return kills


def run(site, so):
    rng = random.Random(SEED)
    print(f"seed {SEED}, {SECONDS:.0f} s", flush=True)
    last = int(SECONDS * 1000 / EVERY_MS / 2)
    hub, pcs = site.machine("hub1"), [site.machine(n) for n in ("pc1", "pc2")]
    supervise = {"restart_delay": "50ms", "quarantine_after": 1000}  # what is killed on purpose is no reason to give it up
    off = {n: None for n in ("capture", "flow", "protocols", "ndpi", "signature", "behaviour", "proc", "files", "log", "authfail", "sigma", "contain",
                             "nft", "file", "asset", "ransom", "screen", "answers", "report", "mail", "chat", "sms", "voice")}
    for m in (hub, *pcs):
        site.connect(m)
    hub.configure({"deployment": "passive-tap", "site": {"listen": f"tcp://{hub.address}:7400"}, "supervise": supervise, "plugins": off,
                   "correlate": {"max_incidents": 100000}})
    for pc in pcs:
        os.makedirs(pc.state)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "none", pc.state], check=True)
        pc.configure({"supervise": supervise, "trust": {"require": "any"}, "site": {"spool": "8M"}, "plugins": {**off, "counter": {
            "plugin": "org.example.counter", "file": os.path.join(so, "counter.so"), "side": "endpoint", "host": "counter",
            "config": {"name": pc.name, "every": f"{EVERY_MS}ms", "last": last}}}})
    hub.start()
    case("the_hub_is_up", until(lambda: hub.status()["brain"]) or until(lambda: hub.p.poll() is None and os.path.exists(hub.state)), hub.log())
    for pc in pcs:
        rc, out, err = hub.cli3("token", "new")
        rc, _, err = pc.cli3("join", out.strip())
        case(f"{pc.name}_joins", rc == 0, err)
        pc.start()
    counts = until(lambda: len(counted(hub)[0]) == 2, 60)
    case("both_count", counts, hub.log() + pcs[0].log())
    if not counts:
        return
    kills = storm(site, hub, pcs, rng)
    print("done to them:", kills, flush=True)
    everything = {p.name: list(range(1, last + 1)) for p in pcs}
    ended = until(lambda: all(len(set(counted(hub)[0].get(p.name, []))) == last for p in pcs), 180 + 2 * SECONDS)
    order, times = counted(hub)
    missing = {n: sorted(set(everything[n]) - set(order.get(n, [])))[:20] for n in everything}
    case("nothing_is_lost", ended and not any(missing.values()), (missing, {n: len(v) for n, v in order.items()}, hub.log()[-1500:], pcs[0].log()[-1500:]))
    doubled = {k: v for k, v in times.items() if v != 1}
    case("nothing_is_doubled", not doubled, doubled)
    wrong = {n: [(a, b) for a, b in zip(v, v[1:]) if b < a][:10] for n, v in order.items()}
    case("each_in_its_order", not any(wrong.values()), wrong)
    for pc in pcs:
        case(f"{pc.name}_has_nothing_left", until(lambda: (pc.status()["brain"] or {}).get("spool", {}).get("findings") == 0), pc.status())
    rc, out, _ = hub.cli3("evidence", "verify")
    case("and_the_record_verifies", rc == 0, out)
    print("arrived:", {n: len(v) for n, v in order.items()}, flush=True)


def main():
    if not usable(sys.argv[2]):
        return 77
    root = tempfile.mkdtemp(prefix="mamori-faults-")
    site = Site(root, sys.argv[1], sys.argv[2], "10.80.0")
    try:
        run(site, sys.argv[3])
    finally:
        site.end()
        for m in site.machines:
            subprocess.run(["umount", "-l", m.state], capture_output=True)
        shutil.rmtree(root, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
