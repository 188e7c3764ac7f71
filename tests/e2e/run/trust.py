#!/usr/bin/env python3
"""trust.py MAMORI BUILD - a plugin file of somebody else at a running site: refused until it is registered, refused when a byte of it changes, gone
when its key is revoked; and the service profile, where nothing runs that the signed list does not hold. The others run on."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lab import Lab, case, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]


def row(lab, name):
    rc, out, err = lab.cli("plugin", "list", "--json")
    for p in json.loads(out)["plugins"]:
        for i in p["instances"]:
            if i["name"] == name:
                return {**i, "trust": p["trust"], "selftests": p["selftests"]}  # of a file that does not even load there is no more
    return {}


def is_state(lab, name, state):
    return lab.until(lambda: row(lab, name).get("state") == state, 60)


def ok(lab, *words):
    rc, out, err = lab.cli(*words)
    case("_".join(w for w in words if w.isalpha())[:60], rc == 0, out + err)
    return out


def main():
    needs_root()
    lab = Lab(MAMORI, [])  # a rehearsal: it sees the whole machine, and acts on nothing
    so, etc = f"{lab.dir}/note.so", f"{lab.dir}/etc"
    os.mkdir(etc)
    shutil.copy(os.path.join(BUILD, "tests", "plugins", "so", "sensor.so"), so)
    os.chmod(so, 0o644)
    lab.drop_in("40-trust", {"trust": {"require": "registered", "keys_dir": f"{etc}/keys.d", "register_dir": f"{etc}/plugins.d", "manifest": f"{etc}/tools.yaml"},
                             "plugins": {"note": {"plugin": "test.sensor", "file": so}}})
    key = f"{lab.dir}/author"
    good = ("brain", "network", "endpoint", "nft", "contain", "file")
    try:
        lab.start()
        case("the_bundled_ones_need_no_step", lab.until(lambda: lab.is_up(good), 60), lab.log())
        note = row(lab, "note")
        case("a_stranger_is_refused", (note.get("state"), note.get("reason")) == ("refused", "unregistered"), note)
        case("which_is_evidence", lab.until(lambda: lab.count("evidence where kind = 'plugin.refused' and instr(body, 'test.sensor')") > 0, 20), lab.log())
        s = lab.status()
        case("and_in_the_light", s["light"] != "green" and any("note" in w for w in s["why"]), s["why"])
        case("the_toolset_has_a_hash", len(s["trust"]["toolset_hash"]) == 64 and s["trust"]["toolset_of"] == "loaded", s["trust"])
        rc, out, err = lab.cli("capability", "report", "--json")
        caps = json.loads(out)
        nft = [c for c in caps["capabilities"] if c["plugin"] == "org.mamori.nft"]
        case("the_report_says_what_was_shown", rc == 0 and nft and nft[0]["maker"] == "mamori" and nft[0]["version"] and
             caps["toolset_hash"] == lab.status()["trust"]["toolset_hash"], (caps, lab.status()["trust"]))
        case("and_what_was_not", all(c["state"] in ("proven", "unproven") and (c["state"] == "proven") == (c["result"] == "passed") for c in caps["capabilities"]), caps)
        tested = lab.until(lambda: any(t["result"] == "passed" for t in row(lab, "nft").get("selftests", [])), 40)
        case("the_list_tells_self_tests", tested, row(lab, "nft"))
        rc, out, err = lab.cli("plugin", "list")
        text = out[out.index("org.mamori.nft"):].split("\norg.")[0] if "org.mamori.nft" in out else out
        case("list_shows_each_column", all(w in text for w in ("mamori ", " nft ", "0.1.0", "network", "bundled", "nft: running", "can: net.defend",
                                                               "granted: netfilter block.addr", "self-test: passed 20")), text)
        rc, out, err = lab.cli("plugin", "info", "org.mamori.nft")
        shown = dict((l[:12].strip(), l[13:]) for l in out.splitlines())
        case("info_shows_each_column", all(shown.get(k, "").startswith(v) for k, v in (
            ("maker", "mamori"), ("model", "nft 0.1.0"), ("side", "network"), ("capabilities", "net.defend"), ("granted", "netfilter"), ("may do", "block.addr"),
            ("trust", "bundled"), ("instance", "nft in host nft: running"))) and " passed 20" in shown.get("self-test", ""), out)

        ok(lab, "plugin", "key", "new", key)
        ok(lab, "plugin", "sign", so, "--key", key + ".sec")
        if shutil.which("minisign"):
            p = subprocess.run(["minisign", "-Vm", so, "-p", key + ".pub"], capture_output=True, text=True)
            case("minisign_agrees", p.returncode == 0, p.stdout + p.stderr)
        rc, out, err = lab.cli("plugin", "register", so)
        case("an_unknown_key_is_not_registered", rc == 1 and "not in the key ring" in err, err)
        ok(lab, "plugin", "key", "add", key + ".pub", "--owner", "Somebody", "--signs", "both")
        ok(lab, "plugin", "register", so)
        ok(lab, "reload")
        rc, out, err = lab.cli("plugin", "info", so, "--json")
        case("a_registration_is_the_grant", rc == 0 and json.loads(out)["granted_needs"] == json.loads(out)["registration"]["needs"].split(), out)
        case("registered_it_runs", is_state(lab, "note", "running") and row(lab, "note")["trust"] == "signed", row(lab, "note"))

        with open(so, "r+b") as f:
            f.seek(4000)
            b = f.read(1)
            f.seek(4000)
            f.write(bytes([b[0] ^ 1]))
        case("what_runs_is_the_sealed_copy", row(lab, "note").get("state") == "running", row(lab, "note"))
        ok(lab, "plugin", "register", "--help")
        lab.drop_in("41-again", {"plugins": {"note": {"side": "endpoint"}}})  # its host is made again
        ok(lab, "reload")
        case("one_byte_and_it_is_refused", is_state(lab, "note", "refused") and row(lab, "note")["reason"] == "hash", row(lab, "note"))
        with open(so, "r+b") as f:
            f.seek(4000)
            f.write(b)
        os.utime(f"{etc}/plugins.d/test.sensor.yaml")
        ok(lab, "reload")
        case("put_back_it_runs", is_state(lab, "note", "running"), row(lab, "note"))
        key_id = json.loads(ok(lab, "plugin", "key", "list", "--json"))["keys"][0]["id"]
        ok(lab, "plugin", "key", "revoke", key_id, "--why", "lost")
        ok(lab, "reload")
        case("a_revoked_key_takes_it_away", is_state(lab, "note", "refused") and row(lab, "note")["reason"] == "key", row(lab, "note"))

        # the service profile: a key of the service, the list of what is bundled, not of the stranger
        ok(lab, "plugin", "key", "new", f"{lab.dir}/service")
        ok(lab, "plugin", "key", "add", f"{lab.dir}/service.pub", "--owner", "The service", "--signs", "tools")
        bundled = sorted({p["id"] for p in json.loads(lab.cli("plugin", "list", "--json")[1])["plugins"] if p["id"].startswith("org.mamori.") and p["instances"]})
        rc, out, err = lab.cli("plugin", "manifest", "make", "--service", "Test service", *bundled)
        case("the_list_is_made", rc == 0, err)
        with open(f"{etc}/tools.yaml", "w") as f:
            f.write(out)
        os.chmod(f"{etc}/tools.yaml", 0o644)
        lab.drop_in("42-service", {"profile": "service"})
        ok(lab, "reload")
        case("an_unsigned_list_lets_nothing_run", is_state(lab, "nft", "refused") and row(lab, "nft")["reason"] == "no_manifest", row(lab, "nft"))
        ok(lab, "plugin", "sign", f"{etc}/tools.yaml", "--key", f"{lab.dir}/service.sec")
        ok(lab, "reload")
        case("signed_it_lets_run_what_is_listed", lab.until(lambda: lab.is_up(good), 60) and row(lab, "nft")["trust"] == "listed", (row(lab, "nft"), lab.log()))
        case("and_nothing_else", is_state(lab, "note", "refused") and row(lab, "note")["reason"] == "unlisted", row(lab, "note"))
        rc, out, err = lab.cli("conform", "check", "--json")
        sr10 = next(c for c in json.loads(out)["clauses"] if c["id"] == "SR-10")
        case("which_conform_check_fails_for", rc == 1 and sr10["state"] == "gap", sr10)
        lab.drop_in("50-gone", {"plugins": {"note": None}})
        ok(lab, "reload")
        rc, out, err = lab.cli("conform", "check", "--json")
        sr10 = next(c for c in json.loads(out)["clauses"] if c["id"] == "SR-10")
        case("without_it_the_clause_is_met", sr10["state"] == "ok", (sr10, err))
        s, shown = lab.status(), json.loads(ok(lab, "plugin", "manifest", "show", "--json"))
        case("one_hash_for_the_toolset", s["trust"]["toolset_hash"] == shown["toolset_hash"] and s["trust"]["toolset_of"] == "manifest", s["trust"])
        case("no_plugin_fell_on_the_way", all(h["restarts"] == 0 or h["name"] == "brain" for h in s["hosts"]), s["hosts"])
    finally:
        lab.stop()
    return finish()


sys.exit(main())
