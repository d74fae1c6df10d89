"""Tail of the record: every row that any process appends is passed on once and in order."""

import logging
import threading
from collections.abc import Callable, Iterable

from platewatch.errors import RecordError
from platewatch.records import Appended, Records

log = logging.getLogger("platewatch.line")

_BATCH = 100  # rows read at a time
_PAUSE_S = 1.0  # after an error that nobody expected


class RecordTail:
    """Reads each new row of the record in a thread of its own."""

    def __init__(
        self,
        records: Records,
        passed_on: Callable[[Appended], None],
        *,
        only_events: Callable[[], bool] = lambda: False,
        every_s: float = 0.25,
    ) -> None:
        """`passed_on` gets each row appended after `start`; only events while `only_events` says so.

        The ends of its chains are read every `every_s`, and at once after `wake`.
        """
        self._records, self._passed_on = records, passed_on
        self._only_events, self._every = only_events, every_s
        self._position = dict[str, int]()
        self._stopping, self._news = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="record tail", daemon=True)

    def start(self) -> None:
        """Follow from the present head on; raises RecordError."""
        self._position = self._heads()
        self._thread.start()

    def wake(self) -> None:
        """Read the record now: a row was appended."""
        self._news.set()

    def problems(self) -> Iterable[tuple[str, str, bool]]:
        """The problem that the thread ended, for Health."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._stopping.is_set():
            yield "tail_stopped", "new rows of the record reach no page and no drift test; restart", False

    def stop(self) -> None:
        """Stop, after the rows that are being passed on."""
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._news.wait(self._every)
            self._news.clear()
            try:
                while not self._stopping.is_set() and self._pass_on():
                    pass
            except RecordError:
                continue  # the health check reports it; the next look goes on where this one stopped
            except Exception:
                log.exception("the record could not be followed; the next look tries again")
                self._stopping.wait(_PAUSE_S)

    def _heads(self) -> dict[str, int]:
        return {station: end.rows for station, end in self._records.heads().items()}

    def _pass_on(self) -> bool:
        """Pass on the next rows; whether there may be more."""
        if self._heads() == self._position:
            return False
        rows, self._position = self._records.appended(self._position, _BATCH, only_events=self._only_events())
        for row in rows:
            try:
                self._passed_on(row)
            except Exception:
                log.exception("a row of the record could not be passed on")
        return True
