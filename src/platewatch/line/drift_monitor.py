"""Drift monitor of the model in service: tests every plate of one line for drift and raises the alarm.

Its state is saved in a small file from time to time. After a restart, later plates are read from the record. Without
the file it starts with the model's calibration plates and the newest plates of the record. The alarm and its
acknowledgement are events in the record, so that one process shows the alarm of another.
"""

import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from platewatch import files
from platewatch.decision.drift import BRIGHTNESS, SCORE, DriftEvidence, DriftTest
from platewatch.errors import OutputError, PlatewatchError
from platewatch.inspection import Verdict
from platewatch.line.model_registry import ACTIVATED, ModelRegistry, newest_event
from platewatch.records import Entry, Event, Query, Records
from platewatch.records.values import MOST

log = logging.getLogger("platewatch.line")

LIMIT = 100_000.0
"""Evidence that raises the alarm: the probability of a false alarm within m plates is at most m / LIMIT."""
ALARM, SEEN = "drift_alarm", "drift_seen"
"""Events in the record: the alarm, and that a person acknowledged it."""

_READ_BACK = 5 * MOST  # plates read from the record at a start, at most
_SAVE_EVERY = 200  # plates after which the file is written
_CURVE = 500  # plates of the curve that a page draws
_LOST = 0.5  # a larger fraction of the newest plates without a score or with REJECT is a problem


class DriftMonitor:
    """The drift test of the model in service; thread-safe."""

    def __init__(
        self,
        models: ModelRegistry,
        records: Records,
        *,
        actor: str,
        limit: float = LIMIT,
        file: Path | None = None,
        owns: Callable[[Entry], bool] = lambda _entry: True,
    ) -> None:
        """`actor` raises the alarm in the record; `file` keeps the state, None: not at all.

        `owns` is True for the plates of the record that this line judged. Only those are read after a restart, because
        plates of another camera may look different without any drift.
        """
        self._models, self._records, self._actor = models, records, actor
        self._limit, self._file, self._owns = limit, file, owns
        self._part_type, self._named = models.part_type, models.named()
        self._lock = threading.RLock()
        self._test, self._model_id = DriftTest((), limit), ""
        self._newest, self._unsaved = 0, 0
        self._decisive = 0  # id of the newest event that this monitor has taken into account
        self._alarm: str | None = None
        self._curve: deque[tuple[int, float]] = deque(maxlen=_CURVE)

    def add(self, entry: Entry, brightness: float | None) -> None:
        """Test a plate that this line judged and recorded."""
        with self._lock:
            self._follow_model()
            if entry.number <= self._newest or entry.inspection.model_id != self._model_id:
                return  # read from the record already, or judged while another model came into service
            self._test_plate(entry, brightness)
            evidence = self._test.evidence()
            if evidence.alarm and self._alarm is None:
                self._raise(entry, evidence)
            self._unsaved += 1
            if self._unsaved >= _SAVE_EVERY:
                self.save()

    def evidence(self) -> DriftEvidence:
        """The present state of the drift test."""
        with self._lock:
            self._follow_model()
            return self._test.evidence()

    def problems(self) -> list[tuple[str, str, bool]]:
        """Problems: code, message, whether plates stop."""
        evidence, alarm = self.evidence(), self._alarm
        found = [] if alarm is None else [("drift", alarm, False)]
        if evidence.share_lost > _LOST:
            share = f"{evidence.share_lost:.0%} of the newest plates were rejected or are not readable"
            found.append(("many_rejected", f"{share}; look at the plates, the light and the camera", False))
        return found

    def curve(self) -> tuple[tuple[int, float], ...]:
        """The newest plates' numbers and the evidence after each, oldest first."""
        with self._lock:
            self._follow_model()
            return tuple(self._curve)

    def acknowledge(self, actor: str) -> None:
        """Reset the test after a person looked at the alarm; an event in the record."""
        with self._lock:
            self._follow_model()
            value = self._test.evidence().value
            details = {"model_id": self._model_id, "evidence": value, "newest": self._newest} | self._named
            self._decisive = self._records.event(SEEN, actor, details).id
            self._reset()

    def follow(self, event: Event) -> None:
        """Take over an alarm or its acknowledgement that another process of this station wrote."""
        with self._lock:
            if not self._records.is_own(event) or event.id <= self._decisive:
                return
            if event.details.get("model_id") != self._model_id or event.details.get("part_type", "") != self._part_type:
                return
            if event.kind == ALARM:
                self._decisive, self._alarm = event.id, _message(event)
            elif event.kind == SEEN:
                self._decisive = event.id
                self._reset()

    def save(self) -> None:
        """Write the file; when the disk is full, a restart only begins without the newest state."""
        with self._lock:
            self._unsaved = 0
            if self._file is None or not self._model_id:
                return
            place = {"model_id": self._model_id, "newest": self._newest, "decisive": self._decisive}
            try:
                files.write(self._file, json.dumps({**place, "watch": self._test.state()}, indent=1), private=True)
            except OutputError as error:
                log.warning("%s", error)

    def _test_plate(self, entry: Entry, brightness: float | None = None) -> None:
        found = entry.inspection
        self._newest = entry.number
        tie_break = float(np.random.default_rng(entry.number).random())
        numbers = {SCORE: found.score, BRIGHTNESS: brightness}
        self._test.update(numbers, tie_break, rejected=found.verdict is Verdict.REJECT)
        self._curve.append((entry.number, self._test.evidence().value))

    def _raise(self, entry: Entry, evidence: DriftEvidence) -> None:
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
            self._decisive = self._records.event(ALARM, self._actor, details | self._named).id
        except PlatewatchError:
            log.exception("the drift alarm is not in the record")

    def _reset(self) -> None:
        self._test.reset()
        self._curve.clear()
        self._alarm = None
        self.save()

    def _follow_model(self) -> None:
        """Start the test of the model in service when that is another one than before, or at a start."""
        model_id = self._models.model_id
        if self._model_id == model_id:
            return
        began, alarm = self._history(model_id)
        calibration = [plate.score for plate in self._models.serving().calibration]
        self._test, self._newest, decisive = self._saved(model_id) or (DriftTest(calibration, self._limit), 0, None)
        if began is not None and began.kind == SEEN and decisive is not None and began.id > decisive:
            self._test.reset()  # acknowledged while this process did not run
        self._curve.clear()
        for entry in self._since(model_id, began):
            self._test_plate(entry)
        self._alarm = None if alarm is None else _message(alarm)
        self._decisive = max((event.id for event in (began, alarm) if event is not None), default=0)
        self._model_id = model_id

    def _saved(self, model_id: str) -> tuple[DriftTest, int, int | None] | None:
        """The test in the file, the newest plate and event in it; None when the file has none of this model."""
        if self._file is None:
            return None
        try:
            values = json.loads(self._file.read_text(encoding="utf-8"))
            if values["model_id"] != model_id:
                return None
            return DriftTest.resume(values["watch"], self._limit), int(values["newest"]), values.get("decisive")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s: cannot be used (%s); the drift monitor starts from the record", self._file, error)
            return None

    def _history(self, model_id: str) -> tuple[Event | None, Event | None]:
        """The event from which evidence counts, and the alarm that nobody acknowledged yet."""
        of: dict[str, str] = {"model_id": model_id, "part_type": self._part_type}
        found = [newest_event(self._records, kind, **of) for kind in (ALARM, SEEN, ACTIVATED)]
        newest = {event.kind: event for event in found if event is not None}
        began = max((newest[kind] for kind in (SEEN, ACTIVATED) if kind in newest), key=_id, default=None)
        alarm = newest.get(ALARM)
        return began, alarm if alarm is not None and (began is None or alarm.id > began.id) else None

    def _since(self, model_id: str, began: Event | None) -> list[Entry]:
        """The newest plates of the model and of this line that the test has not seen, oldest first."""
        found: list[Entry] = []
        since, at = None if began is None else began.time, self._records.station
        query = Query(model_id=model_id, since=since, station=at, part_type=self._part_type, limit=MOST)
        for entry in self._records.every(query):
            if entry.number <= self._newest or len(found) == _READ_BACK:
                break
            if self._owns(entry):
                found.append(entry)
        return found[::-1]


def _id(event: Event) -> int:
    return event.id


def _message(alarm: Event) -> str:
    return str(alarm.details.get("message", "drift"))


def _sentence(evidence: DriftEvidence) -> str:
    what = "their brightness" if evidence.number == BRIGHTNESS else "their scores"
    return (
        f"plates no longer look as they did: {what} changed; without drift the probability of this within "
        f"{evidence.plates} plates is at most {min(1.0, evidence.plates / evidence.limit):.2g}; "
        "look at the light and the camera, or train a new model"
    )
