#!/usr/bin/env python3
"""proofs.py MAMORI BUILD - blocks that do not stay what they were, with the kernel's own tables: somebody flushes them, a lease runs out
while the threat is there, the responder's process dies between order and answer, and the first one asked refuses."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from lab import AGREED, Lab, case, emitter, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
TTL = 3


def nft(lab, *args):
    return subprocess.run(["ip", "netns", "exec", lab.ns, "nft", *args], capture_output=True, text=True).stdout


def in_kernel(lab):
    return nft(lab, "list", "set", "inet", "mamori", "src4").count("203.")


def incidents(lab):
    rc, out, _ = lab.cli("incident", "list", "--all", "--json")
    return json.loads(out)["incidents"] if rc == 0 else []


def shown(lab, incident):
    rc, out, _ = lab.cli("incident", "show", incident["id"], "--json")
    return json.loads(out)["unmapped"]["mamori"] if rc == 0 else {}


def somebody_takes_them_away(lab):
    n = in_kernel(lab)
    began = time.time()
    nft(lab, "flush", "set", "inet", "mamori", "src4")
    back = lab.until(lambda: in_kernel(lab) >= n, 15)
    case("what_somebody_removed_is_put_back", back, nft(lab, "list", "ruleset"))
    print(f"    {n} elements back after {(time.time() - began) * 1000:.0f} ms")
    case("and_it_is_evidence", lab.until(lambda: lab.count("evidence where kind = 'enforcement.lost'") > 0, 10), lab.log())
    nft(lab, "delete", "table", "inet", "mamori")
    case("the_whole_table_too", lab.until(lambda: in_kernel(lab) >= n, 15), nft(lab, "list", "ruleset"))


def a_lease_runs_out(lab):
    """The responder stands still: nobody renews, and the kernel lets go by itself, as it must."""
    pid = lab.pid_of("nft")
    before = {i["id"] for i in incidents(lab) if i["class"] == "defended"}
    os.kill(pid, signal.SIGSTOP)
    gone = lab.until(lambda: in_kernel(lab) == 0, 10 * TTL)
    case("without_renewal_the_kernel_lets_go", gone, nft(lab, "list", "ruleset"))
    lapsed = lab.until(lambda: [i for i in incidents(lab) if i["id"] in before and i["class"] == "severe"], 40)
    case("what_was_defended_is_severe_when_its_lease_ran_out", lapsed, incidents(lab)[:2])
    why = shown(lab, lapsed[0]).get("why", []) if lapsed else []
    case("and_says_why", any("row 5" in w or "row 6" in w for w in why), why)
    os.kill(pid, signal.SIGCONT)
    case("when_it_goes_on_the_blocks_are_back", lab.until(lambda: in_kernel(lab) > 0, 40), lab.log())


def the_responder_dies_between_order_and_answer(lab):
    pid = lab.pid_of("nft")
    os.kill(pid, signal.SIGSTOP)
    known = {i["id"] for i in incidents(lab)}
    new = lab.until(lambda: [i for i in incidents(lab) if i["id"] not in known], 30)
    case("an_order_waits_for_its_answer", new, lab.log())
    os.kill(pid, signal.SIGKILL)
    case("its_process_comes_back", lab.until(lambda: lab.pid_of("nft") not in (None, pid) and lab.is_up(["nft"]), 40), lab.log())

    def in_force():
        acts = [a for i in new or [] for a in shown(lab, i).get("actions", []) if a["verb"] == "block.addr"]
        good = {a["target"] for a in acts if a.get("receipt", {}).get("verified") == "confirmed" and a["state"] in ("proved", "effective")}
        return good and good == {a["target"] for a in acts}

    case("what_it_was_asked_is_done_and_proved_in_the_end", lab.until(in_force, 60), [shown(lab, i) for i in new or []][:1])


def kernel_blocks():
    lab = Lab(MAMORI, [emitter(BUILD, count=400, distinct=400, interval="500ms", delay="1s"), AGREED,
                       {"defence": {"ttl": f"{TTL}s"}, "supervise": {"stuck_timeout": "120s", "restart_delay": "50ms", "quarantine_after": 100}}])
    try:
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        case("blocks_are_proved", lab.until(lambda: len(lab.blocks()) >= 3), lab.log())
        first = lab.blocks()[0]
        time.sleep(3 * TTL)  # long after their first leases
        case("a_renewed_block_is_still_shown_as_one", any(b["id"] == first["id"] for b in lab.blocks()), lab.blocks()[:2])
        somebody_takes_them_away(lab)
        a_lease_runs_out(lab)
        the_responder_dies_between_order_and_answer(lab)
        rc, out, err = lab.cli("evidence", "verify", "--state", f"{lab.dir}/state")
        case("the_evidence_verifies", rc == 0, out + err)
    finally:
        lab.stop()


def the_first_one_asked_refuses():
    """A network responder that does nothing; the attacked machine's own can deny as well."""
    drop = emitter(BUILD, count=2, distinct=2, interval="500ms", delay="2s")
    del drop["plugins"]["contain"]
    drop["plugins"]["nft"] = None
    drop["plugins"]["keeper"] = {"plugin": "org.example.keeper", "file": os.path.join(BUILD, "tests", "plugins", "so", "keeper.so"), "side": "network"}
    lab = Lab(MAMORI, [drop, AGREED])
    subprocess.run(["ip", "-n", lab.ns, "addr", "add", "192.168.1.5/24", "dev", "lab0"], check=True)
    try:
        lab.start()
        case("both_sides_start", lab.until(lambda: lab.is_up(["brain", "keeper", "contain", "file", "emitter"])), lab.log())

        def both_tried():
            for i in incidents(lab):
                acts = [a for a in shown(lab, i).get("actions", []) if a["verb"] == "block.addr"]
                no = [a for a in acts if a["side"] == "network" and a["state"] == "failed"]
                yes = [a for a in acts if a["side"] == "endpoint" and a.get("receipt", {}).get("verified") == "confirmed"]
                if no and yes:
                    return acts
            return None

        acts = lab.until(both_tried, 40)
        case("the_other_side_does_it_when_the_first_refuses", acts, [shown(lab, i) for i in incidents(lab)][:1])
        case("and_it_is_in_the_kernel", "203." in nft(lab, "list", "ruleset"), nft(lab, "list", "ruleset"))
    finally:
        lab.stop()


def main():
    needs_root()
    kernel_blocks()
    the_first_one_asked_refuses()
    return finish()


sys.exit(main())
