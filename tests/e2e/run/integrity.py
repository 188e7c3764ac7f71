#!/usr/bin/env python3
"""integrity.py MAMORI BUILD - files of a folder against their baseline, in a whole mamori: what is changed, added, removed or given other attributes
while it runs and while it does not is found with path and kind and told once; what a person agreed to is not told again."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lab import SENSORS, Lab, case, finish, needs_root  # noqa: E402
from program_kinds import EXAMPLE, analyzer, needs_modules  # noqa: E402

MAMORI = sys.argv[1]
LIVE, WALKED = "when it happened", "by looking through the places"


class Watched:
    """The folder, and what was told of its files."""

    def __init__(self, lab):
        self.lab, self.dir, self.n_read = lab, f"{lab.dir}/watched", 0
        os.makedirs(f"{self.dir}/deep/er")
        for name in ("content", "mode", "owner", "attribute", "removed", "deep/er/content", "kept", "agreed",
                     "off-content", "off-mode", "off-owner", "off-attribute", "off-removed", "deep/off-removed"):
            self.write(name, f"first of {name}")
        os.symlink("content", f"{self.dir}/link")

    def path(self, name):
        return f"{self.dir}/{name}"

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def told(self):
        """(name, kinds of change, how it was noticed) of each event since the last forget()."""
        path = f"{self.lab.dir}/state/plugins/listener/events"
        lines = open(path).read().splitlines()[self.n_read:] if os.path.exists(path) else []
        events = [json.loads(l) for l in lines]
        return [(os.path.relpath(e["file.path"], self.dir), e["unmapped.What"], e["unmapped.Noticed"]) for e in events if "file.path" in e]

    def forget(self):
        path = f"{self.lab.dir}/state/plugins/listener/events"
        self.n_read = len(open(path).read().splitlines()) if os.path.exists(path) else 0

    def differs(self):
        rc, out, err = self.lab.cli("integrity", "--json")  # 1: something differs
        return {os.path.relpath(d["path"], self.dir) for d in json.loads(out)["differs"]} if rc in (0, 1) and out else {f"{rc}: {err}"}


def expect(w, name, wanted, how):
    """Each of these, of this kind, once; nothing else. A last change that is waited for says that all before it were looked at."""
    all_told = w.lab.until(lambda: {n for n, _, _ in w.told()} >= set(wanted), 120)
    for path, what in wanted.items():
        got = [(k, h) for n, k, h in w.told() if n == path]
        case(f"{name}_{path.replace('/', '_').replace('-', '_')}_is_told_once_as_{what}", got == [(what, how)], (got, w.lab.log() if not all_told else ""))
    others = [t for t in w.told() if t[0] not in wanted]
    case(f"{name}_nothing_else_is_told", not others, others)


def while_it_runs(w):
    w.write("content", "second")
    w.write("deep/er/content", "second")
    os.chmod(w.path("mode"), 0o600)
    os.chown(w.path("owner"), 12345, 12345)
    os.setxattr(w.path("attribute"), "user.mamori", b"x")
    w.write("added", "new")
    os.unlink(w.path("removed"))
    os.unlink(w.path("link"))
    os.symlink("mode", w.path("link"))
    w.write("agreed", "as it should be")
    expect(w, "running", {"content": "content", "deep/er/content": "content", "mode": "mode", "owner": "owner", "attribute": "attributes", "added": "added",
                          "removed": "removed", "link": "content", "agreed": "content"}, LIVE)
    w.forget()
    os.utime(w.path("content"))  # touched and written again as it is: what was told is not told again
    w.write("content", "second")
    w.write("last", "of this")
    expect(w, "running_again", {"last": "added"}, LIVE)


def a_person_agrees(w, names):
    before = w.differs()
    rc, out, err = w.lab.cli("integrity", "agree", *([w.path(n) for n in names] or ["--all"]))
    case(f"agreeing_to_{len(names) or 'all'}_is_taken", rc == 0, out + err)
    left = set() if not names else before - set(names)
    case("and_they_leave_the_list", w.lab.until(lambda: w.differs() == left, 120), (w.differs(), left))


def stop(lab):
    lab.p.send_signal(signal.SIGTERM)
    lab.p.wait(60)


def start(lab):
    lab.start()
    case("it_runs", lab.until(lambda: lab.is_up(["brain", "listener"]) and any(h.get("state") == "running" for h in lab.status()["hosts"]), 60), lab.log())


def main():
    needs_root()
    needs_modules()
    lab = Lab(MAMORI, [{"plugins": {n: None for n in SENSORS if n != "integrity"}}])
    w = Watched(lab)
    listener = f"{lab.dir}/listener.py"
    with open(listener, "w") as f:
        f.write(analyzer(["integrity.change"])(open(EXAMPLE, encoding="utf-8").read()))
    os.chmod(listener, 0o755)
    lab.drop_in("50-integrity", {"plugins": {"integrity": {"config": {"places": [w.dir], "wait": "3s"}},
                                             "listener": {"plugin": "org.example.listener", "exec": listener, "config": {"file": "/x"}}}})
    try:
        os.setxattr(w.path("kept"), "user.mamori", b"x")
    except OSError as e:
        print(f"[  SKIPPED ] needs a file system with attributes below {lab.dir}: {e}")
        lab.stop()
        return 77
    try:
        start(lab)
        case("the_baseline_is_made", lab.until(lambda: "integrity.baseline files=" in lab.log(), 120), lab.log())
        case("and_nothing_differs", w.differs() == set() and not w.told(), (w.differs(), w.told()))
        while_it_runs(w)
        differs = {"content", "deep/er/content", "mode", "owner", "attribute", "added", "removed", "link", "agreed", "last"}
        case("the_list_has_them_all", lab.until(lambda: w.differs() == differs, 30), w.differs())
        a_person_agrees(w, ["agreed", "mode"])
        stop(lab)

        w.forget()
        w.write("off-content", "second")
        os.chmod(w.path("off-mode"), 0o600)
        os.chown(w.path("off-owner"), 12345, 12345)
        os.setxattr(w.path("off-attribute"), "user.mamori", b"x")
        w.write("off-added", "new")
        os.unlink(w.path("off-removed"))
        os.unlink(w.path("deep/off-removed"))
        w.write("content", "third")
        start(lab)
        expect(w, "stopped", {"off-content": "content", "off-mode": "mode", "off-owner": "owner", "off-attribute": "attributes", "off-added": "added",
                              "off-removed": "removed", "deep/off-removed": "removed", "content": "content"}, WALKED)

        a_person_agrees(w, [])
        w.forget()
        stop(lab)
        w.write("marker", "new")
        start(lab)
        expect(w, "agreed", {"marker": "added"}, WALKED)
        w.forget()
        w.write("kept", "second")  # and it still watches
        expect(w, "after_all", {"kept": "content"}, LIVE)
    finally:
        lab.stop()
    return finish()


sys.exit(main())
