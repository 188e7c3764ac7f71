#!/usr/bin/env python3
"""taken_over.py MAMORI BUILD [program] - a plugin that was taken over (tests/plugins/taken.c; program: taken_program.c, a program of its own) tries what an
intruder would, beside the shipped ones: every try is refused but what it needs to be a plugin; then it floods and fills memory, and only it falls."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lab import Lab, case, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
IS_PROGRAM = sys.argv[3:] == ["program"]
WHAT = {"plugin": "test.takenprogram", "exec": os.path.join(BUILD, "tests", "plugins", "program", "taken_program")} if IS_PROGRAM else \
    {"plugin": "test.taken", "file": os.path.join(BUILD, "tests", "plugins", "so", "taken.so")}
MAY = {"own_folder", "bus_of_itself"} | (set() if IS_PROGRAM else {"own_event"})
VERBS = {"open": "read_store", "connect": "connect_tcp", "kill": "kill_prey", "fork": "fork", "exec": "exec", "ptrace": "ptrace", "write elsewhere": "write_store",
         "bind another's socket": "bind_as_bus_0", "forge another's identity": "bus_of_0"}
# The kernel's memory groups, which `ip netns exec` hides with its own /sys: mounted again, where there are any of version 1.
GROUPS = ["sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup 2>/dev/null && mkdir /sys/fs/cgroup/memory && mount -t cgroup -o memory none /sys/fs/cgroup/memory 2>/dev/null; '
          'exec "$@"', "sh"]
# refused by more than the user, the capabilities and the calls: only where the kernel has Landlock
LANDLOCK = {"write_tmp", "write_shm", "abstract_socket", "read_prey_status"}
IS_SANITIZED = b"__asan_init" in open(MAMORI, "rb").read()
SANITIZED = {"fork", "clone_process", "ptrace"}  # what its leak check needs is left to a sanitized build


def tries(lab):
    path = f"{lab.dir}/state/plugins/taken/tries"
    return dict(l.split(" ", 1) for l in open(path).read().splitlines()) if os.path.exists(path) else None


def main():
    needs_root()
    for p in ("/tmp/taken-was-here", "/dev/shm/taken"):
        if os.path.exists(p):
            os.unlink(p)
    prey = subprocess.Popen(["sleep", "600"])
    lab = Lab(MAMORI, [{"supervise": {"memory_max": "256M", "restart_delay": "100ms", "quarantine_after": 1}}])
    os.symlink(f"/proc/{prey.pid}/status", f"{lab.dir}/prey-status")
    lab.drop_in("50-taken", {"plugins": {"taken": {**WHAT, "config": {"site": "at:" + lab.dir, "prey": str(prey.pid), "ends": "yes",
                                                                     "socket": f"@lab-{os.getpid()}"}}}})
    inside = subprocess.Popen(["ip", "netns", "exec", lab.ns, sys.executable, "-c",
                               f"import socket,time\ns=socket.socket(socket.AF_UNIX)\ns.bind('\\0lab-{os.getpid()}')\ns.listen()\nprint(1,flush=True)\ntime.sleep(600)"],
                              stdout=subprocess.PIPE)
    inside.stdout.readline()
    try:
        lab.start(GROUPS)
        others = ("brain", "network", "endpoint", "nft", "contain", "file")
        case("it_starts", lab.until(lambda: lab.is_up(others), 60), lab.log())
        pids = {n: lab.pid_of(n) for n in others}
        got = lab.until(lambda: tries(lab), 60)
        case("it_tries", got and len(got) > 50, (got, lab.log()))
        box = lab.host("taken").get("sandbox") or {}
        users = not lab.status()["no_users"]
        left = MAY | (set() if box.get("landlock", 0) >= 6 else LANDLOCK) | (SANITIZED if IS_SANITIZED else set())
        print(f"user {box.get('user')}, Landlock {box.get('landlock')} {box.get('no_landlock') or ''}", flush=True)
        print(" ".join(f"{k}:{v}" for k, v in sorted(got.items())), flush=True)
        for verb, name in VERBS.items():
            case(f"tried_{verb.replace(' ', '_')}", name in got or (name[:-1] + "1") in got, sorted(got))
        case("it_has_a_user_of_its_own", users and box.get("user", 0) > 1000, (box, lab.status()["no_users"]))
        for name, what in sorted(got.items()):
            if name in MAY:
                case(f"may_{name}", what == "ok", what)
            elif name not in left:
                case(f"refused_{name}", what not in ("ok", "ENOENT") or name == "read_disk", what)  # ENOENT: it was not even tried
        case("nothing_was_left_behind", not any(os.path.exists(p) for p in ("/tmp/taken-was-here", "/dev/shm/taken", "/etc/cron.d/taken")) or "write_tmp" in left)
        case("the_prey_lives", prey.poll() is None)
        case("the_sockets_of_the_others_are_there", all(os.path.exists(f"{lab.dir}/run/bus/{i}/s") for i in range(6)))
        if IS_PROGRAM:
            case("who_claims_to_be_another_is_refused", lab.until(lambda: lab.log().count("event.refused instance=taken") >= 3, 30), lab.log())
        case("filling_memory_ends_it", lab.until(lambda: lab.host("taken").get("state") == "quarantined", 90), lab.host("taken"))
        case("for_its_memory_or_its_silence", (lab.host("taken").get("last_end") or {}).get("cause") in ("memory", "signal", "stuck"), lab.host("taken"))
        no_groups = lab.status().get("no_ceiling")
        print("memory groups of the kernel:", no_groups or "in force", flush=True)
        if not no_groups and not IS_SANITIZED:
            case("the_kernel_held_it_to_its_ceiling", (lab.host("taken").get("last_end") or {}).get("cause") == "memory", lab.host("taken"))
        case("only_it_fell", all(lab.pid_of(n) == p for n, p in pids.items()), lab.log())
        case("its_loss_is_evidence", lab.until(lambda: lab.count("evidence where kind = 'sensor.lost' and instr(body, 'taken')") > 0, 20), lab.log())
    finally:
        lab.stop()
        for p in (prey, inside):
            p.kill()
            p.wait()
    return finish()


sys.exit(main())
