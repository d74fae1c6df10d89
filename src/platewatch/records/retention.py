"""The retention job: a thread that prunes photographs at intervals and checkpoints SQLite's log every minute."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from platewatch.errors import RecordError
from platewatch.records.values import Pruned

if TYPE_CHECKING:
    from platewatch.records.records import Records

log = logging.getLogger("platewatch.records")

_CHECKPOINT_S = 60.0


class RetentionJob:
    """A thread that prunes a record at intervals."""

    def __init__(
        self, records: "Records", *, every_s: float = 600.0, warn: Callable[[str], None] = lambda _words: None
    ) -> None:
        """`warn` gets one line when photographs cannot be pruned or take more space than allowed."""
        self._records, self._every = records, every_s
        self._warn = warn
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Start the thread; it prunes immediately for the first time."""
        self._thread.start()

    def problems(self) -> Iterable[tuple[str, str, bool]]:
        """Whether the thread ended, for the health check: code, message, whether plates stop."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._stopping.is_set():
            yield "retention_stopped", "photographs are not pruned; restart, and see the log", False

    def stop(self, timeout_s: float = 20.0) -> None:
        """Stop after the current batch."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            try:
                self._check_size(self._records.prune())
            except RecordError as error:
                self._warn(str(error))
            except Exception as error:
                log.exception("pruning failed; it goes on")
                self._warn(f"photographs could not be pruned ({type(error).__name__}); see the log")
            due = time.monotonic() + self._every
            while time.monotonic() < due:
                if self._stopping.wait(min(_CHECKPOINT_S, self._every)):
                    return
                with suppress(RecordError):  # the health check reports it
                    self._records.checkpoint()

    def _check_size(self, pruned: Pruned) -> None:
        if pruned.over_bytes:
            over = f"{pruned.over_bytes / 1e9:.2f} GB more than allowed"
            self._warn(f"photographs: {over}, of plates that wait for review; review them or allow more")
