#!/usr/bin/env python3
"""tidy.py BUILD [FILE...] - clang-tidy over the files of core, sdk and plugins, or over those named; prints the findings, ends with 1 when there are some.

A file is looked at again only when something changed that it is made of: its text, a header it includes, its compiler
options, the checks, or clang-tidy itself. What was found is kept in BUILD/tidy/, one JSON file per source file.
"""
import concurrent.futures, hashlib, json, os, re, shlex, subprocess, sys

# Left out beside what the style guide leaves out: sizeof-expression takes every array of pointers for a slip; no-int-to-ptr,
# every number in a callback's cookie; narrowing is -Wconversion's business; err33 is the (void) rule's; implicit-widening takes
# each product of constants; err34, reads of texts whose shape was checked; unix.Malloc and DeadStores do not know that a
# variable may free or close itself at its scope's end (the sanitizers do); valist is blind behind a call; not-null-terminated
# takes every buffer whose length stands beside it for a string.
CHECKS = [
    "-*", "bugprone-*", "cert-*", "clang-analyzer-*", "performance-*", "portability-*",
    "-bugprone-branch-clone",
    "-bugprone-easily-swappable-parameters",
    "-bugprone-implicit-widening-of-multiplication-result",
    "-bugprone-narrowing-conversions",
    "-bugprone-not-null-terminated-result",
    "-bugprone-reserved-identifier", "-cert-dcl37-c", "-cert-dcl51-cpp",
    "-bugprone-sizeof-expression",
    "-cert-err33-c",
    "-cert-err34-c",
    "-clang-analyzer-deadcode.DeadStores",
    "-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling",
    "-clang-analyzer-unix.Malloc",
    "-clang-analyzer-valist.Uninitialized",
    "-performance-no-int-to-ptr",
]
TIDY = ["clang-tidy-14", "--quiet", "--checks=" + ",".join(CHECKS), "--extra-arg=-Wno-unknown-warning-option"]


def listed():
    """the files to look at: not the tests, nor what is compiled for the kernel's own machine, nor the demonstration's attacker"""
    names = subprocess.run(["git", "ls-files", "core/*.c", "sdk/*.c", "plugins/*.c"], check=True, capture_output=True, text=True).stdout.split()
    return [n for n in names if "test_" not in n and not n.endswith(".bpf.c") and "/actor/" not in n]


def digest(paths):
    seen = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as f:
            seen.update(hashlib.sha256(f.read()).digest())
    return seen.hexdigest()


def key(entry, tool):
    """what the findings of a file depend on, as one text; None when the compiler cannot name it"""
    words = shlex.split(entry["command"])
    words = words[: words.index("-o")] + ["-M", entry["file"]]
    made = subprocess.run(words, cwd=entry["directory"], capture_output=True, text=True)
    if made.returncode != 0:
        return None
    paths = made.stdout.split(":", 1)[1].replace("\\\n", " ").split()
    # no path of this checkout, so that what was found can be copied to another one
    return " ".join([tool, digest(os.path.join(entry["directory"], p) for p in paths), entry["command"].replace(os.getcwd() + "/", ""), *TIDY])


def look(name, entry, folder, tool):
    """the findings of one file, as lines"""
    kept = os.path.join(folder, name.replace("/", "%") + ".json")
    now = key(entry, tool)
    if now:
        try:
            with open(kept) as f:
                last = json.load(f)
            if last["key"] == now:
                return last["found"]
        except (OSError, ValueError, KeyError):
            pass
    ran = subprocess.run([*TIDY, "-p", folder, name], capture_output=True, text=True)
    top = os.getcwd() + "/"
    found = sorted({line.replace(top, "") for line in ran.stdout.splitlines() if re.search(r" (warning|error): ", line)})
    if ran.returncode != 0 and not found:
        found = [f"{name}: clang-tidy ended with {ran.returncode}: {ran.stderr.strip()[-300:]}"]
    elif now:
        with open(kept + ".part", "w") as f:
            json.dump({"key": now, "found": found}, f)
        os.replace(kept + ".part", kept)
    return found


def main():
    build = sys.argv[1]
    top = os.getcwd() + "/"
    folder = os.path.join(build, "tidy")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(build, "compile_commands.json")) as f:
        entries = {}
        for entry in json.load(f):  # a file that is in several programs is looked at once
            entries.setdefault(os.path.relpath(entry["file"], top), entry)
    with open(os.path.join(folder, "compile_commands.json"), "w") as f:
        json.dump(list(entries.values()), f)
    with open(subprocess.run(["which", TIDY[0]], check=True, capture_output=True, text=True).stdout.strip(), "rb") as f:
        tool = hashlib.sha256(f.read()).hexdigest()

    names = sys.argv[2:] or listed()
    strange = [n for n in names if n not in entries]
    found = {f"{n}: no program is made of it, so nothing can look at it" for n in strange}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for lines in pool.map(lambda n: look(n, entries[n], folder, tool), [n for n in names if n in entries]):
            found.update(lines)
    for line in sorted(found):
        print(line)
    if found:
        print(f"clang-tidy: {len(found)} findings")
    sys.exit(1 if found else 0)


main()
