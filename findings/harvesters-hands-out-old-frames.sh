#!/usr/bin/env bash
# harvesters: the frame that `fetch` gives can be seconds old, and an array of it that is kept becomes another frame.
#
# One guesses: a free-running camera's `fetch()` gives the newest frame. Seen with harvesters 1.4.3 and the GenTL
# producer viky.cti (20 frames a second) of genicam 1.6.0: buffers are filled first in, first out, and stay full while
# nobody fetches. After two seconds of pause the first three fetches return at once with frames 2, 3 and 4, two seconds
# old; only then comes a present one (about 42). At a line that is the photograph of the part before.
# Also: `component.data` is a view of the driver's buffer. An array made of it without a copy shows another frame later.
# And `add_file` takes a producer that does not exist without an error; `update` finds no camera.
# Remedy: a thread that fetches every frame as it comes, copies it and keeps the newest.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 harvesters==1.4.3 genicam==1.6.0
"$folder/venv/bin/python" - <<'PY'
import sys
import time
from importlib.metadata import version
from pathlib import Path

import genicam
from harvesters.core import Harvester

print(f"harvesters {version('harvesters')}, genicam {version('genicam')}")
harvester = Harvester()
harvester.add_file(str(next(Path(genicam.__file__).parent.glob("*.cti"))))
harvester.add_file("/no/such/producer.cti")
harvester.update()
print(f"  a producer that does not exist: no error, {len(harvester.device_info_list)} cameras of the other one")
camera = harvester.create({"id_": "VikyTL_DEV_red"})
camera.start()
with camera.fetch(timeout=5) as buffer:
    kept = buffer.payload.components[0].data
    before = kept.copy()
time.sleep(2)
numbers = []
for _ in range(4):
    with camera.fetch(timeout=5) as buffer:
        numbers.append(buffer.frame_id)
print(f"  frames fetched after two seconds of pause: {numbers}")
changed = bool((kept != before).any())
print(f"  the first frame, kept without a copy, is another one now: {changed}")
camera.destroy()
harvester.reset()
same = numbers[:3] == [2, 3, 4] and numbers[3] > 20 and changed
sys.exit(0 if same else "the behaviour has changed")
PY
