#!/usr/bin/env python3
"""measured.py MAMORI BUILD - /metrics of a hub that counts: the text is OpenMetrics by the parser of its reference implementation, its numbers are
those of 'mamori status', what is asked wrongly is refused, silent askers cost nothing, and a reload moves it."""
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
sys.path.append("/usr/lib/python3/dist-packages")  # the distribution's parser, whichever python this is
from lab import AGREED, Lab, case, emitter, finish, needs_root  # noqa: E402

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    print("[  SKIPPED ] python3_prometheus_client_is_not_here")
    sys.exit(77)
MAMORI, BUILD = sys.argv[1:3]
TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
ASK = """import http.client, socket, sys, json
class C(http.client.HTTPConnection):
    def connect(self):
        if self.host.startswith("/"):
            self.sock = socket.socket(socket.AF_UNIX); self.sock.settimeout(30); self.sock.connect(self.host)
        else:
            super().connect()
c = C(sys.argv[1], timeout=30) if sys.argv[1].startswith("/") else C(*sys.argv[1].rsplit(":", 1), timeout=30)
c.request(sys.argv[2], sys.argv[3]); r = c.getresponse()
print(json.dumps([r.status, dict(r.getheaders()), r.read().decode()]))
"""
SILENT = """import socket, sys, time
held = []
for i in range(200):
    try:
        s = socket.create_connection(("127.0.0.1", 9464), 5); s.sendall(b"GET /met"); held.append(s)
    except OSError:
        break
print(len(held), flush=True); sys.stdin.read()
"""


def main():
    needs_root()
    drop = emitter(BUILD, count=40, distinct=4, interval="20ms", delay="1s")
    lab = Lab(MAMORI, [drop, AGREED, {"metrics": {"listen": "127.0.0.1:9464"}}])

    def ask(method="GET", path="/metrics", where="127.0.0.1:9464"):
        p = subprocess.run(["ip", "netns", "exec", lab.ns, sys.executable, "-c", ASK, where, method, path], capture_output=True, text=True, timeout=60)
        return json.loads(p.stdout) if p.returncode == 0 else [0, {}, p.stderr]

    def families(where="127.0.0.1:9464"):
        code, _, text = ask(where=where)
        return {f.name: f for f in text_string_to_metric_families(text)} if code == 200 else {}

    def value(f, name, **labels):
        return next((s.value for s in (f[name].samples if name in f else []) if labels.items() <= s.labels.items()), None)

    try:
        rc, out, err = lab.cli("config", "check")
        case("the_configuration_is_sound", rc == 0, err)
        lab.drop_in("50-open", {"metrics": {"listen": "0.0.0.0:9464"}})
        rc, out, err = lab.cli("config", "check")
        case("an_address_others_reach_is_refused_with_its_place", rc == 2 and "50-open.yaml:1" in err + out and "metrics.open" in err + out, err + out)
        os.unlink(os.path.join(lab.site, "50-open.yaml"))
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "emitter", "measure"])), lab.log())
        lab.until(lambda: (lab.status() or {}).get("brain", {}).get("findings", 0) >= 40)
        code, head, text = ask()
        case("it_is_served_as_openmetrics", code == 200 and head.get("Content-Type") == TYPE and text.endswith("# EOF\n"), (code, head, text[-200:]))
        try:
            f = families()
        except ValueError as e:
            f = {}
            case("the_reference_parser_takes_it", False, f"{e}\n{text}")
        case("every_family_is_ours_with_help_and_type", f and all(n.startswith("mamori_") and x.documentation and x.type != "unknown" for n, x in f.items()), list(f))
        case("units_end_the_names", all(not x.unit or n.endswith("_" + x.unit) for n, x in f.items()), list(f))
        s = lab.status()
        case("findings_are_those_of_the_status", value(f, "mamori_findings") == s["brain"]["findings"] == 40, (value(f, "mamori_findings"), s["brain"]["findings"]))
        severe = value(f, "mamori_open_incidents", **{"class": "severe"})
        case("incidents_by_class_are_those_of_the_status", severe == s["brain"]["incidents_severe"] and
             sum(x.value for x in f["mamori_open_incidents"].samples) == s["brain"]["incidents_open"], (severe, s["brain"]))
        case("what_an_instance_sent_is_counted", lab.until(lambda: value(families(), "mamori_instance_events", instance="emitter") == 40, 60), # by its next heartbeat
             f.get("mamori_instance_events"))
        case("processes_have_their_memory", all(value(f, "mamori_process_resident_memory_bytes", process=p) > 1e6 for p in ("brain", "measure")) and
             value(f, "mamori_process_up", process="brain") == 1, f.get("mamori_process_up"))
        case("the_light_is_one_of_four", sum(x.value for x in f["mamori_light"].samples) == 1 and len(f["mamori_light"].samples) == 4, f["mamori_light"])
        case("capabilities_are_told", value(f, "mamori_capability", capability="net.defend") == 1 and value(f, "mamori_capability", capability="ep.detect") == 0,
             f["mamori_capability"])
        case("what_waits_is_told", value(f, "mamori_outbox_records", forwarder="file") is not None, f.get("mamori_outbox_records"))
        case("the_version_is_told", f["mamori_build"].samples[0].labels["version"] in subprocess.run([MAMORI, "--version"], capture_output=True, text=True).stdout, f["mamori_build"])
        if severe:
            left = value(f, "mamori_notice_left_seconds")
            case("the_hour_runs", left is None or 3000 < left <= 3600, left)

        for name, (method, path), want in (("another_path", ("GET", "/"), 404), ("a_path_behind_it", ("GET", "/metrics/x"), 404), ("another_method", ("POST", "/metrics"), 501),
                                           ("a_long_head", ("GET", "/metrics?" + "x" * 9000), 400)):
            code, _, text = ask(method, path)
            case(f"{name}_is_refused", code in (want, 405, 413, 414) and "mamori_findings" not in text, (code, text[:200]))
        code, _, text = ask("HEAD")
        case("head_gives_the_head_only", code == 200 and text == "", (code, text[:100]))
        silent = subprocess.Popen(["ip", "netns", "exec", lab.ns, sys.executable, "-c", SILENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        held = int(silent.stdout.readline())
        case("silent_askers_are_let_go_and_others_served", lab.until(lambda: ask()[0] == 200, 60), (held, lab.log()[-2000:]))
        silent.communicate()
        case("it_was_never_started_again", lab.host("measure").get("restarts") == 0, lab.host("measure"))

        os.kill(lab.pid_of("brain"), 9)
        code, _, text = ask()
        case("without_a_brain_the_rest_is_told", code == 200 and text.endswith("# EOF\n"), (code, text[:300]))
        lab.until(lambda: lab.is_up(["brain"]))
        path = f"{lab.dir}/run/metrics.sock"
        lab.drop_in("60-moved", {"metrics": {"listen": f"unix:{path}"}})
        pid = lab.pid_of("brain")
        rc, out, err = lab.cli("reload")
        case("a_reload_moves_it", rc == 0 and lab.until(lambda: value(families(path), "mamori_brain_up") == 1) and ask()[0] == 0, (rc, out, err, lab.log()[-2000:]))
        case("only_its_group_reads_the_socket", os.stat(path).st_mode & 0o777 == 0o660, oct(os.stat(path).st_mode))
        case("the_brain_went_on", lab.pid_of("brain") == pid, (pid, lab.pid_of("brain")))
        lab.drop_in("60-moved", {"metrics": None})
        os.unlink(os.path.join(lab.site, "12-test.yaml"))
        rc, out, err = lab.cli("reload")
        case("without_the_key_it_ends", rc == 0 and lab.until(lambda: not lab.host("measure")) and not os.path.exists(path), (rc, out, err))
    finally:
        lab.stop()
    return finish()


sys.exit(main())
