#!/usr/bin/env bash
# Stops the Docker engine that engine-up.sh started under DIR, by its process id, and removes what it left behind.
# Usage: engine-down.sh DIR
set -euo pipefail
dir=${1:?usage: engine-down.sh DIR}

if [ -s "$dir/dockerd.pid" ]; then
  pid=$(cat "$dir/dockerd.pid")
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 80); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.25
  done
  ! kill -0 "$pid" 2>/dev/null || { echo "engine-down: dockerd ($pid) does not stop" >&2; exit 1; }
  [ -e "$dir/bridge-was-there" ] || ip link delete docker0 2>/dev/null || true
fi
# What the engine mounted below its own directory, innermost first, so that the removal cannot reach through a mount.
awk -v dir="$dir/" 'index($2, dir) == 1 {print $2}' /proc/mounts | sort -r | while read -r mount; do umount "$mount"; done
rm -rf "$dir"
