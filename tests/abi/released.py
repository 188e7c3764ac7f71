"""released.py MAMORI FOLDER: a plugin built with each released version of the interface still loads and keeps every rule."""
import glob
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile

mamori, folder = sys.argv[1:3]
files = sorted(glob.glob(os.path.join(folder, "abi-*.%s.so" % platform.machine())))
if not files:
    print("[  SKIPPED ] no_plugin_was_kept_for_this_machine")
    sys.exit(77)
bad = 0
with tempfile.TemporaryDirectory() as top:  # a safe place, whatever the mode of the checkout is
    for path in files:
        version = os.path.basename(path)[4:-len(".%s.so" % platform.machine())]
        copy = os.path.join(top, os.path.basename(path))
        shutil.copyfile(path, copy)
        os.chmod(copy, 0o644)
        done = subprocess.run([mamori, "plugin", "check", copy, "--json", "--seed", "3"], capture_output=True, text=True)
        answer = json.loads(done.stdout or "{}")
        abi = "%s.%s" % (answer.get("abi_major"), answer.get("abi_minor"))
        wrong = [c for c in answer.get("cases", []) if c["verdict"] in ("fail", "skip")]
        is_good = done.returncode == 0 and abi == version and not wrong and answer.get("passed", 0) > 20
        if not is_good:
            print(done.stderr, abi, wrong)
            bad += 1
        print("[%s] abi_%s" % ("       OK " if is_good else "  FAILED  ", version.replace(".", "_")))
sys.exit(1 if bad else 0)
