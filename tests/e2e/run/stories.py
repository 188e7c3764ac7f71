#!/usr/bin/env python3
"""stories.py MAMORI BUILD - what a correlation rule has counted survives kill -9 of the brain: findings before and after it make one story."""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lab import AGREED, Lab, case, emitter, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
COUNT, NEEDED, BEFORE = 60, 50, 20
RULE = f"""title: Measured
name: measured
logsource: {{product: mamori, service: finding}}
detection: {{s: {{mamori.rule: bench.attempt}}, condition: s}}
level: low
---
title: Many from everywhere
id: 0d9c6c0e-7b7e-4a55-9f6f-6a1f3a3c9b10
level: high
correlation: {{type: event_count, rules: [measured], group-by: [mamori.rule], timespan: 1h, condition: {{gte: {NEEDED}}}}}
"""


def main():
    needs_root()
    lab = Lab(MAMORI, [emitter(BUILD, count=COUNT, distinct=COUNT, interval="150ms", delay="1s"), AGREED])
    rules = os.path.join(lab.dir, "stories.yml")
    with open(rules, "w") as f:
        f.write(RULE)
    lab.drop_in("30-stories", {"correlate": {"rules": [rules]}})

    def parts():
        return lab.count("state where key like 'part.%'")

    def told():
        lines, _ = lab.forwarded()
        return any('"Many from everywhere' in l and '"class_uid":2005' in l for l in lines)

    try:
        lab.start()
        lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"]))
        case("parts_of_a_story_are_kept", lab.until(lambda: parts() >= BEFORE), lab.log())
        kept = parts()
        case("not_yet_a_story", kept < NEEDED and not told(), kept)
        os.kill(lab.pid_of("brain"), signal.SIGKILL)
        case("they_are_read_again", lab.until(lambda: "parts.restored" in lab.log()), lab.log())
        case("all_are_committed_once", lab.until(lambda: parts() == COUNT), parts())
        case("before_and_after_make_one_story", lab.until(told), lab.log())
    finally:
        lab.stop()
    return finish()


sys.exit(main())
