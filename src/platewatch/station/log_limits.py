"""A limit on log lines: the same message a few times a minute, then one line that says how many were left out."""

import logging
import threading
import time

_WINDOW_S = 60.0
_MOST = 10  # lines of one kind within a window
_KINDS = 1000


class LogLimit(logging.Filter):
    """A filter for a handler; messages are of one kind when logger, level and text before formatting are the same."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; the first one after a window says how many of its kind were left out."""
        kind, now = (record.name, record.levelno, str(record.msg)), time.monotonic()
        with self._lock:
            began, number = self._seen.get(kind, (now, 0))
            left_out = 0
            if now - began > _WINDOW_S:
                began, number, left_out = now, 0, max(0, number - _MOST)
            if len(self._seen) >= _KINDS and kind not in self._seen:
                self._seen.clear()
            self._seen[kind] = began, number + 1
        if number >= _MOST:
            return False
        if left_out or number == _MOST - 1:
            note = f"{left_out} more before" if left_out else f"more of these are left out for {_WINDOW_S:.0f} s"
            record.msg, record.args = f"{record.getMessage()} ({note})", ()
        return True
