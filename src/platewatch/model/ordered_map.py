"""Many photographs, several at a time, and what comes out in their order: nothing dropped, nothing piled up."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar

from platewatch.model.thread_limits import cores

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 3  # items taken for each worker: one in hand, one that waits, one that is ready


def ordered_map(work: Callable[[T], R], items: Iterable[T], *, workers: int = 0) -> Iterator[R]:
    """What `work` makes of each item, in the items' order; `workers` at a time, 0 for one on every core.

    Decoding, OpenCV, NumPy and the runtime let go of Python's lock, so that plates run side by side. Items are taken
    from their source as there is room, never many ahead of what has been handed on; each result is handed on as soon
    as it and all before it are ready, also while the source has no next one yet. What `work` or the source raises comes
    out in its place, and ends the work.
    """
    return _Line(work, workers or cores()).run(items)


class _Line(Generic[T, R]):
    """One run over one source: a feeder takes items, workers work, whoever asked gets the results."""

    def __init__(self, work: Callable[[T], R], workers: int) -> None:
        self._work = work
        self._workers = workers
        self._handed: queue.SimpleQueue[Future[R] | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(_AHEAD * workers)
        self._stopped = False

    def run(self, items: Iterable[T]) -> Iterator[R]:
        with ThreadPoolExecutor(self._workers) as pool:
            threading.Thread(target=self._feed, args=(pool, iter(items)), daemon=True).start()
            try:
                while (future := self._handed.get()) is not None:
                    yield future.result()
                    self._room.release()
            finally:
                self._stop()

    def _feed(self, pool: ThreadPoolExecutor, items: Iterator[T]) -> None:
        try:
            while self._room.acquire() and not self._stopped:
                self._handed.put(pool.submit(self._work, next(items)))
        except StopIteration:
            pass
        except BaseException as error:  # whoever asks for the results is to hear of it
            self._handed.put(_failed(error))
        self._handed.put(None)

    def _stop(self) -> None:
        """Let the feeder go, which may wait for room; what has not begun is not begun."""
        self._stopped = True
        self._room.release()
        with suppress(queue.Empty):
            while True:
                if (future := self._handed.get_nowait()) is not None:
                    future.cancel()


def _failed(error: BaseException) -> "Future[R]":
    future: Future[R] = Future()
    future.set_exception(error)
    return future
