"""Whether all is well: what is wrong now, with a code for programs and a sentence for people; and the drift alarm.

A problem is looked for when somebody asks and when a plate comes, and is gone as soon as its cause is.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from platewatch.errors import InputError, ModelError, PlatewatchError, RecordUnavailable
from platewatch.inspection import now
from platewatch.line.model_registry import ModelRegistry
from platewatch.model.inspector import Inspector
from platewatch.records import Entry, Records
from platewatch.station.drifting import Drifting
from platewatch.station.metrics import Metrics
from platewatch.station.settings import Settings

log = logging.getLogger("platewatch.station")

RECORD_BACK = "record_back"
"""The event in the record: it could not be written for a while."""
_PROBE_S = 3.0  # how often a record that failed is tried again when no plate comes

Publish = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True)
class Problem:
    """Something that is wrong now."""

    code: str
    message: str
    """For a person: what, and what to do."""
    stops: bool
    """Plates are answered with 503 until it is gone."""
    since: datetime

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"code": self.code, "message": self.message, "stops": self.stops, "since": self.since.isoformat()}


class Place:
    """A folder or file that must stay where it is: not unmounted, not removed, not another one of that name."""

    def __init__(self, path: Path) -> None:
        self.path, self._mounted = path, path.is_mount()
        self._file = path.stat().st_ino if path.is_file() else None

    def gone(self) -> bool:
        """Whether it is not there now."""
        if self._file is None:
            return not self.path.is_dir() or (self._mounted and not self.path.is_mount())
        try:
            return self.path.stat().st_ino != self._file
        except OSError:
            return True


class Health:
    """Looks after one station; safe to share by threads."""

    def __init__(
        self, models: ModelRegistry, records: Records, settings: Settings, figures: Metrics, publish: Publish
    ) -> None:
        self._models, self._records, self._settings, self._figures = models, records, settings, figures
        self._publish = publish
        self._places = [Place(path) for path in settings.places]
        self.drift = Drifting(models, records, publish, limit=settings.drift_limit, file=settings.drift_file)
        self._since: dict[str, datetime] = {}
        self._told: set[str] = set()
        self._record_failed: tuple[str, float] | None = None  # what it said, and when it was tried last
        self._lost = 0  # plates that were told so meanwhile
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look_again, name="health", daemon=True)

    def start(self) -> None:
        """Begin to look by itself as well, so that pages hear of a problem that nobody asked for."""
        self._thread.start()

    def stop(self) -> None:
        """End that."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self.drift.keep()

    def inspector(self) -> Inspector:
        """The model in service for the next plate; raises ModelError or RecordUnavailable when none can be taken."""
        for place in self._places:
            if place.gone():
                raise RecordUnavailable("record", f"{place.path.name} is gone from its place", remedy="put it back")
        return self._models.inspector()

    def recorded(self, entry: Entry, brightness: float | None) -> None:
        """A plate was written down."""
        self._record_failed = None
        self.drift.see(entry, brightness)

    def not_recorded(self, error: PlatewatchError) -> None:
        """A plate could not be written down, and its client was told so."""
        with self._lock:
            self._record_failed = str(error), time.monotonic()
            self._lost += 1

    def report(self) -> dict[str, Any]:
        """What GET /healthz says."""
        problems = self.problems()
        stops = any(problem.stops for problem in problems)
        drift = self.drift.evidence()
        return {
            "status": "failing" if stops else "degraded" if problems else "ok",
            "problems": [problem.as_dict() for problem in problems],
            "model_id": self._models.model_id,
            "drift": {
                "evidence": round(drift.value, 3),
                "watched": drift.number,
                "limit": drift.limit,
                "plates": drift.plates,
                "share_lost": drift.share_lost,
            },
        }

    def problems(self) -> list[Problem]:
        """What is wrong now, what stops plates first; new ones are told on the live pages."""
        found = {code: (message, stops) for code, message, stops in self._look()}
        with self._lock:
            self._since = {code: self._since.get(code, now()) for code in found}
            problems = [Problem(code, *found[code], since) for code, since in self._since.items()]
            changed, self._told = self._told != set(found), set(found)
        for code in self._told | set(self._figures.problems):
            self._figures.tell_problem(code, present=code in found)
        problems.sort(key=lambda problem: not problem.stops)
        if changed:
            self._publish("health", {"problems": [problem.as_dict() for problem in problems]})
        return problems

    def _look(self) -> list[tuple[str, str, bool]]:
        """Code, message, whether plates stop."""
        found = [*self._look_at_places(), *self.drift.look()]
        failed = self._record_failed
        if failed is not None:
            found.append(("record_unavailable", f"plates cannot be written down: {failed[0]}", True))
        try:
            self._models.inspector()
        except ModelError as error:
            found.append(("model_gone", str(error), True))
        if self._settings.users is not None:
            found.extend(self._look_at_users(self._settings.users))
        return found

    def _look_at_places(self) -> list[tuple[str, str, bool]]:
        found = []
        for place in self._places:
            if place.gone():
                found.append(("place_gone", f"{place.path.name} is gone from its place; put it back", True))
                continue
            free = shutil.disk_usage(place.path).free
            self._figures.free.labels(place.path.name).set(free)
            if free < self._settings.low_bytes:
                left = f"{free / 1e9:.2f} GB are left where {place.path.name} lies"
                found.append(("disk_low", f"{left}; free some space, or keep fewer photographs", False))
        return found

    def _look_at_users(self, path: Path) -> list[tuple[str, str, bool]]:
        try:
            gone = self._settings.login and not path.is_file()
            damaged = path.is_file() and bool(path.stat().st_mode & 0o077)
        except OSError:
            gone, damaged = True, False
        if gone:
            return [("users_gone", f"{path.name} is gone: nobody can log in; put it back", False)]
        return [("users_open", f"others may read {path.name}; chmod 600", False)] if damaged else []

    def _look_again(self) -> None:
        while not self._stopped.wait(1.0):
            try:
                self._probe()
                self.problems()
            except Exception:
                log.exception("looking after the station failed, and goes on")

    def _probe(self) -> None:
        """Try a record that failed again by writing that it is back."""
        failed = self._record_failed
        if failed is None or time.monotonic() - failed[1] < _PROBE_S:
            return
        try:
            self._records.event(RECORD_BACK, "station", {"plates_refused": self._lost, "said": failed[0]})
        except (PlatewatchError, InputError) as error:
            with self._lock:
                self._record_failed = str(error), time.monotonic()
        else:
            with self._lock:
                self._record_failed, self._lost = None, 0
