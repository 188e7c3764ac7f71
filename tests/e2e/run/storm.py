#!/usr/bin/env python3
"""storm.py MAMORI BUILD - 50 reloads in 10 s with good and bad configurations in turn, and a control socket that is asked by many and
fed with rubbish: never down, always one whole configuration."""
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from lab import AGREED, Lab, case, emitter, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
GOOD = ("plugins: {nft: {config: {sweep: 7s}}}\n", "plugins: {nft: {config: {sweep: 9s}}}\n", "correlate: {window: 25m}\n")
BAD = ("plugins: {nft: {config: {sweeep: 9s}}}\n", "a: [\n", "plugins: {nft: {config: {sweep: 1}}}\ndefence: {mode: sometimes}\n", "\0\0\0", "x: &a [*a]\n")
COUNT = 300


def storm(lab):
    """Whole files are put in place at once, as a careful administrator does."""
    n_down = 0
    for i in range(50):
        text = GOOD[i // 2 % 3] if i % 2 == 0 else BAD[i // 2 % 5]
        with open(f"{lab.dir}/next", "w") as f:
            f.write(text)
        os.rename(f"{lab.dir}/next", f"{lab.site}/40-storm.yaml")
        lab.p.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        n_down += lab.p.poll() is not None
    return n_down


def rubbish(lab):
    path = f"{lab.dir}/run/control.sock"
    rng = random.Random(7)
    says = [b"", b"\n" * 1000, b"{", b"{}\n", b"null\n", b"[]\n", b'{"command":1}\n', b'{"command":"status","args":[]}\n', b'{"command":"../../x"}\n',
            b'{"command":"block.undo","args":{"id":"zz"}}\n', b'{"command":"' + b"a" * 70000 + b'"}\n', b"[" * 60000 + b"\n", b"\xff\xfe\0\0" * 9999,
            b'{"command":"status"}\n' * 500, b'{"command":"responders.stop","args":{"x":' + b"[" * 400 + b"]" * 400 + b"}}\n"]
    says += [bytes(rng.randrange(256) for _ in range(rng.randrange(1, 3000))) + b"\n" for _ in range(60)]
    kept = []
    for s in says:
        c = socket.socket(socket.AF_UNIX)
        c.settimeout(3)
        try:
            c.connect(path)
            c.sendall(s)
            if rng.random() < 0.4:
                c.recv(100)
        except OSError:
            pass
        if rng.random() < 0.2:
            kept.append(c)  # and stays, and says nothing more
        else:
            c.close()
    return kept


def main():
    needs_root()
    lab = Lab(MAMORI, [emitter(BUILD, count=COUNT, distinct=COUNT, interval="30ms", delay="1s"), AGREED,
                       {"supervise": {"quarantine_after": 1000}}])
    try:
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        pids = {n: lab.pid_of(n) for n in ("file", "emitter")}  # what nft is told needs a new start of it alone
        case("never_down_in_a_storm_of_reloads", storm(lab) == 0, lab.log())
        said = lab.until(lambda: "applied=no" in lab.log() and "applied=yes" in lab.log(), 15)
        case("good_ones_apply_and_bad_ones_are_refused", said, lab.log())
        with open(f"{lab.site}/40-storm.yaml", "w") as f:
            f.write("correlate: {window: 33m}\nplugins: {nft: {config: {sweep: 11s}}}\n")
        for _ in range(5):
            lab.p.send_signal(signal.SIGHUP)
        n = lab.log().count("applied=yes")
        lab.until(lambda: lab.log().count("applied=yes") > n, 15)
        case("everything_runs_after_it", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        rc, out, err = lab.cli("reload")
        lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"]))
        case("the_last_configuration_is_the_one_in_force", rc == 0 and "new settings" not in out + err and "started again" not in out + err, f"{rc} {out} {err}")
        case("hosts_outlived_the_storm", all(lab.pid_of(n) == p for n, p in pids.items()), f"{pids}\n{lab.log()}")

        kept = rubbish(lab)
        case("rubbish_on_the_control_socket_does_no_harm", lab.until(lambda: lab.is_up(["brain", "nft", "file", "emitter"])), lab.log())
        many = [subprocess.Popen(["ip", "netns", "exec", lab.ns, MAMORI, "status", "--json", "--config", lab.site], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE) for _ in range(100)]
        answers = [(p.communicate(timeout=60), p.returncode) for p in many]

        def is_good(a):
            try:
                return a[1] in (0, 1) and json.loads(a[0][0].splitlines()[0]).get("brain") is not None
            except (ValueError, IndexError):
                return False
        bad = [a for a in answers if not is_good(a)]
        case("a_hundred_ask_at_once_and_all_are_answered", not bad, f"{len(bad)} of 100 were not: {bad[:3]}")
        for c in kept:
            c.close()
        case("the_supervisor_stays_small", int(open(f"/proc/{lab.p.pid}/statm").read().split()[1]) * 4096 < 96 << 20, open(f"/proc/{lab.p.pid}/statm").read())
        case("every_finding_is_an_incident_once", lab.until(lambda: lab.count("incident") == COUNT, 30), lab.count("incident"))
        rc, out, err = lab.cli("evidence", "verify", "--state", f"{lab.dir}/state")
        case("the_evidence_verifies", rc == 0, out + err)
    finally:
        lab.stop()
    return finish()


sys.exit(main())
