"""The drift watch of the model in service: fed by every plate, taken up again after a restart, heard when it alarms.

What it knows lies in a small file, written now and then; plates since are read from the record. Without the file it
begins with the model's calibration plates and the newest plates of the record. That it alarmed, and that somebody
looked at it, are events in the record.
"""

import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from platewatch.decision.drift import BRIGHTNESS, SCORE, Evidence, Watch
from platewatch.errors import OutputError, PlatewatchError
from platewatch.inspection import Verdict
from platewatch.line.model_registry import ACTIVATED, ModelRegistry
from platewatch.records import Entry, Event, Query, Records
from platewatch.records.values import MOST
from platewatch.station.users import write_private

log = logging.getLogger("platewatch.station")

ALARM, SEEN = "drift_alarm", "drift_seen"
_AGAIN = 5 * MOST  # plates that are read from the record at a start, at most
_KEEP_EVERY = 200  # plates after which the file is written
_SHOWN = 500  # plates of the curve that a page draws
_LOST = 0.5  # a larger share of the newest plates rejected or not judged is said


class Drifting:
    """One watch for the model in service; safe to share by threads."""

    def __init__(
        self,
        models: ModelRegistry,
        records: Records,
        publish: Callable[[str, dict[str, Any]], None],
        *,
        limit: float,
        file: Path | None,
    ) -> None:
        """`limit` as in drift.py; `file` is where the watch is kept, None: nowhere."""
        self._models, self._records, self._publish, self._limit, self._file = models, records, publish, limit, file
        self._lock = threading.RLock()
        self._watch, self._model_id = Watch((), limit), ""
        self._newest, self._unkept = 0, 0
        self._alarm: str | None = None
        self._curve: deque[tuple[int, float]] = deque(maxlen=_SHOWN)

    def see(self, entry: Entry, brightness: float | None) -> None:
        """A plate was judged and written down."""
        with self._lock:
            self._follow_the_model()
            if entry.number <= self._newest or entry.inspection.model_id != self._model_id:
                return  # read from the record already, or judged while another model came
            self._bet(entry, brightness)
            evidence = self._watch.evidence()
            if evidence.alarm and self._alarm is None:
                self._raise(entry, evidence)
            self._unkept += 1
            if self._unkept >= _KEEP_EVERY:
                self.keep()

    def evidence(self) -> Evidence:
        """Where the watch stands."""
        with self._lock:
            self._follow_the_model()
            return self._watch.evidence()

    def look(self) -> list[tuple[str, str, bool]]:
        """Problems: code, message, whether plates stop."""
        evidence, alarm = self.evidence(), self._alarm
        found = [] if alarm is None else [("drift", alarm, False)]
        if evidence.share_lost > _LOST:
            share = f"{evidence.share_lost:.0%} of the newest plates were rejected or could not be judged"
            found.append(("many_rejected", f"{share}; look at the plates, the light and the camera", False))
        return found

    def curve(self) -> tuple[tuple[int, float], ...]:
        """The newest plates' numbers and the evidence after each, oldest first."""
        with self._lock:
            self._follow_the_model()
            return tuple(self._curve)

    def acknowledge(self, actor: str) -> None:
        """Somebody looked at the alarm: the watch begins anew. It is an event in the record."""
        with self._lock:
            self._follow_the_model()
            value = self._watch.evidence().value
            self._records.event(SEEN, actor, {"model_id": self._model_id, "evidence": value, "newest": self._newest})
            self._watch.begin_anew()
            self._curve.clear()
            self._alarm = None
            self.keep()

    def keep(self) -> None:
        """Write the file; a full disk costs only what a restart would then begin without."""
        with self._lock:
            self._unkept = 0
            if self._file is None or not self._model_id:
                return
            try:
                write_private(
                    self._file, {"model_id": self._model_id, "newest": self._newest, "watch": self._watch.state()}
                )
            except OutputError as error:
                log.warning("%s", error)

    def _bet(self, entry: Entry, brightness: float | None = None) -> None:
        found = entry.inspection
        self._newest = entry.number
        lot = float(np.random.default_rng(entry.number).random())
        numbers = {SCORE: found.score, BRIGHTNESS: brightness}
        self._watch.see(numbers, lot, rejected=found.verdict is Verdict.REJECT)
        self._curve.append((entry.number, self._watch.evidence().value))

    def _raise(self, entry: Entry, evidence: Evidence) -> None:
        self._alarm = _sentence(evidence)
        details = {
            "model_id": self._model_id,
            "number": entry.number,
            "watched": evidence.number,
            "evidence": evidence.value,
            "limit": evidence.limit,
            "message": self._alarm,
        }
        try:
            self._records.event(ALARM, "station", details)
        except PlatewatchError:
            log.exception("the drift alarm is not in the record")
        self._publish("alarm", details)

    def _follow_the_model(self) -> None:
        """Begin with the model in service when it is another than before, or at a start."""
        model_id = self._models.model_id
        if self._model_id == model_id:
            return
        began, alarm = self._history(model_id)
        calibration = [plate.score for plate in self._models.loaded().manifest.calibration]
        self._watch, self._newest = self._kept(model_id) or (Watch(calibration, self._limit), 0)
        self._curve.clear()
        for entry in self._since(model_id, began):
            self._bet(entry)
        self._alarm = None if alarm is None else str(alarm.details.get("message", "drift"))
        self._model_id = model_id

    def _kept(self, model_id: str) -> tuple[Watch, int] | None:
        """The watch as the file has it, and the newest plate it has seen; None without one of this model."""
        if self._file is None:
            return None
        try:
            values = json.loads(self._file.read_text(encoding="utf-8"))
            if values["model_id"] != model_id:
                return None
            return Watch.resume(values["watch"], self._limit), int(values["newest"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s: cannot be used (%s); the drift watch begins with the record", self._file, error)
            return None

    def _history(self, model_id: str) -> tuple[Event | None, Event | None]:
        """The event that evidence counts from, and the alarm that stands."""
        events = [
            event
            for kind in (ALARM, SEEN, ACTIVATED)
            for event in self._records.events(kind, limit=20)
            if event.details.get("model_id") == model_id
        ]
        newest = {event.kind: event for event in sorted(events, key=lambda event: event.id)}
        began = max((newest[kind] for kind in (SEEN, ACTIVATED) if kind in newest), key=_id, default=None)
        alarm = newest.get(ALARM)
        return began, alarm if alarm is not None and (began is None or alarm.id > began.id) else None

    def _since(self, model_id: str, began: Event | None) -> list[Entry]:
        """The model's newest plates that the watch has not seen, in their order."""
        found: list[Entry] = []
        query = Query(model_id=model_id, since=None if began is None else began.time, limit=MOST)
        for entry in self._records.every(query):
            if entry.number <= self._newest or len(found) == _AGAIN:
                break
            found.append(entry)
        return found[::-1]


def _id(event: Event) -> int:
    return event.id


def _sentence(evidence: Evidence) -> str:
    what = "their brightness" if evidence.number == BRIGHTNESS else "their scores"
    return (
        f"plates no longer look as they did: {what} moved; within as many plates as since the last look "
        f"({evidence.plates}) chance alone does this with {min(1.0, evidence.plates / evidence.limit):.2g} at most; "
        "look at the light and the camera, or train anew"
    )
