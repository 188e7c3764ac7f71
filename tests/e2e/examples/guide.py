#!/usr/bin/env python3
"""guide.py SOURCE BUILD - the author's guide, typed as it stands: mamori is installed into /usr/local of a machine that is a picture of this
one (a mount namespace, an overlay over /, no network), and every command of the two marked lists is run there, in order."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "run"))
from lab import case, finish  # noqa: E402

SOURCE, BUILD = sys.argv[1:3]
guide = open(os.path.join(SOURCE, "docs", "plugin-author.md"), encoding="utf-8").read()


def commands(name):
    text = re.search(r"<!-- guide: %s -->\n\n((?:    .*\n)+)" % name, guide).group(1)
    return [re.split(r"\s{2,}#", line.strip())[0] for line in text.splitlines()]


if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "cmake", "pkg-config", "ip"))):
    print("[  SKIPPED ] needs_root_and_tools")
    sys.exit(77)

first, second = commands("to an incident"), commands("to a signed plugin")
case("under_ten_commands_to_an_incident", len(first) < 10, first)

top = tempfile.mkdtemp(prefix="mamori-guide-")
script = ["set -u", f"mount -t tmpfs tmpfs {top}", f"mkdir {top}/u {top}/w {top}/r",
          f"mount -t overlay overlay -o lowerdir=/,upperdir={top}/u,workdir={top}/w {top}/r || exit 77",
          f"mount --rbind /dev {top}/r/dev; mount -t proc proc {top}/r/proc; mount -t sysfs sysfs {top}/r/sys",
          f"mount -t tmpfs tmpfs {top}/r/usr/local; mount -t tmpfs tmpfs {top}/r/run; mount -t tmpfs -o mode=0700 tmpfs {top}/r/root",
          f"mkdir {top}/r/root/build {top}/r/root/source; mount --rbind {BUILD} {top}/r/root/build; mount --rbind {SOURCE} {top}/r/root/source",
          "ip link set lo up", f"exec chroot {top}/r bash /root/inside"]
# what is linked with a sanitized SDK must be sanitized too
flags = re.search(r"^CMAKE_C_FLAGS:[A-Z]+=(.*)$", open(os.path.join(BUILD, "CMakeCache.txt")).read(), re.M).group(1)
inside = ["set -u", f"export CFLAGS='{flags if '-fsanitize' in flags else ''}'", "cd /root", "rm -rf /etc/mamori /var/lib/mamori", f"mkdir -p {os.path.dirname(BUILD)}; export PATH=/usr/local/bin:$PATH",
          f"cmake --install {BUILD} --prefix /usr/local >/root/install.log 2>&1 || {{ tail -3 /root/install.log; exit 77; }}",
          "export PKG_CONFIG_PATH=$(dirname $(find /usr/local -name mamori-sdk.pc))"]
for n, c in enumerate(first):
    if c.startswith("mamori incident list"):
        inside += ["for i in $(seq 90); do out=$(%s); case $out in *'back door'*) break;; esac; sleep 1; done" % c, 'echo "$out"',
                   "case $out in *'back door'*) echo DONE %d 0;; *) echo DONE %d 1; tail -5 /root/run.log;; esac" % (n, n)]
    elif c.endswith("&"):
        inside += [f"({c[:-1]}) >/root/run.log 2>&1 &", "run=$!",
                   "for i in $(seq 90); do mamori status --json 2>/dev/null | grep -q '\"name\":\"beacon\",\"state\":\"running\"' && break; sleep 1; done",
                   f"mamori status --json | grep -q '\"name\":\"beacon\",\"state\":\"running\"'; echo DONE {n} $?"]
    else:
        inside += [c, f"echo DONE {n} $?"]
for n, c in enumerate(second):
    inside += [c, f"echo DONE {100 + n} $?"]
inside += ["kill $run 2>/dev/null", "wait $run 2>/dev/null"]
try:
    # the two scripts go in through descriptors of the outer shell: nothing is written into the picture but by the guide
    body = "\n".join(script[:-1]) + f"\ncat >{top}/r/root/inside <<'INSIDE'\n" + "\n".join(inside) + "\nINSIDE\n" + script[-1] + "\n"
    p = subprocess.run(["unshare", "-m", "-n", "-p", "-f", "--kill-child", "--propagation", "private", "bash", "-c", body], capture_output=True,
                       timeout=380)
    said = (p.stdout + p.stderr).decode("utf-8", "replace")
    if p.returncode == 77:
        print("[  SKIPPED ] no_overlay_or_not_everything_is_built\n" + said[-500:])
        sys.exit(77)
    done = dict(m.groups() for m in re.finditer(r"^DONE (\d+) (\d+)$", said, re.M))
    for n, c in [*enumerate(first), *((100 + n, c) for n, c in enumerate(second))]:
        case("guide_" + re.sub(r"[^a-z0-9]+", "_", c.lower()).strip("_")[:60], done.get(str(n)) == "0", said)
    case("the_incident_says_what_was_written", "back door" in said, said)
    part = said.split("DONE 104 0")[-1].split("DONE 105 0")[0]
    case("the_registration_names_the_author_who_signed", re.search(r"^  signed +[0-9A-F]{16} of A\. Person$", part, re.M) is not None, part)
finally:
    shutil.rmtree(top, ignore_errors=True)
sys.exit(finish())
