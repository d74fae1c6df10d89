"""Ordered parallel map: judges several photographs at a time in threads, results in input order, bounded memory."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar

from platewatch.model.thread_limits import cores

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 3  # items in flight per worker: one being worked on, one waiting, one finished


def ordered_map(work: Callable[[T], R], items: Iterable[T], *, workers: int = 0) -> Iterator[R]:
    """The results of `work` in the order of `items`, computed by `workers` threads; 0 for one per core.

    Threads suffice: decoding, OpenCV, NumPy and the runtime release Python's global lock. At most 3 items per worker
    are taken from the source before their results are consumed. A result is yielded as soon as it and all earlier ones
    are ready, even while the source waits for its next item. An exception of `work` or of the source is raised in the
    item's place and ends the iteration.
    """
    return _OrderedMap(work, workers or cores()).run(items)


class _OrderedMap(Generic[T, R]):
    """One run: a feeder thread takes items, a pool works on them, the caller's thread yields the results."""

    def __init__(self, work: Callable[[T], R], workers: int) -> None:
        self._work = work
        self._workers = workers
        self._submitted: queue.SimpleQueue[Future[R] | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(_AHEAD * workers)
        self._stopped = False

    def run(self, items: Iterable[T]) -> Iterator[R]:
        with ThreadPoolExecutor(self._workers) as pool:
            threading.Thread(target=self._feed, args=(pool, iter(items)), daemon=True).start()
            try:
                while (future := self._submitted.get()) is not None:
                    yield future.result()
                    self._room.release()
            finally:
                self._stop()

    def _feed(self, pool: ThreadPoolExecutor, items: Iterator[T]) -> None:
        try:
            while self._room.acquire() and not self._stopped:
                self._submitted.put(pool.submit(self._work, next(items)))
        except StopIteration:
            pass
        except BaseException as error:  # raised in the consumer's thread
            self._submitted.put(_failed(error))
        self._submitted.put(None)

    def _stop(self) -> None:
        """Release the feeder, which may wait for room, and cancel items that no worker has begun."""
        self._stopped = True
        self._room.release()
        with suppress(queue.Empty):
            while True:
                if (future := self._submitted.get_nowait()) is not None:
                    future.cancel()


def _failed(error: BaseException) -> "Future[R]":
    future: Future[R] = Future()
    future.set_exception(error)
    return future
