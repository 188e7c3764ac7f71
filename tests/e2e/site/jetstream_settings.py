#!/usr/bin/env python3
"""jetstream_settings.py MAMORI PLUGINS TEST_PLUGINS - what may be wrong between a collector that keeps nothing and its engine is named, and nothing of an
office is lost over it: a login that others can read, a wrong password, an authority that is another's, a server that is away, a stream that is not there,
one whose messages are short (records come in parts), one that is full."""
import json
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jetstream_lab import Client, Cluster, Collector, Server, desk, is_there
from site_lab import Site, case, play, until, usable

LAST = 12


def certificates(folder, address):
    """An authority and a server's certificate by it; and another authority."""
    run = lambda *a: subprocess.run(["openssl", *a], check=True, capture_output=True, cwd=folder)
    for name in ("ca", "other"):
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={address}", "-keyout", "server.key", "-out", "server.csr")
    with open(os.path.join(folder, "ext"), "w") as f:
        f.write(f"subjectAltName=IP:{address}\n")
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "ext", "-out", "server.pem")


class OneServer:
    """A cluster of one, for Collector and messages."""

    def __init__(self, site):
        self.m = site.machine("n1")
        site.connect(self.m)
        self.server = Server(self.m, 0)

    def urls(self):
        return [f"nats://{self.m.address}:4222"]

    def ask(self, subject, what):
        c = Client(self.m.ns, self.m.address)
        try:
            return c.ask(subject, what)
        finally:
            c.close()

    def restart(self, more=""):
        self.server.end()
        with open(self.m.log_path, "w"):
            pass
        self.server.start([], more)
        return until(lambda: "Server is ready" in self.m.log(), 60)


def file_with(path, text, mode=0o600):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


class Lab:
    def __init__(self, site, so):
        self.site = site
        self.hub, self.front = site.machine("hub1"), site.machine("c1")
        for m in (self.hub, self.front):
            site.connect(m)
        self.engine, self.counter = OneServer(site), os.path.join(so, "counter.so")
        self.hub.configure({"deployment": "none", "trust": {"require": "any"},
                            "plugins": {"counter": {"plugin": "org.example.counter", "file": self.counter, "side": "endpoint", "host": "counter",
                                                    "config": {"name": "hub1", "every": "20ms", "last": LAST, "grave_every": 4}}}})
        self.key, self.sites = desk(self.front, [("acme", self.hub)])
        self.kept = os.path.join(site.root, "node.key")
        shutil.copy(self.key, self.kept)
        shutil.move(self.front.state, os.path.join(site.root, "desk"))

    def collector(self, sites=None, **more):
        with open(self.front.log_path, "w"):
            pass
        c = Collector(self.front, self.kept, sites or self.sites, self.engine, **{"engine_replicas": 1, **more})
        return c

    def refused(self, **more):
        """What a collector with these settings says that does not start at all."""
        c = self.collector(**more)
        p = subprocess.run(self.front.command("upstream", "--config", self.front.site), capture_output=True, text=True, timeout=60)
        return p.returncode, p.stderr


def says(c, word, limit_s=60):
    return until(lambda: word in c.log(), limit_s)


def run(site, so):
    lab = Lab(site, so)
    engine, root = lab.engine, site.root
    collector = None
    try:
        # settings that cannot be
        rc, err = lab.refused(engine=[])
        case("no_engine_is_named", rc == 2 and "collector.engine is not" in err, err)
        rc, err = lab.refused(engine=["amqp://192.0.2.1"])
        case("another_engine_is_named", rc == 2 and "expected nats://HOST:PORT" in err, err)
        rc, err = lab.refused(file=os.path.join(root, "x.jsonl"))
        case("no_file_beside_it", rc == 2 and "writes no file" in err, err)
        rc, err = lab.refused(sites=file_with(os.path.join(root, "bad"), "acme.hub1 mamori-public-1 12 34\n"))
        case("a_damaged_list_of_sites_is_named", rc == 2 and "line 1" in err, err)
        rc, err = lab.refused(sites=os.path.join(root, "none"))
        case("a_missing_one_too", rc == 2 and "mamori upstream sites" in err, err)

        engine.restart("authorization { user: collector, password: right-one }\n")
        ends = []
        for name, settings, want in (
                ("a_password_in_the_address", {"engine": [f"nats://collector:right-one@{engine.m.address}:4222"]}, "belong into the file"),
                ("a_login_that_others_can_read", {"engine_login": file_with(os.path.join(root, "open"), "user: collector\npassword: right-one\n", 0o644)}, "chmod 600"),
                ("a_login_that_is_none", {"engine_login": file_with(os.path.join(root, "odd"), "what: ever\n")}, "a line that is not understood"),
                ("a_wrong_password", {"engine_login": file_with(os.path.join(root, "wrong"), "user: collector\npassword: wrong-one\n")}, "uthorization"),
                ("a_wrong_stream_name", {"engine_stream": "a.b"}, "expected a stream's name")):
            c = lab.collector(**settings)
            c.start()
            case(f"{name}_is_named", says(c, want), c.log())
            ends.append(c.end())
            case(f"{name}_stands_in_no_log", "right-one" not in c.log() and "wrong-one" not in c.log(), c.log())
        case("the_collector_waits_for_better_settings", ends == [0] * len(ends), ends)

        lab.hub.start() # counts, and sends nothing yet
        login = file_with(os.path.join(root, "login"), "# the provider's\nuser: collector\npassword: right-one\n")
        c = collector = lab.collector(engine_login=login, engine_replicas=0)
        file_with(os.path.join(lab.hub.site, "90-moved.yaml"), "{}")
        c.start()
        case("the_password_of_the_file_is_good", says(c, "nats.connected"), c.log())
        case("a_stream_that_is_not_there_is_named", says(c, "collector.engine_replicas is 0"), c.log())
        case("the_office_is_let_in", says(c, "site.up site=acme.hub1", 90), c.log() + lab.hub.log())
        waits = lambda: ((lab.hub.status()["brain"] or {}).get("outbox") or {}).get("@upstream", 0)
        case("and_keeps_what_nobody_has", until(lambda: waits() >= LAST, 60), lab.hub.status())
        c.end()
        case("a_short_stay_kept_nothing", c.kept() == ["node.key"], c.kept())

        # TLS, with the right authority and the wrong one; messages of 2 KB at most
        certificates(root, engine.m.address)
        engine.restart(f"tls {{ cert_file: \"{root}/server.pem\", key_file: \"{root}/server.key\" }}\n")
        tls = [f"tls://{engine.m.address}:4222"]
        c = collector = lab.collector(engine=tls, engine_ca=os.path.join(root, "other.pem"))
        c.start()
        case("another_authority_is_named", until(lambda: re.search("outlet.away.*(SSL|TLS|ertificate)", c.log()), 30), c.log())
        c.end()
        c = collector = lab.collector(engine=tls, engine_ca=os.path.join(root, "ca.pem"), engine_replicas=0)
        c.start()
        case("the_right_one_is_good", says(c, "nats.connected"), c.log())
        c.end()
        engine.restart()
        made = engine.ask("$JS.API.STREAM.CREATE.mamori", {"name": "mamori", "subjects": ["mamori.v1.>"], "storage": "file", "num_replicas": 1, "max_msg_size": 2048,
                                                            "duplicate_window": 3600 * 10**9})
        case("a_stream_of_short_messages", made and "error" not in made, made)
        c = collector = lab.collector(engine_monitor=[f"http://{engine.m.address}:8222"], metrics="127.0.0.1:9464")
        c.start()
        case("everything_arrives", until(lambda: waits() == 0 and says(c, "site.up", 1), 120), (lab.hub.status(), c.log()))
        parts(engine, c)
        page = subprocess.run(["ip", "netns", "exec", lab.front.ns, sys.executable, "-c", "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9464/metrics').read().decode())"],
                              capture_output=True, text=True, timeout=60).stdout
        case("it_is_measured", all(w in page for w in ('mamori_outlet_ready{outlet="nats"} 1', 'mamori_site_up{site="acme.hub1"} 1', 'mamori_outbox_records{outlet="nats"} 0', "# EOF")), page)

        # full: it refuses, the office waits; then there is room
        c.end()
        full(lab, engine, waits)
        with_a_store(lab, engine, waits)
    finally:
        if collector:
            collector.end()
        engine.server.end()


def whole_stream(engine, name="mamori"):
    x = Cluster.__new__(Cluster)
    x.servers = [engine.server]
    return x.messages(name)


def parts(engine, c):
    last = whole_stream(engine)
    long = [m for m in last if "Mamori-Part" in m["headers"]]
    ids = [m["headers"]["Nats-Msg-Id"] for m in last]
    case("long_records_come_in_parts", len(long) >= 2, [m["headers"] for m in last])
    case("each_part_once", len(ids) == len(set(ids)), ids)
    joined = {}
    for m in long:
        joined.setdefault(m["headers"]["Nats-Msg-Id"].split(".")[0], []).append((int(m["headers"]["Mamori-Part"].split("/")[0]), m["json"], m["headers"]["Mamori-Part"]))
    titles = {t for m in last if isinstance(m["json"], dict) for t in re.findall(r"counted (\w+-\d+)!", m["json"].get("message", ""))}
    whole = True
    for p in joined.values():
        p.sort()
        whole = whole and [k for k, _, _ in p] == list(range(1, len(p) + 1)) and p[0][2].endswith(f"/{len(p)}")
        titles |= set(re.findall(r"counted (\w+-\d+)!", json.loads(b"".join(b for _, b, _ in p)).get("message", "")))
    case("which_make_the_records_again", whole and titles >= {f"hub1-{n}" for n in range(1, LAST + 1)}, (whole, titles))
    case("the_monitor_page_is_read", "nats.unsafe" in c.log(), c.log())


def full(lab, engine, waits):
    """A stream that holds few messages and refuses more; the hub counts on under another name."""
    engine.ask("$JS.API.STREAM.DELETE.mamori", None)
    engine.ask("$JS.API.STREAM.CREATE.mamori", {"name": "mamori", "subjects": ["mamori.v1.>"], "storage": "file", "num_replicas": 1, "max_msgs": 6, "discard": "new",
                                                "duplicate_window": 3600 * 10**9})
    with open(os.path.join(lab.hub.site, "90-again.yaml"), "w") as f:
        json.dump({"plugins": {"counter": None, "again": {"plugin": "org.example.counter", "file": lab.counter, "side": "endpoint", "host": "again",
                                                          "config": {"name": "again", "every": "20ms", "last": LAST, "grave_every": 4}}}}, f)
    c = lab.collector()
    try:
        lab.hub.end(keep=True)
        c.start()
        lab.hub.start()
        case("a_full_stream_is_named", says(c, "maximum messages", 90), c.log())
        case("the_office_waits", until(lambda: waits() > 0, 30), lab.hub.status())
        info = engine.ask("$JS.API.STREAM.INFO.mamori", None)
        engine.ask("$JS.API.STREAM.UPDATE.mamori", {**info["config"], "max_msgs": -1})
        want = {f"again-{n}" for n in range(1, LAST + 1)}
        titles = lambda: {t for m in whole_stream(engine) if isinstance(m["json"], dict) for t in re.findall(r"counted (again-\d+)!", m["json"].get("message", ""))}
        case("and_all_of_it_comes_when_there_is_room", until(lambda: titles() >= want, 120), (titles(), c.log()[-2000:]))
        case("nothing_waits_any_more", until(lambda: waits() == 0, 60), lab.hub.status())
        case("the_server_goes_away", not engine.server.kill() and says(c, "can be reached", 60), c.log()[-2000:])
        case("it_ends_cleanly_without_it", c.end() == 0, c.log()[-2000:])
    finally:
        c.end()


def with_a_store(lab, engine, waits):
    """A collector with a store and two outlets, a file and a stream: each has each record once, also when the collector is killed."""
    file = os.path.join(lab.site.root, "sites.jsonl")
    shutil.rmtree(lab.front.state)
    shutil.move(os.path.join(lab.site.root, "desk"), lab.front.state)
    lab.front.configure({"deployment": "none", "site": {"listen": f"tcp://{lab.front.address}:7500"},
                         "collector": {"file": file, "engine": engine.urls(), "engine_stream": "second", "engine_subject": "second.v1", "engine_replicas": 1}})
    with open(os.path.join(lab.hub.site, "90-again.yaml"), "w") as f:
        json.dump({"plugins": {"counter": None, "third": {"plugin": "org.example.counter", "file": lab.counter, "side": "endpoint", "host": "third",
                                                          "config": {"name": "third", "every": "100ms", "last": 5 * LAST, "grave_every": 4}}}}, f)
    engine.restart()
    want = {f"third-{n}" for n in range(1, 5 * LAST + 1)}
    titled = lambda texts: [t for x in texts for t in re.findall(r"counted (third-\d+)!", x)]
    in_file = lambda: titled(open(file, encoding="utf-8")) if os.path.exists(file) else []
    stream = lambda: [m for m in whole_stream(engine, "second") if m["subject"].endswith(".incident")]
    p = None
    lab.hub.end(keep=True)
    try:
        for k in range(3):  # killed twice while records flow
            with open(lab.front.log_path, "ab") as log:
                p = subprocess.Popen(lab.front.command("upstream", "--config", lab.front.site), stdout=log, stderr=log)
            if k == 0:
                lab.hub.start()
            if k < 2:
                until(lambda: len(set(in_file())) >= (k + 1) * LAST, 60)
                p.kill()
                p.wait()
        case("with_a_store_the_file_has_all", until(lambda: set(in_file()) >= want, 90), (sorted(want - set(in_file())), lab.front.log()[-2000:]))
        case("and_the_stream_too", until(lambda: set(titled(json.dumps(m["json"]) for m in stream())) >= want, 90), lab.front.log()[-2000:])
        until(lambda: waits() == 0, 60)
        lines, ids = [l for l in open(file, encoding="utf-8")], [m["headers"]["Nats-Msg-Id"] for m in stream()]
        case("each_once_in_both", len(lines) == len(set(lines)) and len(ids) == len(set(ids)), (len(lines), len(set(lines)), len(ids), len(set(ids))))
        case("under_the_offices_name", all(m["subject"].startswith("second.v1.acme.hub1.") and m["headers"]["Mamori-Site"] == "acme.hub1" for m in stream()))
        p.terminate()
        case("it_ends_cleanly_too", p.wait(30) == 0, lab.front.log()[-1500:])
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()


def main():
    if not is_there() or not usable(sys.argv[2]):
        return 77
    return play("jetstream", lambda root: Site(root, sys.argv[1], sys.argv[2], "10.87.0"), lambda site: run(site, sys.argv[3]))


if __name__ == "__main__":
    sys.exit(main())
