#!/usr/bin/env bash
# OpenCV converts float RGB pictures to CIE Lab by a coarse table, not by the formula, and float precision is lost.
#
# One guesses: cv2.cvtColor(x, COLOR_RGB2LAB) of float32 is the formula in float32; only 8-bit pictures are rounded.
# Seen with opencv-python-headless 5.0.0.93: it interpolates in a table of 33³ colours, with 16 steps between two
# of them. L differs from the formula by up to 0.2, a and b by up to 0.45 (mean 0.08), and two floats within one step
# give the same colour. Formula code in C++, C# or ONNX therefore does not give the same numbers.
# COLOR_LRGB2Lab, which takes linear values, is the formula to within 0.03.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 opencv-python-headless==5.0.0.93
"$folder/venv/bin/python" - <<'PY'
import sys

import cv2
import numpy as np

MATRIX = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])


def lab(linear):
    x, y, z = np.moveaxis(linear @ (MATRIX / [[0.950456], [1], [1.088754]]).T, -1, 0)
    fx, fy, fz = (np.where(each > 0.008856, np.cbrt(each), 7.787 * each + 16 / 116) for each in (x, y, z))
    return np.stack([np.where(y > 0.008856, 116 * fy - 16, 903.3 * y), 500 * (fx - fy), 200 * (fy - fz)], axis=-1)


picture = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.float32) / 255
linear = np.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4).astype(np.float32)
by_table = np.abs(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB) - lab(linear)).reshape(-1, 3).max(axis=0)
by_formula = np.abs(cv2.cvtColor(linear, cv2.COLOR_LRGB2Lab) - lab(linear)).reshape(-1, 3).max(axis=0)
ramp = np.full((1, 1001, 3), 0.5, np.float32)
ramp[0, :, 2] = np.linspace(0.5, 0.6, 1001)
colours = len(np.unique(cv2.cvtColor(ramp, cv2.COLOR_RGB2LAB).reshape(-1, 3), axis=0))
print(f"OpenCV {cv2.__version__}; largest difference from the formula in L, a, b")
print(f"  COLOR_RGB2LAB of float32: {by_table.round(2)}; COLOR_LRGB2Lab of linear values: {by_formula.round(4)}")
print(f"  1001 blues from 0.5 to 0.6 give {colours} colours")
sys.exit(0 if by_table.max() > 0.2 and by_formula.max() < 0.05 and colours < 100 else "the behaviour has changed")
PY
