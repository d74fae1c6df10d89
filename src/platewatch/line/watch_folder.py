"""Watch folder: judges each photograph that a camera drops into a folder, once its file is complete."""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from platewatch import printable
from platewatch.errors import InputError, ModelError, RecordError, RecordUnavailable
from platewatch.line.arrivals import Arrival, Arrivals, seen
from platewatch.line.assembly import Line
from platewatch.line.file_events import FileEvents
from platewatch.line.judging import JudgedPhotograph, Plate
from platewatch.line.state_files import beside
from platewatch.photographs import formats, reading
from platewatch.records import Entry

SOURCE = "watch"
"""The source of its plates in the record."""
AWAY, BACK = "camera folder vanished", "camera folder back"
"""Events in the record."""

_RETRY_S = 1.0
_SHARE = 10  # a look at the whole folder takes at most one part in so many of the time


class WatchFolder:
    """One folder and the line that judges its photographs."""

    def __init__(
        self,
        folder: Path,
        line: Line,
        *,
        settle_s: float = 0.5,
        give_up_s: float = 30.0,
        rescan_s: float = 2.0,
        recorded: Callable[[Entry], None] = lambda _entry: None,
        warn: Callable[[str], None] = lambda _words: None,
    ) -> None:
        """`recorded` gets each new entry, `warn` a line when the folder vanishes or comes back.

        A photograph is judged when its file was unchanged for `settle_s` and is complete. One that is not complete or
        not readable is recorded as failed after `give_up_s` without a change. The whole folder is scanned every
        `rescan_s`.
        """
        self._line = line
        self._settle, self._give_up, self._rescan = settle_s, give_up_s, rescan_s
        self._recorded, self._warn = recorded, warn
        self._arrivals = Arrivals(folder, line.records.known, settle_s=settle_s)
        self._incomplete = dict[str, tuple[Arrival, float]]()  # by name, with the time when it is tried again
        self._away = False
        self._stopping = threading.Event()
        self._events = FileEvents(self._arrivals.folder)

    def stop(self) -> None:
        """End after the plate that is being judged; safe in a signal handler and from any thread."""
        self._stopping.set()
        self._events.stop()

    def run(self, *, once: bool = False) -> None:
        """Go on until stopped; `once`: until everything that lies there now is in the record."""
        self._events.start()
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
                names = self._events.wait(self._pause(next_look))
        finally:
            self._events.stop()

    def _pause(self, next_look: float) -> float:
        """Until the next look, or until a waiting file may have settled."""
        pause = max(0.0, next_look - time.monotonic())
        return min(pause, max(0.02, self._settle / 4)) if self._arrivals.waiting else pause

    def _look(self, names: set[str] | None) -> None:
        try:
            self._arrivals.look(None if self._away else names)  # no events came meanwhile
        except RecordUnavailable as error:
            self._line.health.record_failed(error, refused=False)
        except OSError as error:
            if not self._away:
                self._away = True
                what = f"vanished ({error.strerror}); new photographs are judged once it is back"
                self._report(AWAY, f"{self._arrivals.folder}: {what}")
        else:
            if self._away:
                self._away = False
                self._report(BACK, f"{self._arrivals.folder}: is back")

    def _report(self, kind: str, words: str) -> None:
        self._warn(words)
        try:
            self._line.records.event(kind, SOURCE, {"folder": str(self._arrivals.folder)})
        except RecordError as error:
            self._line.health.record_failed(error, refused=False)

    def _judge_settled(self) -> None:
        for arrival in self._arrivals.settled():
            if self._stopping.is_set():
                return
            incomplete, until = self._incomplete.get(arrival.path.name, (None, 0.0))
            if arrival == incomplete and time.monotonic() < until:
                continue
            try:
                self._judge(arrival)
            except (ModelError, RecordUnavailable):  # the health check reports it; the photograph waits in the folder
                self._stopping.wait(_RETRY_S)
                return

    def _judge(self, arrival: Arrival) -> None:
        """One photograph, unless its file is not complete yet; raises ModelError or RecordUnavailable."""
        patient = self._arrivals.unchanged_s(arrival) < self._give_up
        photograph = _load(arrival.path)
        if seen(arrival.path) != arrival:
            return  # changed or removed meanwhile: the next look finds it
        if patient and (photograph is None or not formats.has_end(photograph)):
            self._postpone(arrival)
            return
        plate = Plate(
            arrival.path if photograph is None else photograph, str(arrival.path), key=arrival.key, source=SOURCE
        )
        judged = self._line.judging.judge(plate)
        if patient and isinstance(judged.error, InputError):
            self._postpone(arrival)
            return
        self._incomplete.pop(arrival.path.name, None)
        self._record(arrival, plate, judged)

    def _postpone(self, arrival: Arrival) -> None:
        """Try again later: the rest of the file may still come."""
        age = self._arrivals.unchanged_s(arrival)
        wait = min(max(self._settle, age / 2), max(self._give_up - age, 0.0))
        self._incomplete[arrival.path.name] = arrival, time.monotonic() + wait

    def _record(self, arrival: Arrival, plate: Plate, judged: JudgedPhotograph) -> None:
        """Record as soon as the record can be used; raises RecordUnavailable when stopped before."""
        recorded = self._line.judging.record(plate, judged, retry=lambda: not self._stopping.wait(_RETRY_S))
        self._arrivals.done(arrival)
        if not recorded.is_duplicate:  # otherwise another process on the same folder was quicker
            self._recorded(recorded.entry)


def plates_of(folder: Path) -> Callable[[Entry], bool]:
    """Tells the plates that came from this folder from all others in the record."""
    place = Path(printable.name(str(folder.absolute())))  # as an Inspection holds it
    return lambda entry: entry.source == SOURCE and Path(entry.inspection.image or "").parent == place


def drift_file(records: str, folder: Path) -> Path:
    """Where the drift monitor of this folder keeps its state: beside the record, one file for each folder."""
    place = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:8]
    return beside(records, f"watch-{place}.drift.json")


def _load(path: Path) -> bytes | None:
    """The file's bytes, None when they cannot be read."""
    try:
        return reading.load(path)
    except InputError:
        return None
