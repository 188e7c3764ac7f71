"""samba.py - a real Samba server in a namespace, and what one PC does to another over SMB: the work of an office, and that of an intruder who has an
administrator's password (with impacket, as the tools of intruders have it)."""
import os
import shutil
import subprocess
import sys

from cases import until

USER, PASSWORD = "root", "Kaisha-2026"
CONF = """[global]
  workgroup = OFFICE
  netbios name = {name}
  security = user
  server role = standalone server
  map to guest = never
  pid directory = {dir}
  lock directory = {dir}
  state directory = {dir}
  cache directory = {dir}
  private dir = {dir}
  ncalrpc dir = {dir}/ncalrpc
  log file = {dir}/log
  smb ports = 445
  disable netbios = yes
  load printers = no
  printcap name = /dev/null
  disable spoolss = yes
[share]
  path = {dir}/share
  read only = no
[ADMIN$]
  path = {dir}/admin
  read only = no
"""
PROBE = "import socket,sys\nsocket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()"
# a service or a program on the other machine; a Samba lets itself be asked for a service and makes none
INTRUDER = """
import sys
from impacket.smbconnection import SMBConnection
from impacket.dcerpc.v5 import transport, scmr
host, user, password, what = sys.argv[1:5]
try:
    # 2.1: with dialect 3 this library encrypts, and then nobody between them sees what is called
    smb = SMBConnection(host, host, preferredDialect=0x0210, timeout=5)
    smb.login(user, password)
except Exception as e:
    print("no login", e); sys.exit(3)
print("in", hex(smb.getDialect()), flush=True)
def pipe(name, uuid):
    t = transport.SMBTransport(host, 445, name, smb_connection=smb)
    rpc = t.get_dce_rpc(); rpc.connect(); rpc.bind(uuid)
    return rpc
def attempt(step):
    try: step()
    except Exception as e: print(type(e).__name__, e, flush=True)
def program():
    data = iter([b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE" + bytes(30000), b""])
    smb.putFile("ADMIN$", "wqhxzkvb.exe", lambda n: next(data))
def service():
    rpc = pipe("svcctl", scmr.MSRPC_UUID_SCMR)
    manager = scmr.hROpenSCManagerW(rpc)["lpScHandle"]
    scmr.hRCreateServiceW(rpc, manager, "wqhx\\0", "wqhx\\0", lpBinaryPathName="%systemroot%\\\\wqhxzkvb.exe\\0", dwStartType=scmr.SERVICE_DEMAND_START)
for step in what.split(","): attempt({"program": program, "service": service}[step])
"""


def python_with_impacket():
    """An interpreter that has it: the one of the distribution may not be the one that runs the tests. None: nobody has."""
    for p in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(p) and subprocess.run([p, "-c", "import impacket"], capture_output=True).returncode == 0:
            return p
    return None


def is_there():
    return bool(shutil.which("smbd") and shutil.which("smbclient") and shutil.which("smbpasswd"))


class Samba:
    """A server in this namespace of the office, until the office ends."""

    def __init__(self, office, ns, address, name="FILES"):
        self.o, self.address = office, address
        self.dir = os.path.join(office.dir, f"samba-{name}")
        for d in ("", "share", "admin", "ncalrpc"):
            os.makedirs(os.path.join(self.dir, d), exist_ok=True)
        self.conf = os.path.join(self.dir, "smb.conf")
        with open(self.conf, "w") as f:
            f.write(CONF.format(dir=self.dir, name=name))
        subprocess.run(["smbpasswd", "-c", self.conf, "-a", "-s", USER], input=f"{PASSWORD}\n{PASSWORD}\n", text=True, capture_output=True, check=True)
        office.serve(ns, "smbd", "--foreground", "--no-process-group", "--configfile", self.conf)

    def is_up(self, client):
        return until(lambda: self.o.python(client, PROBE, self.address, 445).returncode == 0)

    def client(self, ns, *commands):
        """smbclient, as a person at a PC uses a share; its completed process."""
        return self.o.run(ns, "smbclient", f"//{self.address}/share", PASSWORD, "-U", USER, "-s", self.conf, "-c", "; ".join(commands))

    def intrude(self, ns, *steps):
        return self.o.run(ns, python_with_impacket(), "-c", INTRUDER, self.address, USER, PASSWORD, ",".join(steps), timeout=90)
