#!/bin/sh
# exports.sh FOLDER: every plugin file shows one name, the entry of ABI version 1, and needs no text relocation.
set -u
n=0 bad=0
for so in "$1"/*.so; do
  [ -e "$so" ] || continue
  n=$((n + 1))
  # __odr_asan.*: what the address sanitizer adds for each exported object
  names=$(nm -D --defined-only "$so" | awk '{print $NF}' | grep -v '^__odr_asan\.' | tr '\n' ' ')
  if [ "$names" != "mmr_plugin_entry_v1 " ]; then
    echo "$so exports '$names', expected mmr_plugin_entry_v1 alone"
    bad=1
  fi
  if readelf -d "$so" | grep -q TEXTREL; then
    echo "$so has text relocations: something in it was not compiled with -fPIC"
    bad=1
  fi
  if readelf -lW "$so" | grep GNU_STACK | grep -q E; then
    echo "$so asks for an executable stack"
    bad=1
  fi
done
if [ "$n" -eq 0 ]; then
  echo "no plugin files in $1"
  exit 1
fi
echo "$n plugin files"
exit $bad
