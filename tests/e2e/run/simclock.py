#!/usr/bin/env python3
"""simclock.py MAMORI BUILD - the hour of a severe incident and the week of a report in a running mamori whose clock is simulated: every
channel fails, people are tried again and again, the target is missed and said to be; kill -9 on the way; the service profile refuses."""
import os
import signal
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lab import Lab, case, emitter, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
NOTIFY = {"notify": {"watchword": "sakura", "phone": "03-0000-0000",
                     "contacts": {"owner": {"mail": "owner@home.test", "sms": "+810000000001"}, "clerk": {"mail": "clerk@home.test", "sms": "+810000000002"}},
                     "channels": {"mail": {"through": "sink:tempfail"}, "sms": {"through": "sink:accept-only"}}}}


def main():
    needs_root()
    lab = Lab(MAMORI, [emitter(BUILD, count=1, distinct=1, interval="10ms", delay="1s"), {"plugins": {"nft": None}}, NOTIFY])

    def evidence(kind):
        with sqlite3.connect(f"file:{lab.dir}/state/mamori.db?mode=ro", uri=True, timeout=5) as c:
            return c.execute("select count(*) from evidence where kind = ?", (kind,)).fetchone()[0]

    def advance(by):
        rc, out, err = lab.cli("clock", "advance", by)
        return rc == 0 and out.strip()[:4].isdigit()

    try:
        lab.start(args=["--clock=sim"])
        case("a_severe_incident_is_opened", lab.until(lambda: lab.is_up(["brain", "emitter"]) and evidence("notice.opened") == 1), lab.log())
        case("it_is_said_that_the_clock_is_simulated", "clock.simulated" in lab.log(), lab.log())
        first = lab.until(lambda: evidence("notice.attempt"))
        case("people_are_tried_at_once", first, lab.log())
        for minute in range(0, 40, 5):
            case(f"time_goes_on_at_{minute}", advance("5m"), lab.log())
        case("and_again_within_the_hour", lab.until(lambda: evidence("notice.attempt") > first + 4), evidence("notice.attempt"))
        case("the_target_is_open", evidence("notice.target") == 0, lab.log())
        os.kill(lab.pid_of("brain"), signal.SIGKILL)
        case("the_clock_goes_on_after_kill", lab.until(lambda: lab.is_up(["brain"]) and lab.log().count("clock.simulated") == 2), lab.log())
        before = evidence("notice.attempt")
        for _ in range(5):
            advance("5m")
        case("the_target_is_missed_and_said_to_be", lab.until(lambda: evidence("notice.target") >= 1), lab.log())
        with sqlite3.connect(f"file:{lab.dir}/state/mamori.db?mode=ro", uri=True, timeout=5) as c:
            said = [bytes(x[0]).decode() if isinstance(x[0], bytes) else x[0] for x in c.execute("select body from evidence where kind = 'notice.target'")]
        case("accepted_by_a_gateway_is_not_met", said and "missed" in said[0], said)
        for _ in range(8):
            advance("15m")
        case("escalation_goes_on", lab.until(lambda: evidence("notice.attempt") > before + 4), (before, evidence("notice.attempt")))
        for _ in range(16):
            advance("12h")
        case("the_week_has_its_report", lab.until(lambda: evidence("report.issued") >= 1), lab.log())
        rc, out, err = lab.cli("evidence", "verify", "--state", f"{lab.dir}/state")
        case("the_evidence_verifies", rc == 0, out + err)
        rc, out, err = lab.cli("clock", "advance", "soon")
        case("a_wrong_duration_is_named", rc == 2 and "soon" in err, err)
        os.unlink(f"{lab.site}/12-test.yaml")  # the sinks, which it does not take either
        lab.drop_in("90-service", "profile: service\n")
        rc, out, err = lab.cli("reload", "--json")
        case("a_running_one_does_not_become_a_service", rc == 1 and "--clock=sim" in out + err, out + err)
        lab.p.send_signal(signal.SIGTERM)
        lab.p.wait(30)
        p = subprocess.run([MAMORI, "run", "--clock=sim", "--config", lab.site], capture_output=True, text=True, timeout=60)
        case("the_service_profile_refuses_it", p.returncode == 2 and "--clock=sim" in p.stderr, p.stderr)
        p = subprocess.run([MAMORI, "run", "--clock=fast", "--config", lab.site], capture_output=True, text=True, timeout=60)
        case("another_clock_is_unknown", p.returncode == 2 and "--clock=sim" in p.stderr, p.stderr)
    finally:
        lab.stop()
    return finish()


sys.exit(main())
