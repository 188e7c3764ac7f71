#!/usr/bin/env python3
"""line_files.py MAMORI SOURCE_DIR - recorded log files of programs people log in to, each line with a verdict (a failure or abuse: yes, from where; or no): each
file whole, as a log is read, through `mamori replay`. Right is a finding of that very line that names the address. At least 98 % of what is said, and of what is to
be said, for each file. Skipped where the data is absent."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import case, finish  # noqa: E402

MAMORI, SOURCE = sys.argv[1:3]
FILES = sorted(glob.glob(os.path.join(SOURCE, "..", "shared", "data", "endpoint", "linux", "fail2ban", "*.jsonl")))
ASKED = 0.98


def plain(address):
    """Lower case, without zeros in front of a number."""
    return re.sub(r"\b0+(?=\d)", "", str(address or "").strip().lower())


def values(o):
    if isinstance(o, (dict, list)):
        for v in o.values() if isinstance(o, dict) else o:
            yield from values(v)
    else:
        yield plain(o)


def findings(folder, lines):
    """By number of line, from 1."""
    with open(os.path.join(folder, "in.log"), "w", encoding="utf-8") as f:
        f.write("".join(line + "\n" for line in lines))
    os.makedirs(os.path.join(folder, "site"))
    with open(os.path.join(folder, "site", "50-alone.yaml"), "w") as f:  # JSON is YAML; the large rule packs have no part in this
        json.dump({"plugins": {"sigma": {"enabled": False}, "signature": {"enabled": False}, "yara": {"enabled": False}}}, f)
    p = None
    for kind in ("", "syslog:"):  # a form that is not recognised by itself is named
        state = os.path.join(folder, "state" + kind.strip(":"))
        p = subprocess.run([MAMORI, "replay", "--config", os.path.join(folder, "site"), "--log", kind + "in.log", "--state", state, "--findings",
                            "--home-net", "10.0.0.0/8"], cwd=folder, capture_output=True, text=True, timeout=300)
        if p.returncode != 2:
            break
    by_line = {}
    for text in p.stdout.splitlines():
        o = json.loads(text)
        if o["class_uid"] == 2004:
            by_line.setdefault(o["unmapped"]["mamori"]["input"]["index"], []).append(set(values(o)))
    return p, by_line


def judge(path):
    with open(path, encoding="utf-8") as f:
        rows = [json.loads(line) for line in f if line.strip()]
    verdicts = {}
    for r in rows:
        verdicts.setdefault(r["line"], set()).add(r["expected"]["match"])
    right = false = missed = 0
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        p, said = findings(folder, [r["line"] for r in rows])
    for n, r in enumerate(rows, 1):
        if len(verdicts[r["line"]]) > 1:  # the set says both of the very same line
            continue
        host, got = plain(r["expected"].get("host")), said.get(n, [])
        is_right = r["expected"]["match"] and bool(host) and any(host in g for g in got)
        right += is_right
        missed += r["expected"]["match"] and not is_right
        false += bool(got) and not is_right
        if r["expected"]["match"] != bool(got) or (got and not is_right):
            wrong.append(r["line"])
    precision, recall = right / max(1, right + false), right / max(1, right + missed)
    name = os.path.basename(path).split(".")[0]
    print(f"{name}: {right} right, {false} false, {missed} missed: precision {precision:.3f}, recall {recall:.3f}", flush=True)
    case(name.replace("-", "_"), p.returncode in (0, 1) and precision >= ASKED and recall >= ASKED, "\n".join([*wrong, p.stderr]))


if not FILES:
    print("skipped: the recorded line files are not beside the repository")
    sys.exit(77)
for one in FILES:
    judge(one)
sys.exit(finish())
