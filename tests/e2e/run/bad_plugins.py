#!/usr/bin/env python3
"""bad_plugins.py MAMORI BUILD - four plugins that crash, spin, leak and flood inside one deployment: only they fall, their loss is in
the evidence and in the status, and nothing of the others is lost."""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lab import AGREED, Lab, case, emitter, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
COUNT = 500
GOOD = ("nft", "file", "emitter", "network", "endpoint")
IS_SANITIZED = b"__asan_init" in open(MAMORI, "rb").read()
CAUSE = {"null": "exit" if IS_SANITIZED else "signal", "spin": "stuck", "leak": "memory"}  # a sanitizer exits by itself


def main():
    needs_root()
    drop = emitter(BUILD, count=COUNT, distinct=COUNT, interval="20ms", delay="2s")
    for real in ("capture", "flow", "proc"):  # sensors as shipped beside it
        del drop["plugins"][real]
    drop["plugins"]["capture"] = {"config": {"interfaces": ["lab0"]}}
    drop["plugins"]["proc"] = {"config": {"scope": "netns"}}
    bad = {f"bad-{n}": {"plugin": f"test.{n}", "file": os.path.join(BUILD, "tests", "plugins", "so", n + ".so"), "side": "endpoint",
                        "config": {"after": "3s", "period": "20ms"}} for n in ("null", "spin", "leak", "flood")}
    lab = Lab(MAMORI, [drop, AGREED, {"plugins": bad},
                       {"supervise": {"stuck_timeout": "2s", "memory_max": "192M", "restart_delay": "100ms", "quarantine_after": 2}}])
    try:
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", *GOOD])), lab.log())
        pids = {n: lab.pid_of(n) for n in ("brain", *GOOD)}
        for name, cause in CAUSE.items():
            seen = lab.until(lambda: (lab.host("bad-" + name).get("last_end") or {}).get("cause") == cause, 40)
            case(f"{name}_falls_and_the_status_says_why", seen, lab.host("bad-" + name))
        for name in CAUSE:
            case(f"{name}_is_quarantined", lab.until(lambda: lab.host("bad-" + name).get("state") == "quarantined", 40), lab.host("bad-" + name))
            case(f"the_loss_of_{name}_is_evidence", lab.until(lambda: lab.count(f"evidence where kind = 'sensor.lost' and instr(body, 'bad-{name}')") > 0, 10), lab.log())
        flood = lab.host("bad-flood").get("instances", [{}])[0]
        case("what_the_flood_lost_is_counted_and_told", flood.get("dropped", 0) == 0 or lab.count("evidence where kind = 'events.lost'") > 0, flood)
        case("only_the_bad_ones_fell", all(lab.pid_of(n) == p for n, p in pids.items()), lab.log())
        case("every_finding_of_the_good_one_is_committed", lab.until(lambda: lab.count("incident") >= COUNT, 40), lab.count("incident"))
        case("and_acknowledged", lab.until(lambda: os.path.exists(f"{lab.dir}/state/plugins/emitter/committed"), 10), lab.log())
        case("blocks_are_in_force", lab.until(lambda: len(lab.blocks()) >= COUNT * 0.97, 20), len(lab.blocks()))
        s = lab.status()
        case("the_light_names_them", s["light"] in ("yellow", "red") and all(any(f"bad-{n}" in w for w in s["why"]) for n in CAUSE), s["why"])
        rc, out, err = lab.cli("evidence", "verify", "--state", f"{lab.dir}/state")
        case("the_evidence_verifies", rc == 0, out + err)
    finally:
        lab.stop()
    return finish()


sys.exit(main())
