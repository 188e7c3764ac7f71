#!/usr/bin/env python3
"""senders.py MAMORI BUILD - rsyslog as Debian has it sends over plain TCP, TLS with certificates, and RELP plain and over TLS; a forward
client with a shared key, plain and over TLS: what they send is judged, what a sender may not say is refused."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "run")]
from forwarder import chunk_lines  # noqa: E402
from lab import SENSORS, Lab, case, finish, needs_root  # noqa: E402

MAMORI = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))


def certificates(where):
    def run(*a):
        subprocess.run(["openssl", *a], check=True, capture_output=True, cwd=where)
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test office")
    for name in ("hub", "srv1", "other"):
        run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        with open(os.path.join(where, "ext"), "w") as f:
            f.write(f"subjectAltName=DNS:{name}\n")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", "ext")
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "stranger.key", "-out", "stranger.pem", "-days", "2", "-subj", "/CN=srv1")


class Rsyslog:
    """One rsyslogd of the test's own: lines given to it go out by one action."""

    def __init__(self, lab, name, action, glob=""):
        self.dir = os.path.join(lab.dir, name)
        os.mkdir(self.dir)
        self.port = {"plain": 7001, "tls": 7002, "relp": 7003, "stranger": 7004, "relp_tls": 7005}[name]
        conf = os.path.join(self.dir, "conf")
        with open(conf, "w") as f:
            f.write(f'global(workDirectory="{self.dir}" {glob})\nmodule(load="imptcp")\nmodule(load="omrelp")\n'
                    f'input(type="imptcp" port="{self.port}" address="127.0.0.1" ruleset="out")\n'
                    f'ruleset(name="out") {{ action({action} action.resumeRetryCount="-1" action.resumeInterval="1") }}\n')
        self.p = subprocess.Popen(["ip", "netns", "exec", lab.ns, "rsyslogd", "-n", "-f", conf, "-i", os.path.join(self.dir, "pid")],
                                  stdout=open(os.path.join(self.dir, "log"), "w"), stderr=subprocess.STDOUT)

    def give(self, lab, lines):
        subprocess.run(["ip", "netns", "exec", lab.ns, sys.executable, "-c",
                        "import socket,sys,time\n"
                        "for i in range(100):\n"
                        "  try:\n    s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); break\n"
                        "  except OSError: time.sleep(0.1)\n"
                        "s.sendall(sys.stdin.buffer.read())", str(self.port)], input="".join(l + "\n" for l in lines).encode(), check=True)

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        try:
            self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()


def guessed(lab, addr):
    """An incident about this address is in the store."""
    rc, out, _ = lab.cli("incident", "list", "--json")
    return addr in out


def main():
    needs_root()
    if not shutil.which("rsyslogd") or not shutil.which("openssl"):
        print("[  SKIPPED ] needs_rsyslog_and_openssl")
        sys.exit(77)
    off = {n: None for n in SENSORS if n != "authfail"}
    lab = Lab(MAMORI, [])
    senders = []
    try:
        certificates(lab.dir)
        with open(f"{lab.dir}/keys", "w") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write("fwd a-long-shared-key\n")
        tls = {"cert": f"{lab.dir}/hub.pem", "key": f"{lab.dir}/hub.key", "ca": f"{lab.dir}/ca.pem"}
        lab.drop_in("20-test", {"plugins": {**off, "authfail": {"host": "seats"}, "seat": {
            "plugin": "org.mamori.seat", "host": "seats", "config": {
                "listen": ["tcp://127.0.0.1:6514", "tls://127.0.0.1:6515", "relp://127.0.0.1:6516", "forward://127.0.0.1:6517",
                           "forward+tls://127.0.0.1:6518", "relp+tls://127.0.0.1:6519"],
                "senders": ["addr:127.0.0.1 srv1", "cert:srv1 srv1", "key:fwd srv1 tool=rsyslog"], "keys": f"{lab.dir}/keys", **tls}}},
            "assets": {"srv1": {"important_info": "yes", "role": "server"}, "pc9": {"important_info": "yes"}, "printer": {"role": "printer"}}})
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "seats"])), lab.log())

        def driver(own):
            return (f'defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{lab.dir}/ca.pem" '
                    f'defaultNetstreamDriverCertFile="{lab.dir}/{own}.pem" defaultNetstreamDriverKeyFile="{lab.dir}/{own}.key"')
        omfwd = 'type="omfwd" target="127.0.0.1" protocol="tcp" template="RSYSLOG_ForwardFormat" '
        over_tls = omfwd + 'port="6515" streamDriver="ossl" streamDriverMode="1" streamDriverAuthMode="x509/name" streamDriverPermittedPeers="hub"'
        senders.append(Rsyslog(lab, "plain", omfwd + 'port="6514" tcp_framing="octet-counted"'))
        senders.append(Rsyslog(lab, "tls", over_tls, driver("srv1")))
        senders.append(Rsyslog(lab, "relp", 'type="omrelp" target="127.0.0.1" port="6516" template="RSYSLOG_ForwardFormat"'))
        senders.append(Rsyslog(lab, "stranger", over_tls, driver("stranger")))
        senders.append(Rsyslog(lab, "relp_tls", 'type="omrelp" target="127.0.0.1" port="6519" template="RSYSLOG_ForwardFormat" tls="on" '
                               f'tls.caCert="{lab.dir}/ca.pem" tls.myCert="{lab.dir}/srv1.pem" tls.myPrivKey="{lab.dir}/srv1.key" '
                               'tls.authMode="name" tls.permittedPeer=["hub"]'))
        senders[4].give(lab, chunk_lines(40))
        case("rsyslog_over_relp_with_certificates", lab.until(lambda: guessed(lab, "198.18.0.41")), open(os.path.join(senders[4].dir, "log")).read() + lab.log())
        for i, (s, name) in enumerate(zip(senders, ("plain_tcp", "tls_with_certificates", "relp"))):
            s.give(lab, chunk_lines(i))
            case(f"rsyslog_over_{name}", lab.until(lambda: guessed(lab, f"198.18.0.{i + 1}")), open(os.path.join(s.dir, "log")).read() + lab.log())
        senders[3].give(lab, chunk_lines(10))
        case("a_certificate_of_another_signer_is_refused", lab.until(lambda: "seat.unknown_sender" in lab.log()), lab.log())
        case("and_what_it_sent_is_not_taken", not guessed(lab, "198.18.0.11"), lab.log())

        def forward(key, chunks, done, *over, port="6517"):
            return subprocess.run(["ip", "netns", "exec", lab.ns, sys.executable, f"{HERE}/forwarder.py", "127.0.0.1", port, "fwd", key, str(chunks), done, *over],
                                  capture_output=True, text=True, timeout=100)
        with open(f"{lab.dir}/done", "w") as f:
            f.write("".join(f"chunk-{i}\n" for i in range(20)))  # only numbers 20 and 21 are left
        p = forward("a-long-shared-key", 22, f"{lab.dir}/done")
        case("forward_with_a_shared_key", p.returncode == 0 and lab.until(lambda: guessed(lab, "198.18.0.21") and guessed(lab, "198.18.0.22")), p.stderr + lab.log())
        p = forward("another-key", 1, f"{lab.dir}/none")
        case("a_wrong_key_is_refused", p.returncode != 0 and "shared key mismatch" in p.stderr, p.stderr)
        with open(f"{lab.dir}/done-tls", "w") as f:
            f.write("".join(f"chunk-{i}\n" for i in range(50)))
        p = forward("a-long-shared-key", 52, f"{lab.dir}/done-tls", "0", lab.dir, port="6518")
        case("forward_over_tls_with_a_shared_key", p.returncode == 0 and lab.until(lambda: guessed(lab, "198.18.0.51") and guessed(lab, "198.18.0.52")), p.stderr + lab.log())
        p = forward("another-key", 1, f"{lab.dir}/none", "0", lab.dir, port="6518")
        case("a_wrong_key_is_refused_over_tls_too", p.returncode != 0 and "shared key mismatch" in p.stderr, p.stderr)

        senders[0].give(lab, [l.replace("srv1", "accounting") for l in chunk_lines(30)])
        case("a_machine_the_sender_may_not_speak_for_is_named", lab.until(lambda: "speaks for 'accounting'" in lab.log()), lab.log())
        case("and_blames_nobody", not guessed(lab, "198.18.0.31"), lab.log())
        rc, out, err = lab.cli("coverage", "ep", "--json")
        c = json.loads(out) if rc == 1 else {}
        case("a_seat_that_is_heard_counts_and_one_that_is_not_is_a_gap", c.get("have") == 1 and c.get("want") == 2 and [g["name"] for g in c["gaps"]] == ["pc9"], out + err)
        rc, out, err = lab.cli("inventory", "--json")
        inv = json.loads(out) if rc == 0 else {"machines": [], "this_machine": {}}
        by = {m["name"]: m for m in inv["machines"]}
        case("the_inventory_names_machines_marks_and_watchers",
             by.get("srv1", {}).get("agent") == "seat" and by["srv1"]["agent_state"] == "up" and by["srv1"]["important_info"] == "yes" and by["pc9"]["agent"] == "none", out + err)
        case("and_the_software_and_users_of_this_machine",
             any(p["name"] == "libc6" and p["version"] for p in inv["this_machine"].get("software", [])) and any(u["name"] == "root" for u in inv["this_machine"].get("users", [])), out[:500])
        case("nothing_else_went_wrong", "plugin.misbehaved" not in lab.log() and lab.is_up(["brain", "seats"]), lab.log())
    finally:
        for s in senders:
            s.stop()
        lab.stop()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
