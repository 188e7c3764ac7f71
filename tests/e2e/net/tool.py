#!/usr/bin/env python3
"""tool.py MAMORI BUILD - what a sensor that is not ours brings counts as a capability only where the site names the tool."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import case, failed  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
NETWORK = ("capture", "flow", "protocols", "ndpi", "signature", "behaviour", "asset")


def main():
    folder = tempfile.mkdtemp(prefix="mamori-tool-")

    def ask(command, tool, tools):
        eve = {"plugin": "org.mamori.eve", "config": {"socket": f"{folder}/eve.sock"}, **({"tool": tool} if tool else {})}
        site = {"deployment": "passive-tap", "node": {"state_dir": f"{folder}/state", "run_dir": f"{folder}/run", "plugin_dirs": [f"{BUILD}/plugins"]},
                "plugins": {**{n: None for n in NETWORK}, "eve": eve}, "exits": {"internet": None}, **({"tools": tools} if tools else {})}
        with open(os.path.join(folder, "site.yaml"), "w") as f:
            json.dump(site, f)  # JSON is YAML
        return subprocess.run([MAMORI, *command, "--config", folder], capture_output=True, text=True, timeout=60)

    def capabilities(tool, tools):
        p = ask(("conform", "check", "--json"), tool, tools)
        return set(json.loads(p.stdout.splitlines()[0])["capabilities"]) if p.stdout else p.stderr
    try:
        named = {"suricata": {"maker": "OISF", "model": "Suricata", "version": "6.0.10"}}
        got = capabilities(None, named)
        case("a_tool_nobody_names_gives_no_capability", "ep.detect" in got and not any(c.startswith("net.") for c in got), got)
        got = capabilities("suricata", named)
        case("a_named_tool_detects_in_both_directions", {"net.detect.inbound", "net.detect.outbound"} <= set(got), got)
        p = ask(("config", "check"), "suricata", None)
        case("a_tool_that_is_not_listed_is_an_error_with_its_place", p.returncode == 2 and "site.yaml:1:" in p.stderr and "tools:" in p.stderr, p.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
