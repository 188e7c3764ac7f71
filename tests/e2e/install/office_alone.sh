#!/usr/bin/env bash
# office_alone.sh SOURCE WORK: the office executable, copied alone into an empty folder, is a whole sensor.
source "$(dirname "$0")/common.sh"
make_build office mamori mamori-sdk

alone=$scratch/alone
mkdir "$alone" "$scratch/site" "$scratch/in"
cp "$build/mamori" "$alone/"
cd "$alone" || exit 1
python3 "$here/attack.py" "$scratch/in" || exit 1

# Every folder with a plugin's CMakeLists.txt is inside, as "bundled", and needs no file.
want=$(grep -lE '^mmr_add_plugin\(' "$source_dir"/plugins/*/*/CMakeLists.txt "$source_dir"/plugins/*/CMakeLists.txt 2>/dev/null | wc -l)
every_plugin_is_built_in() {
  ./mamori plugin list
  local got
  got=$(./mamori plugin list | grep -c '^org\.mamori\..* bundled ')
  [ "$got" -eq "$want" ]
}
check "$want plugins are built in" every_plugin_is_built_in

shipped_configuration_is_inside() {
  ./mamori config check && ./mamori config show | grep '^plugins\.signature\.plugin: org\.mamori\.signature$'
}
check "the shipped configuration is inside" shipped_configuration_is_inside

# The rules of a plugin are data; a finding of one proves that the data came along.
replay_finds_both_sides() {
  ./mamori replay --findings --home-net 192.0.2.0/24 --pcap "$scratch/in/web.pcap" --log "$scratch/in/auth.log" \
    >"$scratch/out1" || return 1
  ./mamori replay --findings --home-net 192.0.2.0/24 --pcap "$scratch/in/web.pcap" --log "$scratch/in/auth.log" \
    >"$scratch/out2" || return 1
  cmp "$scratch/out1" "$scratch/out2" && python3 - "$scratch/out1" <<'P'
import json, sys
rows = [json.loads(l) for l in open(sys.argv[1])]
findings = [r for r in rows if r["class_uid"] == 2004]
incidents = [r for r in rows if r["class_uid"] == 2005]
print(len(findings), "findings", len(incidents), "incidents")
text = json.dumps(findings)
assert "JNDI" in text, "the signature plugin's rules found nothing"
assert "203.0.113.9" in text, "the guessed password was not found"
assert incidents, "no incident"
P
}
check "replay finds what is in a capture and a log, twice the same" replay_finds_both_sides

# A plugin file of somebody else, on top.
cc -shared -fPIC -fvisibility=hidden -D_GNU_SOURCE -DMMR_PLUGIN_SHARED -DFAULT=sensor -I"$source_dir/sdk/include" \
  -o "$scratch/site/sensor.so" "$source_dir/tests/plugins/fault.c" "$build/sdk/libmamori-sdk.a" || bad=1
printf 'plugins:\n  extra:\n    plugin: test.sensor\n    file: %s\n' "$scratch/site/sensor.so" >"$scratch/site/60-extra.yaml"
chmod 0644 "$scratch/site/"*
check "a plugin file is sound to it" ./mamori plugin check "$scratch/site/sensor.so"
check "a plugin file can be configured beside those inside" ./mamori config check --config "$scratch/site"

# Nothing is bundled but what is inside: a folder beside it holds strangers.
mkdir plugins && cp "$scratch/site/sensor.so" plugins/
a_stranger_beside_it_is_refused() {
  ./mamori plugin list | tee "$scratch/list"
  grep -E '^test\.sensor .* refused ' "$scratch/list" && grep 'is not registered here' "$scratch/list" && every_plugin_is_built_in
}
check "a plugin file beside it is a stranger" a_stranger_beside_it_is_refused

# Its libraries are the distribution's: nothing of ours, and nothing from this build's folders.
only_distribution_libraries() {
  ldd ./mamori
  ! ldd ./mamori | grep -E 'not found|mamori|mmr' && ldd ./mamori | grep 'libndpi\.so' # LGPL: stays replaceable
}
check "it needs libraries of the distribution only, libndpi dynamically" only_distribution_libraries
exit $bad
