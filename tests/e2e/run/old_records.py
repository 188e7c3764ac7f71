#!/usr/bin/env python3
"""old_records.py MAMORI BUILD - the store does not grow for ever: records every forwarder handed over more than a month ago go, incidents and
evidence stay; what nobody took yet stays however old it is."""
import os
import signal
import sqlite3
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from lab import AGREED, Lab, case, emitter, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
COUNT = 20


def main():
    needs_root()
    lab = Lab(MAMORI, [emitter(BUILD, count=COUNT, distinct=COUNT, interval="10ms", delay="1s"), AGREED])
    try:
        lab.start()
        lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"]))
        case("records_are_made_and_handed_over", lab.until(lambda: lab.count("incident") == COUNT and lab.count("outbox") >= COUNT and lab.count("todo") == 0),
             lab.log())
        lab.p.send_signal(signal.SIGTERM)
        lab.p.wait()
        n = lab.count("outbox")
        with sqlite3.connect(f"{lab.dir}/state/mamori.db") as c:
            c.execute("UPDATE outbox SET at = at - 40 * 86400 * 1000000000")
            c.execute("INSERT INTO todo (forwarder, urgent, seq) SELECT 'another', 0, min(seq) FROM outbox")  # one that is not done with it
        lab.start()
        lab.until(lambda: lab.is_up(["brain", "nft", "file"]))

        def old():
            with sqlite3.connect(f"file:{lab.dir}/state/mamori.db?mode=ro", uri=True, timeout=5) as c:
                return c.execute("SELECT count(*) FROM outbox WHERE at < ?", (int((time.time() - 35 * 86400) * 1e9),)).fetchone()[0]

        case("old_records_are_let_go", n > 1 and lab.until(lambda: old() == 1), old())
        case("but_not_what_somebody_still_needs", old() == 1 and lab.count("todo") >= 1, old())
        case("incidents_stay", lab.count("incident") == COUNT, lab.count("incident"))
        rc, out, err = lab.cli("evidence", "verify", "--state", f"{lab.dir}/state")
        case("the_evidence_verifies", rc == 0, out + err)
    finally:
        lab.stop()
    return finish()


sys.exit(main())
