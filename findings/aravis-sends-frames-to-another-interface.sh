#!/usr/bin/env bash
# Aravis: a camera opened by its id without a list of devices before may send its frames to another network interface.
#
# One guesses: `Camera.new(id)` finds the camera and everything else follows. Seen with Aravis 0.8.26 on a PC with two
# interfaces (here loopback and a network card): it asks on all interfaces at once, takes the first answer, and writes
# the address of that interface into the camera as the stream's destination. The camera answers every register, the
# acquisition starts, no error is raised, `timeout_pop_buffer` gives None for ever, and no statistic counts anything.
# After `Aravis.update_device_list()`, or when it is opened by its IP address, the same camera sends 25 frames a second.
# Remedy: always list devices first, or open by IP address; treat "no frame" as a camera that is lost.
# Needs: apt-get install --no-install-recommends aravis-tools gir1.2-aravis-0.8 python3-gi; a second interface.
set -euo pipefail
command -v arv-fake-gv-camera-0.8 > /dev/null || { echo "aravis-tools are not installed" >&2; exit 1; }
folder=$(mktemp -d)
trap 'kill "$camera" 2> /dev/null || true; rm -rf "$folder"' EXIT
arv-fake-gv-camera-0.8 -i 127.0.0.1 -s F1 > /dev/null &
camera=$!
sleep 1
cat > "$folder/open.py" <<'PY'
import sys
import time

import gi

gi.require_version("Aravis", "0.8")
from gi.repository import Aravis

how = sys.argv[1]
if how == "listed":
    Aravis.update_device_list()
camera = Aravis.Camera.new("127.0.0.1" if how == "address" else "Aravis-Fake-F1")
stream = camera.create_stream(None, None)
for _ in range(8):
    stream.push_buffer(Aravis.Buffer.new_allocate(camera.get_payload()))
camera.start_acquisition()
frames, until = 0, time.monotonic() + 1
while time.monotonic() < until:
    buffer = stream.timeout_pop_buffer(200_000)
    if buffer is not None:
        frames += 1
        stream.push_buffer(buffer)
camera.stop_acquisition()
interface = camera.get_device().get_interface_address().to_string()
print(f"  opened {how}: {frames} frames in a second, sent to {interface}", file=sys.stderr)
print(frames)
PY
dpkg-query --show --showformat='Aravis ${Version}\n' gir1.2-aravis-0.8
seen=()
for how in at-once listed address; do
  seen+=("$(/usr/bin/python3 "$folder/open.py" $how)")
  sleep 4  # until the camera has forgotten who controlled it
done
[ "${seen[0]}" -eq 0 ] && [ "${seen[1]}" -gt 5 ] && [ "${seen[2]}" -gt 5 ] || { echo "the behaviour has changed, or there is one interface" >&2; exit 1; }
