"""day.py - what an office does all day, by the programs that do it: pages over TLS and plain, mail out and in, a file share, updates of packages, a video
call. Each returns whether the work was done, so that a day without incidents is not a day without work."""
import math
import os
import shutil
import subprocess
import sys
import wave

from office import INTERNET, PC1, PC2, until
from samba import Samba

PROGRAMS = ("curl", "wget", "openssl", "apt-get", "dpkg-deb", "aiosmtpd", "dovecot", "smbd", "smbclient", "smbpasswd", "baresip", "unshare")
NAMES = ("www.shop.example", "cdn.shop.example", "mail.office.example", "deb.mirror.example")
PAGES = """
import gzip, http.server, ssl, sys
class H(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path.startswith("/debian/"): return super().do_GET()
        body = (b"<html><link href=/a.css><script src=/b.js></script>" if self.path.endswith("html") else b"/* */") + b"a line of text " * 2000
        packed = "gzip" in self.headers.get("Accept-Encoding", "")
        body = gzip.compress(body) if packed else body
        self.send_response(200); self.send_header("Content-Type", "text/html"); self.send_header("Set-Cookie", "session=0123456789abcdef; Path=/")
        if packed: self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0)); self.send_response(303); self.send_header("Location", "/thanks.html")
        self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), H)
if len(sys.argv) > 2:
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain(sys.argv[2]); s.socket = c.wrap_socket(s.socket, server_side=True)
s.serve_forever()
"""
DOVECOT = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols = imap
ssl = required
ssl_cert = <{dir}/server.pem
ssl_key = <{dir}/server.pem
mail_location = maildir:{dir}/mail
first_valid_uid = 1
passdb {{
  driver = static
  args = password=Kaisha-2026
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={dir}/mail
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = 993
  }}
}}
"""
BARESIP = """
poll_method epoll
sip_listen {addr}:5060
audio_source aufile,{dir}/../voice.wav
audio_player aufile,{dir}/heard.wav
audio_alert aufile,{dir}/alert.wav
audio_channels 1
video_source fakevideo,nil
video_display fakevideo,nil
video_size 352x288
video_bitrate 400000
video_fps 15
rtp_ports 16384-16400
module_path /usr/lib/baresip/modules
module g711.so
module vp8.so
module aufile.so
module fakevideo.so
module_app account.so
module_app menu.so
"""


class Day:
    def __init__(self, office):
        self.o = office
        self.dir = os.path.join(office.dir, "day")
        for d in ("", "mail/tmp", "mail/new", "mail/cur", "state", "web/debian", "deb/DEBIAN", "deb/usr/share/notes", "apt/lists/partial", "apt/archives/partial", "here", "there"):
            os.makedirs(os.path.join(self.dir, d))
        for d in (office.dir, self.dir):  # servers that give up root read below it
            os.chmod(d, 0o755)
        for d in ("mail", "mail/tmp", "mail/new", "mail/cur"):
            shutil.chown(os.path.join(self.dir, d), "nobody", "nogroup")
        self.write("resolv.conf", f"nameserver {INTERNET}\noptions timeout:2 attempts:2\n")

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def at(self, ns, *args, timeout=90):
        """A program at a PC, with the office's name server."""
        return self.o.run(ns, "unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', f"{self.dir}/resolv.conf", *args, timeout=timeout)

    def servers(self, dns):
        o, d = self.o, self.dir
        names = ",".join(f"DNS:{n}" for n in NAMES)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-keyout", f"{d}/key.pem", "-out", f"{d}/ca.pem", "-subj", "/CN=shop.example",
                        "-addext", f"subjectAltName={names}"], check=True, capture_output=True)
        self.write("server.pem", open(f"{d}/key.pem").read() + open(f"{d}/ca.pem").read())
        self.write("dovecot.conf", DOVECOT.format(dir=d))
        self.repository()
        o.serve_python(o.inet, dns, INTERNET)
        for args in (("80",), ("443", f"{d}/server.pem")):
            o.serve(o.inet, "sh", "-c", 'cd "$0" && exec "$@"', f"{d}/web", sys.executable, "-c", PAGES, *args)
        o.run(o.inet, "sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start")
        o.serve(o.inet, "aiosmtpd", "-c", "aiosmtpd.handlers.Mailbox", "-l", "0.0.0.0:25", f"{d}/mail")
        o.serve(o.inet, "dovecot", "-F", "-c", f"{d}/dovecot.conf")
        self.files = Samba(o, o.pc2, PC2)
        with wave.open(f"{d}/voice.wav", "wb") as w:
            w.setparams((1, 2, 8000, 0, "NONE", ""))
            w.writeframes(b"".join(int(8000 * math.sin(i * 0.3) * math.sin(i * 0.0004)).to_bytes(2, "little", signed=True) for i in range(160000)))
        for name, addr in (("here", PC1), ("there", INTERNET)):
            self.write(f"{name}/config", BARESIP.format(addr=addr, dir=f"{d}/{name}"))
            self.write(f"{name}/accounts", f"<sip:{name}@{addr}>;answermode=auto;regint=0\n")
            self.write(f"{name}/contacts", "")
        o.serve(o.inet, "baresip", "-f", f"{d}/there")
        up = "import socket,sys\nsocket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()"
        return self.files.is_up(o.pc1) and all(until(lambda: o.python(o.gw, up, INTERNET, p).returncode == 0) for p in (80, 443, 25, 993))

    def repository(self):
        d = self.dir
        with open(f"{d}/deb/usr/share/notes/notes", "wb") as f:
            f.write(os.urandom(400000))
        self.write("deb/DEBIAN/control", "Package: office-notes\nVersion: 2.1\nArchitecture: all\nMaintainer: nobody <nobody@mirror.example>\nDescription: notes\n")
        subprocess.run(["dpkg-deb", "-b", f"{d}/deb", f"{d}/web/debian/office-notes_2.1_all.deb"], check=True, capture_output=True)
        sums = {h: subprocess.run([f"{h}sum", f"{d}/web/debian/office-notes_2.1_all.deb"], capture_output=True, text=True).stdout.split()[0] for h in ("md5", "sha256")}
        size = os.path.getsize(f"{d}/web/debian/office-notes_2.1_all.deb")
        self.write("web/debian/Packages", f"Package: office-notes\nVersion: 2.1\nArchitecture: all\nMaintainer: nobody <nobody@mirror.example>\nFilename: ./office-notes_2.1_all.deb\n"
                   f"Size: {size}\nMD5sum: {sums['md5']}\nSHA256: {sums['sha256']}\nDescription: notes\n")
        self.write("apt/sources.list", "deb [trusted=yes] http://deb.mirror.example/debian ./\n")

    def browses(self):
        """Pages with what belongs to them, by two programs, over TLS and plain, a form sent, a cookie kept."""
        ok = True
        for ns in (self.o.pc1, self.o.pc2):
            jar = f"{self.dir}/jar"
            for scheme in ("https", "http"):
                for host in NAMES[:2]:
                    urls = [f"{scheme}://{host}/{p}" for p in ("index.html", "a.css", "b.js", "news/today.html?id=17&lang=ja")]
                    p = self.at(ns, "curl", "-sS", "--cacert", f"{self.dir}/ca.pem", "--compressed", "-A", "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0", "-b", jar, "-c", jar,
                                *[x for u in urls for x in ("-o", "/dev/null", u)])
                    ok = ok and p.returncode == 0
            ok = ok and self.at(ns, "curl", "-sSL", "--cacert", f"{self.dir}/ca.pem", "-o", "/dev/null", "--data", "name=Tanaka&order=3 boxes of paper", f"https://{NAMES[0]}/order").returncode == 0
            ok = ok and self.at(ns, "wget", "-q", "--ca-certificate", f"{self.dir}/ca.pem", "-O", "/dev/null", f"https://{NAMES[1]}/report.html").returncode == 0
        return ok

    def mails(self):
        """Sent by SMTP, read by IMAP over TLS."""
        self.write("letter", "From: kei@office.example\r\nTo: aoi@office.example\r\nSubject: lunch\r\n\r\nAt noon?\r\n" + "see the plan below\r\n" * 300)
        for _ in range(3):
            if self.at(self.o.pc1, "curl", "-sS", f"smtp://{NAMES[2]}", "--mail-from", "kei@office.example", "--mail-rcpt", "aoi@office.example", "-T", f"{self.dir}/letter").returncode:
                return False
        p = None
        for box in ("INBOX;MAILINDEX=1", "INBOX;MAILINDEX=3"):
            p = self.at(self.o.pc2, "curl", "-sS", "--cacert", f"{self.dir}/ca.pem", f"imaps://{NAMES[2]}/{box}", "-u", "aoi:Kaisha-2026")
        return p.returncode == 0 and "At noon?" in p.stdout

    def shares(self):
        path = f"{self.dir}/plan.txt"
        self.write("plan.txt", "quarter plan\n" * 4000)
        p = self.files.client(self.o.pc1, f"put {path} plan.txt", "ls", f"get plan.txt {path}.back", "mkdir 2026", "rename plan.txt 2026/plan.txt", "ls 2026/*")
        return p.returncode == 0 and open(path).read() == open(path + ".back").read()

    def updates(self):
        apt = [x for k, v in (("Dir::Etc::sourcelist", "apt/sources.list"), ("Dir::Etc::sourceparts", "none"), ("Dir::State::lists", "apt/lists"), ("Dir::Cache", "apt"),
                              ("Dir::State::status", "apt/status")) for x in ("-o", f"{k}={self.dir}/{v}")]
        self.write("apt/status", "")
        for words in (("update",), ("download", "office-notes")):
            p = self.at(self.o.pc1, "sh", "-c", 'cd "$0" && exec "$@"', f"{self.dir}/apt", "apt-get", "-q", *apt, "-o", "APT::Sandbox::User=root", *words)
            if p.returncode:
                return False
        return os.path.exists(f"{self.dir}/apt/office-notes_2.1_all.deb")

    def calls(self):
        """A call with picture and sound, out and in."""
        p = self.at(self.o.pc1, "baresip", "-f", f"{self.dir}/here", "-t", "10", "-e", f"/dial sip:there@{INTERNET}", timeout=60)
        return "Call established" in p.stdout + p.stderr
