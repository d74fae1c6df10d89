"""Models in memory: loaded on demand by a few threads, kept within a limit, the least recently used dropped first.

A model that judges a photograph is never dropped. A model that finds no room waits until others end; meanwhile those
that are to make room take no further photographs, so that no model waits for ever, and all others go on.
"""

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platewatch.errors import ModelError
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector

LIMIT_MB = 1000
"""Memory of the models that are loaded on demand, in MB of 10^6 bytes."""
_BYTES_PER_BYTE = 3  # memory of a loaded model by the bytes of the files that judge: 2.6 to 2.9 measured (docs/log.md)
_THREADS = 2

Load = Callable[[Path], Inspector]


class Lease:
    """A loaded model in use: it stays in memory until `end`."""

    def __init__(self, inspector: Inspector, end: Callable[[], None] = lambda: None) -> None:
        self.inspector = inspector
        self._end: Callable[[], None] | None = end

    def end(self) -> None:
        """Give the model back; a second call does nothing."""
        end, self._end = self._end, None
        if end is not None:
            end()


Leases = Future[Lease]
"""A lease once its model is loaded; raises ModelError when it cannot be."""
Settled = tuple[Leases, Lease | Exception]
"""A future and what becomes of it."""


@dataclass
class _Model:
    """A model that is loaded, or being loaded (then `inspector` is None)."""

    bytes: int
    inspector: Inspector | None = None
    users: int = 0
    leaving: bool = False
    """It takes no further user, to make room for one that waits."""
    waiting: list[Leases] = field(default_factory=list)


class LoadedModels:
    """Models by their folder; thread-safe."""

    def __init__(
        self,
        load: Load,
        limit_bytes: int = LIMIT_MB * 10**6,
        *,
        size: Callable[[Path], int] | None = None,
        threads: int = _THREADS,
    ) -> None:
        """`load` loads a folder and raises ModelError; `size` says beforehand how many bytes of memory it will take."""
        self.limit_bytes = limit_bytes
        self._load, self._size = load, size or memory_of
        self._models: OrderedDict[Path, _Model] = OrderedDict()  # the least recently used first
        self._waiting: OrderedDict[Path, list[Leases]] = OrderedDict()  # without room yet, in order
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="load model")
        self.loads = 0
        """Number of loads so far."""

    def lend(self, folder: Path) -> Leases:
        """The model of a folder, which is loaded unless it is in memory. Every lease must be ended."""
        future = Leases()
        with self._lock:
            found = self._models.get(folder)
            if folder in self._waiting or (found is not None and found.leaving):
                self._waiting.setdefault(folder, []).append(future)
            elif found is None:
                self._waiting[folder] = [future]
            elif found.inspector is None:
                found.waiting.append(future)
            else:
                self._models.move_to_end(folder)
                found.users += 1
                future.set_result(self._lease(found))
            settled = self._start()
        _settle(settled)
        return future

    @contextmanager
    def lent(self, folder: Path) -> Iterator[Inspector]:
        """The model of a folder, in use until the block ends; waits while it is loaded. Raises ModelError."""
        lease = self.lend(folder).result()
        try:
            yield lease.inspector
        finally:
            lease.end()

    def is_loaded(self, folder: Path) -> bool:
        """Whether the folder's model is in memory."""
        found = self._models.get(folder)
        return found is not None and found.inspector is not None

    @property
    def bytes(self) -> int:
        """Memory of all models that are loaded or being loaded, by what `size` said; at most the limit."""
        with self._lock:
            return self._taken()

    def stop(self) -> None:
        """Load nothing more; who waits for a model gets ModelError."""
        with self._lock:
            left = [each for futures in self._waiting.values() for each in futures]
            self._waiting.clear()
        _settle([(each, ModelError("model", "not loaded", remedy="the line stops; try again later")) for each in left])
        self._pool.shutdown(wait=True, cancel_futures=False)

    def _start(self) -> "list[Settled]":
        """Begin to load what waits and finds room, in order; with the lock. Returns what has been decided."""
        settled = list[Settled]()
        while self._waiting:
            folder, futures = next(iter(self._waiting.items()))
            found = self._models.get(folder)
            needed = self._size(folder)
            if found is not None and found.inspector is not None:  # it was to leave, and is the next one itself
                found.leaving = False
                found.users += len(futures)
                settled += [(each, self._lease(found)) for each in futures]
            elif needed > self.limit_bytes:
                settled += [(each, self._too_large(folder, needed)) for each in futures]
            elif self._make_room(needed):
                self._models[folder] = _Model(needed, waiting=futures)
                self._pool.submit(self._load_one, folder)
            else:
                break
            del self._waiting[folder]
        return settled

    def _make_room(self, needed: int) -> bool:
        """Drop models that nobody uses, the least recently used first; with the lock. Whether `needed` bytes are free.

        Where that is not enough, as many as needed take no further user.
        """
        for each in self._models.values():
            each.leaving = False
        free, later = self.limit_bytes - self._taken(), 0
        for folder, each in list(self._models.items()):
            if free + later >= needed:
                break
            if each.inspector is None:
                continue
            if each.users:
                each.leaving = True
                later += each.bytes
            else:
                del self._models[folder]
                free += each.bytes
        return free >= needed

    def _load_one(self, folder: Path) -> None:
        _give_back()
        found: Inspector | Exception
        try:
            found = self._load(folder)
        except Exception as error:  # it is the futures': nobody else would see it
            found = error
        with self._lock:
            model = self._models[folder]
            futures, model.waiting = model.waiting, []
            if isinstance(found, Exception):
                del self._models[folder]
                settled: list[Settled] = [(each, found) for each in futures]
            else:
                self.loads += 1
                model.inspector, model.users = found, len(futures)
                settled = [(each, self._lease(model)) for each in futures]
            settled += self._start()
        _settle(settled)

    def _lease(self, model: _Model) -> Lease:
        assert model.inspector is not None  # noqa: S101 - it is loaded
        return Lease(model.inspector, lambda: self._end(model))

    def _end(self, model: _Model) -> None:
        with self._lock:
            model.users -= 1
            settled = self._start()
        _settle(settled)

    def _taken(self) -> int:
        return sum(each.bytes for each in self._models.values())

    def _too_large(self, folder: Path, needed: int) -> ModelError:
        what = f"needs {needed / 1e6:.0f} MB of memory"
        most = f"at most {self.limit_bytes / 1e6:.0f} (--model-memory)"
        return ModelError(f"model {folder.name}", what, expected=most, remedy="allow more")


def memory_of(folder: Path) -> int:
    """Bytes of memory that a model folder takes once loaded, from the sizes of its files; 0 where it cannot be read."""
    judging = (model_folder.SURFACE, model_folder.BACKBONE, model_folder.NETWORK, model_folder.SHAPE)
    total = 0
    for path in (*(folder / name for name in judging), *folder.glob("replay/*")):
        with suppress(OSError):
            total += path.stat().st_size
    return _BYTES_PER_BYTE * total


def _settle(settled: "list[Settled]") -> None:
    """Outside the lock, because what waits for a future may ask for the next model at once."""
    for future, found in settled:
        if isinstance(found, Exception):
            future.set_exception(found)
        else:
            future.set_result(found)


def _give_back() -> None:
    """Return freed memory to the system: the GNU C library keeps that of dropped models otherwise."""
    with suppress(OSError, AttributeError):
        library: Any = ctypes.CDLL(None)
        library.malloc_trim(0)
