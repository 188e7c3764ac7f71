#!/usr/bin/env python3
"""killed.py MAMORI BUILD [tls] - kill -9 of either end while chunks are sent: the listener's process, the brain, and the sender, again and again.
Every chunk that was acknowledged is in the store."""
import os
import random
import re
import signal
import subprocess
import sys
import time

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "run")]
from lab import SENSORS, Lab, case, finish, needs_root  # noqa: E402
from senders import certificates  # noqa: E402

MAMORI = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
CHUNKS = 150
IS_TLS = sys.argv[3:] == ["tls"]


def main():
    needs_root()
    random.seed(5)
    off = {n: None for n in SENSORS if n != "authfail"}
    lab = Lab(MAMORI, [])
    sender = None
    try:
        if IS_TLS:
            certificates(lab.dir)
        with open(f"{lab.dir}/keys", "w") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write("fwd a-long-shared-key\n")
        lab.drop_in("20-test", {"plugins": {**off, "authfail": {"host": "seats"}, "seat": {
            "plugin": "org.mamori.seat", "host": "seats",
            "config": {"listen": ["forward+tls://127.0.0.1:6517" if IS_TLS else "forward://127.0.0.1:6517"], "senders": ["key:fwd srv1"], "keys": f"{lab.dir}/keys",
                       **({"cert": f"{lab.dir}/hub.pem", "key": f"{lab.dir}/hub.key", "ca": f"{lab.dir}/ca.pem"} if IS_TLS else {})}}},
            "supervise": {"quarantine_after": 1000, "restart_delay": "50ms"}})
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "seats"])), lab.log())
        done = f"{lab.dir}/done"

        def start():
            return subprocess.Popen(["ip", "netns", "exec", lab.ns, sys.executable, f"{HERE}/forwarder.py", "127.0.0.1", "6517", "fwd", "a-long-shared-key",
                                     str(CHUNKS), done, "0.1", *([lab.dir] if IS_TLS else [])], stderr=subprocess.PIPE)
        sender = start()
        kills = {"seats": 0, "brain": 0, "sender": 0}
        end = time.time() + 150
        while sender.poll() is None and time.time() < end:
            time.sleep(random.uniform(0.3, 0.9))
            victim = random.choice(list(kills))
            if sum(kills.values()) >= 24:
                continue  # and now it may end
            if victim == "sender":
                sender.kill()
                sender.wait()
                sender = start()
            else:
                pid = lab.pid_of(victim)
                if not pid:
                    continue
                os.kill(pid, signal.SIGKILL)
            kills[victim] += 1
        case("each_end_was_killed", all(kills.values()), kills)
        case("the_sender_came_to_its_end", sender.poll() == 0, sender.stderr.read() if sender.poll() is not None else lab.log())
        acked = open(done).read().split()
        case("every_chunk_was_acknowledged", len(set(acked)) == CHUNKS, len(set(acked)))
        lab.until(lambda: lab.is_up(["brain", "seats"]))

        def missing():
            _, out, _ = lab.cli("incident", "list", "--json")
            there = set(re.findall(r"198\.18\.\d+\.\d+", out))
            return [i for i in range(CHUNKS) if f"198.18.{i // 250}.{i % 250 + 1}" not in there]
        left = missing()
        case("nothing_acknowledged_is_lost", not left, f"{lab.log()[-2000:]}\n{len(left)} of {CHUNKS} missing: {left[:20]}")
    finally:
        if sender and sender.poll() is None:
            sender.kill()
            sender.wait()
        lab.stop()
    return finish()


sys.exit(main())
