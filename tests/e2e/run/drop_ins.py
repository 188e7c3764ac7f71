#!/usr/bin/env python3
"""drop_ins.py MAMORI BUILD - a deployment assembled by drop-ins alone: one plugin taken away, one added from a .so, one tuned.
It starts, says where each value came from, reloads whole or not at all."""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lab import Lab, case, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
EMITTER = os.path.join(BUILD, "bench", "bench_emitter.so")
OFF = {n: None for n in ("capture", "flow", "protocols", "ndpi", "signature", "behaviour", "proc", "files", "ransom", "integrity", "journal", "log", "authfail", "sigma", "contain")}


def main():
    needs_root()
    lab = Lab(MAMORI, [{"plugins": OFF},
                       {"plugins": {"emitter": {"plugin": "org.mamori.bench-emitter", "file": EMITTER, "side": "network",
                                                "config": {"count": 3, "distinct": 3, "interval": "10ms", "delay": "1s"}}}},
                       "plugins:\n  nft:\n    config:\n      sweep: 5s\n      table: lab_table\n"])
    try:
        rc, out, err = lab.cli("config", "show", "--origin")
        lines = {l.split()[0]: l for l in out.splitlines() if l.strip()}
        case("show_names_the_tuned_value_and_its_file", rc == 0 and "5s" in lines.get("plugins.nft.config.sweep", "") and "12-test.yaml:4" in lines["plugins.nft.config.sweep"], out + err)
        case("show_names_the_added_plugin", "11-test.yaml" in lines.get("plugins.emitter.file", ""), out)
        case("the_removed_plugin_is_gone", not any(k.startswith("plugins.contain") for k in lines), out)
        case("shipped_values_are_named_as_shipped", "shipped:" in lines.get("plugins.nft.plugin", ""), out)
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        s = lab.status() or {"hosts": []}
        case("the_removed_plugin_does_not_run", "contain" not in {h["name"] for h in s["hosts"]}, s)
        case("its_findings_become_incidents", lab.until(lambda: "203.0.0.1" in lab.cli("incident", "list", "--json")[1] or lab.cli("incident", "list", "--json")[1].strip()), lab.log())
        pid = lab.pid_of("emitter")
        lab.drop_in("20-wrong", "plugins:\n  nft:\n    config:\n      sweeep: 9s\n")
        rc, out, err = lab.cli("reload")
        case("a_wrong_configuration_is_refused_whole", rc != 0 and "sweep" in out + err, f"{rc} {out} {err}")
        case("and_the_old_one_goes_on", lab.is_up(["brain", "nft", "file", "emitter"]) and lab.pid_of("emitter") == pid, lab.log())
        lab.drop_in("20-wrong", "correlate: {window: 20m}\n")
        rc, out, err = lab.cli("reload")
        case("a_good_one_applies", rc == 0, f"{rc} {out} {err}")
        case("plugin_hosts_outlive_it", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])) and lab.pid_of("emitter") == pid, lab.log())
    finally:
        lab.stop()
    return finish()


sys.exit(main())
