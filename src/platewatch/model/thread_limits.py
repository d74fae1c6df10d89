"""What this process takes of the machine: cores, and memory that stays at hand."""

import os

import cv2
import numpy as np
from threadpoolctl import ThreadpoolController

_KEPT = 31 * 2**20  # bytes; glibc's limit is 32 MiB


def cores() -> int:
    """Cores that this process may use; not every system can tell, and then all of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads() -> None:
    """Prepare the process for judging plates side by side; call it once, before the first.

    OpenCV and BLAS take one thread each from then on, also for others in this process: a plate's pictures are small,
    and threads that wait for each other on a busy machine cost a plate ten times what it costs alone.
    """
    cv2.setNumThreads(1)
    ThreadpoolController().limit(limits=1, user_api="blas")
    # glibc returns freed blocks of this size to the system and fetches them anew, page by page, for every plate; once
    # one has been freed it keeps all that are no larger. Untouched, it takes no memory itself.
    np.empty(_KEPT, np.uint8)
