#!/usr/bin/env bash
# Aravis: a frame that does not fit into its buffer has the status SUCCESS and the full width and height.
#
# One guesses: Buffer.get_status() says whether the frame is whole. Seen with Aravis 0.8.26: with buffers of half the
# payload (a region or pixel format that grew after the buffers were made) every buffer is SUCCESS and says 512 × 512
# px of Mono8, but holds 131,072 bytes, the upper half. Only the stream's counter n_size_mismatch_errors tells, and it
# counts for the stream, not for the buffer. Who reads width × height bytes reads past the end, or judges half a part.
# Remedy: compare the size of the data with width × height × bits of the format for every frame.
# Needs: apt-get install --no-install-recommends aravis-tools gir1.2-aravis-0.8 python3-gi.
set -euo pipefail
command -v arv-fake-gv-camera-0.8 > /dev/null || { echo "aravis-tools are not installed" >&2; exit 1; }
trap 'kill "$camera" 2> /dev/null || true' EXIT
arv-fake-gv-camera-0.8 -i 127.0.0.1 -s F2 > /dev/null &
camera=$!
sleep 1
dpkg-query --show --showformat='Aravis ${Version}\n' gir1.2-aravis-0.8
/usr/bin/python3 - <<'PY'
import sys

import gi

gi.require_version("Aravis", "0.8")
from gi.repository import Aravis

Aravis.update_device_list()
camera = Aravis.Camera.new("Aravis-Fake-F2")
stream = camera.create_stream(None, None)
for _ in range(8):
    stream.push_buffer(Aravis.Buffer.new_allocate(camera.get_payload() // 2))
camera.start_acquisition()
buffer = stream.timeout_pop_buffer(5_000_000)
status, size = buffer.get_status().value_nick, len(buffer.get_data())
pixels = buffer.get_image_width() * buffer.get_image_height()
counted = stream.get_info_uint64_by_name("n_size_mismatch_errors")
print(f"  a frame of {pixels} px of {camera.get_pixel_format_as_string()} in a buffer of {size} bytes: {status}")
print(f"  n_size_mismatch_errors of the stream: {counted}")
camera.stop_acquisition()
sys.exit(0 if status == "success" and size * 2 == pixels and counted > 0 else "the behaviour has changed")
PY
