#!/usr/bin/env bash
# installed.sh SOURCE WORK: the release is small, and its install tree works wherever it lies: for a site and for an author.
source "$(dirname "$0")/common.sh"
make_build release all

# 1 MB is for our code; texts and tables (messages in two languages, shipped drop-ins, the template of a plugin) are watched beside it.
section_bytes() { size -A "$build/mamori" | awk -v want="^\\.($1)\$" '$1 ~ want {n += $2} END {print n + 0}'; }
code=$(section_bytes text)
all=$(section_bytes 'text|rodata|data|data\.rel\.ro')
echo "mamori without plugins: $code bytes of code, $all with constants"
check "less than 1,000,000 bytes of code" test "$code" -gt 100000 -a "$code" -lt 1000000
check "less than 1.25 MiB with constants" test "$all" -lt 1310720
hardened() {
  readelf -hW "$1" | grep -E 'Type: +DYN' && readelf -dW "$1" | grep -E 'BIND_NOW|FLAGS_1.*NOW' &&
    readelf -lW "$1" | grep GNU_RELRO && ! readelf -lW "$1" | grep GNU_STACK | grep E
}
check "position independent, relro, no executable stack" hardened "$build/mamori"
check "checked library calls are used" grep -q _chk <(nm -D "$build/mamori")
check "plugins export their entry only" sh "$source_dir/tests/abi/exports.sh" "$build/plugins"

prefix=$scratch/usr
check "installs" cmake --install "$build" --prefix "$prefix"
mamori=$prefix/bin/mamori
cd "$scratch" || exit 1
for f in share/mamori/conf.d/10-site.yaml lib/systemd/system/mamori.service include/mamori/plugin.h include/mamori/testhost.h; do
  check "has $f" test -s "$prefix/$f"
done
finds_its_plugins() {
  "$mamori" plugin list
  [ "$("$mamori" plugin list | grep -c '^org\.mamori\.')" -eq "$(ls "$build"/plugins/*.so | wc -l)" ] && "$mamori" config check
}
check "the installed executable finds its plugins" finds_its_plugins
mkdir "$scratch/in"
python3 "$here/attack.py" "$scratch/in" || exit 1
replays() { "$mamori" replay --home-net 192.0.2.0/24 --pcap "$scratch/in/web.pcap" --log "$scratch/in/auth.log" | grep -q '"class_uid":2005'; }
check "the installed executable replays" replays
if command -v systemd-analyze >/dev/null; then
  # The unit names the configured prefix; here its program lies elsewhere.
  sed "s|^ExecStart=[^ ]*|ExecStart=$mamori|" "$prefix/lib/systemd/system/mamori.service" >"$scratch/mamori.service"
  unit_is_sound() { ! systemd-analyze verify --man=no "$scratch/mamori.service" 2>&1 | grep -E 'mamori\.service'; }
  check "systemd understands the unit" unit_is_sound
fi

# An author, who has only what is installed: pkg-config by hand, and CMake.
libs=$(cd "$prefix/lib" && pwd)
by_pkg_config() {
  export PKG_CONFIG_PATH=$libs/pkgconfig
  cc -shared -fPIC -fvisibility=hidden -D_GNU_SOURCE -DMMR_PLUGIN_SHARED -DFAULT=sensor $(pkg-config --cflags mamori-sdk) \
    -o one.so "$source_dir/tests/plugins/fault.c" $(pkg-config --libs mamori-sdk) && chmod 0644 one.so &&
    pkg-config --cflags --libs mamori-testhost && "$mamori" plugin check "$scratch/one.so"
}
check "a plugin builds with pkg-config and is sound" by_pkg_config
mkdir author
cat >author/CMakeLists.txt <<P
cmake_minimum_required(VERSION 3.25)
project(author LANGUAGES C)
find_package(mamori-sdk 0.1 REQUIRED)
add_library(sensor MODULE $source_dir/tests/plugins/fault.c)
target_compile_definitions(sensor PRIVATE _GNU_SOURCE MMR_PLUGIN_SHARED FAULT=sensor)
target_compile_options(sensor PRIVATE -fvisibility=hidden)
target_link_libraries(sensor PRIVATE mamori::sdk)
set_target_properties(sensor PROPERTIES PREFIX "")
add_executable(uses_host uses_host.c)
target_link_libraries(uses_host PRIVATE mamori::testhost)
P
cat >author/uses_host.c <<'P'
#include <mamori/testhost.h>
int main(void)
{
    struct mmr_testhost *th = mmr_testhost_new();
    mmr_testhost_advance(th, MMR_TH_S);
    mmr_testhost_free(th);
    return 0;
}
P
by_cmake() {
  cmake -S author -B author/build -G Ninja -DCMAKE_PREFIX_PATH="$prefix" && cmake --build author/build &&
    author/build/uses_host && chmod 0644 author/build/sensor.so && "$mamori" plugin check "$scratch/author/build/sensor.so"
}
check "a plugin builds with CMake, its test host runs" by_cmake
exit $bad
