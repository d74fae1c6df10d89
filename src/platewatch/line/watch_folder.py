"""Judge each photograph that settled, write it down, tell who is to be told; again and again until stopped."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platewatch.errors import InputError, RecordUnavailable
from platewatch.line.arrivals import Arrival, Arrivals, seen
from platewatch.line.file_events import Notices
from platewatch.photographs import formats, reading
from platewatch.records import Entry, Records

if TYPE_CHECKING:  # a caller brings the inspector
    from platewatch.inspection import Inspection
    from platewatch.model.inspector import Inspector

AWAY, BACK = "camera folder vanished", "camera folder back"
"""Events in the record."""

_RETRY_S = 1.0
_SHARE = 10  # a look at the whole folder takes at most one part in so many of the time


class Watch:
    """One folder, one model, one record."""

    def __init__(
        self,
        folder: Path,
        inspector: "Inspector",
        records: Records,
        *,
        deliver: Sequence[str] = (),
        settle_s: float = 0.5,
        give_up_s: float = 30.0,
        rescan_s: float = 2.0,
        judged: Callable[[Entry], None] | None = None,
        said: Callable[[str], None] | None = None,
    ) -> None:
        """`deliver` names who is told (deliveries.py); `judged` hears of each new entry, `said` of what goes wrong.

        A photograph is judged when its file was unchanged for `settle_s` and decodes whole; one that does not is
        written down as failed when it was unchanged for `give_up_s`. The whole folder is looked at every `rescan_s`.
        """
        self._inspector, self._records = inspector, records
        self._deliver = tuple(deliver)
        self._settle, self._give_up, self._rescan = settle_s, give_up_s, rescan_s
        self._judged = judged or (lambda _entry: None)
        self._say = said or (lambda _words: None)
        self._arrivals = Arrivals(folder, records.known, settle_s=settle_s)
        self._broken = dict[str, tuple[Arrival, float]]()  # by name what does not decode, and when to try again
        self._away = self._troubled = False
        self._stopping = threading.Event()
        self._notices = Notices(self._arrivals.folder)

    def stop(self) -> None:
        """End after the plate that is being judged; safe in a signal handler and from any thread."""
        self._stopping.set()
        self._notices.stop()

    def run(self, *, once: bool = False) -> None:
        """Go on until stopped; `once`: until everything that lies there now stands in the record."""
        self._notices.start()
        next_look = 0.0
        names = set[str]()
        try:
            while not self._stopping.is_set():
                if names:
                    self._look(names)
                if time.monotonic() >= next_look:
                    started = time.monotonic()
                    self._look(None)
                    next_look = time.monotonic() + max(self._rescan, _SHARE * (time.monotonic() - started))
                self._judge_settled()
                if once and not self._arrivals.waiting and not self._away:
                    return
                names = self._notices.wait(self._pause(next_look))
        finally:
            self._notices.stop()

    def _pause(self, next_look: float) -> float:
        """Until the next look, or until what waits may have settled."""
        pause = max(0.0, next_look - time.monotonic())
        return min(pause, max(0.02, self._settle / 4)) if self._arrivals.waiting else pause

    def _look(self, names: set[str] | None) -> None:
        try:
            self._arrivals.look(None if self._away else names)  # of what came meanwhile there was no notice
        except RecordUnavailable as error:
            self._trouble(str(error))
        except OSError as error:
            if not self._away:
                self._away = True
                what = f"vanished ({error.strerror}); what comes is judged once it is back"
                self._happened(AWAY, f"{self._arrivals.folder}: {what}")
        else:
            if self._away:
                self._away = False
                self._happened(BACK, f"{self._arrivals.folder}: is back")

    def _happened(self, kind: str, words: str) -> None:
        self._say(words)
        try:
            self._records.event(kind, "watch", {"folder": str(self._arrivals.folder)})
        except RecordUnavailable as error:
            self._trouble(str(error))

    def _trouble(self, words: str | None) -> None:
        """The record is in trouble, said once for as long as it lasts; None: it is not any more."""
        if words is None and self._troubled:
            self._say("the record can be used again")
        elif words is not None and not self._troubled:
            self._say(words)
        self._troubled = words is not None

    def _judge_settled(self) -> None:
        for arrival in self._arrivals.settled():
            if self._stopping.is_set():
                return
            broken, until = self._broken.get(arrival.path.name, (None, 0.0))
            if arrival != broken or until <= time.monotonic():
                self._judge(arrival)

    def _judge(self, arrival: Arrival) -> None:
        """One photograph, unless it turns out not to be whole yet."""
        patient = self._arrivals.unchanged_s(arrival) < self._give_up
        photograph = _load(arrival.path)
        if seen(arrival.path) != arrival:
            return  # changed or gone meanwhile: the next look sees it
        if patient and (photograph is None or not formats.has_end(photograph)):
            self._later(arrival)
            return
        found = self._inspector.inspect(arrival.path if photograph is None else photograph, str(arrival.path))
        if patient and found.verdict is None:
            self._later(arrival)
            return
        self._broken.pop(arrival.path.name, None)
        self._write_down(arrival, found, photograph)

    def _later(self, arrival: Arrival) -> None:
        """It does not decode: perhaps its end has still to come."""
        age = self._arrivals.unchanged_s(arrival)
        wait = min(max(self._settle, age / 2), max(self._give_up - age, 0.0))
        self._broken[arrival.path.name] = arrival, time.monotonic() + wait

    def _write_down(self, arrival: Arrival, found: "Inspection", photograph: bytes | None) -> None:
        """Into the record, however long that is locked, full or out of reach: the photograph waits with us."""
        while True:
            try:
                added = self._records.add(found, photograph, key=arrival.key, source="watch", deliver=self._deliver)
                break
            except RecordUnavailable as error:
                self._trouble(str(error))
                if self._stopping.wait(_RETRY_S):
                    return
        self._trouble(None)
        self._arrivals.done(arrival)
        if added.is_new:  # otherwise another process was quicker, and told of it
            self._judged(added.entry)


def _load(path: Path) -> bytes | None:
    """The file's bytes, None when they cannot be read."""
    try:
        return reading.load(path)
    except InputError:
        return None
