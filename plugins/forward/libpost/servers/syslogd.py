#!/usr/bin/env python3
"""syslogd.py DIR tcp|tls|udp - rsyslog on loopback, which writes what it parsed as JSON into DIR/log."""
import os
import shutil
import socket
import subprocess
import sys
import time

from common import certificate, ready, skip

DIR, KIND = sys.argv[1:3]
RSYSLOG = shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"
if not os.path.exists(RSYSLOG):
    skip("rsyslogd is not here")
cert, key = certificate(DIR)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if KIND == "udp" else socket.SOCK_STREAM) as s:
    s.bind(("127.0.0.1", 0))
    PORT = s.getsockname()[1]
TLS = f"""global(defaultNetstreamDriverCAFile="{cert}" defaultNetstreamDriverCertFile="{cert}" defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
input(type="imtcp" port="{PORT}" address="127.0.0.1")"""
INPUT = {"tls": TLS, "tcp": f'module(load="imtcp")\ninput(type="imtcp" port="{PORT}" address="127.0.0.1")',
         "udp": f'module(load="imudp")\ninput(type="imudp" port="{PORT}" address="127.0.0.1")'}[KIND]
CONF = f"""global(workDirectory="{DIR}" maxMessageSize="64k")
{INPUT}
template(name="json" type="list" option.jsonf="on") {{
  property(outname="app" name="app-name" format="jsonf") property(outname="msgid" name="msgid" format="jsonf")
  property(outname="host" name="hostname" format="jsonf") property(outname="severity" name="syslogseverity" format="jsonf")
  property(outname="facility" name="syslogfacility" format="jsonf") property(outname="sd" name="structured-data" format="jsonf")
  property(outname="version" name="protocol-version" format="jsonf") property(outname="msg" name="msg" format="jsonf") }}
action(type="omfile" file="{DIR}/log" template="json" flushOnTXEnd="on")
"""
with open(os.path.join(DIR, "rsyslog.conf"), "w", encoding="utf-8") as f:
    f.write(CONF)
p = subprocess.Popen([RSYSLOG, "-n", "-f", os.path.join(DIR, "rsyslog.conf"), "-i", os.path.join(DIR, "pid")],
                     stderr=open(os.path.join(DIR, "err"), "w", encoding="utf-8"), preexec_fn=lambda: __import__("ctypes").CDLL(None).prctl(1, 9))
for _ in range(600):
    if p.poll() is not None:
        skip("rsyslogd ended: " + open(os.path.join(DIR, "err"), encoding="utf-8").read().replace("\n", " ")[:150])
    if KIND == "udp":
        if f":{PORT:04X} " in open("/proc/net/udp", encoding="ascii").read():
            break
    else:
        try:
            socket.create_connection(("127.0.0.1", PORT), 1).close()
            break
        except OSError:
            pass
    time.sleep(0.1)
ready(PORT)
p.wait()
