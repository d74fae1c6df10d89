"""Intake of uploads: limited places, and the threads that judge. Without a place, an upload is refused unread."""

import threading
from collections.abc import Iterator
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from platewatch.errors import ModelError, RecordUnavailable
from platewatch.line.judging import Judging, KeyReused, Plate, RecordedPlate
from platewatch.line.loaded_models import Lease, Leases
from platewatch.line.metrics import Metrics
from platewatch.station.problem_details import RequestError


class Intake:
    """The places and the judging threads; thread-safe."""

    def __init__(self, judging: Judging, metrics: Metrics, *, workers: int, waiting: int, retry_after_s: int) -> None:
        """`workers` plates are judged at a time, and `waiting` more may arrive or wait meanwhile."""
        self._judging, self._metrics = judging, metrics
        self.places, self._retry_after_s = workers + waiting, retry_after_s
        self._taken, self._closed = 0, False
        self._by_key: dict[str, tuple[Plate, Future[RecordedPlate]]] = {}
        self._loading = set[Leases]()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="judge")

    @property
    def taken(self) -> int:
        """Places that are taken: plates that are arriving, waiting or being judged."""
        return self._taken

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place from an upload's first byte to its answer; raises RequestError 503 when all are taken."""
        with self._lock:
            if self._closed or self._taken >= self.places:
                refused = self._no_place()
                self._metrics.refused.labels(refused.code).inc()
                raise refused
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1

    def submit(self, plate: Plate) -> "Future[RecordedPlate]":
        """Have the plate judged, recorded and notified; to be called with a place.

        While the model of its part type is loaded, it takes a place but no thread. Raises RequestError 409 when the key
        is another photograph's, here or by the future, which raises what `Judging.run` does otherwise; and what
        `Judging.lend` raises.
        """
        if plate.key is None:
            return self._begin(plate)
        with self._lock:
            earlier = self._by_key.get(plate.key)
            if earlier is None:
                future = self._begin(plate)
                self._by_key[plate.key] = plate, future
        if earlier is None:
            future.add_done_callback(lambda _: self._forget(plate.key))
            return future
        if earlier[0].photograph != plate.photograph:
            raise _key_reused()
        return earlier[1]

    def stop(self) -> None:
        """Refuse every further upload, and finish those that have a place."""
        with self._lock:
            self._closed = True
        futures.wait(self._loading.copy())
        self._pool.shutdown(wait=True)

    def _begin(self, plate: Plate) -> "Future[RecordedPlate]":
        """Judge it as soon as the model of its part type is loaded."""
        judged = Future[RecordedPlate]()
        try:
            lent = self._judging.lend(plate.part_type)
        except (ModelError, RecordUnavailable):  # a plate whose key is known is answered all the same
            self._pool.submit(self._run, plate, None, judged)
            return judged
        self._loading.add(lent)
        lent.add_done_callback(lambda done: self._lent(done, plate, judged))
        return judged

    def _lent(self, done: Leases, plate: Plate, judged: "Future[RecordedPlate]") -> None:
        error = done.exception()
        if error is None:
            self._pool.submit(self._run, plate, done.result(), judged)
        else:
            judged.set_exception(error)
        self._loading.discard(done)

    def _run(self, plate: Plate, lease: Lease | None, judged: "Future[RecordedPlate]") -> None:
        try:
            found = self._judging.run(plate, lease)
        except KeyReused:
            judged.set_exception(_key_reused())
        except BaseException as error:
            judged.set_exception(error)
        else:
            judged.set_result(found)
        finally:
            if lease is not None:
                lease.end()

    def _forget(self, key: str | None) -> None:
        with self._lock:
            self._by_key.pop(key or "", None)

    def _no_place(self) -> RequestError:
        return RequestError(
            503,
            "stopping" if self._closed else "overloaded",
            "the station stops" if self._closed else "every place is taken",
            expected=f"at most {self.places} plates at a time",
            next=f"send it again in {self._retry_after_s} s",
            retry_after_s=self._retry_after_s,
        )


def _key_reused() -> RequestError:
    return RequestError(
        409,
        "key_reused",
        "the Idempotency-Key was another photograph's",
        expected="one key for each plate",
        next="send this plate under a key of its own",
    )
