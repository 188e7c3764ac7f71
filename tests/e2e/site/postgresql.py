#!/usr/bin/env python3
"""postgresql.py MAMORI PLUGINS TEST_PLUGINS - the same collector that keeps nothing, before a table of PostgreSQL: another program behind the same
interface. An office counts aloud while the outlet program, the database and the collector are killed; each record is one row, none is lost. A record that the
database can never take is named and holds nobody up."""
import json
import os
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jetstream_lab import Collector, desk
from site_lab import Site, case, play, until, usable

BIN, LAST = "/usr/lib/postgresql/15/bin", 300


class Database:
    """PostgreSQL of its own on a machine of the lab; it does not run as root."""

    def __init__(self, site):
        self.m, self.p = site.machine("db"), None
        site.connect(self.m)
        self.user = pwd.getpwnam("postgres")
        self.dir = tempfile.mkdtemp(prefix="mamori-pg-", dir="/var/tmp")
        os.chown(self.dir, self.user.pw_uid, self.user.pw_gid)
        self.data = os.path.join(self.dir, "data")
        with open(os.path.join(self.dir, "pw"), "w") as f:
            f.write("right-one\n")
        os.chmod(os.path.join(self.dir, "pw"), 0o644)
        self.inside(f"{BIN}/initdb", "-D", self.data, "-A", "scram-sha-256", "-U", "collector", f"--pwfile={self.dir}/pw", "--no-locale", "-E", "UTF8", check=True)
        with open(os.path.join(self.data, "pg_hba.conf"), "a") as f:
            f.write("host all all 10.88.0.0/24 scram-sha-256\n")

    def command(self, *args):
        return ["ip", "netns", "exec", self.m.ns, "setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups", *args]

    def inside(self, *args, **more):
        return subprocess.run(self.command(*args), capture_output=True, text=True, cwd="/", **more)

    def start(self):
        with open(self.m.log_path, "ab") as log:
            self.p = subprocess.Popen(self.command(f"{BIN}/postgres", "-D", self.data, "-h", self.m.address, "-k", self.dir), stdout=log, stderr=log, cwd="/")
        return until(lambda: self.ask("SELECT 1") == ["1"], 60)

    def ask(self, sql):
        p = subprocess.run(self.command(f"{BIN}/psql", "-h", self.m.address, "-U", "collector", "-d", "postgres", "-Atqc", sql), capture_output=True, text=True,
                           env={**os.environ, "PGPASSWORD": "right-one"}, cwd="/")
        return p.stdout.split("\n")[:-1] if p.returncode == 0 else None

    def kill(self):
        """The postmaster; its children end by themselves."""
        with open(os.path.join(self.data, "postmaster.pid")) as f:
            os.kill(int(f.readline()), signal.SIGKILL)
        self.p.wait()

    def end(self):
        if self.p and self.p.poll() is None:
            self.p.send_signal(signal.SIGINT)
            self.p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Engine:
    def __init__(self, database):
        self.database = database

    def urls(self):
        return [f"postgresql://collector@{self.database.m.address}/postgres"]


def run(site, so):
    hub, front = site.machine("hub1"), site.machine("c1")
    for m in (hub, front):
        site.connect(m)
    database, c = Database(site), None
    try:
        hub.configure({"deployment": "none", "trust": {"require": "any"}, "supervise": {"restart_delay": "50ms", "quarantine_after": 1000},
                       "plugins": {"counter": {"plugin": "org.example.counter", "file": os.path.join(so, "counter.so"), "side": "endpoint", "host": "counter",
                                               "config": {"name": "hub1", "every": "60ms", "last": LAST, "grave_every": 5}}}})
        key, sites = desk(front, [("acme", hub)])
        kept, login = os.path.join(site.root, "node.key"), os.path.join(site.root, "login")
        shutil.copy(key, kept)
        shutil.rmtree(front.state)
        with open(login, "w") as f:
            f.write("*:*:*:collector:right-one\n")
        os.chmod(login, 0o600)
        c = Collector(front, kept, sites, Engine(database), engine_login=login, engine_stream="mamori_records")
        c.start()
        case("a_database_that_is_away_is_named", until(lambda: "cannot be reached" in c.log(), 60), c.log())
        case("the_database_comes_up", database.start(), database.m.log())
        case("and_is_found", until(lambda: "outlet.ready" in c.log(), 60), c.log())
        directly(site, database, login)
        hub.start()
        flow(hub, database, c)
    finally:
        if c:
            c.end()
        database.end()


def flow(hub, database, c):
    counted = lambda: {t for l in database.ask("SELECT record->>'message' FROM mamori_records WHERE kind = 'incident'") or [] for t in re.findall(r"counted (\w+-\d+)!", l)}
    case("records_arrive", until(lambda: len(counted()) >= 5, 60), c.log() + hub.log())
    pid = c.outlet("postgresql")
    os.kill(pid, signal.SIGKILL)
    case("the_outlet_is_started_again", until(lambda: (c.outlet("postgresql") or pid) != pid, 30), c.log())
    database.kill()
    time.sleep(2)
    case("the_database_comes_back", until(database.start, 60), database.m.log()[-2000:])
    before = len(counted())
    case("and_it_goes_on", until(lambda: len(counted()) > before, 60), c.log()[-2000:])
    c.kill()
    case("it_kept_nothing", c.kept() == ["node.key"], c.kept())
    c.start()
    want = {f"hub1-{n}" for n in range(1, LAST + 1)}
    case("lost_0", until(lambda: counted() >= want, 120), (sorted(want - counted())[:10], c.log()[-2000:]))
    until(lambda: ((hub.status()["brain"] or {}).get("outbox") or {}).get("@upstream") == 0, 60)
    rows = database.ask("SELECT count(*), count(DISTINCT id), count(DISTINCT record) FROM mamori_records WHERE kind = 'incident'")[0].split("|")
    print(f"rows {rows[0]}, ids {rows[1]}, contents {rows[2]}", flush=True)
    case("doubled_0", rows[0] == rows[1] == rows[2], rows)
    case("whose_it_is_stands_there", database.ask("SELECT DISTINCT site, record->'metadata'->>'tenant_uid' FROM mamori_records WHERE kind = 'incident' AND site <> 'acme.direct'") == ["acme.hub1|acme.hub1"])
    case("the_password_stands_in_no_log", "right-one" not in c.log())
    case("it_ends_cleanly", c.end() == 0, c.log()[-1500:])


def directly(site, database, login):
    """The program alone, by its pipe: records of which the database can never take one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    frame = lambda op, body: struct.pack("=IB", len(body) + 1, op) + body
    pairs = {"engine": Engine(database).urls()[0], "engine_stream": "mamori_records", "engine_login": login, "engine_replicas": "3"}
    keep = theirs.fileno()
    p = subprocess.Popen(["ip", "netns", "exec", database.m.ns, "sh", "-c", f"exec 3<&{keep}; exec \"$0\"", os.path.join(os.path.dirname(site.mamori), "outlets", "postgresql")],
                         pass_fds=[keep], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    theirs.close()
    done, never, buf = set(), {}, b""
    try:
        ours.settimeout(60)
        ours.sendall(frame(1, b"".join(f"{k}\0{v}\0".encode() for k, v in pairs.items())))
        for seq, text in ((1, '{"a":1}'), (2, '{"a":"\\u0000"}'), (3, '{"a":3}'), (4, '{"a":1}')):
            ident = bytes([1 if seq == 4 else seq]) * 16  # the fourth is the first again
            ours.sendall(frame(2, struct.pack("=QQq", seq, seq, 0) + b"\1" + ident + b"acme.direct\0incident\0" + text.encode()))
        while len(done) + len(never) < 4:
            got = ours.recv(65536)
            if not got:
                break
            buf += got
            while len(buf) >= 4 and len(buf) >= 4 + struct.unpack("=I", buf[:4])[0]:
                n = struct.unpack("=I", buf[:4])[0]
                op, body, buf = buf[4], buf[5:4 + n], buf[4 + n:]
                if op == 5:
                    done |= set(struct.unpack(f"={len(body) // 8}Q", body))
                elif op == 6:
                    never[struct.unpack("=Q", body[:8])[0]] = body[8:-1].decode()
        case("what_can_never_be_stored_is_told_with_its_reason", done == {1, 3, 4} and set(never) == {2} and "nicode" in never[2], (done, never))
        case("the_others_stand_there_once", database.ask("SELECT record FROM mamori_records WHERE site = 'acme.direct' ORDER BY number") == ['{"a": 1}', '{"a": 3}'])
        ours.close()
        case("it_ends_when_its_collector_does", p.wait(30) == 0, p.returncode)
    finally:
        ours.close()
        p.wait(30)


def main():
    if not os.path.exists(f"{BIN}/postgres") or not shutil.which("setpriv"):
        print("[  SKIPPED ] needs PostgreSQL 15 and setpriv")
        return 77
    if not usable(sys.argv[2]):
        return 77
    return play("postgresql", lambda root: Site(root, sys.argv[1], sys.argv[2], "10.88.0"), lambda site: run(site, sys.argv[3]))


if __name__ == "__main__":
    sys.exit(main())
