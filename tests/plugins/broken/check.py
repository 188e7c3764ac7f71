"""check.py MAMORI FOLDER: each broken plugin is named with the fault it has, and the sound one it is made from passes."""
import concurrent.futures
import json
import os
import subprocess
import sys

mamori, folder = sys.argv[1], sys.argv[2]
sanitized = b"__asan_init" in open(mamori, "rb").read()

# plugin: the first case that fails, and a part of what it says
WANT = {
    "sound": None,
    "no_entry": ("entry-symbol", "no symbol"),
    "second_export": ("one-export", "another_name"),
    "text_relocation": ("no-writable-code", "text relocations"),
    "writable_code": ("no-writable-code", "writable and executable"),
    "executable_stack": ("no-writable-code", "executable stack"),
    "search_path": ("no-search-path", "/opt/somewhere"),
    "constructor_file": ("load", "the system call openat"),
    "constructor_thread": ("load", "starts a thread or a process"),
    "constructor_slow": ("load", "expected at most 100"),
    "constructor_environment": ("load", "changes the environment"),
    "constructor_signal": ("load", "signal handler"),
    "bad_abi": ("abi", "built for ABI 99.0"),
    "short_descriptor": ("abi", "descriptor of 64 bytes"),
    "needs_newer_host": ("abi", "needs a host of ABI"),
    "bad_id": ("descriptor", "reverse-DNS"),
    "unknown_needs": ("capabilities", "needs has unknown bits"),
    "missing_table": ("capabilities", "no responder table"),
    "claims_detection": ("capabilities", "'finding' is not in events"),
    "bad_rows": ("config-rows", "does not fit a config struct"),
    "answers_any_extension": ("extension", "expected NULL"),
    "crash_in_create": ("create", "ended by signal 11 (Segmentation fault) in create()"),
    "no_text": ("create", "without a text"),
    "odd_code": ("create", "returned -4711"),
    "no_instance": ("create", "without an instance"),
    "hang_in_create": ("create", "did not end within"),
    "leak_memory": ("leak", "leave"),
    "leak_descriptor": ("leak", "descriptors open"),
    "crash_in_destroy": ("create", "in destroy()"),
    "starts_once": ("start-stop", "started already"),
    "emits_after_stop": ("after-stop", "emit() called after stop()"),
    "emits_undeclared": ("callbacks", "something.else"),
    "emits_rubbish": ("callbacks", "emit():"),
    "exits": ("callbacks", "ended the process itself"),
    "believes_types": ("callbacks", "in event()"),
    "sleeps_in_timer": ("callbacks", "on_timer() slept"),
    "computes_in_timer": ("callbacks", "on_timer() computed"),
    "blocks_on_descriptor": ("fuzz", "did not end within"),
    "thread_emits": ("create", "from a thread of the plugin's own"),
    "reload_refuses": ("reload", "not today"),
    "unknown_verb": ("callbacks", "actions[] declares cut.flow"),
    "no_receipt": ("callbacks", "gave no receipt"),
    "odd_receipt": ("callbacks", "splendid"),
    "ends_badly": ("clean-end", "ended by signal 6"),
}
SLOW = {"hang_in_create", "blocks_on_descriptor", "sleeps_in_timer", "computes_in_timer"}  # the other cases take them long


def check(name):
    want = WANT[name]
    args = [mamori, "plugin", "check", os.path.join(folder, name + ".so"), "--json", "--seed", "7", "--first"]
    args += ["--limit", "4" if want and "did not end" in want[1] else "120"]
    if name in SLOW:
        args += ["--case", want[0]]
    done = subprocess.run(args, capture_output=True, text=True, timeout=800)
    if done.returncode not in (0, 1) or not done.stdout:
        return "%s: status %d, %s" % (name, done.returncode, done.stderr[-300:])
    answer = json.loads(done.stdout)
    failed = [c for c in answer["cases"] if c["verdict"] == "fail"]
    if want is None:
        skipped = [c for c in answer["cases"] if c["verdict"] == "skip"]
        return "" if done.returncode == 0 and not failed and not skipped else "%s: %s" % (name, failed + skipped)
    if done.returncode != 1 or not failed:
        return "%s: nothing was found, expected %s" % (name, want)
    first = failed[0]
    text = "\n".join(first["text"])
    if name == "thread_emits":  # whichever case its thread was quick enough in
        text = "\n".join("\n".join(c["text"]) for c in failed)
    elif first["case"] != want[0]:
        return "%s: first %s (%s), expected %s" % (name, first["case"], text, want[0])
    if sanitized and "ended by signal" in want[1]:  # a sanitizer makes an exit of a crash
        want = (want[0], "status" if "ended with status" in text else want[1])
    if want[1] not in text:
        return "%s: %s says '%s', expected '%s'" % (name, first["case"], text, want[1])
    if first["case"] == "fuzz" and "repeat: --case fuzz --seed 7" not in text:
        return "%s: it does not say how to repeat it: %s" % (name, text)
    return ""


there = {f[:-3] for f in os.listdir(folder) if f.endswith(".so")}
bad = 0
for name in sorted(there ^ set(WANT)):
    print("[  FAILED  ] %s\n%s: stands in one of folder and table only" % (name, name))
    bad += 1
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    names = [n for n in WANT if n in there]
    for name, wrong in zip(names, pool.map(check, names)):
        if wrong:
            print(wrong)
            bad += 1
        print("[  FAILED  ] %s" % name if wrong else "[       OK ] %s" % name, flush=True)

# a plugin nobody has, a case nobody knows, a file that is none
for args, status in ((["/nonexistent/x.so"], 2), ([os.path.join(folder, "sound.so"), "--case", "nonsense"], 2), ([mamori + ".so"], 2),
                     ([os.path.join(folder, "sound.so"), "--seed", "x"], 2), ([], 2)):
    got = subprocess.run([mamori, "plugin", "check"] + args, capture_output=True, text=True).returncode
    if got != status:
        print("%s: status %d, expected %d" % (args, got, status))
        bad += 1
print("[  FAILED  ] wrong_calls" if bad and not names else "[       OK ] wrong_calls")
sys.exit(1 if bad else 0)
