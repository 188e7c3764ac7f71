# common.sh: sourced by the tests of this folder; SOURCE and WORK are their two arguments.
set -u
source_dir=$1
work=$2
here=$source_dir/tests/e2e/install
bad=0
unset ASAN_OPTIONS UBSAN_OPTIONS # of the surrounding build; what is tested here has no sanitizer

check() { # check WHAT COMMAND...: one line, and what was said when it fails
  local what=$1
  shift
  if "$@" >"$scratch/said" 2>&1; then
    echo "ok: $what"
  else
    echo "FAILED (status $?): $what: $*"
    tail -n 20 "$scratch/said" | cut -c1-300
    bad=1
  fi
}

make_build() { # make_build PRESET TARGET...: its folder is then $build
  local preset=$1
  shift
  build=$work/$preset
  mkdir -p "$work"
  if ! { cmake -S "$source_dir" --preset "$preset" -B "$build" -DMMR_TESTS=OFF && cmake --build "$build" --target "$@"; } \
    >"$work/$preset.log" 2>&1; then
    echo "FAILED: the $preset build"
    grep -E 'error|warning|undefined|multiple' "$work/$preset.log" | head -n 30
    tail -n 10 "$work/$preset.log"
    exit 1
  fi
}

scratch=$(mktemp -d)
chmod 0755 "$scratch"
trap 'rm -rf "$scratch"' EXIT
