#!/usr/bin/env python3
"""rails.py MAMORI - what is never blocked is not, whoever asks, and it is said; too much is broken off; a firewall that somebody
flushed is put right. What asks are guessed passwords in the PC's log, from addresses that must stay in reach."""
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from lab import ADMIN, ATTACKER, HUB, PC, PY, Office, case, failed, skip, until  # noqa: E402

DNS = "198.51.100.53"


def guess(o, source, n=12):
    stamp = time.strftime("%b %d %H:%M:%S")
    o.pc.sh("".join(f"echo '{stamp} pc1 sshd[{3000 + i}]: Failed password for root from {source} port {4000 + i} ssh2' >> {o.auth}; " for i in range(n)))


def refusal(o, address):
    return next((a["receipt"].get("detail", "") for a in o.actions("block.addr")
                 if a["target"].startswith(address) and a.get("receipt", {}).get("result") == "refused"), None)


def never_blocked(o):
    guess(o, ATTACKER)
    case("an_attacker_is_denied", until(lambda: ATTACKER in o.denied()), o.said())
    for name, address, word in (("the_gateway_and_hub", HUB, "gateway|hub|never-block"), ("the_name_server", DNS, "DNS|name server"),
                                ("the_administrator_at_work", ADMIN, "administrator"), ("this_machine_itself", PC, "own|this machine")):
        guess(o, address)
        why = until(lambda: refusal(o, address), 40)
        case(f"{name}_is_refused_and_it_says_why", why and any(w in why for w in word.split("|")), f"{why}\n{o.said()}")
        case(f"{name}_stays_in_reach", address not in o.denied(), o.denied())
    case("the_hub_is_really_in_reach", o.reaches(o.pc, "", HUB, 7400))


def half_the_office(o):
    inside = [f"10.78.0.{100 + i}" for i in range(16)]
    for a in inside:
        guess(o, a)
    why = until(lambda: next((refusal(o, a) for a in inside if refusal(o, a)), None), 60)
    case("half_the_office_is_not_cut_off", why and ("share" in why or "ceiling" in why), f"{why}\n{o.said()}")
    time.sleep(1)
    n = sum(a in o.denied() for a in inside)
    case("only_a_few_are", n <= 5, f"{n} of {len(inside)}")


def flushed(o):
    begun = time.time()
    o.pc.run("nft", "flush", "ruleset", check=True)
    back = until(lambda: ATTACKER in o.denied(), 30)
    took = time.time() - begun
    case("a_flushed_firewall_is_put_right", back, o.pc.log())
    print(f"    in force again after {took * 1000:.0f} ms")
    case("and_it_is_said", until(lambda: "enforcement.lost" in o.pc.log(), 10), o.pc.log())
    case("and_the_attacker_stays_out", not o.reaches(o.net, ATTACKER, PC, 22))


def main():
    if os.geteuid() != 0 or not all(shutil.which(x) for x in ("ip", "nft", "nsenter", "unshare")) or not os.path.exists(PY):
        skip("needs root, ip, nft, nsenter and unshare")
    o = Office(os.path.abspath(sys.argv[1]), pc={"defence": {"mode": "auto", "auto_actions_agreed": ["all"]}}, is_started=False)
    try:
        o.pc.sh(f"echo nameserver {DNS} > /home/resolv.conf; mount --bind /home/resolv.conf /etc/resolv.conf")
        # an administrator's session that is open when mamori starts, as far as the socket table can tell
        o.pc.spawn(PY, "-c", "import socket,time; s = socket.create_server(('', 22)); k = []\nwhile True: k.append(s.accept())")
        assert until(lambda: o.reaches(o.net, ADMIN, PC, 22), 20)
        o.net.spawn(PY, "-c", f"import socket,time; s = socket.socket(); s.bind(('{ADMIN}', 0)); s.connect(('{PC}', 22)); time.sleep(600)")
        assert until(lambda: f"{ADMIN}" in o.pc.run("ss", "-Htn", "state", "established").stdout, 20)
        o.start()
        never_blocked(o)
        half_the_office(o)
        flushed(o)
    finally:
        o.end()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
