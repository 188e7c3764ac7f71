#!/usr/bin/env python3
"""notices.py MAMORI BUILD - a severe incident reaches people through real servers: mail (aiosmtpd), a short-message gateway (TLS
webhook), this machine's screen. The brain is killed again and again while it goes out: nothing is lost, nobody gets the same
message twice. A link confirms, a named person ends it, a test message goes by every way, the evidence verifies."""
import collections
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from lab import Lab, case, emitter, finish, needs_root  # noqa: E402

MAMORI, BUILD = sys.argv[1:3]
SERVERS = os.path.join(os.path.dirname(__file__), "../../../plugins/forward/libpost/servers")
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable


class Server:
    """A server of another maker inside the lab's namespace."""
    def __init__(self, lab, script, *args):
        self.dir = os.path.join(lab.dir, script)
        os.mkdir(self.dir)
        self.p = subprocess.Popen(["ip", "netns", "exec", lab.ns, PYTHON, os.path.join(SERVERS, script), self.dir, *args], stdout=subprocess.PIPE, text=True)
        line = self.p.stdout.readline().split()
        if not line or line[0] != "PORT":
            print("[  SKIPPED ] " + " ".join(line))
            lab.stop()
            sys.exit(77)
        self.port = int(line[1])

    def log(self):
        path = os.path.join(self.dir, "log")
        return [json.loads(x) for x in open(path, encoding="utf-8")] if os.path.exists(path) else []

    def stop(self):
        self.p.terminate()
        self.p.wait()


def main():
    needs_root()
    lab = Lab(MAMORI, [emitter(BUILD, count=1, distinct=1, interval="10ms", delay="2s"), {"plugins": {"nft": None}, "supervise": {"quarantine_after": 1000, "restart_delay": "50ms"}}])
    mail, sms = Server(lab, "smtpd.py", "plain"), Server(lab, "hookd.py")
    with open(f"{lab.dir}/sms.json", "w", encoding="utf-8") as f:
        f.write('{"to": "{to}", "text": "{text}", "report": "{report_url}"}')
    lab.drop_in("60-notify", {
        "language": "ja", "assets": {"PC1": {"ip": ["192.168.77.5"], "place": "経理"}},
        "notify": {"watchword": "さくら", "phone": "03-0000-0000", "confirm_url": "http://127.0.0.1:8091",
                   "contacts": {"owner": {"mail": "owner@home.test", "sms": "+810000000001", "push": "screen"}, "clerk": {"mail": "clerk@home.test", "sms": "+810000000002"}}},
        "plugins": {"mail": {"enabled": True, "config": {"server": f"127.0.0.1:{mail.port}", "tls": "none", "from": "mamori@home.test", "own_domains": ["home.test"]}},
                    "sms": {"enabled": True, "config": {"url": f"https://localhost:{sms.port}/sms", "ca_file": f"{sms.dir}/cert.pem", "template": f"{lab.dir}/sms.json",
                                                       "status_field": "messages.0.status", "status_delivered": "delivered"}},
                    "screen": {"enabled": True, "config": {"terminals": False}}, "answers": {"enabled": True}, "report": {"enabled": True}}})
    try:
        rc, out, err = lab.cli("config", "check")
        case("the_configuration_is_good", rc == 0, out + err)
        lab.start()
        case("it_starts", lab.until(lambda: lab.is_up(["brain", "mail", "sms", "screen", "answers", "emitter"])), lab.log())
        if not lab.status():
            return finish()
        kills = 0
        end = time.time() + 12
        while time.time() < end:  # while the message is opened, stored, handed over and answered
            pid = lab.pid_of("brain")
            if pid and kills < 6:
                os.kill(pid, signal.SIGKILL)
                kills += 1
            time.sleep(0.7)
        case("the_brain_was_killed", kills >= 4, kills)
        case("the_mail_arrives", lab.until(lambda: mail.log()), lab.log())
        case("the_short_message_arrives", lab.until(lambda: sms.log()), lab.log())
        screen = f"{lab.dir}/state/plugins/screen/notices.txt"
        case("the_screen_shows_it", lab.until(lambda: os.path.exists(screen) and "合言葉:さくら" in open(screen, encoding="utf-8").read()), lab.log())

        def notices():
            s = lab.status()
            return (s or {}).get("brain") and s["brain"]["notices"]
        n = lab.until(lambda: notices() and [x for x in notices()["open"] if x["target"] == "met"])
        case("the_target_is_met_by_the_recipients_system", n and n[0]["reached"] >= 2, notices())
        case("only_step_0_was_due", n and n[0]["step"] == 1, n)
        rc, out, err = lab.cli("status")
        case("status_shows_the_message", "急ぎのお知らせ" in out and "さくら" in out, out + err)
        m = mail.log()[0]
        case("the_mail_says_it_in_plain_words", m["to"] == ["owner@home.test"] and "【" in m["subject"] and "合言葉:さくら" in m["text"] and "03-0000-0000" in m["text"], m)
        case("only_the_first_contact_is_told_at_once", {t for x in mail.log() for t in x["to"]} == {"owner@home.test"}, mail.log())
        twice = [k for k, c in collections.Counter(x["message_id"] for x in mail.log()).items() if c > 1]
        twice += [k for k, c in collections.Counter(x["headers"]["idempotency-key"] for x in sms.log()).items() if c > 1]
        case("nobody_gets_the_same_message_twice", not twice, twice)

        rc, out, err = lab.cli("notice", "test", "--json")
        tests = json.loads(out)["tests"] if rc == 0 else []
        levels = {(t["contact"], t["channel"]): t["level"] for t in tests}
        case("a_test_goes_by_every_way_with_its_level",
             levels == {("owner", "push"): 1, ("owner", "mail"): 2, ("owner", "sms"): 2, ("clerk", "mail"): 2, ("clerk", "sms"): 1}, (out, err))

        link = re.search(r"http://127\.0\.0\.1:8091/c/[0-9a-f]{32}", m["text"]).group(0)
        fetch = "import sys,urllib.request as u;print(u.urlopen(u.Request(sys.argv[1],data=b'' if sys.argv[2]=='POST' else None,method=sys.argv[2])).read().decode())"

        def visit(method, url):
            return subprocess.run(["ip", "netns", "exec", lab.ns, PYTHON, "-c", fetch, url, method], capture_output=True, text=True, timeout=60).stdout
        case("the_link_opens_a_page", "見ました" in visit("GET", link))
        time.sleep(2)
        case("opening_it_confirms_nothing", notices()["open"], notices())
        case("the_button_is_taken", "ありがとうございます" in visit("POST", link))
        case("it_confirms", lab.until(lambda: notices() is not None and not notices()["open"]), notices())
        visit("POST", link)
        case("a_link_is_good_once", lab.until(lambda: "result=used-before" in lab.log()), lab.log()[-1500:])

        rc, out, _ = lab.cli("incident", "list", "--json")
        ident = json.loads(out)["incidents"][0]["id"]
        rc, out, err = lab.cli("incident", "confirm", ident, "--by", "山田")
        case("a_person_confirms_at_the_console", rc == 0 and "山田" in out, out + err)
        rc, out, err = lab.cli("incident", "confirm", "ffffffffffffffff")
        case("no_such_incident_is_said", rc == 1, out + err)
        kinds = collections.Counter(k for (k,) in rows(lab, "select kind from evidence where kind like 'notice.%'"))
        case("the_evidence_has_each_attempt_and_the_target", kinds["notice.opened"] == 1 and kinds["notice.attempt"] >= 3 and kinds["notice.target"] == 1 and kinds["notice.ended"] == 1, kinds)
        attempts = [json.loads(b) for (b,) in rows(lab, "select body from evidence where kind = 'notice.attempt'")]
        case("addresses_are_masked_in_it", attempts and all("owner@home.test" not in json.dumps(a) for a in attempts) and any(a.get("L2") for a in attempts), attempts[:2])
        rc, out, err = lab.cli("evidence", "verify", "--state", f"{lab.dir}/state")
        case("the_evidence_verifies", rc == 0, out + err)

        # a week goes by while nothing runs: its report is sent at the next start, once
        lab.p.send_signal(signal.SIGTERM)
        lab.p.wait(30)
        import sqlite3
        with sqlite3.connect(f"{lab.dir}/state/mamori.db") as c:
            c.execute("update evidence set time = time - 8 * 86400 * 1000000000")
        before = len(mail.log())
        lab.start()
        sent = lab.until(lambda: [x for x in mail.log()[before:] if "週報" in x["subject"]], 90)
        case("the_missed_weekly_report_is_mailed", sent and {t for x in sent for t in x["to"]} <= {"owner@home.test", "clerk@home.test"}, lab.log()[-3000:])
        page = f"{lab.dir}/state/plugins/report/week-0001.html"
        case("it_is_kept_as_a_page", lab.until(lambda: os.path.exists(page), 60), lab.log()[-2000:])
        case("both_users_have_it", lab.until(lambda: {t for x in mail.log()[before:] for t in x["to"] if "週報" in x["subject"]} == {"owner@home.test", "clerk@home.test"}, 60), mail.log()[before:])
        case("it_says_what_was_done_in_both_forms", sent and "急ぎのお知らせをした件" in sent[0]["text"] and "見守り週報" in sent[0]["html"] and "http" not in sent[0]["html"], sent)
        case("it_is_known_as_sent", lab.until(lambda: (lab.status() or {}).get("brain") and lab.status()["brain"]["reports"]["sent"] == 1, 60), lab.status())
        pid = lab.pid_of("brain")
        os.kill(pid, signal.SIGKILL)
        lab.until(lambda: lab.pid_of("brain") not in (None, pid))
        time.sleep(5)
        reports = [t for x in mail.log() for t in x["to"] if "週報" in x["subject"]]
        case("nobody_gets_it_twice", sorted(reports) == ["clerk@home.test", "owner@home.test"], reports)
        rc, out, err = lab.cli("report", "week", "--html")
        case("the_page_can_be_shown", rc == 0 and out.startswith("<!DOCTYPE html>") and "見守り週報" in out, out[:300] + err)
        rc, out, err = lab.cli("report", "week", "--json")
        twin = json.loads(out) if rc == 0 else {}
        case("its_twin_lists_the_incident", len(twin.get("incident_ids", [])) == 1 and twin["severe"] == 1 and twin["urgent"][0]["told_min"] <= 60, out + err)
        rc, out, err = lab.cli("report", "week")
        case("it_can_be_read_at_a_terminal", rc == 0 and "急ぎのお知らせをした件" in out, out + err)
    finally:
        lab.stop()
        mail.stop()
        sms.stop()
    return finish()


def rows(lab, sql):
    import sqlite3
    with sqlite3.connect(f"file:{lab.dir}/state/mamori.db?mode=ro", uri=True, timeout=5) as c:
        return c.execute(sql).fetchall()


sys.exit(main())
