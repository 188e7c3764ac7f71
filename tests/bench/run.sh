#!/usr/bin/env bash
# run.sh BUILD [NAME] - every measurement, in one run on one machine; then a table with each figure beside its floor or
# peer as a ratio. NAME: only measurements whose name holds it (bus, brain with sec, sigma, log, net, rules, proc, agent, office).
set -u
build=$1
want=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
out=$build/bench.jsonl
: >"$out"
for b in "$build"/tests/bench/bench_*; do
  [ -x "$b" ] && [ ! -d "$b" ] || continue
  n=$(basename "$b")
  [ -z "$want" ] || [[ $n == *$want* ]] || continue
  echo "== ${n#bench_}" >&2
  timeout 300 "$b" 2>/dev/null | sed "s/^{/{\"part\":\"${n#bench_}\",/" | tee -a "$out"
done
if [ -z "$want" ] || [[ brain == *$want* ]]; then
  echo "== sec" >&2
  python3 "$here/sec_pair.py" | sed 's/^{/{"part":"sec",/' | tee -a "$out"
fi
if [ -z "$want" ] || [[ answer == *$want* ]]; then
  echo "== answer" >&2
  python3 "$here/live/answer.py" "$build/mamori" "$build" | sed 's/^{/{"part":"answer",/' | tee -a "$out"
fi
if [ -z "$want" ] || [[ agent == *$want* ]]; then
  echo "== agent" >&2
  python3 "$here/live/agent.py" "$build/mamori" "$build" | sed 's/^{/{"part":"agent",/' | tee -a "$out"
fi
if [ -z "$want" ] || [[ office == *$want* ]]; then
  echo "== office" >&2
  python3 "$here/live/office.py" "$build/mamori" "$build" | sed 's/^{/{"part":"office",/' | tee -a "$out"
fi
python3 "$here/report.py" "$out"
