#!/usr/bin/env bash
# Ray 2.60 turns token authentication on by default. The first ray.init() on a machine writes the token into the home
# folder, ~/.ray/auth_token, with the mode that the umask gives: 644, so every user of the machine may read it, connect
# to the cluster and run code as its owner. RAY_AUTH_TOKEN, set before Ray starts, keeps the file from being written.
# Fails when that is no longer so.
set -euo pipefail
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check ray==2.60.0
cat > "$work/start.py" <<'PY'
import ray

ray.init(address="local", num_cpus=1, include_dashboard=False, logging_level="error")
print("ray", ray.__version__, "started")
ray.shutdown()
PY
mkdir "$work/default" "$work/given"
export RAY_USAGE_STATS_ENABLED=0
echo "--- default: files below an empty HOME after one start"
env -u RAY_AUTH_TOKEN -u RAY_AUTH_MODE HOME="$work/default" "$work/venv/bin/python" "$work/start.py"
(cd "$work/default" && find . -type f -printf '%m %p\n' | tee "$work/seen")
echo "--- RAY_AUTH_TOKEN set: files below an empty HOME after one start"
env -u RAY_AUTH_MODE HOME="$work/given" RAY_AUTH_TOKEN="$(printf '0%.0s' {1..64})" "$work/venv/bin/python" "$work/start.py"
(cd "$work/given" && find . -type f | tee "$work/seen-given")
grep -qx '644 ./.ray/auth_token' "$work/seen" || { echo "changed: no token that others can read" >&2; exit 1; }
[ ! -s "$work/seen-given" ] || { echo "changed: the variable no longer keeps it out of the home folder" >&2; exit 1; }
echo "as seen before"
