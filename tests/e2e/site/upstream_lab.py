"""upstream_lab.py - the provider's collector on a machine of the lab: started, killed, asked, and what it wrote."""
import json
import os
import re
import signal
import subprocess


class Collector:
    """`mamori upstream` on a machine of the lab."""

    def __init__(self, machine, file):
        self.m, self.file, self.p = machine, file, None

    def start(self):
        with open(self.m.log_path, "ab") as log:
            self.p = subprocess.Popen(self.m.command("upstream", "--config", self.m.site), stdout=log, stderr=log)

    def pid(self):  # the shell of the lab execs: it is the program itself
        return self.p.pid

    def kill(self):
        os.kill(self.pid(), signal.SIGKILL)
        self.p.wait()

    def end(self):
        if self.p and self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
            try:
                return self.p.wait(30)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        return None

    def records(self):
        if not os.path.exists(self.file):
            return []
        with open(self.file, encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def list(self):
        rc, out, err = self.m.cli3("upstream", "list", "--json")
        try:
            return json.loads(out)
        except ValueError:
            return {"running": False, "sites": [], "severe": [], "failed": (rc, out, err)}

    def state(self, name):
        return next((s["state"] for s in self.list()["sites"] if s["site"] == name), None)


def incidents(records, site):
    """Title by incident, of what a site sent."""
    return {r["metadata"]["uid"]: "".join(re.findall(r"counted (\w+-\d+)!", r["message"]))
            for r in records if r["class_uid"] == 2005 and r["metadata"].get("tenant_uid") == site}
