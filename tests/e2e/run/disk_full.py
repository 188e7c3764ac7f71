#!/usr/bin/env python3
"""disk_full.py MAMORI BUILD - the disk of the state folder fills while findings flow: mamori stays, says so, acknowledges nothing it
could not write, blocks nothing it could not write down, and when there is room again nothing is missing."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from lab import AGREED, Lab, case, emitter, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
COUNT, FULL_S = 400, 4


def fill(path):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for size in (65536, 4096, 512, 64, 8, 1):
            try:
                while os.write(fd, b"x" * size):
                    pass
            except OSError:
                pass
    finally:
        os.close(fd)


def main():
    needs_root()
    lab = Lab(MAMORI, [emitter(BUILD, count=COUNT, distinct=COUNT, interval="25ms", delay="2s"), AGREED])
    state = f"{lab.dir}/state"
    os.mkdir(state)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "mamori-test", state]).returncode != 0:
        print("[  SKIPPED ] needs_to_mount")
        sys.exit(77)
    try:
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        case("findings_flow", lab.until(lambda: lab.count("incident") >= 40), lab.log())
        brain = lab.pid_of("brain")
        fill(f"{state}/filler")
        failing = lab.until(lambda: (s := lab.status()) and s.get("brain") and s["brain"]["store_ok"] is False and s, 15)
        case("the_full_disk_is_noticed", failing, lab.log())
        end = time.time() + FULL_S
        while time.time() < end:
            fill(f"{state}/filler")
            time.sleep(0.5)
        s = lab.status() or {}
        case("the_light_is_red_with_the_reason", s.get("light") == "red" and any("disk" in w or "ディスク" in w for w in s["why"]), s.get("why"))
        durable = lab.count("incident")
        case("nothing_more_is_committed", durable < COUNT, durable)
        case("the_brain_stays", lab.pid_of("brain") == brain, lab.log())
        os.unlink(f"{state}/filler")
        got = lab.until(lambda: lab.count("incident") == COUNT, 40)
        case("every_finding_arrives_once_there_is_room", got, f"{lab.count('incident')} of {COUNT}\n{lab.log()}")
        case("the_store_is_well_again", lab.until(lambda: (s := lab.status()) and s.get("brain") and s["brain"]["store_ok"] is True), lab.log())
        case("no_process_was_lost", lab.pid_of("brain") == brain and "child.end" not in lab.log(), lab.log())
        forwarded = lab.until(lambda: len(lab.forwarded()[1]) == COUNT, 30)
        lines, seen = lab.forwarded()
        case("every_incident_is_forwarded", forwarded, f"{len(seen)} of {COUNT}")
        case("forwarded_lines_are_whole_and_once", len(lines) == len(set(lines)) and all(x.startswith("{") and x.endswith("}") for x in lines), len(lines))
        rc, out, err = lab.cli("evidence", "verify", "--state", state)
        case("the_evidence_verifies", rc == 0, out + err)
        refused = lab.count("evidence where kind = 'receipt' and instr(body, 'nothing is done that cannot be written down')")
        case("what_could_not_be_written_down_was_refused_in_words", refused > 0, lab.log())
        blocks = lab.blocks()
        case("every_other_block_is_in_force", len(blocks) >= COUNT - refused - 5, f"{len(blocks)} of {COUNT}, {refused} refused")
        actions = lab.count("action where state in (3, 4)")
        case("the_books_agree_with_the_kernel", actions >= len(blocks), f"{actions} in the books, {len(blocks)} in force")
        print(f"    {durable} durable when full, {refused} blocks refused, {len(blocks)} in force at the end")
    finally:
        lab.p and lab.p.terminate()
        try:
            lab.p and lab.p.wait(20)
        except subprocess.TimeoutExpired:
            lab.p.kill()
        subprocess.run(["umount", "-l", state], capture_output=True)
        lab.stop()
    return finish()


sys.exit(main())
