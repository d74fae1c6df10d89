#!/usr/bin/env bash
# pyarrow's `with S3FileSystem(…).open_output_stream(…)` finishes the upload also when the block raises: the object
# appears with what was written so far, over a whole one that was there. A reader takes half a Parquet file for the
# result. What is built in memory first and written by one call cannot be cut that way.
# Fails when that is no longer so.
set -euo pipefail
work=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pyarrow==26.0.1 'moto[server]==5.2.5'
port=$("$work/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$work/venv/bin/moto_server" -p "$port" > "$work/log" 2>&1 &
server=$!
cat > "$work/write.py" <<'PY'
import socket
import sys
import time

import pyarrow
from pyarrow import fs

port = int(sys.argv[1])
for _ in range(600):
    with socket.socket() as client:
        if client.connect_ex(("127.0.0.1", port)) == 0:
            break
    time.sleep(0.1)
options = {"endpoint_override": f"127.0.0.1:{port}", "scheme": "http", "region": "us-east-1"}
store = fs.S3FileSystem(access_key="test", secret_key="test", allow_bucket_creation=True, **options)
store.create_dir("results")
with store.open_output_stream("results/rows") as stream:
    stream.write(b"whole " * 1000)
try:
    with store.open_output_stream("results/rows") as stream:
        stream.write(b"half")
        raise RuntimeError("the program fails in the middle")
except RuntimeError as error:
    print("raised:", error)
with store.open_input_stream("results/rows") as stream:
    found = stream.read()
print("pyarrow", pyarrow.__version__, "the object now has", len(found), "bytes:", found[:20])
sys.exit(0 if found == b"half" else "changed: the object is not published")
PY
"$work/venv/bin/python" "$work/write.py" "$port"
echo "as seen before"
