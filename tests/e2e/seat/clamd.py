#!/usr/bin/env python3
"""clamd.py MAMORI BUILD - a file is written on a watched place: the worker in its sandbox looks into it by the own rules and, where Debian's
clamd is installed, by that too, with a database of one signature made here."""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "..", "run")]
from lab import SENSORS, Lab, case, finish, needs_root  # noqa: E402

MAMORI = sys.argv[1]


def main():
    needs_root()
    lab = Lab(MAMORI, [])
    place = os.path.join(lab.dir, "place")
    os.mkdir(place)
    bad = b"#!/bin/sh\n# a file that only the made-up signature knows\n"
    clamd = None
    try:
        os.mkdir(f"{lab.dir}-clamd")
        os.chmod(f"{lab.dir}-clamd", 0o755)  # plugin hosts are not root
        sock = f"{lab.dir}-clamd/ctl"
        off = {n: None for n in SENSORS if n not in ("files", "yara")}
        lab.drop_in("20-test", {"plugins": {**off, "files": {"host": "endpoint", "config": {"places": [place]}},
                                            "yara": {"plugin": "org.mamori.yara", "host": "endpoint", "config": {"clamd": sock}}}})
        has_clamd = shutil.which("clamd") is not None
        if has_clamd:
            db = f"{lab.dir}/db"
            os.mkdir(db)
            with open(f"{db}/made.hdb", "w") as f:
                f.write(f"{hashlib.md5(bad).hexdigest()}:{len(bad)}:Test.Made.Up\n")
            with open(f"{lab.dir}/clamd.conf", "w") as f:
                f.write(f"DatabaseDirectory {db}\nLocalSocket {sock}\nForeground yes\nUser root\nLogFile {lab.dir}/clamd.log\n")
            clamd = subprocess.Popen(["clamd", "-c", f"{lab.dir}/clamd.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            case("clamd_runs", lab.until(lambda: os.path.exists(sock), 60), open(f"{lab.dir}/clamd.log").read() if os.path.exists(f"{lab.dir}/clamd.log") else "")
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "endpoint"])), lab.log())

        def everything():
            ids = re.findall(r'"id":\s*"([^"]+)"', lab.cli("incident", "list", "--json")[1])
            return "".join(lab.cli("incident", "show", i, "--json")[1] for i in ids)

        def written(name, text, word):
            with open(os.path.join(place, name), "wb") as f:
                f.write(text)
            return lab.until(lambda: word in everything(), 60)
        case("a_web_shell_is_an_incident", written("shell.php", b"<?php @eval($_POST['x']); ?>", "shell.php"), lab.log())
        if has_clamd:
            case("what_clamd_knows_is_an_incident", written("known.sh", bad, "Test.Made.Up"), everything() + lab.log())
        else:
            print("[  SKIPPED ] what_clamd_knows_is_an_incident")
        case("nothing_else_went_wrong", "plugin.misbehaved" not in lab.log() and "worker_ended" not in lab.log(), lab.log())
    finally:
        if clamd:
            clamd.terminate()
            clamd.wait(30)
        lab.stop()
        shutil.rmtree(f"{lab.dir}-clamd", ignore_errors=True)
    return finish()


sys.exit(main())
