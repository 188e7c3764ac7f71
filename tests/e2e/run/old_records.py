#!/usr/bin/env python3
"""old_records.py MAMORI BUILD - the store does not grow for ever: records every forwarder handed over more than a month ago go, incidents and
evidence stay; what a configured forwarder did not take yet stays however old it is, what waits for one that was taken away goes, too. A record
larger than a message to a plugin does not stop those behind it."""
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
            first, second = (row[0] for row in c.execute("SELECT seq FROM outbox ORDER BY seq LIMIT 2"))
            c.execute("INSERT INTO forwarder VALUES ('another', 0)")  # configured below: it is not done with the first record
            c.execute("INSERT INTO todo (forwarder, urgent, seq) VALUES ('another', 0, ?)", (first,))
            c.execute("INSERT INTO forwarder VALUES ('gone', 0)")  # configured no more
            c.execute("INSERT INTO todo (forwarder, urgent, seq) VALUES ('gone', 0, ?)", (second,))
            now = time.time_ns()
            for text in ('{"large":"' + "x" * 200000 + '"}', '{"behind":"it"}'):
                at = c.execute("INSERT INTO outbox (kind, urgent, at, json) VALUES ('incident', 1, ?, ?)", (now, text.encode())).lastrowid
                c.execute("INSERT INTO todo (forwarder, urgent, seq) VALUES ('file', 1, ?)", (at,))
        lab.drop_in("20-another", {"plugins": {"another": {"plugin": "org.mamori.webhook", "takes": ["incident", "receipt"],
                                                           "config": {"url": "http://127.0.0.1:9/", "allow_plain": "yes"}}}})  # nobody answers there
        lab.start()
        lab.until(lambda: lab.is_up(["brain", "nft", "file"]))

        def old():
            with sqlite3.connect(f"file:{lab.dir}/state/mamori.db?mode=ro", uri=True, timeout=5) as c:
                return c.execute("SELECT count(*) FROM outbox WHERE at < ?", (int((time.time() - 35 * 86400) * 1e9),)).fetchone()[0]

        case("old_records_are_let_go", n > 1 and lab.until(lambda: old() == 1), old())
        case("but_not_what_somebody_still_needs", old() == 1 and lab.count(f"todo WHERE forwarder = 'another' AND seq = {first}") == 1, lab.log()[-2500:])
        case("who_was_taken_away_needs_nothing", lab.count(f"todo WHERE forwarder = 'gone' AND seq = {second}") == 0)
        path = f"{lab.dir}/state/plugins/file/incidents.jsonl"
        case("a_record_that_is_too_large_stops_nobody", lab.until(lambda: '{"behind":"it"}' in open(path).read()), lab.log()[-2000:])
        case("and_is_said_to_be_given_up", lab.count("delivery WHERE forwarder = 'file' AND level < 0 AND detail LIKE 'larger than%'") == 1)
        case("incidents_stay", lab.count("incident") == COUNT, lab.count("incident"))
        rc, out, err = lab.cli("evidence", "verify", "--state", f"{lab.dir}/state")
        case("the_evidence_verifies", rc == 0, out + err)
    finally:
        lab.stop()
    return finish()


sys.exit(main())
