"""Thread limits of OpenCV and BLAS, number of usable cores, and glibc's memory threshold."""

import os

import cv2
import numpy as np
from threadpoolctl import ThreadpoolController

_KEPT = 31 * 2**20  # bytes; glibc raises the threshold up to 32 MiB


def cores() -> int:
    """Number of cores that this process may use; all cores where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads() -> None:
    """Limit OpenCV and BLAS to one thread each in the whole process; call it before the first plate is judged.

    Plates are judged in parallel instead. A plate's arrays are small: on a busy machine, threads inside one operation
    made a plate ten times slower.
    """
    cv2.setNumThreads(1)
    ThreadpoolController().limit(limits=1, user_api="blas")
    # Freeing one 31 MiB block raises glibc's mmap threshold, so image buffers are reused.
    np.empty(_KEPT, np.uint8)
