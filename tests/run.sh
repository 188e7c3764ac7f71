#!/usr/bin/env bash
# run.sh BUILD [PATTERN] - every test program once; one line a program, and `N passed, N failed[, N skipped]` at the end.
# Counts are of test cases where a program names them as cmocka does, else of programs. What was announced or begun and
# did not end well has failed: crashes, time limits and cases never reached are no passes.
set -u
build=$1
pattern=${2:-}
log=$build/test-logs
mkdir -p "$log"
# The address sanitizer's 256 MiB of kept freed memory would carry a plugin host past the supervisor's memory limit.
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99:quarantine_size_mb=16 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=exitcode=99:second_deadlock_stack=1
export MMR_BUILD_DIR=$(cd "$build" && pwd)

# Fields are split by US (0x1f), which keeps empty arguments.
mapfile -t rows < <(ctest --test-dir "$build" --show-only=json-v1 2>/dev/null |
  python3 -c '
import json, sys
for t in json.load(sys.stdin)["tests"]:
    props = {p["name"]: p["value"] for p in t.get("properties", [])}
    # what this runner does not do must not be asked for in silence
    for p in ("ENVIRONMENT", "WILL_FAIL", "PASS_REGULAR_EXPRESSION", "FAIL_REGULAR_EXPRESSION", "DEPENDS"):
        if p in props:
            sys.exit("tests/run.sh: test %s has the property %s, which is not supported" % (t["name"], p))
    serial = "1" if props.get("RUN_SERIAL") else "0"
    if "long" in props.get("LABELS", []):
        serial = "long"
    print("\x1f".join([t["name"], str(int(props.get("TIMEOUT", 120))), serial, *t.get("command", ["false"])]))')
[ ${#rows[@]} -gt 0 ] || { echo "no tests in $build: build it first" >&2; exit 2; }

count_cases() { # count_cases LOG: "passed failed skipped" of the cmocka cases in it
  awk '
    function name_of(s) { sub(/^[^]]*\] /, "", s); sub(/[^A-Za-z0-9_].*$/, "", s); return s }
    match($0, /\[==========\] .*[Rr]unning [0-9]+ test/) {
      s = $0; sub(/.*[Rr]unning /, "", s); announced += s + 0; next
    }
    # Other output may stand before it on the line; and a summary names failed and skipped cases a second time.
    (k = index($0, "[ RUN      ] ")) { if (now != "") failed++; now = name_of(substr($0, k)); begun++; next }
    now != "" && (k = index($0, "[       OK ] ")) && name_of(substr($0, k)) == now { passed++; now = ""; next }
    now != "" && (k = index($0, "[  FAILED  ] ")) && name_of(substr($0, k)) == now { failed++; now = ""; next }
    now != "" && (k = index($0, "[  SKIPPED ] ")) && name_of(substr($0, k)) == now { skipped++; now = ""; next }
    # programs in other languages say only how each case ended, at the start of a line
    begun == 0 && /^\[       OK \] / { if (!seen[name_of($0)]++) passed++; next }
    begun == 0 && /^\[  FAILED  \] [A-Za-z0-9_]+$/ { if (!seen[name_of($0)]++) failed++; next }
    begun == 0 && /^\[  SKIPPED \] / { if (!seen[name_of($0)]++) skipped++; next }
    END {
      if (now != "") failed++
      if (announced > begun) failed += announced - begun
      print passed + 0, failed + 0, skipped + 0
    }' "$1"
}

run_one() { # name, timeout, command...: writes its log and a result file
  local name=$1 limit=$2 start rc ms passed failed skipped
  shift 2
  start=$(date +%s%N)
  timeout -k 5 "$limit" "$@" >"$log/$name.log" 2>&1 </dev/null
  rc=$?
  ms=$((($(date +%s%N) - start) / 1000000))
  read -r passed failed skipped < <(count_cases "$log/$name.log")
  if [ $((passed + failed + skipped)) -eq 0 ]; then
    case $rc in 0) passed=1 ;; 77) skipped=1 ;; *) failed=1 ;; esac
  elif grep -q 'WARNING: ThreadSanitizer' "$log/$name.log"; then # perhaps of a process it started: its status says nothing
    failed=$((failed + 1))
  elif [ $rc -ne 0 ] && [ "$failed" -eq 0 ] && ! { [ $rc -eq 77 ] && [ "$skipped" -gt 0 ]; }; then
    failed=1 # a sanitizer's report, a crash or the time limit after the cases
  fi
  echo "$passed $failed $skipped $ms $rc" >"$log/$name.result"
}

started=$(date +%s)
names=()
limits=()
serial=()
jobs_max=${MMR_TEST_JOBS:-$(nproc)}
for row in "${rows[@]}"; do
  IFS=$'\x1f' read -r -a f <<<"$row"
  [ -z "$pattern" ] || [[ ${f[0]} =~ $pattern ]] || continue
  names+=("${f[0]}")
  limits+=("${f[1]}")
  rm -f "$log/${f[0]}.result"
  if [ "${f[2]}" = long ] && [ -z "$pattern" ]; then # minutes each: by name, or all of them by `./dev lab`
    echo "0 0 1 0 77" >"$log/${f[0]}.result"
    echo "takes minutes: ./dev lab, or by its name" >"$log/${f[0]}.log"
    continue
  fi
  if [ "${f[2]}" != 0 ]; then
    serial+=("$row")
    continue
  fi
  while [ "$(jobs -rp | wc -l)" -ge "$jobs_max" ]; do wait -n 2>/dev/null || true; done
  run_one "${f[0]}" "${f[1]}" "${f[@]:3}" &
done
[ ${#names[@]} -gt 0 ] || { echo "no test is called '$pattern'" >&2; exit 2; }
wait
for row in "${serial[@]}"; do # those that use the whole machine: one after the other
  IFS=$'\x1f' read -r -a f <<<"$row"
  run_one "${f[0]}" "${f[1]}" "${f[@]:3}"
done

P=0 F=0 S=0
for k in "${!names[@]}"; do
  n=${names[k]}
  read -r p f s ms rc 2>/dev/null <"$log/$n.result" || { p=0 f=1 s=0 ms=0 rc='?'; }
  P=$((P + p)) F=$((F + f)) S=$((S + s))
  if [ "$f" -gt 0 ]; then
    why="status $rc"
    case $rc in
    124 | 137) why="$why, its limit is ${limits[k]} s" ;;
    13[0-9]) why="$why, signal $((rc - 128))" ;;
    esac
    printf 'FAIL %-44s %4d ok %3d failed %3d skipped  %6d ms  %s\n' "$n" "$p" "$f" "$s" "$ms" "$why"
    { grep -aE '\[  FAILED  \] [A-Za-z0-9_]+$|ERROR: |runtime error:' "$log/$n.log" | sort -u | head -n 20
      echo "... the end of $log/$n.log:"
      tail -n 40 "$log/$n.log"; } | cut -c1-400 | sed 's/^/     | /'
  else
    printf 'ok   %-44s %4d ok %14d skipped  %6d ms\n' "$n" "$p" "$s" "$ms"
  fi
done
printf 'in %d s\n' $(($(date +%s) - started))
total="$P passed, $F failed"
[ "$S" -eq 0 ] || total="$total, $S skipped"
echo "$total"
[ "$F" -eq 0 ] && [ "$P" -gt 0 ]
