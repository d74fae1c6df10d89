"""The record's own time, by which retention counts: it does not follow steps of the machine's clock.

Within a process it grows with the monotonic clock. A new process continues from the newest stored photograph and adds
the time since the newest plate by the machine's clock: at least 0, at most `_LONGEST` and a tenth of the policy's days.
So a clock that is years ahead or behind does not make photographs old.
"""

import threading
import time

from sqlalchemy import Connection, func, select

from platewatch.records import stations
from platewatch.records.policy import Policy
from platewatch.records.schema import entries, photographs

DAY = 86_400_000_000
"""Microseconds."""
_LONGEST = 31 * DAY  # longest time between two processes that is counted


class RecordTime:
    """The time of one record in one process, in microseconds; thread-safe within the record's transactions."""

    def __init__(self) -> None:
        self._start: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def now(self, connection: Connection, policy: Policy) -> int:
        """The present time of the record."""
        with self._lock:
            if self._start is None:
                self._start = _resumed(connection, policy), time.monotonic_ns() // 1000
            began, clock = self._start
            return began + time.monotonic_ns() // 1000 - clock


def passed(microseconds: int, longest: int = _LONGEST) -> int:
    """A difference of two readings of the clock, limited to 0 … `longest`."""
    return min(max(microseconds, 0), longest)


def _resumed(connection: Connection, policy: Policy) -> int:
    clock = time.time_ns() // 1000
    kept = connection.execute(select(func.max(photographs.c.stored)).where(photographs.c.pruned.is_(None))).scalar()
    if kept is None:
        return clock
    newest = [stations.newest(each) for each in stations.ends(connection).values() if each.entries]
    last = select(func.max(entries.c.received)).where(entries.c.number.in_(newest))
    since = clock - (connection.execute(last).scalar() or clock)
    longest = _LONGEST if policy.days is None else min(_LONGEST, round(policy.days * DAY / 10))
    return int(kept) + passed(since, longest)
