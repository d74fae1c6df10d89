"""Waiting for what another thread or process does, on a machine that may do much else meanwhile."""

import time
from collections.abc import Callable
from typing import TypeVar

GIVE_UP_S = 100.0
"""Seconds after which a test fails that waits; far more than anything takes on a busy machine."""

Found = TypeVar("Found")


def eventually(look: Callable[[], Found]) -> Found:
    """The first true value of `look`; raises AssertionError when it does not come."""
    until = time.monotonic() + GIVE_UP_S
    while not (found := look()):
        assert time.monotonic() < until, "did not come"
        time.sleep(0.01)
    return found
