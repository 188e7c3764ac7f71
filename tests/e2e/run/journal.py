#!/usr/bin/env python3
"""journal.py MAMORI BUILD - a machine without a syslog daemon: guessing at sshd stands in systemd's journal alone and becomes its incident; what a user
writes there under sshd's name blames nobody; after a restart nothing is told again."""
import os
import shutil
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from lab import AGREED, SENSORS, Lab, case, finish, needs_root  # noqa: E402

MAMORI = sys.argv[1]
WRITER = "/lib/systemd/systemd-journal-remote"
GUESSER, FORGED = "198.51.100.7", "203.0.113.99"


def write(folder, name, rows):
    """Rows of (program, uid, message) as a journal file of their own."""
    out, now = b"", time.time_ns() // 1000
    for i, (program, uid, text) in enumerate(rows):
        text = text.encode()
        out += (f"__REALTIME_TIMESTAMP={now + i}\n__MONOTONIC_TIMESTAMP={now - 1700000000000000 + i}\n_BOOT_ID={'0123456789abcdef' * 2}\n_MACHINE_ID={'fedcba9876543210' * 2}\n"
                f"_HOSTNAME=hub\n_PID={4000 + i}\n_UID={uid}\n_COMM={program if not uid else 'logger'}\nSYSLOG_IDENTIFIER={program}\nPRIORITY=6\nSYSLOG_FACILITY=10\n"
                ).encode() + b"MESSAGE\n" + struct.pack("<Q", len(text)) + text + b"\n\n"
    p = subprocess.run([WRITER, "-o", f"{folder}/{name}.journal", "-"], input=out, capture_output=True)
    os.chmod(f"{folder}/{name}.journal", 0o640)  # as journald has them: root's
    return p.returncode == 0


def guesses(addr, uid):
    return [("sshd", uid, f"Failed password for invalid user u{i} from {addr} port {40000 + i} ssh2") for i in range(12)]


def main():
    needs_root()
    if not os.access(WRITER, os.X_OK):
        print(f"[  SKIPPED ] needs {WRITER} (systemd-journal-remote)")
        return 77
    keep = ("journal", "authfail")
    lab = Lab(MAMORI, [{"plugins": {n: None for n in SENSORS if n not in keep}}, AGREED])
    folder = f"{lab.dir}/journal"
    os.mkdir(folder, 0o755)
    lab.drop_in("20-journal", {"plugins": {"journal": {"config": {"directory": folder, "unless": []}}}})
    try:
        case("the_writer_writes", write(folder, "old", guesses("192.0.2.200", 0)))
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "nft", "endpoint"])), lab.log())
        case("it_says_that_it_reads_the_journal", lab.until(lambda: "journal.mode read=yes" in lab.log()), lab.log())
        case("a_user_writes_under_sshds_name", write(folder, "forged", guesses(FORGED, 1000)))
        case("guessing_is_written", write(folder, "guessed", guesses(GUESSER, 0)))
        case("guessing_gives_its_incident", lab.until(lambda: lab.count("incident") >= 1), lab.log())
        case("it_is_blocked", lab.until(lambda: any(GUESSER in str(b) for b in lab.blocks())), lab.cli("block", "list")[1] + lab.log())
        text = lab.cli("incident", "list", "--json")[1]
        case("nobody_else_is_blamed", FORGED not in text + str(lab.blocks()) and "192.0.2.200" not in text, text)
        n = lab.count("incident")
        case("the_place_reached_is_kept", lab.until(lambda: os.path.exists(f"{lab.dir}/state/plugins/journal/cursor")), lab.log())
        time.sleep(3)  # the next time it is written down
        pid = lab.pid_of("endpoint")
        os.kill(pid, 9)
        case("the_host_comes_back", lab.until(lambda: lab.pid_of("endpoint") not in (None, pid) and lab.is_up(["endpoint"])), lab.log())
        case("what_comes_then_is_found", write(folder, "later", guesses("198.51.100.8", 0)) and
             lab.until(lambda: any("198.51.100.8" in str(b) for b in lab.blocks())), lab.log())
        case("nothing_is_told_again", lab.count("incident") == n + 1, lab.cli("incident", "list")[1])
    finally:
        lab.stop()
    return finish()


sys.exit(main())
