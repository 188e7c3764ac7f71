#!/usr/bin/env python3
"""known_good.py MAMORI BUILD - a person says that an incident is known to be good: in one step its block goes, the like is only counted,
and it stays so when the brain is killed; when it ends, the like is told again."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lab import AGREED, Lab, case, emitter, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]


def main():
    needs_root()
    lab = Lab(MAMORI, [emitter(BUILD, count=100000, distinct=3, interval="200ms", delay="1s"), AGREED,
                       {"supervise": {"restart_delay": "50ms", "quarantine_after": 100}}])

    def incident():
        rc, out, _ = lab.cli("incident", "list", "--json")
        rows = json.loads(out)["incidents"] if rc == 0 else []
        return rows[-1] if len(rows) == 3 else None

    def actions(i):
        rc, out, _ = lab.cli("incident", "show", i["id"], "--json")
        return json.loads(out)["unmapped"]["mamori"] if rc == 0 else {}

    def rules():
        rc, out, _ = lab.cli("incident", "allow", "--list", "--json")
        return json.loads(out)["rules"] if rc == 0 else []

    try:
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        i = lab.until(incident)
        case("there_is_an_incident", i, lab.log())
        case("it_is_blocked", lab.until(lambda: len(lab.blocks()) == 3), lab.blocks())
        rc, out, err = lab.cli("incident", "allow", i["id"])
        case("a_name_and_a_reason_are_needed", rc == 2 and "--by" in err, (rc, out, err))
        rc, out, err = lab.cli("incident", "allow", i["id"], "--by", "A. Person", "--reason", "our own scanner", "--days", "999", "--json")
        case("and_an_end", rc == 2 and "days" in err, (rc, out, err))
        rc, out, err = lab.cli("incident", "allow", i["id"], "--by", "A. Person", "--reason", "our own scanner", "--days", "7", "--json")
        made = json.loads(out.splitlines()[0])["allowed"] if rc == 0 else []
        case("one_step_makes_the_rule", len(made) == 1 and made[0]["owner"] == "A. Person" and made[0]["rule"] == "bench.attempt" and "source" in made[0], (rc, out, err))
        case("its_block_is_taken_back", lab.until(lambda: len(lab.blocks()) == 2), lab.blocks())
        what = lab.until(lambda: (m := actions(i)) and m["class"] == "no_response_needed" and m, 20)
        case("it_needs_no_response_and_says_who_said_so", what and any("A. Person" in w for w in what["why"]), actions(i))
        case("it_is_evidence", lab.count("evidence where kind = 'allow.made'") == 1, lab.log())
        case("the_like_is_only_counted", lab.until(lambda: (r := rules()) and r[0]["hits"] > 5, 30), rules())
        os.kill(lab.pid_of("brain"), signal.SIGKILL)
        case("the_brain_comes_back", lab.until(lambda: lab.is_up(["brain", "nft"])), lab.log())
        case("the_rule_is_still_there", lab.until(lambda: len(rules()) == 1 and not rules()[0]["over"]), rules())
        case("and_counts_on", lab.until(lambda: (r := rules()) and r[0]["hits"] > 2, 30), rules())
        case("nothing_was_blocked_again", len(lab.blocks()) == 2, lab.blocks())
        rc, out, err = lab.cli("incident", "allow", "--end", made[0]["id"])
        case("it_can_be_ended", rc == 0, (rc, out, err))
        rc, out, err = lab.cli("incident", "allow", "--end", made[0]["id"])
        case("once", rc == 1, (rc, out, err))
        rc, out, err = lab.cli("evidence", "verify", "--state", f"{lab.dir}/state")
        case("the_evidence_verifies", rc == 0, out + err)
    finally:
        lab.stop()
    return finish()


sys.exit(main())
