"""The plates' way through the station: taken in, judged, written down, told; only then answered.

Places are limited: whoever finds none is told to come again, before anything of the photograph is read.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from platewatch.arrays import Array
from platewatch.errors import InputError, PlatewatchError, RecordError
from platewatch.inspection import Inspection, now
from platewatch.model.inspector import Inspector
from platewatch.photographs import reading
from platewatch.records import Entry, Records
from platewatch.station.metrics import Metrics
from platewatch.station.problem_details import RequestError

log = logging.getLogger("platewatch.station")


@dataclass(frozen=True)
class Plate:
    """A photograph as it was handed in."""

    photograph: bytes = field(repr=False)
    name: str | None = None
    plate_id: str | None = None
    key: str | None = None
    """The same key again is the same plate."""
    source: str = "rest"


@dataclass(frozen=True)
class Done:
    """A plate that is in the record."""

    entry: Entry
    anomaly_map: Array | None = field(default=None, repr=False)
    """(h, w) float32, where the photograph lies; None when it could not be read, or was judged before."""
    brightness: float | None = None
    """Of the photograph as the detectors saw it."""
    again: bool = False
    """It was in the record already, under the same key."""


Told = Callable[[Done], None]
Failed = Callable[[PlatewatchError], None]


class Work:
    """The places and those who judge; safe to share by threads."""

    def __init__(
        self,
        inspector: Callable[[], Inspector],
        records: Records,
        figures: Metrics,
        told: Told,
        failed: Failed,
        *,
        workers: int,
        waiting: int,
        retry_after_s: int,
    ) -> None:
        """`inspector` is asked for each plate; `told` hears of each in the record, `failed` of each that is not there.

        Neither may raise.
        """
        self._inspector, self._records, self._figures = inspector, records, figures
        self._told, self._failed = told, failed
        self.places, self._retry_after_s = workers + waiting, retry_after_s
        self._taken, self._closed = 0, False
        self._by_key: dict[str, tuple[bytes, Future[Done]]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="judge")

    @property
    def taken(self) -> int:
        """Places that are taken: plates on their way in, waiting or being judged."""
        return self._taken

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place from a photograph's first byte to its answer; raises RequestError 503 when all are taken."""
        with self._lock:
            if self._closed or self._taken >= self.places:
                refused = self._no_place()
                self._figures.refused.labels(refused.code).inc()
                raise refused
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1

    def submit(self, plate: Plate) -> "Future[Done]":
        """Have the plate judged and written down; to be called with a place.

        The future raises RecordError when it could not be written down. Raises RequestError 409 when its key is another
        photograph's.
        """
        if plate.key is None:
            return self._pool.submit(self._run, plate)
        with self._lock:
            before = self._by_key.get(plate.key)
            if before is None:
                future = self._pool.submit(self._run, plate)
                self._by_key[plate.key] = plate.photograph, future
        if before is None:
            future.add_done_callback(lambda _: self._forget(plate.key))
            return future
        if before[0] != plate.photograph:
            raise _other_photograph()
        return before[1]

    def stop(self) -> None:
        """Take nothing more in, and finish what was taken in."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=True)

    def _no_place(self) -> RequestError:
        return RequestError(
            503,
            "stopping" if self._closed else "overloaded",
            "the station stops" if self._closed else "every place is taken",
            expected=f"at most {self.places} plates at a time",
            next=f"send it again in {self._retry_after_s} s",
            retry_after_s=self._retry_after_s,
        )

    def _forget(self, key: str | None) -> None:
        with self._lock:
            self._by_key.pop(key or "", None)

    def _run(self, plate: Plate) -> Done:
        there = None if plate.key is None else self._records.with_key(plate.key)
        if there is not None:
            if there.photograph_sha256 != reading.sha256(plate.photograph):
                raise _other_photograph()
            return Done(there, again=True)
        inspector = self._inspector()
        self._figures.received.inc()
        try:
            inspection, anomaly_map, brightness = judge(inspector, plate)
            added = self._records.add(
                inspection, plate.photograph, plate_id=plate.plate_id, key=plate.key, source=plate.source
            )
        except BaseException as error:
            self._figures.failed.labels("record").inc()
            if isinstance(error, RecordError):
                self._failed(error)
            raise
        self._count(inspection)
        done = Done(added.entry, anomaly_map, brightness, again=not added.is_new)
        self._told(done)
        return done

    def _count(self, inspection: Inspection) -> None:
        if inspection.verdict is None:
            self._figures.failed.labels("photograph").inc()
        else:
            self._figures.judged.labels(inspection.verdict).inc()


def judge(inspector: Inspector, plate: Plate) -> tuple[Inspection, Array | None, float | None]:
    """One Inspection, whatever happens; of what was judged the map (h, w) float32 and the brightness."""
    started = time.perf_counter()
    try:
        seen = inspector.examine(plate.photograph, plate.name)
        return seen.inspection, seen.frame.cut(seen.anomaly_map), seen.conditions.brightness
    except InputError:
        return inspector.inspect(plate.photograph, plate.name), None, None
    except Exception as error:
        if not isinstance(error, PlatewatchError):
            log.exception("a plate could not be judged")
        return _unjudged(inspector, plate, error, started), None, None


def _unjudged(inspector: Inspector, plate: Plate, error: Exception, started: float) -> Inspection:
    """The detectors failed, not the photograph: the plate gets its Inspection all the same."""
    return Inspection(
        image=plate.name,
        image_sha256=reading.sha256(plate.photograph),
        verdict=None,
        reason="could not be judged",
        threshold=inspector.manifest.threshold,
        error=str(error) if isinstance(error, PlatewatchError) else f"{type(error).__name__}; see the station's log",
        model_id=inspector.manifest.model_id,
        time=now(),
        duration_ms=round(1e3 * (time.perf_counter() - started), 3),
    )


def _other_photograph() -> RequestError:
    return RequestError(
        409,
        "key_reused",
        "the Idempotency-Key was another photograph's",
        expected="one key for each plate",
        next="send this plate under a key of its own",
    )
