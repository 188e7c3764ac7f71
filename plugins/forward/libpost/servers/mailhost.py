#!/usr/bin/env python3
"""mailhost.py DIR - a mail machine of other makers on loopback: exim4 as the relay (it knows delivery status notices) and dovecot over its
mailboxes. Says the relay's port; the IMAP port (TLS from the start) stands in DIR/imap. Mail for 'mamori', 'owner' and 'away' at example.test is delivered into DIR/box/NAME,
to 'gone' it fails, and 'away' answers by a program. User 'mamori', password 'correct-horse'. Needs root: its mailboxes belong to exim's user."""
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time

from common import certificate, ready, skip

DIR = sys.argv[1]
EXIM, DOVECOT = shutil.which("exim4") or "/usr/sbin/exim4", shutil.which("dovecot") or "/usr/sbin/dovecot"
if os.geteuid() != 0:
    skip("a mail machine needs root")
for p in (EXIM, DOVECOT, "/usr/lib/dovecot/imap"):
    if not os.path.exists(p):
        skip(f"{p} is not here")
USER = pwd.getpwnam("Debian-exim")  # with a configuration of its own exim cannot become another one
os.chmod(DIR, 0o755)
cert, key = certificate(DIR)
for name, user in (("box", USER), ("spool", USER), ("log-exim", USER)):
    os.mkdir(os.path.join(DIR, name), 0o700)
    os.chown(os.path.join(DIR, name), user.pw_uid, user.pw_gid)


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


SMTP, IMAP = port(), port()
with open(os.path.join(DIR, "exim.conf"), "w", encoding="utf-8") as f:
    f.write(f"""primary_hostname = relay.example.test
domainlist local_domains = example.test
acl_smtp_rcpt = accept
acl_smtp_data = accept
qualify_domain = example.test
dsn_advertise_hosts = *
spool_directory = {DIR}/spool
log_file_path = {DIR}/log-exim/%slog
pid_file_path = {DIR}/spool/exim.pid
daemon_smtp_ports = {SMTP}
local_interfaces = 127.0.0.1
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
keep_environment =
never_users = root
deliver_drop_privilege = true
queue_only = false
notifier_socket =
begin acl
accept:
  accept
begin routers
gone:
  driver = redirect
  local_parts = gone
  data = :fail: nobody here of that name
  allow_fail
away:
  driver = accept
  local_parts = away
  transport = vacation
  unseen
  no_verify
all:
  driver = accept
  domains = +local_domains
  local_parts = mamori : owner : away
  transport = box
begin transports
box:
  driver = appendfile
  directory = {DIR}/box/$local_part_data
  create_directory
  maildir_format
  delivery_date_add
  envelope_to_add
  return_path_add
  directory_mode = 0700
vacation:
  driver = autoreply
  to = $sender_address
  from = away@example.test
  subject = I am away
  headers = Auto-Submitted: auto-replied
  text = I am back on Monday.
begin retry
* * F,1h,10m
""")
with open(os.path.join(DIR, "dovecot.conf"), "w", encoding="utf-8") as f:
    f.write(f"""base_dir = {DIR}/dovecot-run
state_dir = {DIR}/dovecot-state
log_path = {DIR}/log-dovecot
protocols = imap
listen = 127.0.0.1
instance_name = mamori-test-{os.getpid()}
ssl = required
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = yes
mail_location = maildir:{DIR}/box/%n
mail_uid = {USER.pw_uid}
mail_gid = {USER.pw_gid}
first_valid_uid = 1
passdb {{
  driver = static
  args = password={{PLAIN}}correct-horse
}}
userdb {{
  driver = static
  args = uid={USER.pw_uid} gid={USER.pw_gid} home={DIR}/box/%n
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {IMAP}
    ssl = yes
  }}
}}
""")
die = lambda: __import__("ctypes").CDLL(None).prctl(1, 15)  # noqa: E731
quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "preexec_fn": die}
parts = [subprocess.Popen([EXIM, "-C", f"{DIR}/exim.conf", "-bdf", "-q10s"], **quiet), subprocess.Popen([DOVECOT, "-F", "-c", f"{DIR}/dovecot.conf"], **quiet)]
if os.fork() == 0:  # exim is setuid and does not hear of our end: this one does
    for fd in (0, 1, 2):
        os.close(fd)
    signal.pthread_sigmask(signal.SIG_BLOCK, [15])
    die()
    signal.sigwait([15])
    for p in parts:
        try:
            os.kill(p.pid, 15)
        except ProcessLookupError:
            pass
    os._exit(0)


def end(*_):
    for p in parts:
        p.terminate()
    for p in parts:
        p.wait()
    sys.exit(0)


signal.signal(15, end)
for at in (SMTP, IMAP):
    for _ in range(600):
        if any(p.poll() is not None for p in parts):
            logs = "".join(open(os.path.join(DIR, n), errors="replace").read() for n in ("log-dovecot", "log-exim/panic") if os.path.exists(os.path.join(DIR, n)))
            skip("the mail machine ended: " + logs.replace("\n", " ")[:200])
        try:
            socket.create_connection(("127.0.0.1", at), 1).close()
            break
        except OSError:
            time.sleep(0.1)
with open(os.path.join(DIR, "imap"), "w", encoding="ascii") as f:
    f.write(str(IMAP))
ready(SMTP)
while True:
    time.sleep(3600)
