#!/usr/bin/env python3
"""conform.py MAMORI BUILD - the state of the standard's clauses: unknown while nothing runs, measured while it does: ways out, agents,
self-tests, the parts at work; and an office of one machine is an office."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lab import AGREED, Lab, case, emitter, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]


def main():
    needs_root()
    drop = emitter(BUILD, count=3, distinct=3, interval="200ms", delay="1s")
    del drop["plugins"]["proc"]
    drop["plugins"]["proc"] = {"config": {"scope": "netns"}}
    lab = Lab(MAMORI, [drop, AGREED, {"assets": {"hub": {"important_info": "yes"}}, "exits": {"line-1": {"sensor": "emitter"}}}])

    def clauses():
        _, out, err = lab.cli("conform", "check", "--json")
        return {c["id"]: c for c in json.loads(out.splitlines()[0])["clauses"]} if out.strip() else err

    try:
        c = clauses()
        case("before_it_runs_nothing_is_measured", all(c[i]["state"] == "unknown" for i in ("SR-06", "SR-07", "SR-09", "SR-20")), c)
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        c = lab.until(lambda: (x := clauses()) and x["SR-07"]["state"] == "ok" and x["SR-09"]["state"] != "unknown" and x) or clauses()
        case("one_machine_is_an_office", c["SR-07"]["state"] == "ok" and c["SR-12"]["state"] == "ok", (c["SR-07"], c["SR-12"]))
        case("self_tests_are_counted", c["SR-09"]["state"] == "ok" and "passed" in c["SR-09"]["why"], c["SR-09"])
        _, out, _ = lab.cli("capability", "report", "--json")
        row = next((x for x in json.loads(out)["capabilities"] if x["capability"] == "net.defend"), {})
        case("a_test_that_passed_proves_its_capability", row.get("state") == "proven" and row.get("at") and row.get("passed_at"), out)
        was = row.get("passed_at")
        os.kill(lab.pid_of("brain"), 9)
        lab.until(lambda: lab.is_up(["brain", "nft"]))

        def again():
            rc, out, _ = lab.cli("capability", "report", "--json")
            return rc == 0 and next((x for x in json.loads(out)["capabilities"] if x["capability"] == "net.defend" and x["state"] == "proven"), None)
        now = lab.until(again)
        case("it_is_tried_again_at_the_next_start", now and now["passed_at"] >= was, (was, now))
        kept = lab.until(lambda: lab.count("evidence where kind = 'selftest.result'") >= 1 and lab.count("state where key like 'selftest.%'") >= 1)
        case("the_result_is_kept_and_is_evidence", kept, [x for x in lab.log().splitlines() if "selftest" in x])
        case("the_parts_are_at_work", c["SR-20"]["state"] == "ok", c["SR-20"])
        case("an_exit_with_its_sensor_is_measured", c["SR-06"]["state"] != "unknown", c["SR-06"])
        noted = lab.until(lambda: lab.count("evidence where kind = 'coverage' and cast(body as text) like '%\"ep\":{\"have\":1,\"want\":1,\"ok\":true}%'"))
        case("coverage_is_noted_for_the_weekly_report", noted, lab.log()[-1500:])
        for args, left_out in ((["--kind", "initial_setup"], True), (["--kind", "incident", "--mode", "remote"], True), (["--kind", "incident", "--paid-by", "user"], True),
                               (["--kind", "incident", "--place", "main office"], False)):
            rc, out, err = lab.cli("visit", "record", *args, "--by", "Mori", "--json")
            case("a_visit_is_on_record_" + args[-1].replace(" ", "_"), rc == 0 and json.loads(out)["recorded"]["counts_as_free"] is not left_out, (rc, out, err))
        case("visits_are_listed", lab.until(lambda: len(json.loads(lab.cli("visit", "list", "--json")[1])["visits"]) == 4), lab.cli("visit", "list"))
        for args in (["--kind", "party", "--by", "Mori"], ["--kind", "incident"], ["--kind", "incident", "--by", "Mori", "--on", "2001-01-01"], ["--kind", "incident", "--by", "M", "--on", "yesterday"]):
            rc, out, err = lab.cli("visit", "record", *args)
            case("a_wrong_one_is_refused_" + args[-1], rc == 2 and err, (rc, out, err))
        rc, out, err = lab.cli("evidence", "verify")
        case("the_evidence_is_whole", rc == 0, out + err)
        lab.drop_in("40-test", {"assets": {"files": {"ip": ["192.168.77.9"], "important_info": "yes"}}, "exits": {"line-2": {"sensor": "nobody"}}})
        c = clauses()
        case("an_exit_without_a_sensor_is_a_gap", c["SR-06"]["state"] == "gap", c["SR-06"])
        case("a_machine_without_an_agent_is_a_gap_with_its_name", c["SR-07"]["state"] == "gap" and "files" in json.dumps(c["SR-07"]), c["SR-07"])
        rc, out, err = lab.cli("conform", "check", "--json")
        gaps = json.loads(out.splitlines()[0])["gaps"]
        case("the_gap_list_names_who_would_act", any(g["defence"] == "network block.addr" for g in gaps) and any(g["defence"] == "none" for g in gaps), gaps[:3])
    finally:
        lab.stop()
    return finish()


sys.exit(main())
