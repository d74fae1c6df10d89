"""Whether a line works: present problems, each with a code for programs and a sentence for people."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from platewatch.errors import PlatewatchError, RecordError, RecordUnavailable
from platewatch.inspection import now
from platewatch.line.drift_monitors import DriftMonitors
from platewatch.line.loaded_models import Leases
from platewatch.line.metrics import Metrics
from platewatch.line.part_type_models import PartTypeModels
from platewatch.model.inspector import Inspector
from platewatch.printable import printable
from platewatch.records import Records

log = logging.getLogger("platewatch.line")

RECORD_BACK = "record_back"
"""The event in the record after a time in which it could not be written."""
LOW_BYTES = 10**9
"""Less free space than this is a problem."""
_PROBE_S = 3.0  # how often a record that failed is tried again when no plate comes

Finding = tuple[str, str, bool]
"""Code, message for a person, whether plates stop."""
Check = Callable[[], Iterable[Finding]]


@dataclass(frozen=True)
class Problem:
    """Something that is wrong now."""

    code: str
    message: str
    """For a person: what, and what to do."""
    stops: bool
    """Whether no plate is judged while it lasts; the station then answers 503."""
    since: datetime

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"code": self.code, "message": self.message, "stops": self.stops, "since": self.since.isoformat()}


class Place:
    """A folder or file that must stay in place: not unmounted, removed or replaced by another one."""

    def __init__(self, path: Path) -> None:
        self.path, self._mounted = path, path.is_mount()
        self.name = printable(path.name)
        self._file = path.stat().st_ino if path.is_file() else None

    def is_missing(self) -> bool:
        """Whether it is not there now."""
        if self._file is None:
            return not self.path.is_dir() or (self._mounted and not self.path.is_mount())
        try:
            return self.path.stat().st_ino != self._file
        except OSError:
            return True


class Health:
    """Checks one line, when asked and every second by itself; thread-safe."""

    def __init__(
        self,
        models: PartTypeModels,
        records: Records,
        drift: DriftMonitors,
        metrics: Metrics,
        *,
        actor: str,
        places: Sequence[Path],
        low_bytes: int = LOW_BYTES,
        checks: Sequence[Check] = (),
        changed: Callable[[list[Problem]], None] = lambda _problems: None,
    ) -> None:
        """`places` are the record's file and photographs; `checks` find further problems.

        `changed` gets all present problems whenever one came or went.
        """
        self.drift = drift
        self._models, self._records, self._metrics, self._actor = models, records, metrics, actor
        self._places, self._low_bytes = [Place(path) for path in places], low_bytes
        self._checks, self._changed = checks, changed
        self.stops = False
        """Whether plates were stopped at the last check."""
        self._since: dict[str, datetime] = {}
        self._known: set[str] = set()
        self._record_failed: tuple[str, float] | None = None  # the reason, and when it was tried last
        self._refused = 0  # plates whose sender got an error meanwhile
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def start(self) -> None:
        """Check every second from now on, so that `changed` is called also when nobody asks."""
        self._thread.start()

    def stop(self) -> None:
        """End that."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def lend(self, part_type: str) -> Leases:
        """The part type's model in service, for its next plate, once it is loaded; every lease must be ended.

        Raises UnknownPartType, ModelError or RecordUnavailable while no plate of it can be judged.
        """
        self._require_places()
        return self._models.lend(part_type)

    def check(self, part_type: str) -> None:
        """Raise as `lend` while no plate of the part type can be judged."""
        self._require_places()
        self._models.registry(part_type).check()

    def inspector(self) -> Inspector:
        """The model in service of photographs without a part type; raises as `lend`."""
        self._require_places()
        return self._models.registry("").inspector()

    def _require_places(self) -> None:
        for place in self._places:
            if place.is_missing():
                what = f"{place.name} is missing from its place"
                raise RecordUnavailable("record", what, remedy="put it back")

    def record_works(self) -> None:
        """The record was just used without an error."""
        self._record_failed = None

    def record_failed(self, error: PlatewatchError, *, refused: bool = True) -> None:
        """The record could not be used; with `refused` the sender of a plate got an error."""
        with self._lock:
            self._record_failed = str(error), time.monotonic()
            self._refused += refused

    def report(self) -> dict[str, Any]:
        """The answer of GET /healthz."""
        problems = self.problems()
        stops = any(problem.stops for problem in problems)
        drift = self.drift.worst()
        models = self._models.as_dict()
        return {
            "status": "failing" if stops else "degraded" if problems else "ok",
            "problems": [problem.as_dict() for problem in problems],
            "model_id": next((each["model_id"] or None for each in models if not each["part_type"]), None),
            "models": models,
            "drift": {
                "evidence": round(drift.value, 3),
                "watched": drift.number,
                "limit": drift.limit,
                "plates": drift.plates,
                "share_lost": drift.share_lost,
            },
        }

    def problems(self) -> list[Problem]:
        """The present problems, those that stop plates first."""
        found = {code: (message, stops) for code, message, stops in self._find()}
        with self._lock:
            self._since = {code: self._since.get(code, now()) for code in found}
            problems = [Problem(code, *found[code], since) for code, since in self._since.items()]
            changed, self._known = self._known != set(found), set(found)
        for code in set(found) | set(self._metrics.problems):
            self._metrics.set_problem(code, present=code in found)
        problems.sort(key=lambda problem: not problem.stops)
        self.stops = any(problem.stops for problem in problems)
        if changed:
            self._changed(problems)
        return problems

    def _find(self) -> Iterable[Finding]:
        yield from self._check_places()
        yield from self._check_record()
        yield from self._check_models()
        for check in self._checks:
            yield from check()

    def _check_models(self) -> Iterable[Finding]:
        gone = dict(self._models.problems())
        for code in ("no_model", "model_gone"):
            said = [
                f"part type {name}: {error}" if name and not str(error).startswith("part type ") else str(error)
                for name, (kind, error) in gone.items()
                if kind == code
            ]
            if said:
                yield code, "; ".join(said), len(gone) == len(self._models.names())
        self._metrics.set_models(self._models.as_dict(), self._models.loaded)

    def _check_places(self) -> Iterable[Finding]:
        for place in self._places:
            if place.is_missing():
                yield "place_gone", f"{place.name} is missing from its place; put it back", True
                continue
            free = shutil.disk_usage(place.path).free
            self._metrics.free.labels(place.name).set(free)
            if free < self._low_bytes:
                left = f"{free / 1e9:.2f} GB are left where {place.name} lies"
                yield "disk_low", f"{left}; free some space, or keep fewer photographs", False

    def _check_record(self) -> Iterable[Finding]:
        """Check the record, by the last plates' results, and drift, which reads the record when the model changes."""
        failed = self._record_failed
        try:
            yield from self.drift.problems()
        except RecordError as error:
            failed = failed or (str(error), 0.0)
        if failed is not None:
            yield "record_unavailable", f"plates cannot be written down: {failed[0]}", True

    def _run(self) -> None:
        while not self._stopped.wait(1.0):
            try:
                self._probe()
                self.problems()
            except Exception:
                log.exception("a health check failed; checks go on")

    def _probe(self) -> None:
        """Try a record that failed again by writing the event that it is back."""
        failed = self._record_failed
        if failed is None or time.monotonic() - failed[1] < _PROBE_S:
            return
        try:
            self._records.event(RECORD_BACK, self._actor, {"plates_refused": self._refused, "said": failed[0]})
        except PlatewatchError as error:
            self.record_failed(error, refused=False)
        else:
            with self._lock:
                self._record_failed, self._refused = None, 0
