"""Photographs in a watched folder: which ones are in the record, and which of the others no longer change.

A photograph's key in the record is its path, size and time of last change. A photograph that was judged
before a crash or restart is not judged again; a new photograph under an old name is. Files whose size and times are
unchanged are read once more, because a file may be overwritten within the resolution of the file system's clock.
"""

import hashlib
import os
import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from platewatch.photographs import left_alone
from platewatch.photographs.left_alone import LeftAlone

CLOCK_STEP_S = 2.0
"""Longest step of a file system's time stamps: FAT's."""
_LONGEST = 300  # characters of a path in a key
OLD_S = 60.0
"""A file whose last change is longer ago is complete, even if the clock of a network drive is slightly wrong."""


@dataclass(frozen=True)
class Arrival:
    """The state of a file at one scan."""

    path: Path
    size: int
    changed_ns: int
    """Time of last change of the content; programs that copy files set it back."""
    status_ns: int = 0
    """Time of last change of content or attributes, where the file system has it; programs cannot set it."""

    @property
    def place(self) -> str:
        """The beginning of the keys of all photographs that had this path, and of no other path."""
        path, name = os.fsencode(self.path), str(self.path)
        if name.isprintable() and len(name) <= _LONGEST:
            return f"watch:{name}:"
        shown = "".join(letter if letter.isprintable() else "?" for letter in path.decode("utf-8", "replace"))
        return f"watch:{shown[-_LONGEST:]}#{hashlib.sha256(path).hexdigest()[:16]}:"

    @property
    def key(self) -> str:
        """The photograph's key in the record."""
        return f"{self.place}{self.size}:{self.changed_ns}"

    @property
    def is_old(self) -> bool:
        """Whether its last change was long ago.

        Programs that copy may set the time of the content back long before they are done; the other one they cannot.
        """
        return time.time() - max(self.changed_ns, self.status_ns) / 1e9 >= OLD_S


@dataclass(frozen=True)
class _Waiting:
    """A photograph that is still to be judged."""

    arrival: Arrival
    since: float
    """Time at which its last change was seen."""
    at_start: bool
    """Whether it was in the folder when the watch began."""


@dataclass(frozen=True)
class Done:
    """A photograph that is in the record."""

    arrival: Arrival
    sha256: str | None
    """SHA-256 of its bytes; None when they were not read."""
    at: float
    """Time at which these bytes were first recorded."""


class Arrivals:
    """The photographs of one folder that are not judged yet; for one thread."""

    def __init__(
        self,
        folder: Path,
        known: Callable[[Sequence[str]], set[str]],
        *,
        settle_s: float = 0.5,
        recursive: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`known` gives those of the keys that the record has; a file is settled after `settle_s` without a change."""
        self.folder = folder.absolute()
        self.left_alone = LeftAlone()
        """Files and folders that the last scan of the whole folder left alone."""
        self._known, self._settle, self._recursive, self._clock = known, settle_s, recursive, clock
        self._done = dict[str, Done]()  # by path from the folder
        self._waiting = dict[str, _Waiting]()
        self._check = dict[str, float]()  # time at which a recorded photograph is read once more
        self._is_start = True

    def look(self, names: Collection[str] | None = None) -> None:
        """Look for new and changed files: these paths from the folder, or the whole folder.

        Raises OSError when the folder is missing.
        """
        seen = {self._name(each): each for each in self._scan(names)}
        if names is None:
            self._forget(seen)
        fresh = {
            name: each for name, each in seen.items() if name not in self._done or self._done[name].arrival != each
        }
        unseen = [each.key for name, each in fresh.items() if name not in self._waiting and name not in self._done]
        known = self._known(unseen) if unseen else set[str]()
        now = self._clock()
        for name, each in fresh.items():
            if each.key in known:
                self._done[name] = Done(each, None, now)
            elif name not in self._waiting or self._waiting[name].arrival != each:
                self._waiting[name] = _Waiting(each, now, self._is_start)
        self._is_start = self._is_start and names is not None

    def new_names(self) -> set[str]:
        """The paths of photographs that are not in the record, from a list of names alone; raises OSError."""
        names, self.left_alone = self._list("")
        return {name for name in names if name not in self._done}

    def settled(self) -> list[Arrival]:
        """The photographs that have not changed for `settle_s`, oldest first."""
        quiet = [each.arrival for each in self._waiting.values() if self._is_quiet(each)]
        return sorted(quiet, key=lambda each: (each.changed_ns, each.path))

    def unchanged_s(self, arrival: Arrival) -> float:
        """Seconds since its last change that was seen."""
        waiting = self._waiting.get(self._name(arrival))
        return 0.0 if waiting is None else self._clock() - waiting.since

    def restart(self, arrival: Arrival) -> None:
        """Wait again: its bytes change although size and times are the same."""
        if (waiting := self._waiting.get(self._name(arrival))) is not None:
            self._waiting[self._name(arrival)] = replace(waiting, since=self._clock())

    def lay_there(self, arrival: Arrival) -> bool:
        """Whether it has waited since the watch began."""
        waiting = self._waiting.get(self._name(arrival))
        return waiting is not None and waiting.at_start

    def changed(self, arrival: Arrival) -> None:
        """Judge it again once it is settled: its bytes changed although size and times are the same."""
        self._done.pop(self._name(arrival), None)
        self._waiting[self._name(arrival)] = _Waiting(arrival, self._clock(), at_start=False)

    def is_recent(self, arrival: Arrival, sha256: str, within_s: float) -> bool:
        """Whether these bytes were recorded under this name within the last `within_s`."""
        done = self._done.get(self._name(arrival))
        return done is not None and done.sha256 == sha256 and self._clock() - done.at <= within_s

    def done(self, arrival: Arrival, sha256: str | None) -> None:
        """It is in the record."""
        name, now = self._name(arrival), self._clock()
        waiting, before = self._waiting.pop(name, None), self._done.get(name)
        first = before.at if before is not None and sha256 is not None and before.sha256 == sha256 else now
        seen = now if waiting is None else waiting.since
        is_certain = sha256 is None or arrival.is_old or now - seen > CLOCK_STEP_S
        self._done[name] = Done(arrival, sha256, first)
        if not is_certain:
            self._check[name] = seen + CLOCK_STEP_S

    def to_check(self) -> list[Done]:
        """The recorded photographs to read once more now: they may have changed without a new size or time."""
        now = self._clock()
        due = [name for name, at in self._check.items() if at <= now]
        for name in due:
            del self._check[name]
        return [self._done[name] for name in due if name in self._done and name not in self._waiting]

    def until_check_s(self) -> float:
        """Seconds until the next photograph is to be read once more; infinite without any."""
        return max(0.0, min(self._check.values(), default=float("inf")) - self._clock())

    @property
    def waiting(self) -> int:
        """Number of photographs that are not judged yet."""
        return len(self._waiting)

    def _name(self, arrival: Arrival) -> str:
        return os.path.relpath(arrival.path, self.folder) if self._recursive else arrival.path.name

    def _forget(self, seen: Collection[str]) -> None:
        """Forget missing photographs; those recorded lately are kept, because they may come again."""
        now = self._clock()
        for name in [name for name in self._waiting if name not in seen]:
            del self._waiting[name]
        for name in [name for name, each in self._done.items() if name not in seen and now - each.at > OLD_S]:
            del self._done[name]

    def _is_quiet(self, waiting: _Waiting) -> bool:
        """Unchanged for long enough: since it was first seen, or by its own time of last change."""
        age = time.time() - waiting.arrival.changed_ns / 1e9
        return self._clock() - waiting.since >= self._settle or age >= self._settle

    def _scan(self, names: Collection[str] | None) -> Iterator[Arrival]:
        if names is None:
            names, self.left_alone = self._list("")
        for name in names:
            parts = Path(name).parts
            is_inside = len(parts) == 1 or (self._recursive and not any(map(left_alone.is_hidden, parts[:-1])))
            if parts and is_inside and left_alone.is_photograph(parts[-1]):
                arrival = seen(self.folder / name)
                if arrival is not None:
                    yield arrival

    def _list(self, below: str) -> tuple[list[str], LeftAlone]:
        """All photographs by their path from the folder, and the entries left alone; raises OSError."""
        with os.scandir(self.folder / below) as found:
            entries = list(found)
        others = left_alone.among(entries)
        no_files = {*others.folders, *others.others}
        names = [
            below + each.name for each in entries if left_alone.is_photograph(each.name) and each.name not in no_files
        ]
        if not self._recursive:
            return names, others
        links = {each.name for each in entries if each.is_symlink()}  # links are not followed: they may form a cycle
        files, no_file = ([below + name for name in each] for each in (others.files, others.others))
        folders = list[str]()
        for folder in others.folders:
            try:
                inside, left = self._list(f"{below}{folder}{os.sep}") if folder not in links else ([], LeftAlone())
            except OSError:
                inside, left, links = [], LeftAlone(), {*links, folder}
            names += inside
            files += left.files
            no_file += left.others
            folders += [below + folder] if folder in links else left.folders
        return names, LeftAlone(tuple(files), tuple(folders), tuple(no_file))


def seen(path: Path) -> Arrival | None:
    """The file as it is now; None when it is missing or no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return Arrival(path, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
