#!/usr/bin/env python3
"""upstream.py MAMORI PLUGINS TEST_PLUGINS - a provider's collector and the hubs of two offices, each in a network namespace. Hubs count incidents
aloud while collector and brains are killed and a line is cut: in the end each incident state stands in the collector's file once, what is severe
came before what is not, and an office that fell silent was named."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from site_lab import Site, case, play, until, usable
from upstream_lab import Collector, incidents
sys.path.append("/usr/lib/python3/dist-packages")  # the distribution's parser, whichever python this is
try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    text_string_to_metric_families = None

VALIDATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "..", "shared", "tools", "ocsf-validate")
LAST, GRAVE = 300, 5  # more than 256 records of evidence: a signed checkpoint


def measured(path):
    """/metrics of a collector: a value by the sample's text; {} when it is not served."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        try:
            s.connect(path)
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            data = b""
            while more := s.recv(65536):
                data += more
        except OSError:
            return {}
    head, _, text = data.decode().partition("\r\n\r\n")
    if " 200 " not in head.splitlines()[0] or not text.endswith("# EOF\n"):
        return {}
    if text_string_to_metric_families:
        list(text_string_to_metric_families(text))
    return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))}


def severe_of(records, site):
    return [r["unmapped"]["mamori"]["class"] == "severe" for r in records if r["class_uid"] == 2005 and r["metadata"].get("tenant_uid") == site]


def run(site, so):
    at_provider, hubs = site.machine("collector"), [site.machine(n) for n in ("hub1", "hub2")]
    for m in (at_provider, *hubs):
        site.connect(m)
    file = os.path.join(site.root, "sites.jsonl")
    at_provider.configure({"deployment": "none", "site": {"listen": f"tcp://{at_provider.address}:7500"}, "collector": {"file": file, "silent_after": "10s"},
                           "metrics": {"listen": f"unix:{os.path.join(site.root, 'metrics.sock')}"}})
    collector = Collector(at_provider, file)
    try:
        flow(site, so, collector, hubs)
    finally:
        collector.end()


def counting(hub, so, last):
    hub.configure({"deployment": "none", "supervise": {"restart_delay": "50ms", "quarantine_after": 1000}, "trust": {"require": "any"}, "plugins": {
        "counter": {"plugin": "org.example.counter", "file": os.path.join(so, "counter.so"), "side": "endpoint", "host": "counter",
                    "config": {"name": hub.name, "every": "40ms", "last": last, "grave_every": GRAVE}}}})


def member(collector, name):
    rc, out = collector.m.cli("node", "list", "--json")
    return next((n for n in (json.loads(out)["nodes"] if rc == 0 else []) if n["name"] == name), {})


def keys_change(collector, hubs):
    """Of a site, asked there and at the collector; of the collector, told to each site first."""
    before = member(collector, "acme.hub1")
    case("the_collector_lists_who_is_connected", before.get("up") is True and before.get("keys"), before)
    rc, out, err = hubs[0].cli3("upstream", "rotate", "--json")
    case("a_site_changes_its_keys", rc == 0 and until(lambda: (m := member(collector, "acme.hub1")).get("keys") == json.loads(out)["keys"] and m["up"], 60),
         out + err + collector.m.log()[-2000:] + hubs[0].log()[-2000:])
    now = member(collector, "acme.hub1").get("keys")
    case("they_are_new", now and now != before["keys"], (before, now))
    rc, out, err = collector.m.cli3("node", "rotate", "acme.hub1")
    case("or_is_asked_to", rc == 0 and until(lambda: (m := member(collector, "acme.hub1")).get("keys") not in (None, now) and m["up"], 60),
         out + err + collector.m.log()[-2000:] + hubs[0].log()[-2000:])
    rc, out, err = collector.m.cli3("node", "rotate", "nobody.there")
    case("nobody_is_not_asked", rc == 1 and "nobody.there" in err, err)
    unused = collector.m.cli3("token", "new", "--name", "acme.late")[1].strip()
    rc, out, err = collector.m.cli3("node", "rotate", "--hub", "--json")
    asked = json.loads(out) if rc == 0 else {}
    case("the_collectors_next_key_is_told_first", rc == 0 and set(asked["not_told_yet"]) == {"acme.hub1", "acme.hub2"} and not asked["changed"], out + err)
    case("then_used", until(lambda: "collector.key_changed" in collector.m.log() and all("upstream.key_changed" in h.log() for h in hubs), 90),
         collector.m.log()[-2000:] + hubs[0].log()[-2000:] + hubs[1].log()[-2000:])
    case("and_the_sites_come_back_to_it", until(lambda: all(collector.state(f"acme.{h.name}") == "up" for h in hubs), 60), collector.m.log()[-2000:])
    rc, out, _ = collector.m.cli3("keys", "show")
    pinned = [open(os.path.join(h.state, "upstream", "collector.pub")).read().strip() for h in hubs]
    case("each_pins_it", rc == 0 and all(p == out.strip() for p in pinned), (out, pinned))
    rc, _, err = hubs[0].cli3("upstream", "join", unused)
    case("tokens_of_its_old_key_are_void", rc in (1, 3), err)
    hubs[0].kill("brain")
    collector.kill()
    collector.start()
    case("it_holds_across_restarts", until(lambda: all(collector.state(f"acme.{h.name}") == "up" for h in hubs), 90), collector.m.log()[-2000:] + hubs[0].log()[-2000:])


def shut_out(collector, hub, so):
    """On its live link, while it sends: nothing more is taken, and that it still tries is named."""
    counting(hub, so, 2 * LAST)
    rc, out, err = hub.cli3("reload")
    case("it_counts_on", rc == 0, out + err)
    case("and_its_records_flow", until(lambda: len(incidents(collector.records(), "acme.hub2")) > LAST + 20, 60), collector.m.log()[-2000:] + hub.log()[-2000:])
    rc, out, err = collector.m.cli3("node", "revoke", "acme.hub2", "--json")
    case("a_revoked_site_is_shut_out_at_once", rc == 0 and json.loads(out)["in_force"], out + err)
    time.sleep(0.5)  # what was taken before is written out
    n = len(incidents(collector.records(), "acme.hub2"))
    case("in_the_middle_of_it", n < 2 * LAST, n)
    case("it_is_no_longer_up", until(lambda: collector.state("acme.hub2") != "up", 60), collector.m.log()[-2000:])
    said = until(lambda: [line for line in collector.m.log().split("site=acme.hub2 state=revoked")[-1].splitlines()
                          if "a revoked key still sends" in line or "not on the allow-list" in line], 60)
    case("that_it_still_sends_is_named", said and "10.83.0." in said[0], collector.m.log()[-2000:])
    counted = until(lambda: {t for b in Site.evidence(hub, "incident.class") for t in re.findall(r"hub2-\d+", json.dumps(b))} >=
                    {f"hub2-{i}" for i in range(1, 2 * LAST + 1)}, 120)
    case("it_goes_on_defending", counted, hub.log()[-2000:])
    case("and_nothing_more_of_it_was_taken", len(incidents(collector.records(), "acme.hub2")) == n, (n, len(incidents(collector.records(), "acme.hub2"))))


def flow(site, so, collector, hubs):
    for h in hubs:
        counting(h, so, LAST)
    rc, _, err = collector.m.cli3("token", "new", "--name", "acme.nobody")
    case("a_collector_at_rest_is_said", rc == 0 and "mamori upstream join" in err and "does not run" in err, err)
    collector.start()
    case("the_collector_runs", until(lambda: "collector.ready" in collector.m.log(), 60) and collector.list()["running"], collector.m.log())
    second = subprocess.run(collector.m.command("upstream", "--config", collector.m.site), capture_output=True, text=True, timeout=60)
    case("only_one_over_a_folder", second.returncode == 3 and "already" in second.stderr, second.stderr)
    for h in hubs:
        rc, out, err = collector.m.cli3("token", "new", "--name", f"acme.{h.name}")
        token = out.strip()
        case(f"what_{h.name}_types_is_said", rc == 0 and "mamori upstream join" in err and "mamori run" not in err, err)
        rc, out, err = h.cli3("upstream", "join", token, "--json")
        joined = json.loads(out) if rc == 0 else {}
        case(f"{h.name}_joins", rc == 0 and joined["site"] == f"acme.{h.name}" and joined["state"] == "approved", err)
    rc, _, err = hubs[0].cli3("upstream", "join", token)
    case("a_token_is_good_for_one_site", rc == 1 and "used by another machine" in err, err)

    hubs[0].start()
    case("its_hub_connects", until(lambda: collector.state("acme.hub1") == "up", 60), collector.m.log() + hubs[0].log())
    case("and_says_so", until(lambda: ((hubs[0].status()["brain"] or {}).get("upstream") or {}).get("up"), 30), hubs[0].status())
    case("incidents_arrive", until(lambda: len(incidents(collector.records(), "acme.hub1")) >= 3, 60), collector.m.log() + hubs[0].log())
    case("severe_ones_are_listed", until(lambda: any(i["site"] == "acme.hub1" for i in collector.list()["severe"]), 60), collector.list())

    # each end killed, and the line cut, while it counts
    for what in ("collector", "brain", "line", "brain", "collector"):
        time.sleep(1)
        if what == "collector":
            collector.kill()
            time.sleep(1)
            collector.start()
        elif what == "brain":
            case("the_brain_was_killed", hubs[0].kill("brain"), hubs[0].status())
        else:
            site.cut(hubs[0])
            time.sleep(2)
            site.join(hubs[0])
    want = {f"hub1-{n}" for n in range(1, LAST + 1)}
    arrived = until(lambda: set(incidents(collector.records(), "acme.hub1").values()) >= want, 240)
    got = incidents(collector.records(), "acme.hub1")
    case("every_incident_arrives", arrived, (sorted(want - set(got.values())), collector.m.log()[-2000:], hubs[0].log()[-2000:]))
    case("each_is_one_incident", len(got) == len(set(got.values())), got)
    lines = [json.dumps(r, sort_keys=True) for r in collector.records()]
    case("and_each_state_stands_there_once", len(lines) == len(set(lines)), len(lines) - len(set(lines)))

    # what gathered while there was no collector comes severe first
    collector.kill()
    before = len(collector.records())
    hubs[1].start()
    want = {f"hub2-{n}" for n in range(1, LAST + 1)}
    counted = until(lambda: os.path.exists(os.path.join(hubs[1].state, "mamori.db")), 60) and until(lambda: {t for b in site.evidence(hubs[1], "incident.class") for t in re.findall(r"hub2-\d+", json.dumps(b))} >= want, 120)
    case("the_second_counts_alone", counted, hubs[1].log())
    time.sleep(3)
    collector.start()
    case("and_is_heard_when_the_collector_is_back", until(lambda: set(incidents(collector.records(), "acme.hub2").values()) >= want, 180),
         collector.m.log() + hubs[1].log())
    order = severe_of(collector.records()[before:], "acme.hub2")
    first_other = order.index(False) if False in order else len(order)
    case("severe_first", False in order and sum(order[:first_other]) >= LAST // GRAVE, order)

    marked = until(lambda: next((s for s in collector.list()["sites"] if s["site"] == "acme.hub2" and s["evidence_signed_upto"] >= 256), None), 60)
    case("its_evidence_is_signed_where_it_cannot_reach", marked and "evidence_doubt" not in marked, collector.list()["sites"])

    until(lambda: all(collector.state(f"acme.{h.name}") == "up" for h in hubs), 90)  # each comes back when it tries again
    m = measured(os.path.join(site.root, "metrics.sock"))
    sent = {s["site"]: s["records"] for s in collector.list()["sites"]}
    case("it_is_measured", m.get('mamori_sites{state="up"}') == 2 and m.get('mamori_site_up{site="acme.hub1"}') == 1 and m.get('mamori_outbox_records{outlet="file"}') == 0 and
         all(m.get(f'mamori_site_records_total{{site="{n}"}}') == k > 0 for n, k in sent.items()), (m, sent))

    keys_change(collector, hubs)

    # silence
    at = len(collector.m.log())
    site.cut(hubs[1])
    case("a_silent_site_is_named", until(lambda: "site.silent site=acme.hub2" in collector.m.log()[at:], 120), collector.m.log()[at:])
    case("and_listed", until(lambda: collector.state("acme.hub2") == "silent" and collector.state("acme.hub1") == "up", 30), collector.list()["sites"])
    m = measured(os.path.join(site.root, "metrics.sock"))
    case("and_measured", m.get('mamori_site_silent{site="acme.hub2"}') == 1 and m.get('mamori_sites{state="silent"}') == 1, m)
    rc, out, _ = collector.m.cli3("upstream", "list")
    case("for_people_too", rc == 1 and "acme.hub2" in out, out)
    site.join(hubs[1])
    case("and_its_return", until(lambda: collector.state("acme.hub2") == "up" and "site.back site=acme.hub2" in collector.m.log()[at:], 120), collector.m.log())
    shut_out(collector, hubs[1], so)
    os.rename(collector.file, collector.file + ".1")
    collector.p.send_signal(signal.SIGHUP)
    case("the_collector_ends_cleanly", collector.end() == 0, collector.m.log())
    if os.access(VALIDATE, os.X_OK) and subprocess.run([sys.executable, "-c", "import jsonschema"], capture_output=True).returncode == 0:
        valid = subprocess.run([VALIDATE, "--strict", collector.file + ".1"], capture_output=True, text=True)
        if valid.returncode == 2:
            valid = subprocess.run([VALIDATE, "--strict"], stdin=open(collector.file + ".1"), capture_output=True, text=True)
        case("all_of_it_is_valid_ocsf", valid.returncode == 0, valid.stdout + valid.stderr)


def main():
    if not usable(sys.argv[2]):
        return 77
    return play("upstream", lambda root: Site(root, sys.argv[1], sys.argv[2], "10.83.0"), lambda site: run(site, sys.argv[3]))


if __name__ == "__main__":
    sys.exit(main())
