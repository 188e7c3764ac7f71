#!/usr/bin/env bash
# run.sh BUILD SECONDS - every fuzz target for so long, two side by side; what breaks is kept in BUILD/findings.
set -u
build=$1 seconds=$2
here=$(cd "$(dirname "$0")" && pwd)
out=$build/findings
mkdir -p "$out"
export LSAN_OPTIONS="suppressions=$here/lsan.supp:print_suppressions=0"
P=0 F=0
for t in "$build"/tests/fuzz/fuzz_*; do
  [ -x "$t" ] && [ ! -d "$t" ] || continue
  n=$(basename "$t")
  work=$build/corpus/${n#fuzz_}
  mkdir -p "$work"
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
  {
    if "$t" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$out/$n-" \
      "$work" "$here/corpus/${n#fuzz_}" >"$out/$n.log" 2>&1; then
      echo "ok   $n $(grep -o 'number_of_executed_units: .*' "$out/$n.log")" >"$out/$n.result"
    else
      echo "FAIL $n; see $out/$n.log" >"$out/$n.result"
    fi
  } &
done
wait
for r in "$out"/*.result; do
  cat "$r"
  if grep -q '^ok' "$r"; then P=$((P + 1)); else F=$((F + 1)); fi
done
rm -f "$out"/*.result
echo "$P passed, $F failed"
[ "$F" -eq 0 ] && [ "$P" -gt 0 ]
