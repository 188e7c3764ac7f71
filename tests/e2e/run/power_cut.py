#!/usr/bin/env python3
"""power_cut.py MAMORI BUILD - the power goes while findings flow: what was written but not synced is gone. Whatever was committed, shown
or forwarded before is there afterwards, once, the evidence is whole, and mamori goes on."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from lab import AGREED, Lab, case, emitter, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
CUTS = 3


class Disk:
    """The state folder on a file system that forgets."""

    def __init__(self, lab):
        self.mount, self.live, self.durable = f"{lab.dir}/state", f"{lab.dir}/live", f"{lab.dir}/durable"
        for d in (self.mount, self.live, self.durable):
            os.mkdir(d, 0o700)
        self.p = None

    def plug_in(self):
        shutil.rmtree(self.live)
        shutil.copytree(self.durable, self.live, symlinks=True)
        os.chmod(self.live, 0o700)
        self.p = subprocess.Popen([os.path.join(BUILD, "tests", "e2e", "run", "forgetful"), self.mount, self.live, self.durable])
        for _ in range(100):
            if os.path.ismount(self.mount):
                return True
            if self.p.poll() is not None:
                return False
            time.sleep(0.1)
        return False

    def cut(self):
        self.p.kill()
        self.p.wait()
        subprocess.run(["umount", "-l", self.mount], capture_output=True)


def uids(lines):
    return [json.loads(x)["metadata"]["correlation_uid"] for x in lines if '"class_uid":2005' in x and x.endswith("}")]


def main():
    needs_root()
    if not os.path.exists("/dev/fuse") or not os.path.exists(os.path.join(BUILD, "tests", "e2e", "run", "forgetful")):
        print("[  SKIPPED ] needs_fuse")
        return 77
    lab = Lab(MAMORI, [emitter(BUILD, count=100000, distinct=100000, interval="20ms", delay="500ms"), AGREED,
                       {"supervise": {"quarantine_after": 100}}])
    out = f"{lab.dir}/out"
    os.mkdir(out)
    lab.drop_in("30-test", {"plugins": {"file": {"config": {"path": f"{out}/incidents.jsonl"}}}})
    disk = Disk(lab)
    try:
        if not disk.plug_in():
            print("[  SKIPPED ] needs_to_mount_fuse")
            return 77
        torn = 0
        for k in range(CUTS):
            lab.start()
            case(f"it_starts_{k}", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
            had = lab.count("incident")
            case(f"findings_flow_{k}", lab.until(lambda: lab.count("incident") >= had + 40), lab.log())
            committed, evidence = lab.count("incident"), lab.count("evidence")
            told = open(f"{out}/incidents.jsonl").read().splitlines()
            for pid in lab.pids():
                os.kill(int(pid), signal.SIGKILL)
            disk.cut()
            lab.p.wait()
            lab.until(lambda: not lab.pids(), 10)
            torn += subprocess.run(["diff", "-rq", disk.live, disk.durable], capture_output=True).returncode != 0
            case(f"power_is_back_{k}", disk.plug_in())
            rc, text, err = lab.cli("evidence", "verify", "--state", disk.mount)
            case(f"the_evidence_is_whole_{k}", rc == 0, text + err)
            case(f"what_was_committed_is_there_{k}", lab.count("incident") >= committed and lab.count("evidence") >= evidence,
                 f"{lab.count('incident')} of {committed} incidents, {lab.count('evidence')} of {evidence} records")
            rc, text, err = lab.cli("incident", "list", "--all", "--json")
            missing = [x for x in uids(told) if x not in text]
            case(f"what_was_told_is_there_{k}", rc == 0 and not missing, missing[:3])
        case("something_unsynced_was_really_lost", torn > 0, "the file system forgot nothing: this shows little")
        lab.start()
        case("it_goes_on", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        n = lab.count("incident")
        case("and_takes_new_findings", lab.until(lambda: lab.count("incident") > n), lab.log())
        case("no_incident_is_there_twice", lab.count("(select uid from incident group by uid having count(*) > 1)") == 0)
    finally:
        lab.stop()
        if disk.p and disk.p.poll() is None:
            disk.cut()
        subprocess.run(["umount", "-l", disk.mount], capture_output=True)
        shutil.rmtree(lab.dir, ignore_errors=True)
    return finish()


sys.exit(main())
