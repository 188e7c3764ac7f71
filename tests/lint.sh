#!/usr/bin/env bash
# lint.sh BUILD - layering, banned calls, file sizes, paths of machines; then clang-tidy and cppcheck.
set -u
build=$1
cd "$(dirname "$0")/.."
bad=0
complain() { echo "lint: $*"; bad=$((bad + 1)); }

# Rooms use rooms of lower floors only (the order in core/CMakeLists.txt is the picture).
declare -A floor=([util]=1 [event]=2 [config]=2 [model]=3 [trust]=3 [bus]=3 [entity]=4 [plugin]=4 [correlate]=5 [check]=5 [defend]=6
  [standard]=6 [classify]=7 [store]=7 [notify]=8 [brain]=9 [control]=9 [demo]=10 [cli]=11)
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
git ls-files '*.c' '*.h' | xargs wc -l | awk '$2!="total" && $1>900 {print "lint: " $2 " has " $1 " lines: one idea?"; n=1} END {exit !n}' && bad=$((bad + 1))
git grep -nIE '\b(TODO|FIXME|XXX)\b' -- core plugins sdk dev && complain "unfinished work"
# where this checkout lies is nobody else's business (paths such as /home and /tmp are what rules and tests are about)
above=$(dirname "$(git rev-parse --show-toplevel)")
[ "$above" = / ] || { git grep -nIE "(^|[^A-Za-z0-9_.])$above/" -- . && complain "a path of this machine"; }

# Left out of clang-tidy beside what the style guide leaves out: sizeof-expression takes every array of pointers for a
# slip; no-int-to-ptr, every number in a callback's cookie; narrowing is -Wconversion's business; err33 is the (void) rule's;
# implicit-widening takes each product of constants; err34, reads of texts whose shape was checked; unix.Malloc and DeadStores do
# not know that a variable may free or close itself at its scope's end (the sanitizers do); valist is blind behind a call.
if command -v clang-tidy-14 >/dev/null; then
  git ls-files 'core/*.c' 'sdk/*.c' 'plugins/*.c' | grep -vE 'test_|\.bpf\.c' |
    xargs -P "$(nproc)" -n 8 clang-tidy-14 -p "$build" --quiet \
      --checks='-*,bugprone-*,cert-*,clang-analyzer-*,performance-*,portability-*,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,-bugprone-easily-swappable-parameters,-bugprone-narrowing-conversions,-cert-err33-c,-bugprone-reserved-identifier,-cert-dcl37-c,-cert-dcl51-cpp,-bugprone-branch-clone,-bugprone-sizeof-expression,-performance-no-int-to-ptr,-bugprone-implicit-widening-of-multiplication-result,-cert-err34-c,-clang-analyzer-unix.Malloc,-clang-analyzer-deadcode.DeadStores,-clang-analyzer-valist.Uninitialized' \
      --extra-arg=-Wno-unknown-warning-option 2>/dev/null |
    grep -E 'warning:|error:' | sort -u >"$build/tidy.txt"
  if [ -s "$build/tidy.txt" ]; then
    cat "$build/tidy.txt"
    complain "clang-tidy: $(wc -l <"$build/tidy.txt") findings"
  fi
fi
if command -v cppcheck >/dev/null; then
  cppcheck --quiet -j "$(nproc)" --std=c11 --language=c --enable=warning,portability,performance --inline-suppr --suppress=memleak --error-exitcode=1 \
    -Icore -Isdk/include -Isdk core sdk/src sdk/sigma sdk/rules plugins || complain "cppcheck"
fi
[ "$bad" -eq 0 ] && echo "lint: clean"
[ "$bad" -eq 0 ]
