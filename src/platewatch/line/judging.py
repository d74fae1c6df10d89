"""Judge → record → notify: the only way of a plate into the record, for station, watch folder and cameras alike."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from platewatch.arrays import Floats, Photo
from platewatch.errors import InputError, PlatewatchError, RecordError, RecordUnavailable
from platewatch.inspection import Inspection
from platewatch.model.inspector import Examination, Inspector, Source, failed
from platewatch.photographs import reading

if TYPE_CHECKING:  # `judge` alone needs neither a record nor metrics
    from platewatch.line.health import Health
    from platewatch.line.loaded_models import Lease, Leases
    from platewatch.line.metrics import Metrics
    from platewatch.records import Added, Entry, Records

log = logging.getLogger("platewatch.line")


class KeyReused(InputError):  # noqa: N818 - says what happened
    """The key of a plate belongs to another photograph in the record."""


@dataclass(frozen=True)
class Plate:
    """A photograph as it was handed in."""

    photograph: bytes | Path | Photo = field(repr=False)
    """A file's bytes; the path of a file whose bytes cannot be read; a frame's pixels while it is judged."""
    name: str | None = None
    plate_id: str | None = None
    key: str | None = None
    """The same key again is the same plate."""
    source: str = "rest"
    part_type: str = ""


@dataclass(frozen=True)
class JudgedPhotograph:
    """A photograph's Inspection and what came with it; nothing is recorded yet."""

    inspection: Inspection
    examination: Examination | None = field(default=None, repr=False)
    """The pictures; None without a verdict."""
    error: Exception | None = None
    """Why there is no verdict: an InputError when the photograph is not readable, else what the detectors raised."""


@dataclass(frozen=True)
class RecordedPlate:
    """A plate that is in the record."""

    entry: "Entry"
    anomaly_map: Floats | None = field(default=None, repr=False)
    """(h, w) float32, where the photograph lies; None without a verdict, and for a duplicate."""
    brightness: float | None = None
    """Mean lightness of the photograph as the detectors saw it."""
    is_duplicate: bool = False
    """It was in the record before, under the same key."""


Listener = Callable[[RecordedPlate], None]


def judge(inspector: Inspector, photograph: Source, name: str | None = None) -> JudgedPhotograph:
    """Judge a photograph, decoding it once; never raises, records nothing.

    A photograph that is not readable and detectors that fail give an Inspection with verdict None, which says why.
    """
    started = time.perf_counter()
    try:
        seen = inspector.examine(photograph, name)
    except Exception as error:
        if not isinstance(error, PlatewatchError):
            log.exception("%s could not be judged", name or "a photograph")
        return JudgedPhotograph(failed(inspector.manifest, photograph, name, error, started), None, error)
    return JudgedPhotograph(seen.inspection, seen)


def not_judged(plate: Plate, error: Exception) -> JudgedPhotograph:
    """A photograph for which there is no model, because its part type is not known; nothing is recorded yet."""
    inspection = failed(None, plate.photograph, plate.name, error, time.perf_counter())
    return JudgedPhotograph(inspection, None, error)


class Judging:
    """Judges, records and notifies; thread-safe."""

    def __init__(
        self,
        records: "Records",
        health: "Health",
        metrics: "Metrics",
        *,
        deliver: Sequence[str] = (),
        listeners: Sequence[Listener] = (),
    ) -> None:
        """`deliver` names the destinations that get each plate; each of `listeners` gets each new plate, in order."""
        self._records, self._health, self._metrics = records, health, metrics
        self._deliver, self._listeners = tuple(deliver), tuple(listeners)

    def lend(self, part_type: str) -> "Leases":
        """The model in service of a part type once it is loaded, for `run`; every lease must be ended.

        Raises UnknownPartType, ModelError or RecordUnavailable while no plate of it can be judged.
        """
        return self._health.lend(part_type)

    def run(self, plate: Plate, lease: "Lease | None" = None) -> RecordedPlate:
        """Judge, record and notify. A plate whose key is in the record is not judged again.

        Without the `lease` of its part type's model, that model may be waited for.

        Raises KeyReused when that key is another photograph's, ModelError or RecordUnavailable while no plate can be
        judged, and RecordError when the plate could not be recorded.
        """
        known = None if plate.key is None else self._records.with_key(plate.key)
        if known is None:
            return self.record(plate, self.judge(plate, lease))
        if not isinstance(plate.photograph, bytes) or known.photograph_sha256 != reading.sha256(plate.photograph):
            raise KeyReused("", "the key was another photograph's", expected="one key for each plate")
        return RecordedPlate(known, is_duplicate=True)

    def judge(self, plate: Plate, lease: "Lease | None" = None) -> JudgedPhotograph:
        """Judge with the part type's model in service, lent before or now; raises as `lend` does."""
        if lease is not None:
            return judge(lease.inspector, plate.photograph, plate.name)
        lease = self.lend(plate.part_type).result()
        try:
            return judge(lease.inspector, plate.photograph, plate.name)
        finally:
            lease.end()

    def record(self, plate: Plate, judged: JudgedPhotograph, retry: Callable[[], bool] | None = None) -> RecordedPlate:
        """Record a judged plate and notify. Raises RecordError when it could not be recorded.

        While the record is unavailable, `retry` is called; after True it is tried again.
        """
        self._metrics.received.inc()
        try:
            added = self._add(plate, judged.inspection, retry)
        except BaseException:
            self._metrics.failed.labels("record").inc()
            raise
        self._health.record_works()
        self._count(judged.inspection)
        if not added.is_new:
            return RecordedPlate(added.entry, is_duplicate=True)
        seen = judged.examination
        recorded = RecordedPlate(
            added.entry,
            anomaly_map=None if seen is None else seen.frame.cut(seen.anomaly_map),
            brightness=None if seen is None else seen.conditions.brightness,
        )
        self._notify(recorded)
        return recorded

    def _add(self, plate: Plate, inspection: Inspection, retry: Callable[[], bool] | None) -> "Added":
        photograph = plate.photograph if isinstance(plate.photograph, bytes) else None
        while True:
            try:
                return self._records.add(
                    inspection,
                    photograph,
                    plate_id=plate.plate_id,
                    key=plate.key,
                    source=plate.source,
                    deliver=self._deliver,
                    part_type=plate.part_type,
                )
            except RecordError as error:
                waits = retry is not None and isinstance(error, RecordUnavailable)
                self._health.record_failed(error, refused=not waits)
                if retry is None or not waits or not retry():
                    raise

    def _count(self, inspection: Inspection) -> None:
        if inspection.verdict is None:
            self._metrics.failed.labels("photograph").inc()
        else:
            self._metrics.judged.labels(inspection.verdict).inc()

    def _notify(self, recorded: RecordedPlate) -> None:
        for listener in self._listeners:
            try:
                listener(recorded)
            except Exception:  # the plate is in the record all the same
                log.exception("plate %s: a notification failed", recorded.entry.number)
