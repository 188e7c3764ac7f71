"""bundled.py MAMORI: every plugin that comes with mamori passes its own check."""
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

mamori = sys.argv[1]
listed = subprocess.run([mamori, "plugin", "list"], capture_output=True, text=True).stdout
ids = [line.split()[0] for line in listed.splitlines() if line.startswith("org.mamori.")]
scratch = tempfile.TemporaryDirectory()
log = os.path.join(scratch.name, "auth.log")
with open(log, "w") as f:
    f.write("Nov  1 10:00:00 pc1 sshd[1]: Failed password for root from 192.0.2.7 port 4242 ssh2\n")
os.chmod(scratch.name, 0o755)
SET = {"org.mamori.log": ["files=" + log], "org.mamori.eve": ["files=" + log], "org.mamori.webhook": ["url=https://127.0.0.1:9/x"],
       "org.mamori.syslog": ["server=127.0.0.1:9"], "org.mamori.fluent": ["server=127.0.0.1:9"], "org.mamori.smtp": ["server=127.0.0.1:9", "from=mamori@example.org"],
       "org.mamori.seat": ["senders=addr:192.0.2.7 pc1", "listen=udp://127.0.0.1:15514"]}
secret = os.path.join(scratch.name, "secret")
with open(secret, "w") as f:
    f.write("secret\n")
os.chmod(secret, 0o600)
SET["org.mamori.mailbox"] = ["server=127.0.0.1:9", "user=mamori", "password_file=" + secret]
if b"__asan_init" in open(mamori, "rb").read():
    # compiling the whole pack takes a sanitized build seconds, and the check creates each plugin some hundred times: one rule is enough
    rule = os.path.join(scratch.name, "one.yml")
    with open(rule, "w") as f:
        f.write("title: t\nid: 5e0f3a52-0d6f-4f3c-9d39-9c5a3f2b7a10\nlogsource: {product: linux, category: process_creation}\n"
                "detection: {a: {Image|endswith: /nc}, condition: a}\nlevel: high\n")
    SET["org.mamori.sigma"] = ["own_rules=false", "rules=" + rule]
# May be skipped here: what needs a privilege or a kernel that this machine does not give.
MAY_SKIP = {"org.mamori.files", "org.mamori.capture", "org.mamori.nft", "org.mamori.reset", "org.mamori.proc", "org.mamori.contain"}


def check(name):
    args = [mamori, "plugin", "check", name, "--json", "--seed", "11", "--rounds", "100", "--limit", "300"]
    for s in SET.get(name, []):
        args += ["--set", s]
    done = subprocess.run(args, capture_output=True, text=True)
    if done.returncode not in (0, 1) or not done.stdout:
        return "status %d, %s" % (done.returncode, done.stderr[-300:])
    bad = ("fail",) if name in MAY_SKIP else ("fail", "skip")
    return "\n".join("%s: %s" % (c["case"], c["text"]) for c in json.loads(done.stdout)["cases"] if c["verdict"] in bad)


bad = 0
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    for name, wrong in zip(ids, pool.map(check, ids)):
        if wrong:
            print("%s\n%s" % (name, wrong))
            bad += 1
        print("[%s] %s" % ("  FAILED  " if wrong else "       OK ", name.replace(".", "_")), flush=True)
sys.exit(1 if bad or len(ids) < 10 else 0)
