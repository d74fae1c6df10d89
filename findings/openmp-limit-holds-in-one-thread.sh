#!/usr/bin/env bash
# A limit on OpenMP's threads that is set in the main thread does not hold in the threads that do the work.
#
# One guesses: faiss.omp_set_num_threads(1), or threadpoolctl's threadpool_limits(1), once at start, bounds the process,
# as it does for OpenBLAS (pthreads) and OpenCV. Seen with faiss-cpu 1.15.1 and threadpoolctl 3.8.0: OpenMP keeps the
# number for each thread, so a worker of a ThreadPoolExecutor still has the initial number, all cores. A limit set in the
# main thread is even reported there as 1. Four workers on four cores run sixteen threads.
# Remedies: OMP_NUM_THREADS=1 before the library is loaded, or the call once in each worker (`initializer=`).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 faiss-cpu==1.15.1 threadpoolctl==3.8.0
OMP_NUM_THREADS=4 "$folder/venv/bin/python" - <<'PY'
import sys
from concurrent.futures import ThreadPoolExecutor

import faiss
import threadpoolctl


def reported():
    """What threadpoolctl says of each library, by its kind."""
    return {each["user_api"]: each["num_threads"] for each in threadpoolctl.threadpool_info() if "faiss" in each["filepath"]}


def seen(**options):
    with ThreadPoolExecutor(1, **options) as pool:
        return pool.submit(faiss.omp_get_max_threads).result()


print(f"faiss {faiss.__version__}, threadpoolctl {threadpoolctl.__version__}; OpenMP's threads at first: 4")
faiss.omp_set_num_threads(1)
first = faiss.omp_get_max_threads(), seen()
print(f"  after faiss.omp_set_num_threads(1): main thread {first[0]}, worker {first[1]}")
threadpoolctl.threadpool_limits(1)
second = faiss.omp_get_max_threads(), seen()
print(f"  after threadpool_limits(1): main thread {second[0]}, worker {second[1]}; it reports {reported()}")
third = seen(initializer=faiss.omp_set_num_threads, initargs=(1,))
print(f"  worker with initializer=faiss.omp_set_num_threads: {third}")
sys.exit(0 if (first, second, third) == ((1, 4), (1, 4), 1) else "the behaviour has changed")
PY
