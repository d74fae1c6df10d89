"""Memory of decoding: a bound for the whole process; without one, nothing is counted.

Decoding a large photograph takes several times its size for a moment. Under a bound, photographs are decoded at the
same time as long as all of them fit. So large ones are decoded one at a time, in the order in which they came.
"""

import ctypes
import gc
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from platewatch.arrays import Photo
from platewatch.errors import InputError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_LOOK_S = 1.0  # a waiting thread collects arrays that only reference cycles keep, this often


class Budget:
    """Bytes that may be in use together; thread-safe, first come, first served."""

    def __init__(self, total: int) -> None:
        self.total, self.taken = total, 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()  # its lock may be taken twice: a finalizer runs at any time

    def take(self, amount: int) -> bool:
        """Take the bytes now; False when they are not free."""
        with self._changed:
            if self._waiting or self.taken + amount > self.total:
                return False
            self.taken += amount
            return True

    def wait_for(self, amount: int) -> None:
        """Take the bytes as soon as they are free; raises InputError when they exceed the total."""
        if amount > self.total:
            what = f"decoding takes {amount / 1e6:.0f} MB of memory"
            raise InputError("photograph", what, expected=f"at most {self.total / 1e6:.0f} MB", remedy="allow more")
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                while self._waiting[0] is not ticket or self.taken + amount > self.total:
                    if not self._changed.wait(_LOOK_S):
                        gc.collect()
                self.taken += amount
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def give(self, amount: int) -> None:
        """Give bytes back."""
        with self._changed:
            self.taken -= amount
            self._changed.notify_all()


_decoding: Budget | None = None


def bound(total: int | None) -> None:
    """Let photographs that are being decoded or in use take at most `total` bytes in this process; None: any number."""
    global _decoding  # noqa: PLW0603 - memory is the process's
    _decoding = None if total is None else Budget(total)
    if total is not None:
        _return_what_is_freed()


def _return_what_is_freed() -> None:
    """Let glibc return every large block to the system when it is freed; by default it keeps blocks of up to 32 MiB.

    A decoder's picture consists of such blocks, so the process would keep its largest size.
    """
    with suppress(OSError, AttributeError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 2**20)
        mallopt(_M_TRIM_THRESHOLD, 2**20)


def counted(needed: int, decode: Callable[[], Photo]) -> Photo:
    """What `decode` returns, decoded when `needed` bytes are free; the photograph's own stay taken while it lives.

    A thread may hold one photograph at a time; otherwise it could wait for memory that it holds itself.
    """
    budget = _decoding
    if budget is None:
        return decode()
    budget.wait_for(needed)
    try:
        photo = decode()
    except BaseException:
        budget.give(needed)
        raise
    kept = min(needed, photo.nbytes)
    budget.give(needed - kept)
    weakref.finalize(photo, budget.give, kept).atexit = False
    return photo
