#!/usr/bin/env bash
# ONNX Runtime's Python wheel writes a device id and an event database into the home folder as soon as a session is
# made. Nobody asked for it, nothing is printed, and an inspection PC whose home is read-only or audited meets it by
# surprise. ORT_DISABLE_TELEMETRY=1, set before the import, stops it.
# Fails when that is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat > "$work/session.py" <<'PY'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", value[:1], value[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
model.ir_version = 10
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
print("onnxruntime", onnxruntime.__version__, "identity of 3 is", session.run(None, {"x": np.array([3], np.float32)})[0])
PY
mkdir "$work/default" "$work/disabled"
echo "--- default: files below an empty HOME after one session"
env -u XDG_CACHE_HOME HOME="$work/default" "$work/venv/bin/python" "$work/session.py"
(cd "$work/default" && find . -type f | sort | tee "$work/seen")
echo "--- ORT_DISABLE_TELEMETRY=1: files below an empty HOME after one session"
env -u XDG_CACHE_HOME HOME="$work/disabled" ORT_DISABLE_TELEMETRY=1 "$work/venv/bin/python" "$work/session.py"
(cd "$work/disabled" && find . -type f | sort | tee "$work/seen-disabled")
grep -q 'Microsoft/DeveloperTools/.onnxruntime/deviceid' "$work/seen" || { echo "changed: no device id is written" >&2; exit 1; }
[ ! -s "$work/seen-disabled" ] || { echo "changed: the variable no longer stops it" >&2; exit 1; }
echo "as seen before"
