#!/usr/bin/env python3
"""winrm.py MAMORI BUILD - PowerShell remoting from one PC to the other. Where the packets pass decides where they can be stopped: frames between ports of
the gateway's bridge in family bridge, packets between two networks of the office in family inet. In both places the block is proved and its drops counted."""
import sys

from attacks import HTTP, REQUEST
from office import INTERNET, LAN, PC1, PC2, WAN, Office, case, failed, needs, until

MAMORI = sys.argv[1]
LAN2 = "192.168.89"
FETCH = "import sys, urllib.request\nsys.exit(0 if b'hello' in urllib.request.urlopen(sys.argv[1], timeout=5).read() else 1)"
SOAP = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body><rsp:Shell/></s:Body></s:Envelope>"


class TwoNetworks(Office):
    """The second PC stands in a network of its own, and the gateway routes between the two."""

    def settings(self):
        s = super().settings()
        s["site"]["home_net"].append(f"{LAN2}.0/24")
        s["plugins"]["capture"]["config"]["interfaces"].append("p2")
        return s

    def __init__(self, mamori, drop_in):
        super().__init__(mamori, drop_in)
        self.ip(self.gw, "link", "set", "p2", "nomaster")
        self.ip(self.gw, "addr", "add", f"{LAN2}.1/24", "dev", "p2")
        self.ip(self.pc2, "addr", "del", f"{PC2}/24", "dev", "eth0")
        self.ip(self.pc2, "addr", "add", f"{LAN2}.12/24", "dev", "eth0")
        self.ip(self.pc2, "route", "add", "default", "via", f"{LAN2}.1")
        self.ip(self.inet, "route", "add", f"{LAN2}.0/24", "via", f"{WAN}.1")


def spread(name, o, family, server):
    remote = lambda n: o.python(o.pc1, REQUEST, PC1, server, 5985, "/wsman", n, 0.2, "Microsoft WinRM Client", SOAP)
    try:
        case(f"{name}_the_gateway_watches", o.start(), o.log())
        for ns, port in ((o.pc2, 5985), (o.inet, 80)):
            o.serve_python(ns, HTTP, "0.0.0.0", port)
        case(f"{name}_the_pcs_reach_each_other", until(lambda: o.python(o.pc1, FETCH, f"http://{server}:5985/").returncode == 0))
        remote(4)
        got = until(lambda: o.evidence("mamori.lateral.powershell_remoting"))
        case(f"{name}_gives_its_incident_with_its_technique", got and "T1021.006" in got[0][1]["attack"], got or o.log())
        case(f"{name}_is_blocked_and_proved", until(lambda: o.proved(PC1) and o.blocked(PC1) is not None), o.cli("block", "list")[1] + o.log())
        case(f"{name}_the_block_stands_where_the_packets_pass", o.run(o.gw, "nft", "get", "element", family, "mamori", "src4", f"{{ {PC1} }}").returncode == 0)
        before = o.blocked(PC1) or 0
        remote(1)
        case(f"{name}_what_follows_is_dropped_and_counted", until(lambda: (o.blocked(PC1) or 0) > before, 30), (before, o.blocked(PC1)))
        case(f"{name}_the_other_pc_is_not_reached", o.python(o.pc1, FETCH, f"http://{server}:5985/").returncode != 0)
        case(f"{name}_the_other_pc_works_on", o.python(o.pc2, FETCH, f"http://{INTERNET}/").returncode == 0)
    finally:
        o.end()


def main():
    needs()
    spread("over_the_bridge", Office(MAMORI, {"plugins": {"nft": {"config": {"family": "bridge"}}}}), "bridge", PC2)
    spread("between_two_networks", TwoNetworks(MAMORI, {}), "inet", f"{LAN2}.12")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
