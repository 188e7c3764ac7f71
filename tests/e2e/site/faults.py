#!/usr/bin/env python3
"""faults.py MAMORI PLUGINS TEST_PLUGINS [SECONDS [SEED [KILLS]]] - a hub, two endpoints and the provider's collector under load while everything
happens to them: each part is killed (-9) KILLS times, lines are parted, lose every twentieth packet and take 200 ms, disks are full, the
collector moves to another machine. What happens to lines and disks goes on while parts are killed. In the end every number that was counted is
at the hub and at the collector, each once, in the order of its lane. Short by default (the ordinary suite); SECONDS makes it longer, SEED
repeats a run."""
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from site_lab import Site, case, play, until, usable
from upstream_lab import Collector

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = float(sys.argv[4]) if len(sys.argv) > 4 else 45
SEED = int(sys.argv[5]) if len(sys.argv) > 5 else int(time.time())
KILLS = int(sys.argv[6]) if len(sys.argv) > 6 else 20 if SECONDS >= 300 else 2
IS_LONG = SECONDS >= 300
EVERY_MS, GRAVE = 50, 5
LAST = int(SECONDS * 1000 / EVERY_MS * 0.7)
PARTED_S, SLOW_S, FULL_S = (30, 40, 5) if IS_LONG else (6, 8, 2)
LOSS, DELAY_MS = 5, 200
PARTS = ("hub supervisor", "brain", "hub host", "endpoint supervisor", "agent", "endpoint host", "collector")
DISKS = {"hub1": "400m", "pc1": "24m", "pc2": "24m", "col1": "1000m", "col2": "1000m"}  # state folders, file systems of their own


# ---- the lab ----

def inside(m, *args, **more):
    return subprocess.run(["ip", "netns", "exec", m.ns, *args], capture_output=True, text=True, **more)


def chance(percent):
    return f"numgen random mod 100 < {percent}" if percent < 100 else ""


class SlowLine:
    """Between the hub and one machine: a relay that takes as long as it is told. Losses are the firewall's, at both ends."""

    def __init__(self, hub, m, device):
        self.p = subprocess.Popen([sys.executable, os.path.join(HERE, "delay_line.py"), hub.ns, m.ns, device, "0"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.p.stdout.readline()
        for a, own, other in ((hub, hub.address, m.address), (m, m.address, hub.address)):
            a.ip("addr", "add", own, "peer", other, "dev", device)
            a.ip("link", "set", device, "up")

    def delay(self, ms):
        self.p.stdin.write(f"{ms}\n")
        self.p.stdin.flush()

    def end(self):
        self.p.stdin.close()
        self.p.wait()


class Lab:
    def __init__(self, site, so):
        self.site, self.so, self.slow, self.lossy, self.disks, self.restarts = site, so, {}, {}, [], 0
        self.dropped = self.delayed = 0
        self.hub, self.pc1, self.pc2, col1, col2 = (site.machine(n) for n in ("hub1", "pc1", "pc2", "col1", "col2"))
        self.pcs, self.machines = (self.pc1, self.pc2), (self.hub, self.pc1, self.pc2)
        for m in (self.hub, self.pc1, col2):
            site.connect(m)
        for m, device in ((self.pc2, "slow0"), (col1, "slow1")):
            self.slow[m.name] = SlowLine(self.hub, m, device)
        for m in site.machines:
            os.makedirs(m.state)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISKS[m.name]},mode=0700", "none", m.state], check=True)
            self.disks.append(m.state)
        self.collectors = [Collector(m, os.path.join(m.state, "sites.jsonl")) for m in (col1, col2)]
        self.at = 0  # which of them runs

    @property
    def collector(self):
        return self.collectors[self.at]

    def configure(self):
        supervise = {"restart_delay": "50ms", "quarantine_after": 1000}  # what is killed on purpose is no reason to give it up
        off = {n: None for n in ("capture", "flow", "protocols", "ndpi", "signature", "behaviour", "proc", "files", "log", "authfail", "sigma", "contain",
                                 "nft", "file", "asset", "ransom", "integrity", "journal", "screen", "answers", "report", "mail", "chat", "sms", "voice")}

        def counter(m):
            return {**off, "counter": {"plugin": "org.example.counter", "file": os.path.join(self.so, "counter.so"), "side": "endpoint", "host": "counter",
                                       "config": {"name": m.name, "every": f"{EVERY_MS}ms", "last": LAST, "grave_every": GRAVE}}}
        self.hub.configure({"deployment": "passive-tap", "site": {"listen": "tcp://0.0.0.0:7400"}, "supervise": supervise, "trust": {"require": "any"},
                            "plugins": counter(self.hub), "correlate": {"max_incidents": 100000}})
        for pc in self.pcs:
            pc.configure({"supervise": supervise, "trust": {"require": "any"}, "site": {"spool": "8M"}, "plugins": counter(pc)})
        for c in self.collectors:
            c.m.configure({"deployment": "none", "site": {"listen": f"tcp://{c.m.address}:7500"}, "collector": {"file": c.file, "silent_after": "10m"}})

    def tend(self):
        """What a service manager does: what ended is started again."""
        for x in (*self.machines, self.collector):
            if x.p and x.p.poll() is not None:
                self.restarts += 1
                x.start()

    def lose(self, m, percent):
        """Of what comes from m at the hub, and from the hub at m; 100: nothing passes."""
        self.lossy[m.name] = percent
        rules = {self.hub: [], m: []}
        for name, p in self.lossy.items():
            other = next(x for x in self.site.machines if x.name == name)
            rules[self.hub] += [f"ip saddr {other.address} {chance(p)} counter drop"] if p else []
        rules[m] += [f"ip saddr {self.hub.address} {chance(percent)} counter drop"] if percent else []
        for at, lines in rules.items():
            self.dropped += sum(int(n) for n in re.findall(r"packets (\d+)", inside(at, "nft", "list", "table", "inet", "line").stdout))
            text = "table inet line\ndelete table inet line\ntable inet line {\n chain in {\n  type filter hook input priority 0;\n  " + "\n  ".join(lines) + "\n }\n}\n"
            p = inside(at, "nft", "-f", "-", input=text)
            if p.returncode != 0:
                raise RuntimeError(p.stderr)

    def move_collector(self):
        """Its folder goes to another machine, as a person would take it: ended, copied, started there, where sites find it by themselves."""
        old, new = self.collectors[self.at], self.collectors[1 - self.at]
        old.end()
        for f in os.listdir(new.m.state):
            os.unlink(os.path.join(new.m.state, f))
        for f in os.listdir(old.m.state):
            if not f.endswith(".sock"):
                shutil.copy2(os.path.join(old.m.state, f), new.m.state)
        old.p = None
        self.at = 1 - self.at
        new.start()

    def end(self):
        for c in self.collectors:
            c.end()
        self.site.end()
        for line in self.slow.values():
            line.end()
        for d in self.disks:
            subprocess.run(["umount", "-l", d], capture_output=True)


# ---- what is done to it ----

def fill(path):
    """Until nothing more goes on that disk."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        v = os.statvfs(path)
        try:
            os.posix_fallocate(fd, 0, v.f_bavail * v.f_frsize)
        except OSError:
            pass
        os.lseek(fd, 0, os.SEEK_END)
        for size in (65536, 4096, 512, 1):
            try:
                while os.write(fd, b"x" * size):
                    pass
            except OSError:
                pass
    finally:
        os.close(fd)


def pid_of(lab, part, rng):
    """The process now, or None: it is not there at this moment."""
    if part == "collector":
        return lab.collector.p.pid if lab.collector.p and lab.collector.p.poll() is None else None
    m = lab.hub if part in ("hub supervisor", "brain", "hub host") else rng.choice(lab.pcs)
    if part.endswith("supervisor"):
        return m.p.pid if m.p.poll() is None else None
    name = "counter" if part.endswith("host") else part
    return next((h["pid"] for h in m.status()["hosts"] if h["name"] == name and h["pid"]), None)


def conditions(lab, rng):
    """(name, seconds, begin, end): each goes on beside kills; one after the other, in random order."""
    found = []
    rounds = 2 if IS_LONG else 1
    by_name = {m.name: m for m in lab.site.machines}

    def where(m):
        return lab.collector.m if m == "collector" else m

    def name_of(m):
        return m if m == "collector" else m.name

    def parted(m):
        return (f"{name_of(m)} parted", PARTED_S, lambda: lab.lose(where(m), 100), lambda: lab.lose(where(m), 0))

    def slow(m):
        def begin():
            lab.slow[m.name].delay(DELAY_MS)
            lab.lose(m, LOSS)

        def end():
            lab.slow[m.name].delay(0)
            lab.lose(m, 0)
        return (f"{m.name} slow and lossy", SLOW_S, begin, end)

    def full(m):
        def path():
            return os.path.join(where(m).state, "filler")
        return (f"{name_of(m)} disk full", FULL_S, lambda: fill(path()), lambda: os.unlink(path()))
    for _ in range(rounds):
        found += [parted(lab.pc1), parted("collector"), full(lab.hub), full(rng.choice(lab.pcs)), full("collector"), slow(lab.pc2)]
        if IS_LONG:
            found += [parted(lab.pc2)]
    rng.shuffle(found)
    for _ in range(rounds):  # while the collector is at the end of that line
        found.insert(rng.randrange(len(found) // 2), slow(by_name["col1"]))
    # it moves in the middle of it and back at the end
    move = ("the collector moves", 30 if IS_LONG else 3, lab.move_collector, lambda: None)
    found.insert(len(found) // 2 + rounds, move)
    return found + [move]


def storm(lab, rng):
    kills = [p for p in PARTS for _ in range(KILLS)]
    rng.shuffle(kills)
    todo, done, now, now_end = conditions(lab, rng), {p: 0 for p in PARTS}, None, 0
    start, n_kills = time.time(), len(kills)
    told = {}
    while kills or todo or now:
        lab.tend()
        if now and time.time() >= now_end:
            now[3]()
            now = None
        elif not now and todo and rng.random() < 0.3:
            now = todo.pop(0)
            now[2]()
            now_end = time.time() + now[1]
            told[now[0].split()[-1] if "moves" not in now[0] else "moved"] = told.get(now[0].split()[-1] if "moves" not in now[0] else "moved", 0) + 1
            print(f"  {time.time() - start:4.0f} s: {now[0]}", flush=True)
        if kills and time.time() - start >= SECONDS * (n_kills - len(kills)) / n_kills:
            pid = pid_of(lab, kills[-1], rng)
            try:
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    done[kills.pop()] += 1
                else:  # it is on its way up: another first
                    kills.insert(rng.randrange(len(kills)), kills.pop())
            except ProcessLookupError:
                pass
        time.sleep(rng.uniform(0.05, 0.5))
    return done, told


# ---- what came of it ----

def numbers_at_hub(hub):
    """By counter and gravity: the numbers in the order in which the hub first recorded them, and how many incidents each has."""
    db = sqlite3.connect(f"file:{hub.state}/mamori.db?mode=ro", uri=True, timeout=30)
    try:
        texts = [b.decode("utf-8", "replace") if isinstance(b, bytes) else b
                 for (b,) in db.execute("SELECT body FROM evidence WHERE kind = 'incident.class' ORDER BY seq")]
        times = {}
        for (title,) in db.execute("SELECT title FROM incident"):
            for key in re.findall(r"counted (\w+-\d+)!", title)[:1]:
                times[key] = times.get(key, 0) + 1
        return in_order(texts, False), times
    finally:
        db.close()


def in_order(texts, has_lanes):
    """has_lanes: what is grave has a lane of its own there (on the way to a hub all of them are in one)."""
    order, seen = {}, set()
    for text in texts:
        for name, number in re.findall(r"counted (\w+)-(\d+)!", text)[:1]:
            if (name, number) not in seen:
                seen.add((name, number))
                order.setdefault((name, has_lanes and int(number) % GRAVE == 0), []).append(int(number))
    return order


def count_of(hub, sql="SELECT count(*) FROM incident"):
    try:
        db = sqlite3.connect(f"file:{hub.state}/mamori.db?mode=ro", uri=True, timeout=30)
        try:
            return db.execute(sql).fetchone()[0]
        finally:
            db.close()
    except sqlite3.Error:
        return -1


def waiting(pc):
    spool = (pc.status()["brain"] or {}).get("spool", {})
    return sum(spool.get(lane, 0) for lane in ("urgent", "findings", "other")) if spool else -1


def arrived_at_collector(c):
    return len({m for r in c.records() if r["class_uid"] == 2005 for m in re.findall(r"counted (\w+-\d+)!", r["message"])[:1]})


def judge(where, order, names, lab):
    got = {n: sorted(x for k, v in order.items() if k[0] == n for x in v) for n in names}
    missing = {n: sorted(set(range(1, LAST + 1)) - set(got[n]))[:20] for n in names}
    case(f"nothing_is_lost_at_{where}", not any(missing.values()), (missing, {n: len(v) for n, v in got.items()}, lab.hub.log()[-1500:], lab.collector.m.log()[-1500:]))
    wrong = {k: [(a, b) for a, b in zip(v, v[1:]) if b < a][:10] for k, v in order.items()}
    case(f"each_lane_is_in_its_order_at_{where}", not any(wrong.values()), wrong)
    return sum(len(v) for v in got.values())


def begin(lab):
    lab.configure()
    lab.collector.start()
    lab.hub.start()
    case("the_hub_is_up", until(lambda: lab.hub.status()["brain"], 90), lab.hub.log())
    case("the_collector_is_up", until(lambda: "collector.ready" in lab.collector.m.log(), 60), lab.collector.m.log())
    rc, out, err = lab.collector.m.cli3("token", "new", "--name", "acme.hub1", *(a for c in lab.collectors for a in ("--address", c.m.address)))
    rc, _, err = lab.hub.cli3("upstream", "join", out.strip())
    case("the_hub_joins_the_collector", rc == 0, err)
    lab.hub.end(keep=True)
    lab.hub.start()
    for pc in lab.pcs:
        rc, out, err = lab.hub.cli3("token", "new", "--address", lab.hub.address)
        rc, _, err = pc.cli3("join", out.strip())
        case(f"{pc.name}_joins", rc == 0, err)
        pc.start()
    return case("all_count", until(lambda: len(numbers_at_hub(lab.hub)[0]) == 1 + len(lab.pcs) and arrived_at_collector(lab.collector) > 6, 120),
                lab.hub.log() + lab.pc1.log() + lab.collector.m.log())


def run(lab):
    rng = random.Random(SEED)
    names = ("hub1", "pc1", "pc2")
    print(f"seed {SEED}, {SECONDS:.0f} s, {KILLS} kills of each part, {len(names)} x {LAST} findings", flush=True)
    if not begin(lab):
        return
    start = time.time()
    done, told = storm(lab, rng)
    print(f"killed -9: {done}; lines and disks: {told}; packets lost on purpose: {lab.dropped}; started again: {lab.restarts}; {time.time() - start:.0f} s", flush=True)
    case("each_part_was_killed", all(n >= KILLS for n in done.values()), done)
    case("packets_were_lost", lab.dropped >= 20, lab.dropped)
    total = len(names) * LAST

    def ended():
        lab.tend()
        return count_of(lab.hub) >= total and arrived_at_collector(lab.collector) >= total
    limit, last_said = time.time() + 240 + 3 * SECONDS, 0
    while time.time() < limit and not ended():
        if time.time() - last_said > 30:
            print(f"  {time.time() - start:4.0f} s: {count_of(lab.hub)} of {total} at the hub, {arrived_at_collector(lab.collector)} at the collector", flush=True)
            last_said = time.time()
        time.sleep(1)
    order, times = numbers_at_hub(lab.hub)
    at_hub = judge("the_hub", order, names, lab)
    doubled = {k: v for k, v in times.items() if v != 1}
    case("nothing_is_doubled_at_the_hub", not doubled, doubled)
    for pc in lab.pcs:
        case(f"{pc.name}_has_nothing_left", until(lambda: waiting(pc) == 0), pc.status())
    case("the_hub_has_nothing_left", until(lambda: count_of(lab.hub, "SELECT count(*) FROM todo WHERE forwarder = '@upstream'") == 0, 120), lab.hub.status())
    rc, out, _ = lab.hub.cli3("evidence", "verify")
    case("and_the_record_verifies", rc == 0, out)
    records = [r for r in lab.collector.records() if r["class_uid"] == 2005]
    at_collector = judge("the_collector", in_order((r["message"] for r in records), True), names, lab)
    lines = open(lab.collector.file, encoding="utf-8").read().splitlines()
    case("each_state_stands_at_the_collector_once", len(lines) == len(set(lines)), len(lines) - len(set(lines)))
    by_title = {}
    for r in records:
        by_title.setdefault(r["message"], set()).add(r["metadata"]["uid"])
    case("each_is_one_incident_there", all(len(v) == 1 for v in by_title.values()), [k for k, v in by_title.items() if len(v) > 1][:10])
    print(f"arrived: {at_hub} at the hub, {at_collector} at the collector in {len(lines)} lines; {time.time() - start:.0f} s in all", flush=True)


def main():
    if not usable(sys.argv[2]) or not os.path.exists("/dev/net/tun"):
        return 77
    return play("faults", lambda root: Lab(Site(root, sys.argv[1], sys.argv[2], "10.80.0"), sys.argv[3]), run)


if __name__ == "__main__":
    sys.exit(main())
