#!/usr/bin/env bash
# leaves_nothing.sh MAMORI - the demo is ended in the middle, in every way there is; afterwards no process, folder,
# namespace or mount of it may be left.
set -u
mamori=$1
bad=0
[ "$(id -u)" = 0 ] || exit 77

folders() { find /run /var/tmp -maxdepth 1 -name 'mamori-demo-*' 2>/dev/null | sort; }
# every process in one of the demo's machines sees mounts of that name
inside() { grep -ls mamori-demo /proc/[0-9]*/mountinfo 2>/dev/null | sort; }

before_folders=$(folders)
before_inside=$(inside)

check() { # name
  local left there
  for _ in $(seq 100); do
    left=$(comm -13 <(echo "$before_folders") <(folders))
    there=$(comm -13 <(echo "$before_inside") <(inside))
    [ -z "$left$there" ] && break
    sleep 0.1
  done
  if [ -n "$left$there" ]; then
    echo "not ok - $1: left behind: $left $there"
    bad=1
  else
    echo "ok - $1"
  fi
}

play() { # name, signal, whom: parent or player, seconds
  "$mamori" demo --act a --lang en >/dev/null 2>&1 &
  local parent=$! player
  sleep "$4"
  if ! kill -0 "$parent" 2>/dev/null; then
    wait "$parent"
    local status=$?
    [ "$status" = 77 ] && exit 77
  fi
  player=$(pgrep -P "$parent" | head -1)
  if [ "$3" = parent ]; then kill "-$2" "$parent"; else kill "-$2" "${player:-0}" 2>/dev/null; fi
  wait "$parent" 2>/dev/null
  check "$1"
}

play "Ctrl-C while it starts" INT parent 0.4
play "Ctrl-C in the middle" INT parent 2
play "the parent is killed" KILL parent 2
play "the player is killed" KILL player 2
play "both end at once" TERM player 1
exit $bad
