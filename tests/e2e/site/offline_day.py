#!/usr/bin/env python3
"""offline_day.py MAMORI PLUGINS TEST_PLUGINS CLOCKSHIFT - an endpoint is away from its hub for a day that its clock and the hub's live through
in 24 steps, finds things in every hour of it, is then cut off its power, boots anew (another boot id, its monotonic clocks from the beginning)
and comes back. Its clock is 90 s ahead all the time. Everything it found is at the hub, once, in order, each with its own time by the hub's
clock; the difference of the clocks is known; the day is in the record as a gap."""
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from site_lab import Machine, Site, case, play, until, usable

HOUR_NS, AHEAD_S, EVERY_MS, HOURS = 3600 * 10**9, 90, 150, 24


class Clocked(Machine):
    """A machine with a wall clock of its own, and its own boot."""

    def __init__(self, site, name, address, shift):
        super().__init__(site, name, address)
        self.shift, self.boots, self.booted = shift, 0, []
        self.etc = os.path.join(self.dir, "etc")
        shutil.copytree("/etc", self.etc, symlinks=True, ignore_dangling_symlinks=True)
        with open(os.path.join(self.etc, "ld.so.preload"), "w") as f:
            f.write(shift + "\n")
        self.set_clock(0)
        self.boot()

    def set_clock(self, ns):
        path = os.path.join(self.etc, "mamori-clock")
        with open(path, "r+b" if os.path.exists(path) else "wb") as f:
            f.write(struct.pack("=q", int(ns)))

    def boot(self):
        self.boots += 1
        self.booted = [os.path.join(self.dir, f"boot{self.boots}"), int(time.clock_gettime(time.CLOCK_BOOTTIME)) - 30]
        with open(self.booted[0], "w") as f:
            f.write(f"{uuid.uuid4()}\n")

    def command(self, *args):
        """In network, time and mount namespaces: booted half a minute ago, as far as it can tell."""
        boot_id, at = self.booted
        script = (f"mount --make-rprivate / && mount --bind {self.etc} /etc && mount --bind {boot_id} /proc/sys/kernel/random/boot_id && "
                  f"hostname {self.name} && exec \"$@\"")
        return ["ip", "netns", "exec", self.ns, "unshare", "-u", "-m", "-T", "--monotonic", str(-at), "--boottime", str(-at), "--fork", "--kill-child",
                "sh", "-c", script, "sh", self.lab.mamori, *args]


def rows(hub, sql):
    try:
        db = sqlite3.connect(f"file:{hub.state}/mamori.db?mode=ro", uri=True, timeout=30)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()
    except sqlite3.Error:
        return []


def at_hub(hub):
    """Time of each number, as the hub has it."""
    return {int(t.split("-")[1].split("!")[0]): t0 for t, t0 in rows(hub, "SELECT title, t0 FROM incident") if t.startswith("counted pc1-")}


def committed(pc):
    """How many the endpoint has in its spool, or further."""
    try:
        return int(open(os.path.join(pc.state, "plugins", "counter", "cursor")).read())
    except (OSError, ValueError):
        return 0


def waiting(pc):
    spool = (pc.status()["brain"] or {}).get("spool", {})
    return sum(spool.get(lane, 0) for lane in ("urgent", "findings", "other")) if spool else -1


def run(site, so, shift):
    hub, pc = (site.add(Clocked(site, n, f"{site.net}.{i}", shift)) for i, n in ((1, "hub1"), (2, "pc1")))
    for m in (hub, pc):
        site.connect(m)
    off = {n: None for n in ("capture", "flow", "protocols", "ndpi", "signature", "behaviour", "proc", "files", "log", "authfail", "sigma", "contain", "nft",
                             "file", "asset", "ransom", "integrity", "journal", "screen", "answers", "report", "mail", "chat", "sms", "voice")}
    pc.set_clock(AHEAD_S * 10**9)
    hub.configure({"deployment": "passive-tap", "site": {"listen": f"tcp://{hub.address}:7400"}, "plugins": off})
    counter = {"plugin": "org.example.counter", "file": os.path.join(so, "counter.so"), "side": "endpoint", "host": "counter",
               "config": {"name": "pc1", "every": f"{EVERY_MS}ms", "last": 1000000, "grave_every": 4}}
    pc.configure({"trust": {"require": "any"}, "plugins": {**off, "counter": counter}})
    hub.start()
    case("the_hub_is_up", until(lambda: hub.status()["brain"], 90), hub.log())
    rc, out, err = hub.cli3("token", "new")
    rc, _, err = pc.cli3("join", out.strip())
    case("it_joins_with_a_clock_that_is_wrong", rc == 0, err)
    pc.start()
    case("findings_arrive", until(lambda: len(at_hub(hub)) >= 10, 90), hub.log() + pc.log())

    def clock():
        return next((n for n in (hub.status()["brain"] or {}).get("nodes", []) if n["up"]), {})
    case("the_difference_of_the_clocks_is_known", until(lambda: abs(clock().get("clock_offset_ms", 0) + AHEAD_S * 1000) < 2000, 60), clock())

    site.cut(pc)
    case("that_it_is_gone_is_noticed", until(lambda: "node.gone node=pc1" in hub.log(), 120), hub.log())
    before = max(at_hub(hub))
    hours = []  # per hour: the last number that was certainly counted before it began, the first that certainly came after it
    for hour in range(1, HOURS + 1):
        low = committed(pc)
        began = time.time()
        for m, ahead in ((pc, AHEAD_S), (hub, 0)):
            m.set_clock(hour * HOUR_NS + ahead * 10**9)
        n = committed(pc)
        case(f"hour_{hour}_has_findings", until(lambda: committed(pc) >= n + 4, 60), pc.log()[-1500:]) if hour in (1, HOURS) else until(lambda: committed(pc) >= n + 4, 60)
        hours.append((hour, low, committed(pc), began, time.time()))
    case("the_hub_heard_nothing_of_it", max(at_hub(hub)) < hours[0][2], (max(at_hub(hub)), hours[0]))

    pc.p.send_signal(signal.SIGKILL)  # no power: nothing is closed, nobody says goodbye
    pc.p.wait()
    gone = until(lambda: not subprocess.run(["ip", "netns", "pids", pc.ns], capture_output=True).stdout.strip(), 20)
    case("all_of_it_is_gone", gone)
    last = committed(pc)
    pc.boot()
    pc.start()
    case("it_boots_without_its_hub", until(lambda: waiting(pc) >= last - before, 90), (pc.status(), pc.log()))
    boots = [open(os.path.join(pc.dir, f"boot{i}")).read() for i in (1, 2)]
    case("it_is_another_boot", boots[0] != boots[1] and pc.boots == 2, boots)
    site.join(pc)
    case("it_comes_back", until(lambda: clock(), 120), hub.log()[-1500:] + pc.log()[-1500:])
    arrived = until(lambda: set(range(1, last + 1)) <= set(at_hub(hub)), 180)
    times = at_hub(hub)
    case("everything_arrives", arrived, (sorted(set(range(1, last + 1)) - set(times))[:20], last, hub.log()[-1500:], pc.log()[-1500:]))
    titles = [t for t, in rows(hub, "SELECT title FROM incident WHERE title LIKE 'counted pc1-%'")]
    case("once", len(titles) == len(set(titles)), len(titles) - len(set(titles)))
    wrong = []
    for hour, low, high, began, ended in hours:
        # counted for certain within this hour: after the clock was set (one may be on its way then), before it was set again
        for n in range(low + 2, high + 1):
            own = times.get(n, 0) / 1e9 - hour * 3600
            if not began - 1 - EVERY_MS / 500 <= own <= ended + 1:
                wrong.append((hour, n, own - began))
    sure = sum(max(0, high - low - 1) for _, low, high, _, _ in hours)
    case("each_with_its_own_time_by_the_hubs_clock", not wrong and sure >= 2 * HOURS, (len(wrong), wrong[:10], sure))
    for name, numbers in (("grave", [n for n in sorted(times) if n % 4 == 0]), ("others", [n for n in sorted(times) if n % 4])):
        stamps = [times[n] for n in numbers]
        case(f"in_the_order_they_happened_{name}", stamps == sorted(stamps), [(a, b) for a, b in zip(numbers, numbers[1:]) if times[b] < times[a]][:10])
    case("the_difference_of_the_clocks_is_measured_anew", until(lambda: abs(clock().get("clock_offset_ms", 0) + AHEAD_S * 1000) < 2000, 60), clock())
    pc.set_clock(HOURS * HOUR_NS)
    case("and_again_when_it_is_set_right", until(lambda: clock() and abs(clock()["clock_offset_ms"]) < 2000, 60), clock())
    gaps = until(lambda: [g for g in site.evidence(hub, "watch_gap") if g.get("source") == "pc1" and g["to"] - g["from"] >= 0.9 * HOURS * HOUR_NS], 60)
    case("the_day_is_a_gap_in_the_record", gaps, site.evidence(hub, "watch_gap"))
    case("nothing_waits_any_more", until(lambda: 0 <= waiting(pc) < 20, 60), pc.status())  # it counts on
    rc, out, _ = hub.cli3("evidence", "verify")
    case("and_the_record_verifies", rc == 0, out)
    print(f"{last} findings, {last - before} of them while away for {HOURS} h; {sure} times compared with the hour they were counted in", flush=True)


def main():
    if not usable(sys.argv[2]):
        return 77
    if b"__asan_init" in open(sys.argv[1], "rb").read():
        print("[  SKIPPED ] sanitizers_allow_no_preloaded_clock")
        return 77
    if subprocess.run(["unshare", "-T", "--monotonic", "0", "--fork", "true"], capture_output=True).returncode != 0:
        print("[  SKIPPED ] no_time_namespaces_here")
        return 77
    return play("day", lambda root: Site(root, sys.argv[1], sys.argv[2], "10.85.0"), lambda site: run(site, *sys.argv[3:5]))


if __name__ == "__main__":
    sys.exit(main())
