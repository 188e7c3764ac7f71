#!/usr/bin/env python3
"""tables.py MAMORI SOURCE [--write] - the tables in docs/ that are made from the program are what the program says.

A table stands between `<!-- made by tests/e2e/docs/tables.py: NAME -->` and `<!-- end -->`; --write puts the program's into the file."""
import os
import re
import subprocess
import sys

MAMORI, SOURCE = sys.argv[1:3]
IS_WRITE = "--write" in sys.argv[3:]
MARK = re.compile(r"(<!-- made by tests/e2e/docs/tables\.py: ([a-z ]+) -->\n).*?(<!-- end -->)", re.S)


def ask(*args):
    p = subprocess.run([MAMORI, *args], capture_output=True, timeout=60)
    if p.returncode != 0:
        sys.exit(f"mamori {' '.join(args)}: status {p.returncode}: {p.stderr.decode('utf-8', 'replace')}")
    return p.stdout.decode()


def plugin_ids():
    return sorted(l.split()[0] for l in ask("plugin", "list").splitlines() if l.startswith("org.mamori."))


def plugin_keys():
    out = []
    for name in plugin_ids():
        rows = re.findall(r"^config +(\S+) \[(.*?)\] (.*)$", ask("plugin", "info", name), re.M)
        if rows:
            out += [f"**{name}**\n", "| key | default | meaning |", "| --- | --- | --- |"]
            out += [f"| `{k}` | {'`' + d.replace(',', ', ') + '`' if d and d not in ('unset', 'required') else d or 'empty'} | {doc} |" for k, d, doc in rows]
            out.append("")
    return "\n".join(out) + "\n"


TABLES = {"configuration keys": lambda: ask("config", "keys", "--markdown"), "keys of plugins": plugin_keys}


def main():
    failed, seen = 0, set()
    folder = os.path.join(SOURCE, "docs")
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".md")):
        path = os.path.join(folder, name)
        text = open(path, encoding="utf-8").read()

        def put(m):
            seen.add(m.group(2))
            return m.group(1) + TABLES[m.group(2)]() + m.group(3)
        new = MARK.sub(put, text)
        if new == text:
            continue
        if IS_WRITE:
            open(path, "w", encoding="utf-8").write(new)
        else:
            failed += 1
            print(f"[  FAILED  ] docs/{name}: a table is not what the program says; tests/e2e/docs/tables.py MAMORI SOURCE --write mends it")
    for t in sorted(set(TABLES) - seen):
        failed += 1
        print(f"[  FAILED  ] the table '{t}' stands in no document")
    if not failed:
        print("[       OK ] tables_in_the_documents_are_what_the_program_says")
    return 1 if failed else 0


sys.exit(main())
