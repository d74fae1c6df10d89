"""Photographs in a watched folder: which are in the record, and which of the others do not change any more.

A photograph's key in the record is its path, size and time of last change. What was judged before a crash or restart is
not judged again, however long ago; a new photograph under an old name is.
"""

import os
import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from platewatch.photographs.formats import SUFFIXES


@dataclass(frozen=True)
class Arrival:
    """A file as it was when it was looked at."""

    path: Path
    size: int
    changed_ns: int

    @property
    def key(self) -> str:
        """The photograph's key in the record."""
        name = str(self.path)[-300:]
        printable = "".join(
            letter if letter.isprintable() else "?" for letter in os.fsencode(name).decode("utf-8", "replace")
        )
        return f"watch:{printable}:{self.size}:{self.changed_ns}"


class Arrivals:
    """The photographs of one folder that have still to be judged; for one thread."""

    def __init__(
        self,
        folder: Path,
        known: Callable[[Sequence[str]], set[str]],
        *,
        settle_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`known` gives those of the keys that the record has; a file is settled after `settle_s` without a change."""
        self.folder = folder.absolute()
        self._known, self._settle, self._clock = known, settle_s, clock
        self._done = dict[str, Arrival]()  # by name, as it was judged
        self._waiting = dict[str, tuple[Arrival, float]]()  # by name, with the time of its last change seen

    def look(self, names: Collection[str] | None = None) -> None:
        """Look for new and changed files: these names, or the whole folder. Raises OSError when it is missing."""
        seen = {each.path.name: each for each in self._scan(names)}
        if names is None:
            for missing in [name for name in (*self._waiting, *self._done) if name not in seen]:
                self._waiting.pop(missing, None)
                self._done.pop(missing, None)
        fresh = {name: each for name, each in seen.items() if self._done.get(name) != each}
        unseen = [each.key for name, each in fresh.items() if name not in self._waiting]
        known = self._known(unseen) if unseen else set[str]()
        now = self._clock()
        for name, each in fresh.items():
            if each.key in known:
                self._done[name] = each
            elif name not in self._waiting or self._waiting[name][0] != each:
                self._waiting[name] = (each, now)

    def settled(self) -> list[Arrival]:
        """Those that have not changed for a while, the oldest first."""
        quiet = [each for each, since in self._waiting.values() if self._is_quiet(each, since)]
        return sorted(quiet, key=lambda each: (each.changed_ns, each.path.name))

    def unchanged_s(self, arrival: Arrival) -> float:
        """Seconds since its last change that was seen."""
        _, since = self._waiting.get(arrival.path.name, (arrival, self._clock()))
        return self._clock() - since

    def done(self, arrival: Arrival) -> None:
        """It is in the record."""
        self._waiting.pop(arrival.path.name, None)
        self._done[arrival.path.name] = arrival

    @property
    def waiting(self) -> int:
        """Number of photographs that have still to be judged."""
        return len(self._waiting)

    def _is_quiet(self, arrival: Arrival, since: float) -> bool:
        """Unchanged for long enough: since it was first seen, or by its own time of last change."""
        age = time.time() - arrival.changed_ns / 1e9
        return self._clock() - since >= self._settle or age >= self._settle

    def _scan(self, names: Collection[str] | None) -> Iterator[Arrival]:
        if names is None:
            with os.scandir(self.folder) as entries:
                names = [entry.name for entry in entries]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                arrival = seen(self.folder / name)
                if arrival is not None:
                    yield arrival


def seen(path: Path) -> Arrival | None:
    """The file as it is now; None when it is missing or no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Arrival(path, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
