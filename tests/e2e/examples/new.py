#!/usr/bin/env python3
"""new.py SOURCE BUILD - what `mamori plugin new` writes, of every role and side, builds against the installed SDK without a warning, passes
its own test and `mamori plugin check`, untouched."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "run"))
from lab import case, finish  # noqa: E402

SOURCE, BUILD = sys.argv[1:3]


def run(*args, **kw):
    p = subprocess.run(args, capture_output=True, timeout=300, **kw)
    return p.returncode, (p.stdout + p.stderr).decode("utf-8", "replace")


def cache(name):
    m = re.search(rf"^{name}:[A-Z]+=(.*)$", open(os.path.join(BUILD, "CMakeCache.txt")).read(), re.M)
    return m.group(1) if m else ""


if not shutil.which("cmake") or not shutil.which("ninja"):
    print("[  SKIPPED ] needs_cmake_and_ninja")
    sys.exit(77)
top = tempfile.mkdtemp(prefix="mamori-new-")
os.chmod(top, 0o755)
prefix = os.path.join(top, "prefix")
try:
    rc, said = run("cmake", "--install", BUILD, "--prefix", prefix)
    if rc != 0 and "cannot find" in said:
        print("[  SKIPPED ] not_everything_is_built\n" + said[-500:])
        sys.exit(77)
    case("mamori_installs", rc == 0, said)
    mamori = os.path.join(prefix, "bin", "mamori")
    licenses = iter(("Apache-2.0", "MIT", "BSD-2-Clause", "proprietary"))
    for role, side in (("sensor", "endpoint"), ("analyzer", "either"), ("responder", "network"), ("forwarder", "either")):
        where = os.path.join(top, f"a_{role}")
        license = next(licenses)
        rc, said = run(mamori, "plugin", "new", f"my_{role}", "--role", role, "--side", side, "--dir", where, "--license", license, "--vendor", "A. Person")
        case(f"{role}_is_written", rc == 0, said)
        case(f"{role}_has_its_license", ("A. Person" in open(os.path.join(where, "LICENSE")).read()) == (license != "Apache-2.0"), "")
        left = [f for f in os.listdir(where) if re.search(r"@[a-z_]+@", open(os.path.join(where, f), encoding="utf-8").read())]
        case(f"{role}_has_no_blank_left", not left, left)
        rc, said = run("cmake", "-G", "Ninja", "-S", where, "-B", where + "/build", f"-DCMAKE_PREFIX_PATH={prefix}",
                       f"-DCMAKE_C_COMPILER={cache('CMAKE_C_COMPILER')}", f"-DCMAKE_C_FLAGS={cache('CMAKE_C_FLAGS')} -Werror",
                       f"-DCMAKE_BUILD_TYPE={cache('CMAKE_BUILD_TYPE')}")
        case(f"{role}_finds_the_package", rc == 0, said)
        rc, said = run("cmake", "--build", where + "/build")
        case(f"{role}_builds_without_a_warning", rc == 0 and "warning" not in said, said)
        rc, said = run("ctest", "--output-on-failure", cwd=where + "/build")
        case(f"{role}_passes_its_test", rc == 0 and "100% tests passed" in said, said)
        so = os.path.join(where, "build", f"my_{role}.so")
        os.chmod(so, 0o644)
        rc, said = run(mamori, "plugin", "check", so, "--seed", "5")
        case(f"{role}_keeps_the_rules", rc == 0 and "skip " not in said, said)
        open(os.path.join(top, "node.yaml"), "w").close()
    # the same function of the package makes a plugin in C++
    where = os.path.join(top, "greeter")
    os.mkdir(where)
    shutil.copy(os.path.join(SOURCE, "tests", "abi", "plugin.cpp"), where)
    with open(os.path.join(where, "CMakeLists.txt"), "w") as f:
        f.write("cmake_minimum_required(VERSION 3.25)\nproject(greeter CXX)\nset(CMAKE_CXX_STANDARD 17)\nfind_package(mamori-sdk 0.1 REQUIRED)\n"
                "mamori_add_plugin(greeter plugin.cpp)\n")
    if shutil.which("c++") and "-fsanitize" not in cache("CMAKE_C_FLAGS"):
        rc, said = run("cmake", "-G", "Ninja", "-S", where, "-B", where + "/build", f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror")
        case("cxx_finds_the_package", rc == 0, said)
        rc, said = run("cmake", "--build", where + "/build")
        case("cxx_builds_without_a_warning", rc == 0, said)
        rc, said = run(mamori, "plugin", "check", where + "/build/greeter.so")
        case("cxx_keeps_the_rules", rc == 0 and "skip " not in said, said)
    rc, said = run(mamori, "plugin", "new", "My-Beacon", cwd=top)
    case("a_name_that_could_be_one_is_said", rc == 2 and "'My-Beacon' is no name, but 'my_beacon' would be" in said, said)
    for args, why in ((["x-y"], "no_word"), (["while"], "c_s_own_word"), (["a", "--role", "king"], "no_role"), (["a", "--side", "left"], "no_side"),
                      (["a", "--license", "GPL"], "no_license"), ([], "no_name"), (["Org.Example.a"], "no_id"), (["b", "--dir", where], "folder_is_there")):
        rc, said = run(mamori, "plugin", "new", *args, cwd=top)
        case("refuses_" + why, rc == 2, said)
finally:
    shutil.rmtree(top, ignore_errors=True)
sys.exit(finish())
