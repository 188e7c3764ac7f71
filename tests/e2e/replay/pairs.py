#!/usr/bin/env python3
"""pairs.py MAMORI SOURCE_DIR - every recorded pair replays without an error, twice with the same bytes, as valid OCSF; and
the pair of the thin path gives one severe incident of both sides, joined by the connections its catalogue lists. Skipped
where the recorded data is not there."""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import case, failed  # noqa: E402

MAMORI, SOURCE = sys.argv[1:3]
SHARED = os.path.join(SOURCE, "..", "shared")
DATA = os.path.join(SHARED, "data")


def main():
    if not os.path.exists(os.path.join(DATA, "catalog.json")):
        print("[  SKIPPED ] pairs\nthe recorded data is not on this machine")
        return 77
    catalog = json.load(open(os.path.join(DATA, "catalog.json")))
    with tempfile.TemporaryDirectory() as d:
        os.mkdir(os.path.join(d, "site"))
        for c in catalog["cases"]:
            if c["kind"] != "pair":
                continue
            args = [MAMORI, "replay", "--config", os.path.join(d, "site"), "--findings"]
            derived = {f["path"].rsplit(".", 1)[0] for f in c["files"] if "derived" in f}
            for f in c["files"]:
                path = os.path.join(DATA, f["path"])
                if f["side"] == "network":
                    args += ["--pcap", path]
                elif "derived" in f or f["path"].rsplit(".", 1)[0] not in derived:
                    args += ["--log", path]
            if c["hosts"] and c["id"] == "linux-log4shell":
                args += ["--home-net", "192.168.0.0/16"]
            name = c["id"].replace("-", "_")
            first = subprocess.run(args, capture_output=True, timeout=300)
            case(f"{name}_runs", first.returncode == 0, first.stderr.decode("utf-8", "replace"))
            again = subprocess.run(args, capture_output=True, timeout=300)
            case(f"{name}_is_the_same_again", first.stdout == again.stdout)
            valid = subprocess.run([os.path.join(SHARED, "tools", "ocsf-validate"), "--strict"], input=first.stdout, capture_output=True)
            case(f"{name}_is_valid_ocsf", valid.returncode == 0, valid.stdout.decode())
            if c["id"] != "linux-log4shell":
                continue
            found = [json.loads(l)["unmapped"]["mamori"] for l in first.stdout.splitlines() if json.loads(l)["class_uid"] == 2005]
            severe = [i for i in found if i["class"] == "severe"]
            case("log4shell_is_one_severe_incident", len(found) == 1 and len(severe) == 1, str([i["class"] for i in found]))
            both = severe[0] if severe else {"sides": [], "joined_by": [], "actions": []}
            case("log4shell_has_both_sides", set(both["sides"]) == {"network", "endpoint"}, str(both["sides"]))
            joined = " ".join(j["value"] for j in both["joined_by"])
            keys = c["expected"]["correlation"]["join_keys"]
            tuples = [k["tuple"] if isinstance(k, dict) else k for k in keys]
            missing = [t for t in tuples if isinstance(t, str) and "->" in t and t not in joined]
            case("log4shell_is_joined_by_the_listed_connections", not missing, f"missing {missing} in {joined}")
            planned = [(a["verb"], a["side"]) for a in both["actions"]]
            case("log4shell_has_the_planned_blocks", ("kill.process", "endpoint") in planned and ("block.addr", "network") in planned, str(planned))
    return 1 if failed else 0


sys.exit(main())
