#!/usr/bin/env bash
# Pillow: a JPEG whose data are partly lost decodes without an error or a warning; libjpeg's complaint is dropped.
#
# One guesses: a photograph with a lost sector, or cut off and closed with an end marker, raises or warns. Seen with
# Pillow 13.0.0: both decode silently, the rest of the picture shifted or grey, because Pillow gives libjpeg an output
# function that does nothing and never looks at its count of warnings. OpenCV 5.0.0.93 decodes them, too, and prints
# the complaint to the process's stderr, without the file's name. simplejpeg 1.9.0 raises ValueError with the complaint.
# Remedy: simplejpeg.decode_jpeg(data, "RGB"), strict by default; the pixels of an intact file are Pillow's.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0 simplejpeg==1.9.0
"$folder/venv/bin/python" - <<'PY'
import io
import sys
import warnings

import numpy as np
import PIL
import simplejpeg
from PIL import Image

warnings.simplefilter("error")
noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
photo = Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC)
file = io.BytesIO()
photo.save(file, "JPEG", quality=90)
whole = file.getvalue()
half = len(whole) // 2
files = {
    "intact": whole,
    "300 bytes lost": whole[:half] + whole[half + 300 :],
    "cut off, end marker appended": whole[:half] + b"\xff\xd9",
}


def pillow(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def complaint(data):
    try:
        simplejpeg.decode_jpeg(data, "RGB")
    except ValueError as error:
        return str(error)
    return ""


print(f"Pillow {PIL.__version__}, simplejpeg 1.9.0")
said = {}
for name, data in files.items():
    changed = float((pillow(data) != pillow(whole)).any(axis=2).mean())  # no warning, no exception
    said[name] = complaint(data)
    print(f"  {name}: Pillow decodes, {changed:.0%} of the pixels differ; simplejpeg: {said[name] or 'decodes'}")
same = np.array_equal(pillow(whole), simplejpeg.decode_jpeg(whole, "RGB")) and [bool(each) for each in said.values()]
sys.exit(0 if same == [False, True, True] else "the behaviour has changed")
PY
