"""Thread limits of OpenCV and BLAS, number of usable cores, and how glibc shares out memory."""

import ctypes
import os
import sys
from contextlib import suppress

import cv2
import numpy as np
from threadpoolctl import ThreadpoolController

_KEPT = 31 * 2**20  # bytes; glibc raises the threshold up to 32 MiB
_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h


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
    _limit_arenas()
    # Freeing one 31 MiB block raises glibc's mmap threshold, so image buffers are reused.
    np.empty(_KEPT, np.uint8)


def _limit_arenas() -> None:
    """Let threads share as many of glibc's arenas as there are cores, and at least two.

    Otherwise there are eight times as many, and the memory of a station's threads grows until each arena has seen the
    largest task. MALLOC_ARENA_MAX in the environment comes first.
    """
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_ARENA_MAX, max(2, cores()))
