#!/usr/bin/env bash
# Ray 2.60.0, `ray symmetric-run`: exits with 0 although Ray did not start and the command was never run.
#
# Expected: an exit code other than 0, as from `ray start` itself, so that a batch job that lost its cluster fails.
# Seen: "Failed to start Ray" on standard error, the command is not run, and the exit code is 0. Here the port of the
# address is in use by another program, which is enough.
# Source: ray/scripts/symmetric_run.py: CalledProcessError is printed, and only the command's own exit code is
# passed on at the end. The command also ends with `ray stop`, so it is run in a process namespace of its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "ray[default]==2.60.0"
cat > "$folder/job.sh" <<'JOB'
set -uo pipefail
folder=$1
export PATH="$folder/venv/bin:$PATH" RAY_TMPDIR=$folder RAY_USAGE_STATS_ENABLED=0 HOME=$folder
python -c 'import ray; print("ray", ray.__version__)'
python - "$folder/port" <<'PY' &
import socket, sys, time
taken = socket.socket()
taken.bind(("127.0.0.1", 0))
taken.listen()
open(sys.argv[1], "w").write(str(taken.getsockname()[1]))
time.sleep(300)
PY
holder=$!
until [ -s "$folder/port" ]; do sleep 0.1; done
ray symmetric-run --address "127.0.0.1:$(cat "$folder/port")" --num-cpus=1 -- touch "$folder/ran" \
    > "$folder/out" 2>&1
code=$?
kill "$holder"
grep -o "Failed to start Ray" "$folder/out"
echo "exit code of symmetric-run: $code; the command was run: $([ -e "$folder/ran" ] && echo yes || echo no)"
[ "$code" = 0 ] && [ ! -e "$folder/ran" ]
JOB
unshare --user --map-root-user --pid --fork --mount-proc bash "$folder/job.sh" "$folder"
