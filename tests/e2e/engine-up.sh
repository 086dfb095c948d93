#!/usr/bin/env bash
# Starts a Docker engine of our own under DIR, from Debian's packages where none is installed. Root is needed.
# The packet filter and IP forwarding of the machine stay as they are: published ports go through docker-proxy.
# Usage: engine-up.sh DIR        The socket is DIR/docker.sock; engine-down.sh DIR stops what this started.
set -euo pipefail
dir=${1:?usage: engine-up.sh DIR}
socket=$dir/docker.sock

fail() { echo "engine-up: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "no Docker engine answers, and starting one needs root"
[ ${#socket} -le 107 ] || fail "the path of the socket is longer than the 107 bytes that Linux allows: $socket"
mkdir -p "$dir"

PATH=$PATH:/usr/sbin:/sbin
if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
  command -v apt-get >/dev/null || fail "no Docker engine is installed, and this is not a Debian system"
  echo "Installing docker.io from Debian's packages ..."
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io; } \
    >"$dir/apt.log" 2>&1 || { tail -n 20 "$dir/apt.log" >&2; fail "apt-get failed"; }
fi

# engine-down.sh removes the bridge only if it was not there before.
[ -e /sys/class/net/docker0 ] && touch "$dir/bridge-was-there"
setsid dockerd --host "unix://$socket" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/dockerd.pid" \
  --iptables=false --ip6tables=false --ip-forward=false >"$dir/dockerd.log" 2>&1 </dev/null &
for _ in $(seq 120); do
  DOCKER_HOST=unix://$socket docker info >/dev/null 2>&1 && exit 0
  sleep 0.25
done
tail -n 20 "$dir/dockerd.log" >&2
fail "dockerd did not come up within 30 s"
