#!/usr/bin/env python3
"""held.py MAMORI BUILD - a program that encrypts files stands still; then the host that holds it is killed with SIGKILL. The one that is started in its
place lets the program go, watches it and holds it again: nobody stands still for ever because mamori died."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lab import SENSORS, Lab, case, finish, needs_root  # noqa: E402

MAMORI = sys.argv[1]
ATTACK = """
import os, sys, time
for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name), "r+b") as f:
        f.write(os.urandom(8192))
    time.sleep(0.02)
"""


def state(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "-"


def main():
    needs_root()
    lab = Lab(MAMORI, [{"plugins": {n: None for n in SENSORS if n != "ransom"}}, {"supervise": {"restart_delay": "100ms"}}])
    files = f"{lab.dir}/letters"
    os.mkdir(files)
    for i in range(2000):
        with open(f"{files}/letter-{i:04}.txt", "w") as f:
            f.write(f"row of letter {i}\n" * 500)
    lab.drop_in("50-ransom", {"plugins": {"ransom": {"config": {"scope": "netns", "places": [files], "canaries": False, "hold": "30s"}}}})
    program, held = None, f"{lab.dir}/state/plugins/ransom/held"

    def n_encrypted():
        return sum(not open(f"{files}/{n}", "rb").read(4) == b"row " for n in os.listdir(files))

    try:
        lab.start()
        case("it_watches", lab.until(lambda: "ransom.mode" in lab.log(), 60), lab.log())
        program = subprocess.Popen(["ip", "netns", "exec", lab.ns, sys.executable, "-c", ATTACK, files], start_new_session=True)
        case("the_program_stands_still", lab.until(lambda: state(program.pid) == "T", 60), lab.log())
        case("it_is_written_down", lab.until(lambda: os.path.exists(held) and f"\n{program.pid} " in open(held).read(), 30),
             open(held).read() if os.path.exists(held) else "no list")
        pid, before = lab.pid_of("ransom"), n_encrypted()
        os.kill(pid, signal.SIGKILL)
        case("another_host_lets_it_go", lab.until(lambda: "ransom.let_go processes=" in lab.log(), 60), lab.log())
        case("the_host_is_another", lab.until(lambda: lab.pid_of("ransom") not in (None, 0, pid), 30), lab.status())
        case("and_stops_it_again", lab.until(lambda: n_encrypted() > before and state(program.pid) == "T", 60), (state(program.pid), before, n_encrypted(), lab.log()))
        case("after_few_files_more", n_encrypted() < before + 500, (before, n_encrypted()))
        lab.p.send_signal(signal.SIGTERM)
        lab.p.wait(60)
        case("when_mamori_stops_it_goes_on", lab.until(lambda: state(program.pid) != "T", 30), state(program.pid))
        case("and_the_list_is_gone", not os.path.exists(held))
    finally:
        if program:
            program.kill()
            program.wait()
        lab.stop()
    return finish()


sys.exit(main())
