#!/usr/bin/env python3
"""join.py MAMORI PLUGINS - machines join a hub by token, each in a network namespace: once, refused the second time, too late, altered,
by hand; revoked on the live link; keys of node and hub changed while it runs; and a node that falls silent is said and recorded."""
import json
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from site_lab import Machine, Site, case, findings_of, play, until, usable

HUB = "10.78.0.1"


def listed(hub, name):
    rc, out = hub.cli("node", "list", "--json")
    return next((n for n in (json.loads(out)["nodes"] if rc == 0 else []) if n["name"] == name), {})


def token(hub, *args):
    rc, out = hub.cli("token", "new", "--json", *args)
    return json.loads(out) if rc == 0 else {"token": "", "failed": out}


def run(site):
    hub, pc1, pc2, pc3 = (site.machine(n) for n in ("hub1", "pc1", "pc2", "pc3"))
    for m in (hub, pc1, pc2, pc3):
        site.connect(m)
    base = {"plugins": {n: None for n in ("capture", "flow", "protocols", "ndpi", "signature", "behaviour", "proc", "files", "log", "authfail",
                                          "sigma", "contain", "nft")}}
    hub.configure({"deployment": "passive-tap", "site": {"listen": f"tcp://{hub.address}:7400", "gap_after": "5s"}, **base})
    quiet = {"plugins": {"proc": None, "files": None, "sigma": None, "authfail": None, "contain": None,
                         "log": {"config": {"files": [os.path.join(site.root, "auth.log")]}}}}
    open(os.path.join(site.root, "auth.log"), "w").close()
    for m in (pc1, pc2, pc3):
        m.configure(quiet)

    t = token(hub)
    case("a_token_is_made_before_anything_runs", len(t.get("token", "")) > 100 and not t["running"], t)
    hub.start()
    case("the_hub_runs_with_the_keys_the_token_made", until(lambda: hub.status()["brain"]), hub.log())

    altered = list(t["token"])
    altered[40] = "a" if altered[40] != "a" else "b"
    rc, out, err = pc1.cli3("join", "".join(altered))
    case("a_mistyped_token_is_named", rc == 2 and "letter" in err, err)
    rc, out, err = pc1.cli3("join", t["token"], "--json")
    joined = json.loads(out) if rc == 0 else {}
    case("the_machine_joins", rc == 0 and joined["node"] == "pc1" and joined["state"] == "approved" and joined["hub"] == f"tcp://{HUB}:7400", out + err)
    case("both_sides_show_the_same_keys", joined.get("keys") == listed(hub, "pc1").get("keys") and joined.get("hub_keys") == t.get("hub_keys"),
         (joined, listed(hub, "pc1"), t))
    rc, out, err = pc1.cli3("join", t["token"])
    case("a_lost_answer_costs_nothing", rc == 0, err)
    rc, out, err = pc2.cli3("join", t["token"])
    case("the_same_token_is_refused_to_another", rc == 1 and "used by another machine" in err, err)
    case("and_the_refused_one_is_named", "join.refused name=pc2" in hub.log(), hub.log())
    pc1.start()
    case("join_and_run_is_all", until(lambda: listed(hub, "pc1").get("up")), hub.log() + pc1.log())

    short = token(hub, "--valid", "1s")
    time.sleep(2.1)
    rc, out, err = pc2.cli3("join", short["token"])
    case("an_expired_token_is_refused", rc == 1 and "expired" in err, err)
    named = token(hub, "--name", "pc1")
    rc, out, err = pc2.cli3("join", named["token"])
    case("a_name_that_is_taken_is_refused", rc == 1 and "another machine is called pc1" in err, err)
    rc, out, err = pc2.cli3("join", token(hub)["token"], "--name", "hub1")
    case("so_is_the_hubs_own", rc == 1 and "another machine is called hub1" in err, err)

    # by hand
    hub.configure({"deployment": "passive-tap", "site": {"listen": f"tcp://{hub.address}:7400", "gap_after": "5s", "approve": "by_hand"}, **base})
    hub.end(keep=True)
    hub.start()
    case("the_node_comes_back_after_the_hubs_restart", until(lambda: listed(hub, "pc1").get("up"), 60), hub.log() + pc1.log())
    rc, out, err = pc2.cli3("join", token(hub)["token"], "--json")
    case("by_hand_it_waits", rc == 0 and json.loads(out)["state"] == "waits" and listed(hub, "pc2").get("state") == "waits", out + err)
    pc2.start()
    case("and_is_not_let_in", until(lambda: "not on the allow-list" in hub.log(), 30) and not listed(hub, "pc2").get("up"), hub.log())
    rc, _, err = hub.cli3("node", "approve", "pc2")
    case("approved_it_comes_in_by_itself", rc == 0 and until(lambda: listed(hub, "pc2").get("up"), 90), err + hub.log() + pc2.log())

    # revoked on the live link
    rc, _, err = hub.cli3("node", "revoke", "pc2")
    case("revoked_it_is_gone", rc == 0 and until(lambda: not listed(hub, "pc2").get("up"), 5) and listed(hub, "pc2").get("state") == "revoked",
         err + hub.log())
    case("and_what_it_still_sends_is_named", until(lambda: "a revoked key still sends" in hub.log() or "not on the allow-list" in hub.log().split("node.shut_out")[-1], 60),
         hub.log())
    rc, _, err = hub.cli3("node", "approve", "pc2")
    case("its_keys_are_burnt", rc == 1 and "revoked" in err, err)
    rc, _, err = pc2.cli3("join", token(hub)["token"])
    case("also_with_a_new_token", rc == 1 and "keys were revoked" in err, err)
    rc, _, err = hub.cli3("node", "revoke", "nobody")
    case("nobody_is_not_revoked", rc == 1 and "nobody" in err, err)

    # new keys
    before = listed(hub, "pc1").get("keys")
    rc, _, err = hub.cli3("node", "rotate", "pc1")
    case("a_node_changes_its_keys_when_asked", rc == 0 and until(lambda: listed(hub, "pc1").get("keys") not in (None, before) and listed(hub, "pc1")["up"], 30),
         err + hub.log() + pc1.log())
    before = listed(hub, "pc1").get("keys")
    rc, out, err = pc1.cli3("node", "rotate", "--json")
    case("or_by_itself", rc == 0 and until(lambda: listed(hub, "pc1").get("keys") == json.loads(out)["keys"] and listed(hub, "pc1")["up"], 30),
         out + err + hub.log() + pc1.log())
    unused = token(hub)
    rc, out, err = hub.cli3("node", "rotate", "--hub", "--json")
    asked = json.loads(out) if rc == 0 else {}
    case("the_hubs_next_key_is_told_first", rc == 0 and asked["not_told_yet"] == ["pc1"] and not asked["changed"], out + err)
    case("then_used", until(lambda: "hub.key_changed" in hub.log() and "hub.key_changed" in pc1.log(), 60), hub.log() + pc1.log())
    case("and_the_node_comes_back_to_it", until(lambda: listed(hub, "pc1").get("up"), 60), hub.log() + pc1.log())
    rc, out, _ = hub.cli3("keys", "show")
    case("the_hub_shows_it", rc == 0 and out.strip() == open(os.path.join(pc1.state, "hub.pub")).read().strip(), out)
    pc1.end(keep=True)
    pc1.start()
    case("also_after_the_nodes_restart", until(lambda: listed(hub, "pc1").get("up"), 60), hub.log() + pc1.log())
    rc, _, err = pc3.cli3("join", unused["token"])
    case("tokens_of_the_old_key_are_void", rc in (1, 3), err)
    rc, out, err = pc3.cli3("join", token(hub)["token"])
    case("new_ones_are_good", rc == 0, err)

    # silence
    site.cut(pc1)
    case("a_silent_node_is_said", until(lambda: "node.lost node=pc1" in hub.log(), 90), hub.log())
    case("the_light_knows", until(lambda: any("'pc1'" in w for w in hub.status()["why"])), hub.status()["why"])
    findings_of(os.path.join(site.root, "auth.log"), "198.51.100.7")
    time.sleep(2)
    site.join(pc1)
    case("and_its_return", until(lambda: listed(hub, "pc1").get("up"), 90), hub.log() + pc1.log())
    case("the_gap_is_in_the_record", until(lambda: any(g.get("source") == "pc1" and g["to"] - g["from"] >= 5e9 for g in site.evidence(hub, "watch_gap"))),
         site.evidence(hub, "watch_gap"))
    rc, out, _ = hub.cli3("evidence", "verify")
    case("which_verifies", rc == 0, out)


def main():
    if not usable(sys.argv[2]):
        return 77
    return play("join", lambda root: Site(root, sys.argv[1], sys.argv[2], "10.78.0"), run)


if __name__ == "__main__":
    sys.exit(main())
