#!/usr/bin/env python3
"""survive.py MAMORI BUILD - kill -9 of each process in turn, again and again, while findings flow: nothing that was acknowledged is
lost or doubled, plugin hosts outlive the brain, the evidence verifies, blocks stay proved."""
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from lab import Lab, case, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
EMITTER = os.path.join(BUILD, "bench", "bench_emitter.so")
OFF = {n: None for n in ("capture", "flow", "protocols", "ndpi", "signature", "behaviour", "proc", "files", "ransom", "integrity", "journal", "log", "authfail", "sigma", "contain")}
COUNT = 400


def main():
    needs_root()
    random.seed(3)
    lab = Lab(MAMORI, [{"plugins": {**OFF, "emitter": {"plugin": "org.mamori.bench-emitter", "file": EMITTER, "side": "network",
                                                       "config": {"count": COUNT, "distinct": COUNT, "interval": "40ms", "delay": "3s"}}},
                        "defence": {"mode": "auto", "auto_actions_agreed": ["all"], "per_minute": 100000, "per_hour": 1000000},
                        "supervise": {"quarantine_after": 1000, "restart_delay": "50ms"}}])
    try:
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        emitter = lab.pid_of("emitter")
        kills = 0
        end = time.time() + 3 + COUNT * 0.04
        while time.time() < end:
            for victim in ("brain", "nft", "file"):
                pid = lab.pid_of(victim)
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
                time.sleep(random.uniform(0.6, 1.4))
        case("something_was_killed", kills >= 8, kills)
        case("plugin_hosts_outlive_the_brain", lab.pid_of("emitter") == emitter, lab.log())
        case("everything_runs_again", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        time.sleep(4)

        db = f"file:{lab.dir}/state/mamori.db?mode=ro"

        def count(sql):
            with sqlite3.connect(db, uri=True) as c:
                return c.execute(sql).fetchone()[0]
        got = lab.until(lambda: count("select count(*) from incident") == COUNT, 30)
        case("every_finding_is_an_incident_once", got, f"{count('select count(*) from incident')} of {COUNT}\n{lab.log()[-1500:]}")
        rc, out, err = lab.cli("evidence", "verify", "--state", f"{lab.dir}/state")
        case("the_evidence_verifies", rc == 0, out + err)
        rc, out, err = lab.cli("block", "list", "--json")
        blocks = [b for b in json.loads(out)["blocks"] if b["state"] in ("proved", "effective")] if rc == 0 else []
        case("blocks_are_in_force", rc == 0 and len(blocks) >= COUNT * 0.95, f"{len(blocks)} of {COUNT}\n{err}")
        lines = open(f"{lab.dir}/state/plugins/file/incidents.jsonl").read().splitlines()
        case("forwarded_lines_are_whole_and_once", len(lines) == len(set(lines)) and all(l.startswith("{") and l.endswith("}") for l in lines), len(lines))
        seen = {json.loads(l)["finding_info_list"][0]["uid"] for l in lines if '"class_uid":2005' in l}
        case("every_incident_was_forwarded", len(seen) == COUNT, len(seen))
        lab.p.send_signal(signal.SIGKILL)  # the supervisor itself
        lab.p.wait()
        gone = lab.until(lambda: not subprocess.run(["ip", "netns", "pids", lab.ns], capture_output=True).stdout.strip(), 10)
        case("no_process_outlives_the_supervisor", gone, subprocess.run(["ip", "netns", "pids", lab.ns], capture_output=True).stdout)
        lab.start()
        case("it_starts_again_after_the_supervisor_died", lab.until(lambda: lab.is_up(["brain", "nft", "file"])), lab.log()[-3000:])
    finally:
        lab.stop()
    return finish()


sys.exit(main())
