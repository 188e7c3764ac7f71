"""common.py - what the servers of these tests share: a certificate of their own, and a log of JSON lines."""
import json
import os
import subprocess
import sys
import threading

_lock = threading.Lock()


def skip(why):
    print("SKIP " + why, flush=True)
    sys.exit(0)


def ready(port):
    print(f"PORT {port}", flush=True)


def log(folder, **what):
    with _lock, open(os.path.join(folder, "log"), "a", encoding="utf-8") as f:
        f.write(json.dumps(what, ensure_ascii=False) + "\n")


def certificate(folder, name="localhost"):
    """cert.pem and key.pem in folder, of that name and 127.0.0.1."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        skip("openssl cannot make a certificate")
    return cert, key
