"""Brings the photographs to what the policy allows, now and then, in a thread of its own."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from platewatch.errors import RecordError
from platewatch.records.values import Pruned

if TYPE_CHECKING:
    from platewatch.records.records import Records


class RetentionJob:
    """Prunes a record as long as it runs."""

    def __init__(
        self, records: "Records", *, every_s: float = 600.0, tell: Callable[[str], None] | None = None
    ) -> None:
        """`tell` hears, in one line, when photographs cannot be pruned or take more space than allowed."""
        self._records, self._every = records, every_s
        self._say = tell or (lambda _words: None)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begin, with a first pruning at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 20.0) -> None:
        """End after the batch that is being pruned."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            try:
                self._over(self._records.prune())
            except RecordError as error:
                self._say(str(error))
            if self._stopping.wait(self._every):
                return

    def _over(self, pruned: Pruned) -> None:
        if pruned.over_bytes:
            over = f"{pruned.over_bytes / 1e9:.2f} GB more than allowed"
            self._say(f"photographs: {over}, for plates that wait for a review; review them or allow more")
