#!/usr/bin/env python3
"""lossy.py MAMORI PLUGINS - a hub and an endpoint over a line that loses every twentieth packet and takes 200 ms there and back. The endpoint
joins over it, what it finds is blocked there by the hub's order, once; the lease is renewed as long as the line is there, and taken back when it
is gone for longer than the lease."""
import json
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from site_lab import Site, case, findings_of, play, until, usable

HERE, HUB, PC, TTL_S = os.path.dirname(os.path.abspath(__file__)), "10.79.0.1", "10.79.0.2", 12
LOSS = "table inet line {\n chain in {\n  type filter hook input priority 0;\n  iifname \"slow0\" numgen random mod 100 < 5 counter drop\n }\n}\n"


def inside(m, *args, **more):
    return subprocess.run(["ip", "netns", "exec", m.ns, *args], capture_output=True, text=True, **more)


def denied(pc):
    p = inside(pc, "nft", "-j", "list", "table", "inet", "mamori_host")
    return "198.51.100.66" in p.stdout if p.returncode == 0 else False


def dropped(m):
    p = inside(m, "nft", "list", "table", "inet", "line")
    return int(p.stdout.split("packets ")[1].split()[0]) if "packets " in p.stdout else -1


def run(site):
    hub, pc = site.machine("hub1"), site.machine("pc1")
    line = subprocess.Popen([sys.executable, os.path.join(HERE, "delay_line.py"), hub.ns, pc.ns, "slow0", "200"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    try:
        line.stdout.readline()
        for m, own, other in ((hub, HUB, PC), (pc, PC, HUB)):
            m.ip("addr", "add", own, "peer", other, "dev", "slow0")
            m.ip("link", "set", "slow0", "up")
            p = inside(m, "nft", "-f", "-", input=LOSS)
            case(f"{m.name}_loses_packets", p.returncode == 0, p.stderr)
        auth = os.path.join(site.root, "auth.log")
        open(auth, "w").close()
        off = {n: None for n in ("capture", "flow", "protocols", "ndpi", "signature", "behaviour", "nft")}
        hub.configure({"deployment": "passive-tap", "site": {"listen": f"tcp://{HUB}:7400"},
                       "defence": {"mode": "auto", "auto_actions_agreed": ["all"], "ttl": f"{TTL_S}s", "action_timeout": "20s"},
                       "plugins": {**off, **{n: None for n in ("proc", "files", "log", "authfail", "sigma", "contain")}}})
        pc.configure({"plugins": {"proc": None, "files": None, "sigma": None, "log": {"config": {"files": [auth]}}}})
        rc, out, err = hub.cli3("token", "new")
        hub.start()
        case("the_hub_is_up", until(lambda: hub.status()["brain"]), hub.log())
        joined = until(lambda: pc.cli3("join", out.strip())[0] == 0, 60)
        case("it_joins_over_such_a_line", joined, err)
        pc.start()
        up = until(lambda: (pc.status()["brain"] or {}).get("hub_up"), 90)
        case("it_connects", up, hub.log() + pc.log())
        node = until(lambda: next((n for n in (hub.status()["brain"] or {}).get("nodes", []) if n["up"] and n["responders"] == 1), None), 60)
        case("it_is_known", node, hub.log() + pc.log())
        clock = until(lambda: (pc.status()["brain"] or {}).get("clock_error_ms"), 60)
        b = pc.status()["brain"]
        case("the_clocks_difference_is_known_with_its_error", clock and abs(b["clock_offset_ms"]) <= b["clock_error_ms"] and b["clock_error_ms"] >= 90, b)

        findings_of(auth, "198.51.100.66")
        time.sleep(1.1)
        with open(auth, "a") as f:
            f.write(time.strftime("%b %d %H:%M:%S pc1 sshd[1009]: Accepted password for root from 198.51.100.66 port 4009 ssh2\n"))
        found = time.time()
        case("what_it_finds_is_blocked_there", until(lambda: denied(pc), 60), hub.log() + pc.log())
        print(f"blocked after {time.time() - found:.1f} s", flush=True)
        case("the_proof_reaches_the_hub", until(lambda: "proved" in hub.cli("block", "list")[1] or "readback" in hub.cli("block", "list", "--json")[1], 60),
             hub.cli("block", "list")[1])
        end = time.time() + 2.5 * TTL_S
        held = True
        while time.time() < end and held:
            held = denied(pc)
            time.sleep(0.5)
        case("the_hub_renews_the_lease", held, hub.log() + pc.log())
        passed = [l for l in pc.log().splitlines() if "action.passed_on" in l and "verb=block.addr" in l and "flags=0" in l]
        case("it_is_ordered_once", len(passed) >= 1 and len({l.split("action=")[1].split()[0] for l in passed}) == len(passed), passed)
        case("packets_were_lost", until(lambda: dropped(hub) + dropped(pc) >= 3, 120), (dropped(hub), dropped(pc)))

        pc.ip("link", "set", "slow0", "down")
        gone = time.time()
        case("a_block_holds_at_first", denied(pc), pc.log())
        case("and_is_taken_back_when_the_hub_is_gone_longer_than_the_lease", until(lambda: not denied(pc), TTL_S + 30), pc.log())
        print(f"taken back {time.time() - gone:.1f} s after the line was cut; the lease is {TTL_S} s", flush=True)
        pc.ip("link", "set", "slow0", "up")
        case("it_comes_back", until(lambda: (pc.status()["brain"] or {}).get("hub_up"), 120), hub.log() + pc.log())
    finally:
        line.stdin.close()
        line.wait()


def main():
    if not usable(sys.argv[2]) or not os.path.exists("/dev/net/tun"):
        return 77
    return play("lossy", lambda root: Site(root, sys.argv[1], sys.argv[2], "10.79.1"), run)


if __name__ == "__main__":
    sys.exit(main())
