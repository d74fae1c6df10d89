#!/usr/bin/env bash
# FAISS, exact search (IndexFlatL2): one more query in a batch changes the distances of all the others.
#
# One guesses: an exact index gives a query the same distance, to float32 rounding, in any batch.
# Seen with faiss-cpu 1.15.1: below queries × features = 128,000 each distance is right to about 1e-7. From there on the
# search goes through BLAS (|x|² + |y|² − 2xy), some twenty times as fast, and where vectors lie close together and far
# from the origin, as colours of one part do, distances are wrong by up to half.
# faiss-cpu 1.13.2 uses BLAS from 20 queries on, whatever their length. So between the two versions (the change came with
# 1.14.2) the same search of 4,096 queries of 6 features became some 25 times slower, and its distances right.
# The threshold is faiss.cvar.distance_compute_blas_threshold: 20 queries there, 128,000 queries × features here.
# A remedy for the rounding: subtract the mean from both sides before `add` and `search`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/seen.py" <<'PY'
import sys
import time

import faiss
import numpy as np

faiss.omp_set_num_threads(1)
rng = np.random.default_rng(0)
bank = rng.normal(50, 10, (6000, 6)).astype(np.float32)
asked = (bank[rng.integers(0, 6000, 21334)] + rng.normal(0, 0.1, (21334, 6))).astype(np.float32)
index = faiss.IndexFlatL2(6)
index.add(bank)


def search(count):
    """Distances of the first 4,096 queries of a batch of so many, and core-ms for each thousand."""
    index.search(asked[:count], 1)
    started = time.process_time()
    squares = index.search(asked[:count], 1)[0][:4096, 0]
    return np.sqrt(squares.astype(np.float64)), (time.process_time() - started) * 1e6 / count


true = np.concatenate(
    [np.square(each[:, None].astype(np.float64) - bank).sum(axis=2).min(axis=1) for each in np.split(asked[:4096], 16)]
) ** 0.5
print(f"faiss {faiss.__version__}, threshold {faiss.cvar.distance_compute_blas_threshold}")
worst, spent = {}, {}
for count in (19, 4096, 21333, 21334):
    found, spent[count] = search(count)
    worst[count] = float(np.abs(found / true[: len(found)] - 1).max())
    print(f"  {count:6} queries: worst error {worst[count]:.1e} of a distance, {spent[count]:5.1f} core-ms a thousand")
if faiss.__version__ == "1.15.1":
    same = max(worst[19], worst[4096], worst[21333]) < 1e-5 and worst[21334] > 0.5 and spent[21333] > 5 * spent[21334]
else:
    same = worst[19] < 1e-5 and worst[4096] > 0.5 and spent[4096] < spent[19]
sys.exit(0 if same else "the behaviour has changed")
PY
python3 -m venv "$folder/venv"
for version in 1.13.2 1.15.1; do
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 faiss-cpu==$version
    "$folder/venv/bin/python" "$folder/seen.py"
done
