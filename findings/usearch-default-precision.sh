#!/usr/bin/env bash
# USearch: the CPU decides how precisely an index stores float32 vectors, so two machines find different neighbours.
#
# One guesses: Index(ndim=6, metric="l2sq") given float32 stores float32. Seen with usearch 2.26.6: without `dtype` it
# is bfloat16 (8 significant bits) where the CPU computes with it, else float16 or float32. Queries are rounded as well.
# Lab values near 50 are kept to the next 0.25: distances of .0245 come out as 0 or .25, and a vector that lies .0245
# from its neighbour is found beside another one. The index says so only when asked (`index.dtype`).
# Also: a batch of one query, shape (1, 6), answers with distances of shape (1,), a batch of two with (2, 1).
# Remedy: dtype="f32", always.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 usearch==2.26.6 numkong==7.8.6
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import usearch
from usearch.index import Index

rng = np.random.default_rng(0)
bank = rng.normal(50, 1, (5000, 6)).astype(np.float32)
asked = bank[:200] + np.float32(0.01)  # sqrt(6) * .01 = .0245 away
print(f"usearch {usearch.__version__}")
errors = {}
for name, options in (("default", {}), ("f32", {"dtype": "f32"})):
    index = Index(ndim=6, metric="l2sq", **options)
    index.add(np.arange(len(bank)), bank, threads=1)
    matches = index.search(asked, 1, threads=1)
    distances = np.sqrt(np.maximum(matches.distances[:, 0], 0))
    errors[name] = float(np.abs(distances - 0.0245).max())
    found = float((matches.keys[:, 0] == np.arange(200)).mean())
    print(f"  {name}: {index.dtype}, a distance of .0245 comes out as {distances.min():.4f} to {distances.max():.4f},"
          f" {found:.1%} of neighbours found")
one, two = (index.search(asked[:count], 1, threads=1).distances.shape for count in (1, 2))
print(f"  shape of the distances: one query {one}, two queries {two}")
same = errors["default"] > 0.01 and errors["f32"] < 0.001 and (one, two) == ((1,), (2, 1))
sys.exit(0 if same else "the behaviour has changed, or this CPU computes with neither bfloat16 nor float16")
PY
