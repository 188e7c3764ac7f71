#!/usr/bin/env python3
"""programs.py MAMORI PLUGINS SO - plugins that are programs, on an endpoint: a sensor in Python, an analyzer compiled from C without a line of
mamori's, a responder in Python. What they find is judged at the hub, what it orders one of them carries out, also after agent and programs
were killed."""
import json
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "run"))
from program_kinds import EXAMPLE, needs_modules, responder  # noqa: E402
from site_lab import Site, case, findings_of, play, until, usable  # noqa: E402

MAMORI, PLUGINS, SO = sys.argv[1:4]
OFF = ("capture", "flow", "protocols", "ndpi", "signature", "behaviour", "proc", "files", "ransom", "integrity", "journal", "sigma", "contain", "yara")


def put(root, name, text):
    path = os.path.join(root, name)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o755)
    return path


def host(machine, name):
    return next((h for h in machine.status()["hosts"] if h["name"] == name), {})


def said(hub):
    rc, out = hub.cli("incident", "list", "--json")
    for i in set(re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", out)):
        out += hub.cli("incident", "show", i, "--json")[1]
    return out


def run(site):
    hub, pc = site.machine("hub1"), site.machine("pc1")
    for m in (hub, pc):
        site.connect(m)
    os.chmod(site.root, 0o711)
    progwatch = os.path.join(os.path.dirname(SO), "program", "progwatch")
    example = open(EXAMPLE, encoding="utf-8").read()
    linewatch, blocker = put(site.root, "linewatch.py", example), put(site.root, "blocker.py", responder(example))
    door, auth = os.path.join(site.root, "door.log"), os.path.join(site.root, "auth.log")
    for p in (door, auth):
        open(p, "w").close()
    etc = os.path.join(site.root, "etc")
    os.mkdir(etc)
    hub.configure({"deployment": "passive-tap", "site": {"listen": f"tcp://{hub.address}:7400"},
                   "defence": {"mode": "auto", "auto_actions_agreed": ["all"]}, "plugins": {n: None for n in (*OFF, "log", "authfail", "nft")}})
    entries = {"linewatch": (linewatch, {"file": door, "look": "50ms"}), "progwatch": (progwatch, {"programs": ["nothing", "sensor"]}),
               "blocker": (blocker, {"file": "/x"})}
    pc.configure({"trust": {"keys_dir": f"{etc}/keys.d", "register_dir": f"{etc}/plugins.d"}, "supervise": {"restart_delay": "100ms", "quarantine_after": 30},
                  "plugins": {**{n: None for n in OFF}, "log": {"config": {"files": [auth]}},
                              "emitter": {"plugin": "test.sensor", "file": os.path.join(SO, "sensor.so"), "config": {"after": "1s", "period": "1s"}},
                              **{n: {"plugin": f"org.example.{n}", "exec": path, "config": c} for n, (path, c) in entries.items()}}})
    hub.start()
    rc, out = hub.cli("token", "new", "--json")
    rc, out, err = pc.cli3("join", json.loads(out)["token"])
    case("the_machine_joins", rc == 0, out + err)
    for path in (os.path.join(SO, "sensor.so"), *(p for p, _ in entries.values())):
        rc, out, err = pc.cli3("plugin", "register", path)
        case(f"registered_{os.path.basename(path).split('.')[0]}", rc == 0, out + err)
    pc.start()
    case("the_programs_run_on_the_endpoint", until(lambda: all(host(pc, n).get("state") == "running" for n in entries)), pc.log())
    case("the_hub_knows_what_the_endpoint_has", until(lambda: any(n["name"] == "pc1" and n["up"] and n["responders"] == 1 and all(e in n["instances"] for e in entries)
                                                                  for n in (hub.status()["brain"] or {}).get("nodes", []))), (hub.status(), hub.log()))

    with open(door, "a") as f:
        f.write("alarm: wrong code user=ito\n")
    case("what_a_program_finds_is_an_incident_at_the_hub", until(lambda: "wrong code user=ito" in said(hub), 90), (said(hub), hub.log(), pc.log()))
    case("what_an_analyzer_in_c_finds_too", until(lambda: "org.example.progwatch.listed" in said(hub) and "nobody should start here: sensor" in said(hub), 90),
         (said(hub), hub.log(), pc.log()))
    case("it_hears_of_other_hosts", until(lambda: (host(pc, "progwatch").get("instances") or [{}])[0].get("events", 0) >= 1), host(pc, "progwatch"))

    findings_of(auth, "198.51.100.66")
    with open(auth, "a") as f:
        f.write("Nov 22 10:00:00 pc1 sshd[1009]: Accepted password for root from 198.51.100.66 port 4009 ssh2\n")
    orders = os.path.join(pc.state, "plugins", "blocker", "orders")
    case("the_hubs_order_reaches_the_program", until(lambda: os.path.exists(orders) and "198.51.100.66" in open(orders).read(), 90),
         (hub.cli("block", "list")[1], hub.log(), pc.log()))
    case("and_its_receipt_the_hub", until(lambda: any(b["state"] in ("proved", "effective") for b in json.loads(hub.cli("block", "list", "--json")[1])["blocks"]), 60),
         hub.cli("block", "list")[1])

    for name in ("agent", "linewatch", "progwatch"):
        pid = pc.kill(name)
        case(f"killed_{name}_comes_again", until(lambda: host(pc, name).get("pid") not in (None, 0, pid) and host(pc, name).get("state") == "running", 60), pc.log())
    before = said(hub).count("org.example.progwatch.listed")
    with open(door, "a") as f:
        f.write("alarm: wrong code user=mori\n")
    case("and_the_sensor_tells_what_came_since", until(lambda: "wrong code user=mori" in said(hub), 90), (said(hub), pc.log()))
    case("and_the_analyzer_hears_again", until(lambda: said(hub).count("org.example.progwatch.listed") > before or
                                               (host(pc, "progwatch").get("instances") or [{}])[0].get("events", 0) >= 1, 60), host(pc, "progwatch"))
    pid = host(pc, "linewatch").get("pid")
    with open(f"/proc/{pid}/status") as f:
        s = dict(line.split(":", 1) for line in f.read().splitlines())
    case("confined_as_on_a_hub", s["NoNewPrivs"].strip() == "1" and s["Seccomp"].strip() == "2" and int(s["CapEff"], 16) == 1 << 2, s["CapEff"])


def main():
    needs_modules()
    if not usable(PLUGINS):
        return 77
    return play("programs", lambda root: Site(root, MAMORI, PLUGINS, "10.79.0"), run)


sys.exit(main())
