#!/usr/bin/env python3
"""power.py MAMORI PLUGINS TEST_PLUGINS FORGETFUL [SECONDS [SEED]] - the power goes at a hub, an endpoint and a collector, again and again and at random,
while findings flow from one end to the other; each has its state on a disk that forgets what was not synced. What was acknowledged anywhere is
there afterwards: in the end every number is at the hub and at the collector, each incident once, in order."""
import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
SECONDS = float(sys.argv[5]) if len(sys.argv) > 5 else 30
SEED = int(sys.argv[6]) if len(sys.argv) > 6 else int(time.time())
FORGETFUL = sys.argv[4]
sys.argv = [*sys.argv[:4], str(SECONDS), str(SEED), "0"]
import faults  # noqa: E402
from site_lab import Site, case, play, until, usable  # noqa: E402


class Disk:
    """The state folder of a machine on a file system that forgets."""

    def __init__(self, m):
        self.mount, self.live, self.durable = m.state, os.path.join(m.dir, "live"), os.path.join(m.dir, "durable")
        for d in (self.mount, self.live, self.durable):
            os.makedirs(d, 0o700, exist_ok=True)
        self.p = None

    def plug_in(self):
        shutil.rmtree(self.live)
        shutil.copytree(self.durable, self.live, symlinks=True)
        os.chmod(self.live, 0o700)
        self.p = subprocess.Popen([FORGETFUL, self.mount, self.live, self.durable], stderr=subprocess.DEVNULL)
        return until(lambda: os.path.ismount(self.mount) or self.p.poll() is not None, 30) and self.p.poll() is None

    def cut(self):
        if self.p:
            self.p.kill()
            self.p.wait()
        subprocess.run(["umount", "-l", self.mount], capture_output=True)


class PowerLab(faults.Lab):
    """One endpoint, one hub, one collector; what is on no disk of theirs does not survive."""

    def __init__(self, site, so):
        self.site, self.so, self.restarts, self.dropped, self.at = site, so, 0, 0, 0
        self.hub, self.pc1, col = (site.machine(n) for n in ("hub1", "pc1", "col1"))
        self.pcs, self.machines, self.slow = (self.pc1,), (self.hub, self.pc1), {}
        self.disk = {m.name: Disk(m) for m in site.machines}
        for m in site.machines:
            site.connect(m)
        self.collectors = [faults.Collector(col, os.path.join(site.root, "sites.jsonl"))]
        self.disks = []

    def plug_in(self):
        """They have joined and stand still: what they have is on such a disk from here on."""
        for x in (self.hub, self.pc1):
            x.end(keep=True)
        self.collector.end()
        for d in self.disk.values():
            shutil.rmtree(d.durable)
            shutil.copytree(d.mount, d.durable, symlinks=True, ignore=lambda _, names: [n for n in names if n.endswith(".sock")])
            shutil.rmtree(d.mount)
            os.mkdir(d.mount, 0o700)
        good = all([d.plug_in() for d in self.disk.values()])
        for x in (self.collector, self.hub, self.pc1):
            x.start()
        return good

    def no_power(self, x):
        """Everything of that machine ends at once, and its disk has what was synced."""
        m = x.m if x is self.collector else x
        x.p.send_signal(signal.SIGKILL)
        self.disk[m.name].p.kill()  # nothing is written from here on
        x.p.wait()
        gone = until(lambda: not subprocess.run(["ip", "netns", "pids", m.ns], capture_output=True).stdout.strip(), 30)
        self.disk[m.name].cut()
        if not gone or not self.disk[m.name].plug_in():
            raise RuntimeError(f"{m.name}: its processes or its disk are still there")
        x.start()

    def end(self):
        for c in self.collectors:
            c.end()
        self.site.end()
        for d in self.disk.values():
            d.cut()


def run(lab):
    rng, total = random.Random(SEED), 2 * faults.LAST
    print(f"seed {SEED}, {SECONDS:.0f} s, 2 x {faults.LAST} findings", flush=True)
    if not faults.begin(lab):
        return
    if not lab.plug_in():
        print("[  SKIPPED ] no_file_system_of_its_own_can_be_mounted")
        sys.exit(77)
    cuts = {"hub1": 0, "pc1": 0, "col1": 0}
    end = time.time() + SECONDS
    while time.time() < end or min(cuts.values()) < 2:
        x = rng.choice([lab.hub, lab.pc1, lab.collector])
        name = x.name if x is not lab.collector else "col1"
        lab.no_power(x)
        cuts[name] += 1
        time.sleep(rng.uniform(1, 5))
        lab.tend()
    print(f"without power: {cuts}; started again: {lab.restarts}", flush=True)

    def ended():
        lab.tend()
        return faults.count_of(lab.hub) >= total and faults.arrived_at_collector(lab.collector) >= total
    until(ended, 300 + 4 * SECONDS, 1)
    order, times = faults.numbers_at_hub(lab.hub)
    names = ("hub1", "pc1")
    faults.judge("the_hub", order, names, lab)
    doubled = {k: v for k, v in times.items() if v != 1}
    case("nothing_is_doubled_at_the_hub", not doubled, doubled)
    case("pc1_has_nothing_left", until(lambda: faults.waiting(lab.pc1) == 0), lab.pc1.status())
    case("the_hub_has_nothing_left", until(lambda: faults.count_of(lab.hub, "SELECT count(*) FROM todo WHERE forwarder = '@upstream'") == 0, 120), lab.hub.status())
    rc, out, _ = lab.hub.cli3("evidence", "verify")
    case("and_the_record_verifies", rc == 0, out)
    records = [r for r in lab.collector.records() if r["class_uid"] == 2005]
    faults.judge("the_collector", faults.in_order((r["message"] for r in records), True), names, lab)
    uids = {}
    for r in records:
        uids.setdefault(r["message"], set()).add(r["metadata"]["uid"])
    case("each_is_one_incident_there", all(len(v) == 1 for v in uids.values()), [k for k, v in uids.items() if len(v) > 1][:10])
    print(f"{total} findings at both ends", flush=True)


def main():
    if not usable(sys.argv[2]):
        return 77
    if not os.path.exists(FORGETFUL) or not os.path.exists("/dev/fuse"):
        print("[  SKIPPED ] needs libfuse3-dev at build time and /dev/fuse")
        return 77
    return play("power", lambda root: PowerLab(Site(root, sys.argv[1], sys.argv[2], "10.87.0"), sys.argv[3]), run)


if __name__ == "__main__":
    sys.exit(main())
