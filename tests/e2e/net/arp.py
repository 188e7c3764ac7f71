#!/usr/bin/env python3
"""arp.py MAMORI BUILD - one PC claims the other's address. On a bridge its card is cut off: its ARP and all else it sends is dropped and counted, and whom it
was done to works on. A gateway that only routes cannot do that: the incident says so, and neither there is the victim cut off in the spoofer's place."""
import sys

from attacks import ARP, HTTP, mac_of
from office import INTERNET, PC1, PC2, Office, case, failed, needs, until

MAMORI = sys.argv[1]
FETCH = "import sys, urllib.request\nsys.exit(0 if b'hello' in urllib.request.urlopen(sys.argv[1], timeout=5).read() else 1)"


def actions(o, verb):
    return [a for i in o.incidents() for a in i["unmapped"]["mamori"].get("actions", []) if a["verb"] == verb]


def spoof(o, name):
    """Until the incident is there: what the owner says against it, too."""
    owner, spoofer = mac_of(o, o.pc1), mac_of(o, o.pc2)
    case(f"{name}_the_gateway_watches", o.start(), o.log())
    o.serve_python(o.inet, HTTP, "0.0.0.0", 80)
    case(f"{name}_both_pcs_are_at_work", until(lambda: all(o.python(ns, FETCH, f"http://{INTERNET}/").returncode == 0 for ns in (o.pc1, o.pc2))))
    for _ in range(6):
        o.python(o.pc2, ARP, PC1, spoofer)
        o.python(o.pc1, ARP, PC1, owner)
    got = until(lambda: o.evidence("arp_spoofing"))
    case(f"{name}_gives_its_incident_with_its_technique", got and "T1557.002" in got[0][1]["attack"], got or o.log())
    case(f"{name}_it_names_the_spoofer", got and got[0][1]["src"]["ip"] == PC2 and spoofer in got[0][1]["what"].rsplit(",", 1)[-1], got)
    return spoofer


def on_a_bridge(o):
    try:
        card = spoof(o, "on_a_bridge")
        case("on_a_bridge_its_card_is_cut_off_and_that_is_proved", until(lambda: o.proved(card) and o.blocked(card) is not None), o.cli("block", "list")[1] + o.log())
        before = o.blocked(card) or 0
        o.python(o.pc2, ARP, PC1, card)
        case("on_a_bridge_what_it_claims_is_dropped_and_counted", until(lambda: (o.blocked(card) or 0) > before, 30), (before, o.blocked(card)))
        case("on_a_bridge_it_reaches_nobody", o.python(o.pc2, FETCH, f"http://{INTERNET}/").returncode != 0)
        case("on_a_bridge_whom_it_was_done_to_works_on", until(lambda: o.python(o.pc1, FETCH, f"http://{INTERNET}/").returncode == 0) and o.blocked(PC1) is None, o.log())
        rc, out, err = o.cli("block", "undo-all")
        case("on_a_bridge_one_command_takes_it_back", rc == 0 and until(lambda: o.python(o.pc2, FETCH, f"http://{INTERNET}/").returncode == 0), out + err)
    finally:
        o.end()


def where_packets_are_routed(o):
    try:
        card = spoof(o, "where_packets_are_routed")
        said = until(lambda: [a for a in actions(o, "isolate.host") if card in a["target"] and a["receipt"].get("result") == "unsupported"])
        case("where_packets_are_routed_it_is_said_that_the_card_cannot_be_cut_off_and_why", said and "neither ARP nor what passes between machines of one network" in said[0]["receipt"]["detail"],
             actions(o, "isolate.host") or o.log())
        case("where_packets_are_routed_nothing_is_called_defended", all(i["unmapped"]["mamori"]["class"] == "severe" for i, _ in o.evidence("arp_spoofing")),
             [i["unmapped"]["mamori"]["why"] for i, _ in o.evidence("arp_spoofing")])
        case("where_packets_are_routed_whom_it_was_done_to_works_on", until(lambda: o.python(o.pc1, FETCH, f"http://{INTERNET}/").returncode == 0) and o.blocked(PC1) is None, o.log())
    finally:
        o.end()


def with_an_instance_of_each_family(o):
    """The one that routes is asked first, says that it cannot, and the bridge's does it."""
    o.parts = o.parts | {"nft-bridge"}
    try:
        card = spoof(o, "with_both")
        case("with_both_the_bridges_cuts_the_card_off_and_proves_it", until(lambda: o.proved(card) and o.blocked(card) is not None), o.cli("block", "list")[1] + o.log())
        case("with_both_the_router_said_that_it_cannot", until(lambda: [a for a in actions(o, "isolate.host") if a["receipt"].get("result") == "unsupported"], 30), actions(o, "isolate.host"))
        before = o.blocked(card) or 0
        o.python(o.pc2, ARP, PC1, card)
        case("with_both_what_it_claims_is_dropped_and_counted", until(lambda: (o.blocked(card) or 0) > before, 30), (before, o.blocked(card)))
    finally:
        o.end()


def main():
    needs()
    with_an_instance_of_each_family(Office(MAMORI, {"plugins": {"nft-bridge": {"plugin": "org.mamori.nft", "config": {"family": "bridge"}}}}))
    on_a_bridge(Office(MAMORI, {"plugins": {"nft": {"config": {"family": "bridge"}}}}))
    where_packets_are_routed(Office(MAMORI, {}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
