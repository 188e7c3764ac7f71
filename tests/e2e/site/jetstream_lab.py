"""jetstream_lab.py - a cluster of NATS servers with JetStream on machines of the lab, a client for it, and collectors that keep nothing."""
import base64
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time

from site_lab import until

CLONE_NEWNET = 0x40000000


def in_namespace(ns, what):
    """what() as seen from a network namespace; sockets made in it stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as own, open(f"/run/netns/{ns}", "rb") as other:
        if libc.setns(other.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return what()
        finally:
            libc.setns(own.fileno(), CLONE_NEWNET)


class Client:
    """The few words of the NATS protocol that a test needs."""

    def __init__(self, ns, address, port=4222):
        self.s = in_namespace(ns, lambda: socket.create_connection((address, port), 5))
        self.s.settimeout(10)
        self.buf, self.n = b"", 0
        self.info = json.loads(self.line().split(b" ", 1)[1])
        self.s.sendall(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"lang":"test","version":"1"}\r\nSUB _T.> 1\r\n')

    def line(self):
        while b"\r\n" not in self.buf:
            got = self.s.recv(65536)
            if not got:
                raise OSError("the server closed the connection")
            self.buf += got
        head, self.buf = self.buf.split(b"\r\n", 1)
        return head

    def exactly(self, n):
        while len(self.buf) < n:
            got = self.s.recv(65536)
            if not got:
                raise OSError("the server closed the connection")
            self.buf += got
        body, self.buf = self.buf[:n], self.buf[n:]
        return body

    def answers(self, count):
        """reply subject: JSON or None"""
        got = {}
        while len(got) < count:
            w = self.line().split(b" ")
            if w[0] == b"PING":
                self.s.sendall(b"PONG\r\n")
            elif w[0] in (b"MSG", b"HMSG"):
                total, head = int(w[-1]), int(w[-2]) if w[0] == b"HMSG" else 0
                body = self.exactly(total + 2)[head:total]
                got[w[1].decode()] = json.loads(body) if body else None
            elif w[0] == b"-ERR":
                raise OSError(b" ".join(w).decode())
        return got

    def ask_all(self, requests):
        """[(subject, object)] -> answers in the same order"""
        names, out = [], b""
        for subject, what in requests:
            self.n += 1
            names.append(f"_T.{self.n}")
            body = json.dumps(what).encode() if what is not None else b""
            out += f"PUB {subject} _T.{self.n} {len(body)}\r\n".encode() + body + b"\r\n"
        self.s.sendall(out)
        got = self.answers(len(names))
        return [got[n] for n in names]

    def ask(self, subject, what=None):
        return self.ask_all([(subject, what)])[0]

    def close(self):
        self.s.close()


class Server:
    """A nats-server on a machine of the lab."""

    def __init__(self, machine, number):
        self.m, self.number, self.p = machine, number, None
        self.store = os.path.join(machine.dir, "js")

    def start(self, others, more=""):
        conf = os.path.join(self.m.dir, "nats.conf")
        routes = ", ".join(f'"nats://{o.m.address}:6222"' for o in others)
        with open(conf, "w") as f:
            f.write(f"server_name: {self.m.name}\nlisten: {self.m.address}:4222\nhttp: {self.m.address}:8222\njetstream {{ store_dir: \"{self.store}\" }}\n"
                    + (f"cluster {{ name: lab, listen: {self.m.address}:6222, routes: [{routes}] }}\n" if others else "") + more)
        with open(self.m.log_path, "ab") as log:
            self.p = subprocess.Popen(["ip", "netns", "exec", self.m.ns, "nats-server", "-c", conf], stdout=log, stderr=log)

    def kill(self):
        os.kill(self.p.pid, signal.SIGKILL)
        self.p.wait()

    def end(self):
        if self.p and self.p.poll() is None:
            self.p.kill()
            self.p.wait()


class Cluster:
    def __init__(self, site, names):
        self.servers = [Server(site.machine(n), i) for i, n in enumerate(names)]
        for s in self.servers:
            site.connect(s.m)

    def start(self, which=None):
        for s in self.servers if which is None else [which]:
            s.start([o for o in self.servers if o is not s])

    def urls(self):
        return [f"nats://{s.m.address}:4222" for s in self.servers]

    def client(self):
        for s in self.servers:
            if s.p and s.p.poll() is None:
                try:
                    return Client(s.m.ns, s.m.address)
                except OSError:
                    continue
        return None

    def asked(self, subject, what=None):
        """The answer, or None when there is none now."""
        try:
            c = self.client()
            if not c:
                return None
            try:
                return c.ask(subject, what)
            finally:
                c.close()
        except (OSError, ValueError):
            return None

    def is_up(self):
        a = self.asked("$JS.API.INFO")
        return bool(a) and "error" not in a

    def stream(self, name="mamori"):
        a = self.asked(f"$JS.API.STREAM.INFO.{name}")
        return a if a and "error" not in a else None

    def messages(self, name="mamori"):
        """Everything in the stream, in its order: dicts with seq, subject, headers, json. Asked again when servers change their leader meanwhile."""
        for _ in range(6):
            try:
                return self.read(name)
            except OSError:
                time.sleep(1)
        return []

    def read(self, name):
        info = self.stream(name)
        out = []
        if not info:
            return out
        c = self.client()
        first, last = info["state"]["first_seq"], info["state"]["last_seq"]
        for at in range(first, last + 1, 200):
            for a in c.ask_all([(f"$JS.API.STREAM.MSG.GET.{name}", {"seq": k}) for k in range(at, min(at + 200, last + 1))]):
                m = (a or {}).get("message")
                if not m:
                    continue
                head = base64.b64decode(m.get("hdrs", "")).decode()
                headers = dict(l.split(": ", 1) for l in head.split("\r\n")[1:] if ": " in l)
                out.append({"seq": m["seq"], "subject": m["subject"], "headers": headers, "json": json.loads(base64.b64decode(m.get("data", "")) or b"null")
                            if "Mamori-Part" not in headers else base64.b64decode(m["data"])})
        c.close()
        return out

    def leader(self, name="mamori"):
        info = self.stream(name)
        who = ((info or {}).get("cluster") or {}).get("leader")
        return next((s for s in self.servers if s.m.name == who), None)

    def end(self):
        for s in self.servers:
            s.end()


class Collector:
    """`mamori upstream` that keeps nothing, on a machine of the lab: its key and its configuration are all that is there."""

    def __init__(self, machine, key, sites, cluster, metrics=None, **more):
        self.m, self.p = machine, None
        os.makedirs(machine.state, exist_ok=True)
        shutil.copy(key, os.path.join(machine.state, "node.key"))
        os.chmod(os.path.join(machine.state, "node.key"), 0o600)
        machine.configure({"deployment": "none", "site": {"listen": f"tcp://{machine.address}:7500"}, **({"metrics": {"listen": metrics}} if metrics else {}),
                           "collector": {"engine": cluster.urls(), "sites": sites, **more}})

    def start(self):
        with open(self.m.log_path, "ab") as log:
            self.p = subprocess.Popen(self.m.command("upstream", "--config", self.m.site), stdout=log, stderr=log)

    def outlet(self, name="nats"):
        """The pid of its outlet program, or None."""
        try:
            with open(f"/proc/{self.p.pid}/task/{self.p.pid}/children") as f:
                for pid in f.read().split():
                    if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == name:
                        return int(pid)
        except OSError:
            pass
        return None

    def kill(self):
        os.kill(self.p.pid, signal.SIGKILL)
        self.p.wait()

    def log(self):
        return self.m.log()

    def kept(self):
        return sorted(os.listdir(self.m.state))

    def end(self):
        if self.p and self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
            try:
                return self.p.wait(30)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        return self.p.returncode if self.p else None


def is_there():
    if shutil.which("nats-server"):
        return True
    print("[  SKIPPED ] needs nats-server")
    return False


def desk(machine, hubs):
    """Sites join at a collector with a store, once; what it knows of them is a file. Returns (key file, sites file) or the reason why not."""
    machine.configure({"deployment": "none", "site": {"listen": f"tcp://{machine.address}:7500"}})
    with open(machine.log_path, "ab") as log:
        p = subprocess.Popen(machine.command("upstream", "--config", machine.site), stdout=log, stderr=log)
    try:
        if not until(lambda: "collector.ready" in machine.log(), 60):
            return None, machine.log()
        for tenant, h in hubs:
            rc, out, err = machine.cli3("token", "new", "--name", f"{tenant}.{h.name}")
            rc, out, err = h.cli3("upstream", "join", out.strip(), "--json") if rc == 0 else (rc, out, err)
            if rc != 0:
                return None, err
        rc, out, err = machine.cli3("upstream", "sites")
        if rc != 0:
            return None, err
    finally:
        p.send_signal(signal.SIGTERM)
        p.wait()
    path = os.path.join(machine.lab.root, "sites")
    with open(path, "w") as f:
        f.write(out)
    return os.path.join(machine.state, "node.key"), path


def order_faults(messages):
    """First occurrences that stand behind a later record of the same site and lane."""
    seen, last, bad = set(), {}, []
    for m in messages:
        i = m["headers"]["Nats-Msg-Id"]
        if i in seen or m["subject"].endswith((".presence", ".checkpoint")):
            continue
        seen.add(i)
        lane, number = m["subject"].rsplit(".", 1)[0], int(m["headers"]["Mamori-Number"])
        if number < last.get(lane, 0):
            bad.append((lane, number, last[lane]))
        last[lane] = max(last.get(lane, 0), number)
    return bad


def settled(cluster, is_enough, limit_s=240):
    """The stream's messages once is_enough(messages)."""
    end = time.time() + limit_s
    got = []
    while time.time() < end:
        got = cluster.messages()
        if is_enough(got):
            return got, True
        time.sleep(1)
    return got, False
