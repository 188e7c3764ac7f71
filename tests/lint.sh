#!/usr/bin/env bash
# lint.sh BUILD - layering, banned calls, file sizes, paths of machines; then clang-tidy and cppcheck.
set -u
build=${1:-}
cd "$(dirname "$0")/.."
[ "${build#build/}" != "$build" ] && [ -s "$build/compile_commands.json" ] ||
  { echo "lint: '$build' is no configured build folder below build/; use ./dev lint" >&2; exit 2; }
bad=0
complain() { echo "lint: $*"; bad=$((bad + 1)); }

# Rooms use rooms of lower floors only (the order in core/CMakeLists.txt is the picture).
declare -A floor=([util]=1 [event]=2 [config]=2 [engine]=2 [model]=3 [trust]=3 [bus]=3 [entity]=4 [plugin]=4 [correlate]=5 [check]=5 [defend]=6
  [standard]=6 [classify]=7 [store]=7 [notify]=8 [brain]=9 [control]=9 [upstream]=10 [demo]=10 [cli]=11)
while IFS=: read -r file _ line; do
  room=$(cut -d/ -f2 <<<"$file")
  used=$(sed -E 's/.*"([a-z]+)\/.*/\1/' <<<"$line")
  [ "$room" = "$used" ] && continue
  [ -n "${floor[$used]:-}" ] || continue
  [ "${floor[$used]}" -lt "${floor[$room]}" ] || complain "$file: room '$room' may not use '$used' (same floor or above)"
done < <(grep -nE '^#include "[a-z]+/' -r core --include='*.c' --include='*.h')
grep -rnE '#include "(core|plugin|bus|brain|model|event|util)/' plugins sdk && complain "plugins and the SDK may not include the core"
grep -rnE '#include .*plugins/' core && complain "the core may not include plugins"

grep -rnE '\b(sprintf|strcpy|strcat|strtok|atoi|alloca|gets)\(' core plugins sdk tests --include='*.c' --include='*.h' &&
  complain "banned calls (style guide)"
git ls-files '*.c' '*.h' | xargs wc -l | awk '$2!="total" && $1 > ($2 ~ /^tests\/|test_/ ? 1000 : 900) {print "lint: " $2 " has " $1 " lines: one idea?"; n=1} END {exit !n}' && bad=$((bad + 1))
git grep -nIE '\b(TODO|FIXME|XXX)\b' -- core plugins sdk dev && complain "unfinished work"
# where this checkout lies is nobody else's business (paths such as /home and /tmp are what rules and tests are about)
above=$(dirname "$(git rev-parse --show-toplevel)")
[ "$above" = / ] || { git grep -nIE "(^|[^A-Za-z0-9_.])$above/" -- . && complain "a path of this machine"; }

# what clang-tidy leaves out, and why, stands in tests/tidy.py
if command -v clang-tidy-14 >/dev/null; then
  tests/tidy.py "$build" || complain "clang-tidy"
fi
# Left out of cppcheck: what is compiled for the kernel's machine (its macros are not known here); comparePointers takes the start
# and the end of an embedded file for two objects; ctuuninitvar takes the address of an array in a struct not filled yet for a
# read of it (clang's analyzer follows those calls); memleak does not know that a variable may free itself at its scope's end.
if command -v cppcheck >/dev/null; then
  mkdir -p "$build/cppcheck" # remembers the files that did not change
  cppcheck --quiet -j "$(nproc)" --cppcheck-build-dir="$build/cppcheck" --std=c11 --language=c --enable=warning,portability,performance \
    --inline-suppr --suppress=memleak --suppress=comparePointers --suppress=ctuuninitvar --error-exitcode=1 -i plugins/endpoint/proc/proc.bpf.c -i plugins/endpoint/ransom/counter.bpf.c \
    -Icore -Isdk/include -Isdk core sdk/src sdk/sigma sdk/rules plugins || complain "cppcheck"
fi
[ "$bad" -eq 0 ] && echo "lint: clean"
[ "$bad" -eq 0 ]
