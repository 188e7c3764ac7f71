#!/usr/bin/env python3
"""programs.py MAMORI BUILD - a plugin that is a program in another language (examples/sensor-python): registered, it runs confined in a host of its own
and what it finds is an incident; killed, it comes again and nothing it was acknowledged is missing; when it breaks the protocol, it alone is ended,
with the reason; unregistered or altered it is refused."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from lab import AGREED, SENSORS, Lab, case, finish, needs_root  # noqa: E402
from program_kinds import EXAMPLE, forwarder, needs_modules, responder  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
# what a program may do wrong, as the last lines of one that is otherwise good: put in place of tether.beat()
WRONG = {
    "bus_garbage": ('bus.socket.send(b"\\xc1 nonsense")', "a message that cannot be read"),
    "bus_two_frames": ('bus.socket.send_multipart([b"a", b"b"])', "a message that cannot be read"),
    "bus_records": ('bus.send(DATA, URGENT, bus.last[URGENT] + 1, RECORDS, b"\\x94\\xff\\xff")', "records that cannot be read"),
    "bus_kind": ("bus.send(WELCOME)", "a message of a kind hosts do not send"),
    "bus_secret": ('bus.send(HELLO, body_type=FIELDS, body=msgpack.packb(bytes(32)))', "HELLO without the right secret"),
    "tether_short": ('tether.socket.send(b"abc")', "too short"),
    "tether_map": ('tether.socket.send(struct.pack("=II", READY, 3) + b"\\xc1\\xc1\\xc1")', "map is malformed"),
    "tether_type": ("tether.send(99)", "of a type programs do not send"),
    "tether_beat": ('tether.send(BEAT, b"12345")', "a heartbeat of the wrong length"),
    "tether_info": ("tether.send(32)", None),  # no index: nothing is taken from it
}


def titles(lab):
    rc, out, err = lab.cli("incident", "list", "--json")
    return set(re.findall(r"alarm: wrong code", out)) if rc == 0 else set()


def found(lab):
    """Every line that is evidence of an incident, as committed."""
    rc, out, err = lab.cli("incident", "list", "--json")
    ids = set(re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", out))
    said = out
    for i in ids:
        said += lab.cli("incident", "show", i, "--json")[1]
    return set(re.findall(r"user-[a-z]+-\d+", said))


def write(path, text):
    with open(path, "a") as f:
        f.write(text)


def program(lab, name, change=lambda t: t):
    path = f"{lab.dir}/{name}"
    with open(path + ".new", "w") as f:
        f.write(change(open(EXAMPLE, encoding="utf-8").read()))
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)
    return path


def refused(lab, name):
    rc, out, err = lab.cli("plugin", "list", "--json")
    for p in json.loads(out)["plugins"] if rc in (0, 1) and out.strip() else []:
        for i in p["instances"]:
            if i["name"] == name and i["state"] == "refused":
                return i.get("reason")
    return None


def confined(lab, pid):
    with open(f"/proc/{pid}/status") as f:
        s = dict(l.split(":", 1) for l in f.read().splitlines())
    box = lab.host("linewatch").get("sandbox") or {}
    case("it_is_python", "python" in os.readlink(f"/proc/{pid}/exe"), os.readlink(f"/proc/{pid}/exe"))
    case("it_has_a_user_of_its_own", int(s["Uid"].split()[0]) > 1000 or lab.status()["no_users"], s["Uid"])
    case("it_gains_no_privileges", s["NoNewPrivs"].strip() == "1" and s["Seccomp"].strip() == "2", (s["NoNewPrivs"], s["Seccomp"]))
    case("it_keeps_what_it_declared_only", int(s["CapBnd"], 16) == int(s["CapEff"], 16) == 1 << 2, (s["CapBnd"], s["CapEff"]))  # DAC_READ_SEARCH: files_ro
    case("status_knows_its_sandbox", box.get("user") == int(s["Uid"].split()[0]), box)


def runs_and_survives(lab, file):
    write(file, "".join(f"alarm: wrong code user=user-first-{i}\nnothing\n" for i in range(5)))
    wanted = {f"user-first-{i}" for i in range(5)}
    case("what_it_finds_is_an_incident", lab.until(lambda: wanted <= found(lab), 60), (found(lab), lab.log()))
    case("incident_list_names_it", titles(lab), lab.cli("incident", "list")[1])
    pid = lab.pid_of("linewatch")
    confined(lab, pid)
    for turn in range(3):  # a burst, and in the middle of it the end
        for i in range(15):
            write(file, f"alarm: wrong code user=user-burst{'abc'[turn]}-{i}\n")
            time.sleep(0.01)
            if i == 7:
                os.kill(pid, signal.SIGKILL)
        wanted |= {f"user-burst{'abc'[turn]}-{i}" for i in range(15)}
        new = lab.until(lambda: lab.pid_of("linewatch") not in (pid, None, 0) and lab.host("linewatch").get("state") == "running" and
                        lab.pid_of("linewatch"), 60)
        case(f"killed_it_comes_again_{turn}", new, (lab.host("linewatch"), lab.log()))
        pid = new
    case("its_loss_is_evidence", lab.until(lambda: lab.count("evidence where kind = 'sensor.lost' and instr(body, 'linewatch')") > 0, 20), lab.log())
    case("nothing_is_missing", lab.until(lambda: wanted <= found(lab), 90), sorted(wanted - found(lab)))
    position = f"{lab.dir}/state/plugins/linewatch/position"
    case("it_knows_that_all_is_committed", lab.until(lambda: int(open(position).read().split()[1]) == os.path.getsize(file), 30), open(position).read())


def speaks_nonsense(lab):
    for name, (line, says) in WRONG.items():
        path = program(lab, f"{name}.py", lambda t: t.replace("        tether.beat()\n", f"        if bus.is_up and lines.at:\n            {line}\n        tether.beat()\n"))
        lab.drop_in("60-wrong", {"plugins": {"wrong": {"plugin": "org.example.linewatch", "exec": path, "config": {"file": f"{lab.dir}/{name}.txt"}}}, "trust": {"require": "any"}})
        rc, out, err = lab.cli("reload")
        case(f"{name}_is_loaded", rc == 0, out + err)
        case(f"{name}_runs", lab.until(lambda: lab.is_up(["brain", "file", "linewatch", "wrong"]), 60), lab.log())
        others = {n: lab.pid_of(n) for n in ("linewatch", "file", "network")}
        write(f"{lab.dir}/{name}.txt", "now\n")
        if says is None:
            before = lab.host("wrong")
            case(f"{name}_changes_nothing", lab.until(lambda: lab.host("wrong")["ticks"] > before["ticks"] + 2, 60) and lab.pid_of("wrong") == before["pid"] if
                 "ticks" in before else lab.host("wrong").get("state") == "running", lab.host("wrong"))
        else:
            end = lab.until(lambda: (lab.host("wrong").get("last_end") or {}).get("cause") == "nonsense" and lab.host("wrong")["last_end"], 60)
            case(f"{name}_ends_it", end and says in end["text"], (end, lab.host("wrong"), lab.log()))
        case(f"{name}_touches_nobody_else", all(p and lab.pid_of(n) == p for n, p in others.items()), (others, lab.log()))
    os.unlink(f"{lab.site}/60-wrong.yaml")
    lab.cli("reload")


def forwards(lab, file):
    """The same program as a forwarder: what the core hands it comes back as delivered, and is offered once."""
    path = program(lab, "forwarder.py", forwarder)
    lab.drop_in("63-keeper", {"plugins": {"keeper": {"plugin": "org.example.keeper", "exec": path, "config": {"file": "/x"}}}})
    rc, out, err = lab.cli("plugin", "register", path)
    case("a_forwarder_is_registered", rc == 0, out + err)
    lab.cli("reload")
    case("a_forwarder_runs", lab.until(lambda: lab.is_up(["brain", "keeper", "linewatch"]), 60), lab.log())
    write(file, "alarm: wrong code user=user-kept-1\n")
    kept = f"{lab.dir}/state/plugins/keeper/records"
    case("it_gets_records", lab.until(lambda: os.path.exists(kept) and "user-kept-1" in open(kept).read(), 60), lab.log())
    case("they_are_ocsf", all(json.loads(l)["class_uid"] for l in open(kept)), open(kept).read())
    case("and_are_delivered", lab.until(lambda: lab.count("delivery where forwarder = 'keeper' and level = 4") > 0 and lab.count("todo where forwarder = 'keeper'") == 0, 30),
         lab.log())
    case("once", len(set(open(kept))) == len(list(open(kept))), open(kept).read())
    os.unlink(f"{lab.site}/63-keeper.yaml")


def responds(lab):
    """The same program as a responder: the core's own test asks it for a dry run, and it answers."""
    path = program(lab, "responder.py", responder)
    lab.drop_in("64-blocker", {"plugins": {"blocker": {"plugin": "org.example.blocker", "exec": path, "config": {"file": "/x"}}}})
    rc, out, err = lab.cli("plugin", "register", path)
    case("a_responder_is_registered", rc == 0 and "actions  block.addr" in out, out + err)
    lab.cli("reload")
    case("a_responder_runs", lab.until(lambda: lab.is_up(["brain", "blocker"]), 60), lab.log())

    def tests():
        return [t for p in json.loads(lab.cli("plugin", "list", "--json")[1])["plugins"] if p["id"] == "org.example.blocker" for t in p["selftests"]]
    orders = f"{lab.dir}/state/plugins/blocker/orders"
    case("it_passes_the_core_s_own_test", lab.until(lambda: any(t["result"] == "passed" for t in tests()), 60), (tests(), lab.log()))
    case("it_was_asked_for_a_dry_run", any(l.split()[:2] == ["2", "block.addr"] for l in open(orders)), open(orders).read())
    os.unlink(f"{lab.site}/64-blocker.yaml")


def refusals(lab, good):
    rc, out, err = lab.cli("plugin", "unregister", "org.example.linewatch")
    case("unregister", rc == 0, out + err)
    lab.cli("reload")
    case("unregistered_it_is_refused", lab.until(lambda: refused(lab, "linewatch") == "unregistered", 60), lab.cli("plugin", "list")[1])
    case("and_runs_no_more", lab.until(lambda: not lab.pid_of("linewatch"), 30), lab.host("linewatch"))
    rc, out, err = lab.cli("plugin", "register", good)
    case("register", rc == 0 and "exec: " in out, out + err)
    lab.cli("reload")
    case("registered_it_runs_again", lab.until(lambda: lab.host("linewatch").get("state") == "running", 60), lab.log())
    with open(good, "a") as f:
        f.write("# altered\n")
    lab.drop_in("61-again", {"plugins": {"linewatch": {"config": {"look": "400ms"}}}})
    subprocess.run(["touch", f"{lab.dir}/etc/plugins.d/org.example.linewatch.yaml"], check=True)
    lab.cli("reload")
    case("altered_it_is_refused", lab.until(lambda: refused(lab, "linewatch") == "hash", 60), lab.cli("plugin", "list")[1])
    program(lab, "linewatch.py")
    lab.cli("reload")


def wrong_entries(lab, good):
    so = os.path.join(BUILD, "tests", "plugins", "so", "sensor.so")
    for name, text, entry, says in (
            ("no_description", lambda t: t.replace("mamori-plugin-description", "some-description"), {}, "holds no description"),
            ("two_descriptions", lambda t: t + '\nX = "<mamori-plugin-description>"\n', {}, "more than once"),
            ("unknown_key", lambda t: t.replace('"doc": "lines', '"docs": "lines'), {}, "did you mean 'doc'"),
            ("unknown_need", lambda t: t.replace('"files_ro"', '"everything"'), {}, "'everything'"),
            ("other_protocol", lambda t: t.replace('"protocol": 1', '"protocol": 2'), {}, "speaks plugin protocol 2"),
            ("broken_json", lambda t: t.replace('"protocol": 1,', '"protocol" 1,'), {}, "description"),
            ("no_json", lambda t: t.replace('"detects": ["host"]', '"detects": "host"'), {}, "'detects' must be a list")):
        rc, out, err = lab.cli("plugin", "register", program(lab, name + ".py", text))
        case(f"{name}_is_not_registered", rc == 1 and (says in err or name == "no_description"), out + err)
    for name, entry, says in (("file_and_exec", {"file": so, "exec": good}, "'file:'"), ("host_and_exec", {"exec": good, "host": "file"}, "'host:'")):
        lab.drop_in("62-bad", {"plugins": {"bad": {"plugin": "org.example.linewatch", **entry, "config": {"file": "/x"}}}})
        rc, out, err = lab.cli("config", "check")
        case(f"{name}_is_no_configuration", rc != 0 and says in out + err, out + err)
    lab.drop_in("62-bad", {"plugins": {"bad": {"plugin": "org.example.linewatch", "exec": good, "config": {"fil": "/x", "look": "9h"}},
                                       "capture": {"plugin": "org.mamori.capture", "config": {"interfacez": ["eth0"]}}}})
    rc, out, err = lab.cli("config", "check")
    case("config_check_knows_the_keys_of_programs", rc == 2 and all(w in err for w in ("62-bad.yaml", "no key 'fil'; did you mean 'file'?", "from 10 to 60000 ms, found '9h'",
                                                                                       "needs 'file'")), err)
    case("and_of_shared_objects", "no key 'interfacez'; did you mean 'interfaces'?" in err, err)
    lab.drop_in("62-bad", {"plugins": {"bad": {"plugin": "org.example.nowhere", "config": {}}}})
    rc, out, err = lab.cli("config", "check")
    case("and_that_a_plugin_is_nowhere", rc == 2 and "plugins.bad: no plugin 'org.example.nowhere'" in err, err)
    lab.drop_in("62-bad", {"plugins": {"bad": {"plugin": "org.example.linewatch", "file": good, "config": {"file": "/x"}},
                                       "worse": {"plugin": "test.sensor", "exec": so}}})
    lab.cli("reload")
    case("a_program_as_a_file_is_refused", lab.until(lambda: refused(lab, "bad") == "kind", 60), lab.log())
    case("a_file_as_a_program_is_refused", lab.until(lambda: refused(lab, "worse") == "kind", 60), lab.log())
    for name, change, says in (("env", lambda t: t.replace("#!/usr/bin/python3 -I", "#!/usr/bin/env python3"), "name the interpreter itself"),
                               ("not_there", lambda t: t.replace("#!/usr/bin/python3 -I", "#!/usr/bin/no-such-python"), "No such file"),
                               ("its_own_refusal", lambda t: t, "must be an absolute path")):
        lab.drop_in("62-bad", {"trust": {"require": "any"}, "plugins": {"bad": {"plugin": "org.example.linewatch", "exec": program(lab, name + ".py", change),
                                                                             "config": {"file": "relative" if "own" in name else "/x"}}}})
        lab.cli("reload")
        end = lab.until(lambda: (e := lab.host("bad").get("last_end") or {}).get("cause") == "refused" and says in e["text"] and e, 60)
        case(f"refused_{name}", end, (lab.host("bad"), lab.log()))
    os.unlink(f"{lab.site}/62-bad.yaml")


def main():
    needs_root()
    needs_modules()
    lab = Lab(MAMORI, [{"plugins": {n: None for n in SENSORS}}, AGREED,
                       {"supervise": {"restart_delay": "100ms", "quarantine_after": 30}}])
    os.mkdir(f"{lab.dir}/etc")
    file, good = f"{lab.dir}/door.log", program(lab, "linewatch.py")
    lab.drop_in("40-trust", {"trust": {"require": "registered", "keys_dir": f"{lab.dir}/etc/keys.d", "register_dir": f"{lab.dir}/etc/plugins.d"},
                             "plugins": {"linewatch": {"plugin": "org.example.linewatch", "exec": good, "config": {"file": file, "look": "20ms"}}}})
    try:
        lab.start()
        case("the_others_run", lab.until(lambda: lab.is_up(["brain", "file"]), 60), lab.log())
        case("a_stranger_is_refused", lab.until(lambda: refused(lab, "linewatch") == "unregistered", 30), lab.log())
        rc, out, err = lab.cli("plugin", "register", good)
        case("it_is_registered", rc == 0 and "needs    files_ro" in out, out + err)
        rc, out, err = lab.cli("reload")
        case("registered_it_runs", lab.until(lambda: lab.host("linewatch").get("state") == "running", 60), out + err + lab.log())
        runs_and_survives(lab, file)
        forwards(lab, file)
        responds(lab)
        speaks_nonsense(lab)
        refusals(lab, good)
        wrong_entries(lab, good)
    finally:
        lab.stop()
    return finish()


sys.exit(main())
