#!/usr/bin/env bash
# run.sh BUILD [PATTERN] - every test program once; one line a program, and `N passed, N failed, N skipped` at the end.
# Counts are of test cases where a program says how many it has (cmocka), else of programs.
set -u
build=$1
pattern=${2:-}
log=$build/test-logs
mkdir -p "$log"
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99 UBSAN_OPTIONS=print_stacktrace=1
export MMR_BUILD_DIR=$(cd "$build" && pwd)

mapfile -t rows < <(ctest --test-dir "$build" --show-only=json-v1 2>/dev/null |
  python3 -c '
import json, sys
for t in json.load(sys.stdin)["tests"]:
    props = {p["name"]: p["value"] for p in t.get("properties", [])}
    print("\t".join([t["name"], str(props.get("TIMEOUT", 120)), "1" if props.get("RUN_SERIAL") else "0", *t.get("command", [])]))')
[ ${#rows[@]} -gt 0 ] || { echo "no tests in $build: build it first" >&2; exit 2; }

run_one() { # name, timeout, command...: writes its log and a result file
  local name=$1 limit=$2
  shift 2
  local start=$(date +%s%N)
  timeout -k 5 "$limit" "$@" >"$log/$name.log" 2>&1 </dev/null
  local rc=$?
  local ms=$((($(date +%s%N) - start) / 1000000))
  local passed failed skipped
  passed=$(grep -cE '^\[       OK \]' "$log/$name.log")
  failed=$(grep -cE '^\[  FAILED  \] [a-z_0-9]+$' "$log/$name.log")
  skipped=$(grep -cE '^\[  SKIPPED \] [a-zA-Z_0-9]+$' "$log/$name.log")
  # cmocka names failed and skipped cases a second time in its summary
  local named; named=$(grep -oE '^\[  FAILED  \] [A-Za-z_0-9]+$' "$log/$name.log" | sort -u | wc -l)
  failed=$named
  skipped=$(grep -oE '^\[  SKIPPED \] [A-Za-z_0-9]+$' "$log/$name.log" | sort -u | wc -l)
  if [ $((passed + failed + skipped)) -eq 0 ]; then
    case $rc in 0) passed=1 ;; 77) skipped=1 ;; *) failed=1 ;; esac
  elif [ $rc -ne 0 ] && [ "$failed" -eq 0 ]; then
    failed=1 # a sanitizer's report, a crash or the time limit after the cases
  fi
  echo "$passed $failed $skipped $ms $rc" >"$log/$name.result"
}

started=$(date +%s)
names=()
serial=()
jobs_max=${MMR_TEST_JOBS:-$(nproc)}
for row in "${rows[@]}"; do
  IFS=$'\t' read -r -a f <<<"$row"
  [ -z "$pattern" ] || [[ ${f[0]} =~ $pattern ]] || continue
  names+=("${f[0]}")
  rm -f "$log/${f[0]}.result"
  if [ "${f[2]}" = 1 ]; then
    serial+=("$row")
    continue
  fi
  while [ "$(jobs -rp | wc -l)" -ge "$jobs_max" ]; do wait -n 2>/dev/null || true; done
  run_one "${f[0]}" "${f[1]%.*}" "${f[@]:3}" &
done
wait
for row in "${serial[@]}"; do # those that use the whole machine: one after the other
  IFS=$'\t' read -r -a f <<<"$row"
  run_one "${f[0]}" "${f[1]%.*}" "${f[@]:3}"
done

P=0 F=0 S=0
for n in "${names[@]}"; do
  read -r p f s ms rc <"$log/$n.result" || { p=0 f=1 s=0 ms=0 rc='?'; }
  P=$((P + p)) F=$((F + f)) S=$((S + s))
  if [ "$f" -gt 0 ]; then
    printf 'FAIL %-44s %4d ok %3d failed %3d skipped  %6d ms  status %s\n' "$n" "$p" "$f" "$s" "$ms" "$rc"
    tail -n 40 "$log/$n.log" | sed 's/^/     | /'
  else
    printf 'ok   %-44s %4d ok %14d skipped  %6d ms\n' "$n" "$p" "$s" "$ms"
  fi
done
printf 'in %d s\n' $(($(date +%s) - started))
echo "$P passed, $F failed, $S skipped"
[ "$F" -eq 0 ] && [ "$P" -gt 0 ]
