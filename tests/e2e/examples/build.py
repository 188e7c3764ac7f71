#!/usr/bin/env python3
"""build.py SOURCE BUILD - what a plugin author does: mamori is installed into a folder of its own, each example is built against that
alone, tested, checked, installed beside the bundled plugins, and run from its own drop-in."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "run"))
from lab import Lab, case, finish  # noqa: E402

SOURCE, BUILD = sys.argv[1:3]
OFF = {n: None for n in ("capture", "flow", "protocols", "ndpi", "signature", "behaviour", "proc", "files", "ransom", "integrity", "journal", "log", "authfail", "sigma", "contain", "nft")}


def run(*args, **kw):
    p = subprocess.run(args, capture_output=True, timeout=200, **kw)
    return p.returncode, (p.stdout + p.stderr).decode("utf-8", "replace")


def cache(name):
    m = re.search(rf"^{name}:[A-Z]+=(.*)$", open(os.path.join(BUILD, "CMakeCache.txt")).read(), re.M)
    return m.group(1) if m else ""


def examples_run(prefix, names):
    """As configured by drop-ins, under the installed mamori, in a namespace of their own."""
    here = tempfile.mkdtemp(prefix="mamori-examples-")
    program = os.path.join(prefix, "lib", "mamori", "linewatch.py")
    os.makedirs(os.path.dirname(program), exist_ok=True)
    shutil.copyfile(os.path.join(SOURCE, "examples", "sensor-python", "linewatch.py"), program)
    os.chmod(program, 0o755)
    progwatch = os.path.join(prefix, "lib", "mamori", "programs", "progwatch")
    has_python = run("/usr/bin/python3", "-I", "-c", "import zmq, msgpack")[0] == 0
    lab = Lab(os.path.join(prefix, "bin", "mamori"), [
        {"plugins": OFF},
        *[open(p).read() for p in sorted(glob.glob(os.path.join(SOURCE, "examples", "*", "*.yaml")))],
        {"plugins": {"heartbeat": {"config": {"file": f"{here}/stamp", "every": "1s", "look": "200ms"}}, "note": {"config": {"file": f"{here}/denied"}},
                     "progwatch": {"exec": progwatch}, "linewatch": {"exec": program, "config": {"file": f"{here}/door"}} if has_python else None}}])
    try:
        rc, out, err = lab.cli("config", "check")
        case("drop_ins_of_the_examples_are_good", rc == 0, out + err)
        open(f"{here}/stamp", "w").close()
        lab.start()
        case("examples_run", lab.until(lambda: lab.is_up(["brain", *({"hours": "endpoint"}.get(n, n) for n in names)])), lab.log())

        def events():
            for h in (lab.status() or {"hosts": []})["hosts"]:
                for i in h.get("instances") or []:
                    if i["name"] == "heartbeat":
                        return i["events"]
            return 0
        case("the_sensor_tells_the_change_and_the_silence", lab.until(lambda: events() >= 2, 20), lab.log())
        case("the_analyzer_runs", (lab.host("endpoint") or {}).get("state") == "running", lab.log())
        case("the_program_runs", not has_python or lab.until(lambda: (lab.host("linewatch") or {}).get("state") == "running"), lab.log())
        case("the_responder_keeps_its_list", os.path.exists(f"{here}/denied"), os.listdir(here))
    finally:
        lab.stop()
        shutil.rmtree(here, ignore_errors=True)


def main():
    if not shutil.which("cmake") or not shutil.which("ninja"):
        print("[  SKIPPED ] needs_cmake_and_ninja")
        return 77
    top = tempfile.mkdtemp(prefix="mamori-prefix-")
    os.chmod(top, 0o755)
    prefix = os.path.join(top, "prefix")
    try:
        rc, said = run("cmake", "--install", BUILD, "--prefix", prefix)
        if rc != 0 and "cannot find" in said and BUILD in said:
            print("[  SKIPPED ] not_everything_is_built\n" + said[-500:])
            return 77
        case("mamori_installs", rc == 0, said)
        mamori = os.path.join(prefix, "bin", "mamori")
        names = []
        for folder in sorted(glob.glob(os.path.join(SOURCE, "examples", "*", "CMakeLists.txt"))):
            folder = os.path.dirname(folder)
            name = os.path.basename(folder).split("-", 1)[1]
            where = os.path.join(top, name)
            rc, said = run("cmake", "-G", "Ninja", "-S", folder, "-B", where, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_INSTALL_PREFIX={prefix}",
                           f"-DCMAKE_C_COMPILER={cache('CMAKE_C_COMPILER')}", f"-DCMAKE_C_FLAGS={cache('CMAKE_C_FLAGS')}",
                           f"-DCMAKE_BUILD_TYPE={cache('CMAKE_BUILD_TYPE')}")
            case(f"{name}_finds_the_installed_package", rc == 0, said)
            rc, said = run("cmake", "--build", where)
            case(f"{name}_builds_without_a_warning", rc == 0, said)
            rc, said = run("ctest", "--output-on-failure", cwd=where)
            case(f"{name}_passes_its_own_tests", rc == 0 and "100% tests passed" in said, said)
            if os.path.basename(folder).startswith("program-"):
                rc, said = run("cmake", "--install", where)
                case(f"{name}_installs", rc == 0, said)
                rc, said = run(mamori, "plugin", "info", os.path.join(prefix, "lib", "mamori", "programs", name))
                case(f"{name}_says_what_it_is", rc == 0 and f"org.example.{name}" in said, said)
                names.append(name)
                continue
            rc, said = run(mamori, "plugin", "check", os.path.join(where, f"{name}.so"))
            case(f"{name}_keeps_the_rules_of_the_interface", rc == 0, said)
            rc, said = run("cmake", "--install", where)
            case(f"{name}_installs_beside_the_bundled_ones", rc == 0, said)
            rc, said = run(mamori, "plugin", "list")
            case(f"{name}_is_listed", f"org.example.{name}" in said, said)
            names.append(name)
        env = {**os.environ, "PKG_CONFIG_PATH": ":".join(glob.glob(os.path.join(prefix, "lib*", "**", "pkgconfig"), recursive=True))}
        rc, said = run("pkg-config", "--cflags", "--libs", "mamori-sdk", "mamori-testhost", env=env)
        case("pkg_config_knows_it_too", rc == 0 and prefix in said, said)
        if os.geteuid() == 0 and shutil.which("ip"):
            examples_run(prefix, names)
        else:
            print("[  SKIPPED ] examples_run")
    finally:
        shutil.rmtree(top, ignore_errors=True)
    return finish()


sys.exit(main())
