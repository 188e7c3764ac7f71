#!/usr/bin/env python3
"""kinds.py MAMORI SOURCE - what the documents name exists: kinds of events (docs/vocabulary.md), commands, files, tests.

The other way round too: every kind a plugin may emit stands in the vocabulary, every ./dev command in the README."""
import glob
import os
import re
import subprocess
import sys

MAMORI, SOURCE = sys.argv[1:3]
os.chdir(SOURCE)
failed = 0


def case(name, wrong):
    """wrong: what is not as it should be, in words; empty: good."""
    global failed
    print(f"[  FAILED  ] {name}" if wrong else f"[       OK ] {name}")
    for w in sorted(set(wrong)):
        print(f"    {w}")
    failed += bool(wrong)


def ask(*args):
    p = subprocess.run(args, capture_output=True, timeout=60)
    return p.stdout.decode("utf-8", "replace") if p.returncode == 0 else ""


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def code_of(text):
    """Code spans, and lines of code blocks (indented or fenced), without what is said beside them."""
    out, in_fence = [], False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            in_fence = not in_fence
        elif in_fence or re.match(r"( {4}|\t)", line):
            out.append(re.split(r"\s#\s", line.strip())[0])
        else:
            out += re.findall(r"`([^`]+)`", line)
    return out


documents = {p: read(p) for p in ["README.md", *glob.glob("docs/*.md"), *glob.glob("plugins/*/*/README.md"), *glob.glob("examples/*/README.md")]}

# ---- kinds ----
vocabulary = documents["docs/vocabulary.md"]
table = vocabulary.split("Kinds (the sender's", 1)[1].split("\n## ", 1)[0]
known = {k for row in re.findall(r"^\| (`[^|]*)\|", table, re.M) for k in re.findall(r"`([a-z0-9_.*]+)`", row)}
families = [k[:-1] for k in known if k.endswith(".*")]


def is_known(kind):
    return kind in known or any(kind.startswith(f) for f in families)


emitted, wrong = set(), []
for line in ask(MAMORI, "plugin", "list").splitlines():
    if line.startswith("org.mamori."):
        info = ask(MAMORI, "plugin", "info", line.split()[0])
        kinds = re.findall(r"^events +(.*)$", info, re.M)
        for k in kinds[0].split() if kinds else []:
            emitted.add(k)
            if not is_known(k):
                wrong.append(f"{line.split()[0]} emits '{k}', which docs/vocabulary.md does not list")
case("some_plugin_was_asked", [] if "finding" in emitted else ["no plugin emits a finding: was any found beside the executable?"])
case("every_kind_a_plugin_emits_is_in_the_vocabulary", wrong)
core = {k for p in glob.glob("core/**/*.c", recursive=True) for k in re.findall(r'mmr_event_begin\([^;"]*"([a-z]+\.[a-z_.]+)"', read(p))}
case("every_kind_the_core_emits_is_in_the_vocabulary", [f"the core emits '{k}'" for k in core if not is_known(k)])
case("the_vocabulary_lists_no_kind_that_nobody_emits",
     [f"'{k}' is listed, but no plugin emits it" for k in known
      if not k.endswith(".*") and k not in emitted | core and k not in {"receipt", "sensor.lost", "sensor.back", "plugin.refused", "events.lost", "node.joined", "node.lost",
                                                       "node.back", "node.rotated", "hub.rotated"}])

# ---- commands ----
commands = set(re.findall(r"^  ([a-z-]+) {2,}", ask(MAMORI, "help"), re.M)) | {"help"}
usage = {c: set(re.findall(r"[a-z]+(?:-[a-z]+)*", ask(MAMORI, "help", c))) for c in commands}
hidden = {"brain", "agent", "plugin-host"}
dev = set(re.findall(r"^  ([a-z]+)[ \[]", ask("./dev", "help"), re.M))
wrong, wrong_dev = [], []
for path, text in documents.items():
    for code in code_of(text):
        for name, sub in re.findall(r"(?<![\w/.-])(?:mamori|\$M) ([a-z][a-z-]*)(?: ([a-z][a-z-]*)(?![\w=/.]))?", code):
            if name not in commands | hidden:
                wrong.append(f"{path}: 'mamori {name}' is no command")
            elif sub and name in usage and sub not in usage[name]:
                wrong.append(f"{path}: 'mamori {name} {sub}': its help does not know '{sub}'")
        wrong_dev += [f"{path}: './dev {c}' is no command" for c in re.findall(r"\./dev ([a-z]+)", code) if c not in dev]
case("every_mamori_command_named_exists", wrong)
case("every_dev_command_named_exists", wrong_dev)
case("the_readme_names_every_dev_command", [f"./dev {c}" for c in dev if not re.search(rf"`\./dev {c}\b", documents["README.md"])])

# ---- files, links and tests ----
tests = "\n".join(read(p) for p in [*[p for e in ("c", "h", "cc", "cpp") for p in glob.glob(f"tests/**/*.{e}", recursive=True)], *glob.glob("tests/**/*.py", recursive=True),
                                    *glob.glob("plugins/**/test_*.c", recursive=True), *glob.glob("tests/**/CMakeLists.txt", recursive=True)]
                  if os.path.isfile(p) and "/corpus/" not in p and p != "tests/e2e/docs/kinds.py")
programs = {os.path.splitext(os.path.basename(p))[0] for p in [*glob.glob("tests/**/*.c", recursive=True), *glob.glob("plugins/**/test_*.c", recursive=True)]}
wrong_file, wrong_test, wrong_link = [], [], []
for path, text in documents.items():
    here = os.path.dirname(path)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target and not os.path.exists(os.path.join(here, target)):
            wrong_link.append(f"{path}: {target}")
    for code in re.findall(r"`([^`\n]+)`", text):
        if re.fullmatch(r"(core|sdk|plugins|tests|conf\.d|docs|examples|cmake)/[\w./*-]+", code):
            found = glob.glob(code) or glob.glob(os.path.join(here, code))
            wrong_file += [] if found else [f"{path}: {code}"]
        elif re.fullmatch(r"e2e_[a-z]+_[a-z_]+", code):
            folder, _, script = code[4:].partition("_")
            wrong_test += [] if glob.glob(f"tests/e2e/{folder}/{script}.*") else [f"{path}: {code}"]
        elif re.fullmatch(r"(test|fuzz)_[a-z0-9_]+", code):
            wrong_test += [] if code in programs else [f"{path}: {code}"]
        elif path.startswith("docs/") and re.fullmatch(r"[a-z]+(_[a-z]+){3,}", code) and not code.startswith("mmr_"):
            wrong_test += [] if re.search(rf"\b{code}\b", tests) else [f"{path}: {code}"]
case("links_lead_somewhere", wrong_link)
case("files_named_exist", wrong_file)
case("tests_named_exist", wrong_test)
sys.exit(1 if failed else 0)
