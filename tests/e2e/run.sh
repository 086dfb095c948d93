#!/usr/bin/env bash
# The end-to-end run: real `sam validate`, `sam build`, `sam local invoke` and `sam local start-api` in containers, with
# the Bedrock simulator as upstream. `make e2e` calls it with .venv and .sam-venv in place.
#
# Where no Docker engine answers, one is started under .local/e2e and stopped at the end (root, Debian packages).
# E2E_BASE=standin  the function's base image is made from this machine's Python (default for an engine of our own)
# E2E_BASE=aws      AWS's base image is pulled (default for an engine that runs already)
# Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."

state=$PWD/.local/e2e
standin=localhost/bedrock-meter-e2e:python3.13
own_engine=
pytest=

say() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }
fail() { echo "e2e: $*" >&2; exit 1; }

stop_everything() {
  status=$?
  trap - EXIT INT TERM
  [ -z "$pytest" ] || kill "$pytest" 2>/dev/null || true
  # The tests write the process id of every sam here, and remove the file when it has ended.
  for file in "$state"/pids/*; do
    [ -e "$file" ] && kill "$(cat "$file")" 2>/dev/null
    rm -f "$file"
  done
  [ -z "$own_engine" ] || tests/e2e/engine-down.sh "$state/engine" || status=1
  say "stopped (exit status $status)"
  exit "$status"
}

# .venv first: its Python is the 3.13 that `sam build` looks for on the PATH.
export PATH=$PWD/.venv/bin:$PATH
command -v python3.13 >/dev/null && python3.13 -c '' 2>/dev/null || fail "Python 3.13 is needed, as in the Lambda function"
mkdir -p "$state/pids"
export SAM_CLI_TELEMETRY=0 __SAM_CLI_APP_DIR=$state/sam
# The containers get the credentials that sam finds. They sign calls to a simulator and must be nobody's.
export AWS_ACCESS_KEY_ID=e2e AWS_SECRET_ACCESS_KEY=e2e AWS_DEFAULT_REGION=us-east-1
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_REGION
# With credentials sam asks STS for the account, and tries that for seconds; nobody's credentials need not leave the machine.
export AWS_ENDPOINT_URL_STS=http://127.0.0.1:1 AWS_MAX_ATTEMPTS=1
case $(uname -m) in
  x86_64) export E2E_ARCHITECTURE=x86_64 ;;
  aarch64 | arm64) export E2E_ARCHITECTURE=arm64 ;;
  *) fail "no Lambda runs on $(uname -m)" ;;
esac

trap stop_everything EXIT INT TERM
if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  say "using the Docker engine that runs here"
  : "${E2E_BASE:=aws}"
else
  tests/e2e/engine-down.sh "$state/engine" # what an earlier run left if it was killed
  own_engine=yes
  tests/e2e/engine-up.sh "$state/engine"
  export DOCKER_HOST=unix://$state/engine/docker.sock
  say "started a Docker engine"
  : "${E2E_BASE:=standin}"
fi
case $E2E_BASE in
  standin)
    tests/e2e/base-image.sh "$standin" "$state/rootfs"
    export E2E_INVOKE_IMAGE=$standin
    say "made the stand-in base image"
    ;;
  aws) ;;
  *) fail "E2E_BASE is standin or aws, not $E2E_BASE" ;;
esac

sam=.sam-venv/bin/sam
$sam validate --lint
say "sam validate --lint passed"
export E2E_BUILD_DIR=$state/build
$sam build --build-dir "$E2E_BUILD_DIR" --cache-dir "$state/cache" --parameter-overrides "Architecture=$E2E_ARCHITECTURE" \
  >"$state/build.log" 2>&1 || { cat "$state/build.log" >&2; fail "sam build failed"; }
say "sam build passed"

export E2E_SAM=$PWD/$sam E2E_STATE_DIR=$state
# In the background, so that a signal to this script ends the run at once.
.venv/bin/python -m pytest tests/e2e "$@" &
pytest=$!
wait "$pytest"
pytest=
say "all passed"
