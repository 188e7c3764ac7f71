"""cases.py - how the end-to-end tests say what they saw: a line a case in the words of cmocka, and waiting for what must come."""
import time

failed = []


def case(name, ok, said=""):
    """One case; said is shown when it is not as it should be. Returns ok."""
    print(f"[       OK ] {name}" if ok else f"[  FAILED  ] {name}\n    {str(said)[-4000:]}", flush=True)
    if not ok:
        failed.append(name)
    return ok


def finish():
    """The exit status."""
    return 1 if failed else 0


def until(what, limit_s=60, every_s=0.1):
    """what() as soon as it is true; None when it was not within the limit, which is generous: machines differ."""
    end = time.time() + limit_s
    while time.time() < end:
        r = what()
        if r:
            return r
        time.sleep(every_s)
    return None


def races(log):
    """Says what a thread sanitizer wrote into the log of a process that was started: tests/run.sh counts it as a failure."""
    at = log.find("WARNING: ThreadSanitizer")
    if at >= 0:
        print(log[at:at + 20000], flush=True)
