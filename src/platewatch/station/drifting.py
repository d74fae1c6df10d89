"""The drift watch of the model in service: fed by every plate, rebuilt from the record, told when it alarms.

In the record are three kinds of events: the alarm, that somebody looked at it, and the reference once it is full.
"""

import logging
import threading
from typing import Any

import numpy as np

from platewatch.drift import REFERENCE, Evidence, Watch
from platewatch.errors import PlatewatchError
from platewatch.inspection import Verdict
from platewatch.records import Entry, Event, Query, Records
from platewatch.records.values import MOST
from platewatch.station.models import ACTIVATED, Models

log = logging.getLogger("platewatch.station")

ALARM, SEEN, FULL = "drift_alarm", "drift_seen", "drift_reference"
_AGAIN = 5 * MOST  # plates that are read again at a start, at most
_LOST = 0.5  # half of the recent plates rejected or not judged is said
"""Share."""


class Drifting:
    """One watch for the model in service; safe to share by threads."""

    def __init__(self, models: Models, records: Records, publish: Any, *, limit: float) -> None:
        self._models, self._records, self._publish, self._limit = models, records, publish, limit
        self._lock = threading.RLock()
        self._alarm: str | None = None
        self._model_id, self._watch, self._newest = "", Watch((), limit), 0
        self._full = False

    def see(self, entry: Entry) -> None:
        """A plate was judged and written down."""
        with self._lock:
            self._follow_the_model()
            if entry.number <= self._newest:
                return  # read from the record already
            self._bet(entry)
            evidence = self._watch.evidence()
            self._keep_reference()
            if evidence.alarm and self._alarm is None:
                self._raise(entry, evidence)

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
            share = f"{evidence.share_lost:.0%} of the last plates were rejected or could not be judged"
            found.append(("many_rejected", f"{share}; look at the plates, the light and the camera", False))
        return found

    def acknowledge(self, actor: str) -> None:
        """Somebody looked at the alarm: the watch begins anew. It is an event in the record."""
        with self._lock:
            self._records.event(SEEN, actor, {"model_id": self._model_id, "evidence": self._watch.evidence().value})
            self._watch.begin_anew()
            self._alarm = None

    def _raise(self, entry: Entry, evidence: Evidence) -> None:
        self._alarm = _sentence(evidence)
        details = {
            "model_id": self._model_id,
            "number": entry.number,
            "evidence": evidence.value,
            "limit": evidence.limit,
            "plates": evidence.plates,
        }
        self._note(ALARM, details)
        self._publish("alarm", {**details, "message": self._alarm})

    def _keep_reference(self) -> None:
        if not self._full and len(self._watch.reference) >= REFERENCE:
            self._full = True
            self._note(FULL, {"model_id": self._model_id, "scores": list(self._watch.reference)})

    def _note(self, kind: str, details: dict[str, Any]) -> None:
        try:
            self._records.event(kind, "station", details)
        except PlatewatchError:
            log.exception("%s is not in the record", kind)

    def _bet(self, entry: Entry) -> None:
        found = entry.inspection
        self._newest = max(self._newest, entry.number)
        if found.model_id == self._model_id:
            lot = float(np.random.default_rng(entry.number).random())
            self._watch.see(found.score, lot, rejected=found.verdict is Verdict.REJECT)

    def _follow_the_model(self) -> None:
        """Begin with the model in service, if it is another than before: its plates and alarms are in the record."""
        if self._model_id == self._models.model_id:
            return
        model_id = self._models.model_id
        calibration = [plate.score for plate in self._models.loaded().manifest.calibration]
        began, alarm, full = self._history(model_id)
        self._full = full is not None
        self._watch = Watch(calibration if full is None else full.details["scores"], self._limit)
        self._alarm = None if alarm is None else str(alarm.details.get("message") or _said(alarm))
        self._model_id = model_id
        for entry in self._plates(began, None if full is None else full):
            self._bet(entry)

    def _history(self, model_id: str) -> tuple[Event | None, Event | None, Event | None]:
        """Since when evidence counts; the alarm that stands; the full reference."""
        of_model = [
            event
            for kind in (ALARM, SEEN, FULL, ACTIVATED)
            for event in self._records.events(kind, limit=20)
            if event.details.get("model_id") == model_id
        ]
        newest = {event.kind: event for event in sorted(of_model, key=lambda event: event.id)}
        began = max(
            (newest[kind] for kind in (SEEN, ACTIVATED) if kind in newest), key=lambda each: each.id, default=None
        )
        alarm = newest.get(ALARM)
        stands = alarm if alarm is not None and (began is None or alarm.id > began.id) else None
        return began, stands, newest.get(FULL)

    def _plates(self, began: Event | None, full: Event | None) -> list[Entry]:
        """The model's newest plates in their order, as far as they count: evidence that is older faded long ago."""
        since = max((event.time for event in (began, full) if event is not None), default=None)
        found: list[Entry] = []
        before = None
        while len(found) < _AGAIN:
            page = self._records.find(Query(model_id=self._model_id, since=since, limit=MOST, before=before))
            found.extend(page.entries)
            before = page.next
            if before is None:
                break
        return sorted(found, key=lambda entry: entry.number)


def _sentence(evidence: Evidence) -> str:
    return (
        f"good plates look worse than they did, for {evidence.plates} plates' evidence of {evidence.value:.3g}; such "
        f"luck comes once in {evidence.limit:.3g} plates: look at the light and the camera, or train anew"
    )


def _said(alarm: Event) -> str:
    values = alarm.details
    return _sentence(Evidence(values["evidence"], values["limit"], values["plates"], 0, 0.0))
