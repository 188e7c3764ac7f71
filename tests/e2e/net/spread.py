#!/usr/bin/env python3
"""spread.py MAMORI BUILD - from one PC to the other over SMB, against a real Samba: an office's use of a share gives nothing; a service or a program
put onto the other machine gives its incident with its technique, and a block on the bridge that is proved and whose drops are counted."""
import sys
import time

from office import INTERNET, PC1, PC2, Office, case, failed, needs, until
from samba import PROBE, Samba, is_there, python_with_impacket

MAMORI = sys.argv[1]
STEPS = (("service", "mamori.lateral.service_create", {"T1021.002", "T1569.002", "T1543.003"}),
         ("program", "mamori.lateral.admin_share_program", {"T1021.002", "T1570"}))


def office_work(o, files):
    path = f"{o.dir}/plan.txt"
    with open(path, "w") as f:
        f.write("quarter plan\n" * 4000)
    p = files.client(o.pc1, f"put {path} plan.txt", "ls", f"get plan.txt {path}.back", "mkdir 2026", "rename plan.txt 2026/plan.txt", "del 2026/plan.txt")
    return p.returncode == 0 and open(path).read() == open(path + ".back").read()


def spread(step, rule, techniques):
    o = Office(MAMORI, {"plugins": {"nft": {"config": {"family": "bridge"}}}})
    try:
        case(f"{step}_the_gateway_watches", o.start(), o.log())
        files = Samba(o, o.pc2, PC2)
        o.serve(o.inet, sys.executable, "-m", "http.server", "80")
        case(f"{step}_the_share_is_there", files.is_up(o.pc1))
        case(f"{step}_the_office_uses_it", office_work(o, files))
        time.sleep(5)  # the longest a finding waits for its batch
        case(f"{step}_the_offices_use_of_a_share_gives_no_incident", not o.incidents(), [i["unmapped"]["mamori"].get("evidence") for i in o.incidents()])
        said = files.intrude(o.pc1, step)
        case(f"{step}_the_intruder_gets_in", said.stdout.startswith("in 0x"), said.stdout + said.stderr)
        got = until(lambda: o.evidence(rule))
        case(f"{step}_gives_its_incident_with_its_technique", got and techniques <= set(got[0][1]["attack"]), got or o.log())
        case(f"{step}_is_blocked_and_proved", until(lambda: o.proved(PC1) and o.blocked(PC1) is not None), o.cli("block", "list")[1] + o.log())
        before = o.blocked(PC1) or 0
        again = files.intrude(o.pc1, step)
        case(f"{step}_the_intruder_does_not_get_in_again", again.returncode == 3, again.stdout + again.stderr)
        case(f"{step}_what_follows_is_dropped_and_counted", until(lambda: (o.blocked(PC1) or 0) > before, 30), (before, o.blocked(PC1)))
        case(f"{step}_the_other_pc_works_on", o.python(o.pc2, PROBE, INTERNET, 80).returncode == 0)
    finally:
        o.end()


def main():
    needs("smbd", "smbclient", "smbpasswd")
    if not is_there() or not python_with_impacket():
        print("[  SKIPPED ] needs samba, smbclient and python3-impacket")
        return 77
    for step in STEPS:
        spread(*step)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
