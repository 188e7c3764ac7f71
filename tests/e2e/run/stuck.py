#!/usr/bin/env python3
"""stuck.py MAMORI BUILD - processes that stand still (SIGSTOP) or vanish: each is replaced alone; a supervisor that was killed takes its
children along, leaves the kernel's blocks in force, and the next start undoes nothing that lives."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from lab import AGREED, Lab, case, emitter, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
COUNT = 700 # more blocks than any list between the processes is likely to be sized for


def main():
    needs_root()
    lab = Lab(MAMORI, [emitter(BUILD, count=COUNT, distinct=COUNT, interval="10ms", delay="1s"), AGREED,
                       {"supervise": {"stuck_timeout": "2s", "restart_delay": "50ms", "quarantine_after": 100}}])

    def in_kernel():
        out = subprocess.run(["ip", "netns", "exec", lab.ns, "nft", "list", "set", "inet", "mamori", "src4"], capture_output=True, text=True).stdout
        return out.count("203.")

    try:
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        hosts = {n: lab.pid_of(n) for n in ("nft", "file", "emitter")}
        brain = lab.pid_of("brain")
        os.kill(brain, signal.SIGSTOP)
        rc, _, _ = lab.cli("status", "--json", timeout=30)
        case("status_answers_though_the_brain_stands_still", rc in (0, 1, 3), rc)
        back = lab.until(lambda: lab.pid_of("brain") not in (None, brain) and lab.is_up(["brain"]), 15)
        case("a_brain_that_stands_still_is_replaced", back, lab.log())
        case("hosts_outlive_it", all(lab.pid_of(n) == p for n, p in hosts.items()), lab.log())
        case("its_end_says_stuck", (lab.host("brain").get("last_end") or {}).get("cause") == "stuck", lab.host("brain"))
        os.kill(hosts["nft"], signal.SIGSTOP)
        back = lab.until(lambda: lab.pid_of("nft") not in (None, hosts["nft"]) and lab.is_up(["nft"]), 15)
        case("a_host_that_stands_still_is_replaced", back, lab.log())
        case("its_end_says_stuck_too", (lab.host("nft").get("last_end") or {}).get("cause") == "stuck", lab.host("nft"))
        case("the_others_did_not_notice", lab.pid_of("emitter") == hosts["emitter"] and lab.pid_of("file") == hosts["file"], lab.log())
        for _ in range(12):  # questions a dead brain leaves behind must not use up the places for questions
            if (pid := lab.pid_of("brain")):
                os.kill(pid, signal.SIGKILL)
            if subprocess.run(["ip", "netns", "exec", lab.ns, MAMORI, "status", "--json", "--config", lab.site], capture_output=True, timeout=30).returncode > 3:
                break
        case("status_knows_the_brain_again", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        case("every_finding_is_an_incident", lab.until(lambda: lab.count("incident") == COUNT), lab.count("incident"))
        lab.until(lambda: len(lab.blocks()) >= COUNT * 0.97, 20)
        time.sleep(2)
        before = in_kernel()
        case("blocks_are_in_the_kernel", before >= COUNT * 0.97, before)

        lab.p.send_signal(signal.SIGKILL)  # the supervisor
        lab.p.wait()
        case("no_process_outlives_the_supervisor", lab.until(lambda: not lab.pids(), 10), lab.pids())
        case("the_kernel_keeps_the_blocks", in_kernel() >= before - 5, f"{in_kernel()} of {before}")
        lab.start()
        case("it_starts_again", lab.until(lambda: lab.is_up(["brain", "nft", "file"])), lab.log())
        time.sleep(5)  # reconciled by then
        case("the_next_start_undoes_nothing_that_lives", in_kernel() >= before - 5, f"{in_kernel()} of {before}\n{lab.log()}")
        rc, out, err = lab.cli("evidence", "verify", "--state", f"{lab.dir}/state")
        case("the_evidence_verifies", rc == 0, out + err)
    finally:
        lab.stop()
    return finish()


sys.exit(main())
