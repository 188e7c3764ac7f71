#!/usr/bin/env python3
"""bundled.py MAMORI BUILD - what counts as brought along: in an installed tree, the files on its list with these bytes. A file of somebody else in
the same folder is a stranger until it is registered; an altered one of ours is refused; a list that anybody can write is none."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import case, finish  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
OWN = os.path.join(os.path.dirname(MAMORI), "plugins")


def rows(mamori, site):
    p = subprocess.run([mamori, "plugin", "list", "--json", "--config", site], capture_output=True, text=True)
    return {r["id"]: r for r in json.loads(p.stdout)["plugins"]} if p.stdout.strip() else {}, p.stderr


def main():
    if not os.path.exists(os.path.join(OWN, "capture.so")):
        print("[  SKIPPED ] plugins_are_inside_the_executable")
        return 77
    top = tempfile.mkdtemp(prefix="mamori-bundled-")
    os.chmod(top, 0o755)
    site, prefix = f"{top}/site", f"{top}/usr"
    os.mkdir(site)
    with open(f"{site}/00.yaml", "w") as f:
        json.dump({"node": {"state_dir": f"{top}/state", "run_dir": f"{top}/run"}, "trust": {"keys_dir": f"{top}/keys.d", "register_dir": f"{top}/plugins.d"}}, f)
    try:
        built, err = rows(MAMORI, site)
        n = len([f for f in os.listdir(OWN) if f.endswith(".so")])
        case("as_built_all_are_bundled", len(built) == n and all(r["trust"] == "bundled" for r in built.values()), ({i: r["trust"] for i, r in built.items()}, err))
        p = subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], capture_output=True, text=True)
        case("it_is_installed", p.returncode == 0, p.stdout[-500:] + p.stderr)
        mamori = f"{prefix}/bin/mamori"
        dirs = [d for d, _, files in os.walk(prefix) if "bundled.sha256" in files]
        case("with_one_list", len(dirs) == 1, dirs)
        p = subprocess.run(["sha256sum", "-c", "--quiet", "bundled.sha256"], cwd=dirs[0], capture_output=True, text=True)
        case("which_sha256sum_reads", p.returncode == 0, p.stdout + p.stderr)
        got, err = rows(mamori, site)
        case("installed_all_are_bundled", sorted(got) == sorted(built) and all(r["trust"] == "bundled" for r in got.values()), ({i: r["trust"] for i, r in got.items()}, err))

        so = f"{dirs[0]}/a_stranger.so"
        shutil.copy(os.path.join(BUILD, "tests", "plugins", "so", "sensor.so"), so)
        os.chmod(so, 0o644)
        r = rows(mamori, site)[0]["test.sensor"]
        case("a_stranger_in_that_folder_is_refused", (r["trust"], r["reason"]) == ("refused", "unregistered"), r)
        case("with_what_to_do", "mamori plugin register " + so in r["why"], r)
        p = subprocess.run([mamori, "plugin", "register", so, "--config", site], capture_output=True, text=True)
        r = rows(mamori, site)[0]["test.sensor"]
        case("registered_it_may_run", p.returncode == 0 and r["trust"] == "registered", (p.stderr, r))

        file = f"{dirs[0]}/authfail.so"
        with open(file, "ab") as f:
            f.write(b"\0")
        r = rows(mamori, site)[0]["org.mamori.authfail"]
        case("an_altered_one_of_ours_is_refused", (r["trust"], r["reason"]) == ("refused", "hash") and "not the file mamori was installed with" in r["why"], r)
        p = subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], capture_output=True, text=True)
        got = rows(mamori, site)[0]
        case("installed_again_it_is_ours", got["org.mamori.authfail"]["trust"] == "bundled", got["org.mamori.authfail"])
        case("and_the_stranger_is_none_of_ours", got["test.sensor"]["trust"] == "registered", got["test.sensor"])

        list_ = f"{dirs[0]}/bundled.sha256"
        os.chmod(list_, 0o666)
        got, err = rows(mamori, site)
        case("a_list_anybody_can_write_is_none", all(r["trust"] == "refused" for i, r in got.items() if i != "test.sensor") and "bundled.sha256" in err, err)
        os.chmod(list_, 0o644)
        os.unlink(list_)
        got, err = rows(mamori, site)
        case("without_a_list_nothing_is_bundled", all(r["reason"] == "unregistered" for i, r in got.items() if i != "test.sensor"), err)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    return finish()


sys.exit(main())
