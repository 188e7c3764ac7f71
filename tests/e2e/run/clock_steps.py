#!/usr/bin/env python3
"""clock_steps.py MAMORI BUILD - the machine's clock is set a day forward and a day back while findings flow: nothing is lost or told twice,
blocks stay in force, the evidence stays whole, and mamori stays."""
import os
import shutil
import struct
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lab import AGREED, Lab, case, emitter, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
EACH = 60


def main():
    needs_root()
    shift = os.path.join(BUILD, "tests", "e2e", "run", "clockshift.so")
    if b"__asan_init" in open(MAMORI, "rb").read():
        print("[  SKIPPED ] sanitizers_allow_no_preloaded_clock")
        return 77
    count = 3 * EACH * 4
    lab = Lab(MAMORI, [emitter(BUILD, count=count, distinct=count, interval="50ms", delay="1s"), AGREED])
    etc = f"{lab.dir}/etc"  # a folder of its own for what is started: with the clock in it, and who reads it
    shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True)
    with open(f"{etc}/ld.so.preload", "w") as f:
        f.write(shift + "\n")

    def set_clock(days):
        with open(f"{etc}/mamori-clock", "r+b" if os.path.exists(f"{etc}/mamori-clock") else "wb") as f:
            f.write(struct.pack("=q", days * 86400 * 10**9))

    set_clock(0)
    try:
        lab.start(before=["unshare", "-m", "sh", "-c", f"mount --make-rprivate / && mount --bind {etc} /etc && exec \"$@\"", "sh"])
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        pids = {n: lab.pid_of(n) for n in ("brain", "nft", "file", "emitter")}
        case("findings_flow", lab.until(lambda: lab.count("incident") >= EACH), lab.log())
        moved = 0
        for name, offset in (("a_day_forward", 1), ("two_days_back", -1), ("and_right_again", 0)):
            set_clock(offset)
            n = lab.count("incident")
            case(f"findings_flow_{name}", lab.until(lambda: lab.count("incident") >= n + EACH), lab.log())
            days = lab.count("(select distinct t0 / 86400000000000 from incident)")
            moved = max(moved, days)
        case("the_clock_was_really_another", moved >= 3, f"{moved} different days")
        case("every_finding_is_an_incident", lab.until(lambda: lab.count("incident") == count, 90), f"{lab.count('incident')} of {count}\n{lab.log()}")
        case("none_twice", lab.count("(select uid from incident group by uid having count(*) > 1)") == 0)
        case("each_change_is_told", lab.count("evidence where kind = 'clock.set'") == 3, lab.log())
        case("no_process_was_lost", all(lab.pid_of(n) == p for n, p in pids.items()), lab.log())
        forwarded = lab.until(lambda: len(lab.forwarded()[1]) == count, 60)
        lines, seen = lab.forwarded()
        case("every_incident_is_forwarded_once", forwarded and len(lines) == len(set(lines)), f"{len(seen)} of {count}, {len(lines)} lines")
        blocks = lab.blocks()
        case("blocks_are_in_force", lab.until(lambda: len(lab.blocks()) >= count * 0.97, 30), len(blocks))
        rc, out, err = lab.cli("evidence", "verify", "--state", f"{lab.dir}/state")
        case("the_evidence_verifies", rc == 0, out + err)
        case("it_answers", (lab.status() or {}).get("brain", {}).get("store_ok") is True, lab.log())
    finally:
        lab.stop()
    return finish()


sys.exit(main())
