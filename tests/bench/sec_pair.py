#!/usr/bin/env python3
"""sec_pair.py - the Simple Event Correlator on the pair rule of bench_brain: something from X, then something to X, with many X open.
Two ways: its rule type Pair, which tries the second pattern of each open X on each line, and contexts, looked up by name. One
JSON line each; events a second of CPU time, from reading the line on. Status 77 without sec."""
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile

PAIR = """type=Pair
ptype=RegExp
pattern=finding exploit from (\\S+)
desc=exploit from $1
action=none
ptype2=RegExp
pattern2=finding callback to $1\\s
desc2=pair %1
action2=write - pair %1
window=86400
"""
CONTEXTS = """type=Single
ptype=RegExp
pattern=finding exploit from (\\S+)
desc=exploit from $1
action=create PAIR_$1 86400

type=Single
ptype=RegExp
pattern=finding callback to (\\S+)
context=PAIR_$1
desc=pair $1
action=write - pair $1; delete PAIR_$1
"""


def name(n):
    return f"198.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"


def run(conf, lines):
    """CPU seconds of sec over these lines, and how many pairs it said."""
    with tempfile.TemporaryDirectory() as d:
        open(f"{d}/conf", "w").write(conf)
        open(f"{d}/in", "w").write("".join(lines))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        p = subprocess.run(["sec", f"--conf={d}/conf", f"--input={d}/in", "--fromstart", "--notail", "--nointevents"],
                           capture_output=True, text=True, timeout=250)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, p.stdout.count("pair 198.")


def main():
    if not shutil.which("sec"):
        print("sec is not installed", file=sys.stderr)
        return 77
    count = int(os.environ.get("MMR_BENCH_OPEN", "20000"))
    opening = [f"gw mamori: finding exploit from {name(n)} to 192.0.2.5 port 80\n" for n in range(count)]
    for what, conf, pairs in (("sec pair by type Pair", PAIR, 100), ("sec pair by contexts", CONTEXTS, 20000)):
        more = []
        for n in range(pairs):  # each completes one and opens another: so many stay open
            more.append(f"pc mamori: finding callback to {name(n)} by beacon\n")
            more.append(f"gw mamori: finding exploit from {name(count + n)} to 192.0.2.5 port 80\n")
        idle, _ = run(conf, opening)
        busy, said = run(conf, opening + more)
        per_s = len(more) / max(busy - idle, 1e-3)
        print(json.dumps({"what": what, "open": count, "per_s": round(per_s), "pairs": said, "ok": said == pairs}), flush=True)
    return 0


sys.exit(main())
