#!/usr/bin/env python3
"""disclose.py MAMORI BUILD - maker and model of everything that watches, for the terms of service: each tool is there, in both languages, from its
own descriptor and from the signed list; what names no maker, is not listed, or is missing in the terms fails the lint."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import case, finish  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
DEVICE = {"device_maker": "Example Computers", "device_model": "Gate 5"}


def main():
    if os.geteuid() != 0:
        print("[  SKIPPED ] needs_root")  # the list and its keys must be root's
        return 77
    top = tempfile.mkdtemp(prefix="mamori-disclose-")
    os.chmod(top, 0o755)
    site = f"{top}/site"
    os.mkdir(site)

    def drop_in(name, what):
        with open(f"{site}/{name}.yaml", "w") as f:
            json.dump(what, f)

    def run(*args):
        p = subprocess.run([MAMORI, *args, "--config", site], capture_output=True, text=True)
        return p.returncode, p.stdout, p.stderr

    def lint(*args):
        rc, out, err = run("disclose", "lint", "--json", "--lang", "en", *args)
        return rc, json.loads(out)["problems"] if out.strip() else err

    drop_in("00-base", {"node": {"state_dir": f"{top}/state", "run_dir": f"{top}/run", **DEVICE},
                        "trust": {"keys_dir": f"{top}/keys.d", "register_dir": f"{top}/plugins.d", "manifest": f"{top}/tools.yaml"}})
    try:
        rc, out, err = run("plugin", "list", "--json")
        plugins = {p["id"]: p for p in json.loads(out)["plugins"] if any(i["state"] != "off" for i in p["instances"])}
        rc, out, err = run("disclose", "--json")
        tools = json.loads(out)["tools"]
        got = {t["id"]: t for t in tools if t["kind"] == "plugin"}
        case("each_plugin_in_use_is_there", rc == 0 and len(plugins) > 10 and sorted(got) == sorted(plugins), (sorted(got), err))
        case("as_its_descriptor_says", all((t["maker"], t["model"], t["version"]) == (plugins[i]["maker"], plugins[i]["model"], plugins[i]["version"])
                                           for i, t in got.items()), got)
        case("the_device_and_mamori_too", [(t["maker"], t["model"]) for t in tools if t["kind"] in ("device", "core")] ==
             [("Example Computers", "Gate 5"), ("mamori", "mamori")], tools[:2])
        ja, en = run("disclose", "--lang", "ja")[1], run("disclose", "--lang", "en")[1]
        case("in_japanese", all(w in ja for w in ("異常の監視装置の製造メーカー・型式", "製造メーカー", "ネットワーク", "端末", "通信の遮断", "Gate 5")), ja)
        case("in_english", all(w in en for w in ("Maker and model", "network", "endpoint", "blocks traffic", "Gate 5")) and "製造" not in en, en)
        case("nothing_is_cut", "…" not in ja + en and all(t["model"] in ja and t["model"] in en for t in tools), ja)
        case("it_is_sound", lint() == (0, []), lint())

        with open(f"{top}/terms.txt", "w") as f:
            f.write(ja)
        case("terms_with_the_table_are_good", lint("--terms", f"{top}/terms.txt") == (0, []), lint("--terms", f"{top}/terms.txt"))
        with open(f"{top}/terms.txt", "w") as f:
            f.write("\n".join(l for l in ja.splitlines() if " nft " not in l) + "\nmamori login\n")
        rc, problems = lint("--terms", f"{top}/terms.txt")
        case("terms_without_one_are_not", rc == 1 and len(problems) == 1 and "'nft'" in problems[0], problems)
        with open(f"{top}/terms.txt", "wb") as f:
            f.write(b"\xff\xfe")
        rc, out, err = run("disclose", "lint", "--terms", f"{top}/terms.txt")
        case("terms_that_are_no_text_are_said", rc == 2 and "UTF-8" in err, err)
        rc, out, err = run("disclose", "lint", "--terms", f"{top}/no-such")
        case("so_are_terms_that_are_not_there", rc == 2 and "no-such" in err, err)

        # another tool: listed; without a maker: not good; one that only sends
        so = f"{top}/sensor.so"
        shutil.copy(os.path.join(BUILD, "tests", "plugins", "so", "sensor.so"), so)
        os.chmod(so, 0o644)
        drop_in("50-more", {"plugins": {"more": {"plugin": "test.sensor", "file": so}}, "tools": {"edr": {"maker": "Other Ltd", "model": "EDR 9", "version": "15.2"}}})
        rc, problems = lint()
        case("one_that_is_refused_is_said", rc == 1 and any("test.sensor" in p and "does not run" in p for p in problems), problems)
        case("it_is_registered", run("plugin", "register", so)[0] == 0)
        rc, problems = lint()
        case("one_without_a_maker_is_said", rc == 1 and len(problems) == 1 and "test.sensor" in problems[0] and "maker" in problems[0], problems)
        rc, out, err = run("disclose", "--json")
        tools = json.loads(out)["tools"]
        case("it_is_listed_all_the_same", any(t["id"] == "test.sensor" for t in tools), tools)
        case("so_is_a_product_that_sends", any((t["kind"], t["maker"], t["model"], t["version"]) == ("sender", "Other Ltd", "EDR 9", "15.2") for t in tools), tools)
        rc, out, err = run("conform", "check", "--json")
        sr44 = next(c for c in json.loads(out.splitlines()[0])["clauses"] if c["id"] == "SR-44")
        case("which_the_clause_knows", sr44["state"] == "gap", sr44)

        # the signed list
        drop_in("50-more", {"tools": {"edr": {"maker": "Other Ltd", "model": "EDR 9", "version": "15.2"}}})
        for words in (("plugin", "key", "new", f"{top}/service"), ("plugin", "key", "add", f"{top}/service.pub", "--owner", "The service", "--signs", "tools")):
            rc, out, err = run(*words)
            case("_".join(words[1:3]), rc == 0, err)

        def sign(change=lambda t: t):
            rc, out, err = run("plugin", "manifest", "make", "--service", "Test service")
            with open(f"{top}/tools.yaml", "w") as f:
                f.write(change(out))
            os.chmod(f"{top}/tools.yaml", 0o644)
            return rc == 0 and run("plugin", "sign", f"{top}/tools.yaml", "--key", f"{top}/service.sec")[0] == 0
        case("the_list_is_signed", sign())
        rc, problems = lint()
        case("what_is_not_on_the_list_is_said", rc == 1 and len(problems) == 1 and "'edr'" in problems[0], problems)
        sender = '  - id: "com.other.edr"\n    kind: sender\n    maker: "Other Ltd"\n    model: "EDR 9"\n    version: "15.2"\n'
        case("it_is_put_on_the_list", sign(lambda t: t + sender))
        case("and_all_is_sound", lint() == (0, []), lint())
        ja = run("disclose", "--lang", "ja")[1]
        case("the_list_is_named", "Test service" in ja and "The service" in ja, ja)
        other = '  - id: "org.other.probe"\n    maker: "Third Ltd"\n    model: "Probe"\n    version: "1.0.0"\n    sha256: [%064d]\n' % 0
        case("what_others_of_the_service_use", sign(lambda t: t + sender + other))
        tools = json.loads(run("disclose", "--json")[1])["tools"]
        case("is_there_too", any(t["id"] == "org.other.probe" and t.get("in_use") == "elsewhere" for t in tools), tools)
        case("another_version_is_listed", sign(lambda t: t.replace('model: "nft"\n    version: "', 'model: "nft"\n    version: "9') + sender))
        rc, problems = lint()
        case("which_is_said_with_both", rc == 1 and any("org.mamori.nft" in p and "9" in p for p in problems), problems)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    return finish()


sys.exit(main())
