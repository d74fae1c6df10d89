#!/usr/bin/env bash
# Pillow: some TIFFs of 16 bits decode to wrong pixels without an error or a warning.
#
# One guesses: what Image.open() opens and load() decodes is the picture. Seen with Pillow 13.0.0, on files that
# tifffile writes and reads back: RGB in separate planes (PlanarConfiguration 2), uncompressed, is taken for 8 bits and
# comes out as noise; grey of 16 bits with WhiteIsZero (PhotometricInterpretation 0) comes out as its negative, where
# grey of 8 bits is right; grey of 12 packed bits keeps its values 0 to 4095 in the mode I;16, so that whoever
# divides by 257 sees black. Cameras and microscopes write all three.
# Remedy: read PlanarConfiguration, PhotometricInterpretation and BitsPerSample, and decode by them or refuse.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 pillow==13.0.0 tifffile==2026.3.3 imagecodecs==2026.3.6
"$folder/venv/bin/python" - <<'PY'
import io
import sys

import numpy as np
import PIL
import tifffile
from PIL import Image

ramp = np.round(np.linspace(0, 65535, 64 * 48)).astype(np.uint16).reshape(48, 64)


def decoded(values, **options):
    """What Pillow makes of a TIFF, and its mode; tifffile must read the same file to the values that were written."""
    file = io.BytesIO()
    tifffile.imwrite(file, values, metadata=None, **options)
    assert np.array_equal(tifffile.imread(io.BytesIO(file.getvalue())), values)
    with Image.open(file) as image:
        return np.asarray(image).astype(float), image.mode


print(f"Pillow {PIL.__version__}")
rgb = np.stack([ramp, ramp[::-1], ramp[:, ::-1]])
planes, mode = decoded(rgb, photometric="rgb", planarconfig="separate")
noise = float(np.abs(planes - np.moveaxis(rgb, 0, 2) / 257).mean())
print(f"  RGB, 16 bits, separate planes: mode {mode}, mean difference {noise:.0f} of 255")
inverse, mode = decoded(ramp, photometric="miniswhite")
is_negative = bool(np.array_equal(inverse, ramp))  # the stored values: white is 0 in them
print(f"  grey, 16 bits, WhiteIsZero: mode {mode}, the stored values as if black were 0: {is_negative}")
eight, mode = decoded((ramp >> 8).astype(np.uint8), photometric="miniswhite")
is_right = bool(np.array_equal(eight, 255 - (ramp >> 8)))
print(f"  grey, 8 bits, WhiteIsZero: mode {mode}, turned round as it should be: {is_right}")
twelve, mode = decoded(ramp >> 4, bitspersample=12)
print(f"  grey, 12 packed bits: mode {mode}, values up to {twelve.max():.0f} of 65535")
same = noise > 20 and is_negative and is_right and twelve.max() == 4095
sys.exit(0 if same else "the behaviour has changed")
PY
