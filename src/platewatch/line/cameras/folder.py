"""A folder as a camera: the part's photograph is the file with its id, else the next file that comes."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from platewatch import printable
from platewatch.errors import InputError
from platewatch.line.arrivals import Arrival, seen
from platewatch.line.cameras.frames import Frame, NoFrame
from platewatch.line.health import Finding
from platewatch.photographs import formats, left_alone, reading

_LOOK_S = 0.005
_SETTLE_S = 0.2  # a file whose format marks no end is complete when it has been unchanged for so long


class FolderCamera:
    """Another program's camera that writes files; a FrameSource."""

    def __init__(self, name: str, folder: Path, known: Callable[[Sequence[str]], set[str]]) -> None:
        """`known` gives those of the keys that the record has: such a file is no new photograph."""
        self.name, self._folder, self._known = name, folder.absolute(), known
        self._unclaimed = 0
        self._stopped = threading.Event()

    def start(self) -> None:
        """Nothing to begin."""

    def stop(self) -> None:
        """End a `take` that waits."""
        self._stopped.set()

    def take(self, part_id: str, wait_s: float) -> Frame:
        """The new file whose name without its suffix is the part's id, else the first file that came after this call.

        A file that lay there before and has another name belongs to no part; `problems` counts those.
        """
        until, before = time.monotonic() + wait_s, self._names()
        older = [path for path in before if path.stem != part_id]
        self._unclaimed = len(older) - len(self._known([each.key for each in map(seen, older) if each is not None]))
        first = dict[Path, tuple[Arrival, float]]()
        while not self._stopped.is_set():
            for path in self._candidates(part_id, before):
                frame = self._complete(path, first)
                if frame is not None:
                    return frame
            if time.monotonic() >= until:
                raise NoFrame(f"no photograph of the part came into {self.name} within {1e3 * wait_s:.0f} ms")
            self._stopped.wait(_LOOK_S)
        raise NoFrame("the station stops")

    def problems(self) -> Iterable[Finding]:
        """A folder that is missing, and files that no trigger asked for."""
        if not self._folder.is_dir():
            yield "camera_lost", f"the folder of camera {self.name} is missing; put it back", True
        if self._unclaimed:
            what = f"{self._unclaimed} photographs came to camera {self.name} without a trigger"
            yield "camera_unclaimed", f"{what}; they were not judged: check the wiring, then move them away", False

    def _names(self) -> set[Path]:
        try:
            return {path for path in self._folder.iterdir() if left_alone.is_photograph(path.name)}
        except OSError as error:
            raise NoFrame(f"the folder of camera {self.name} cannot be read ({error.strerror})") from error

    def _candidates(self, part_id: str, before: set[Path]) -> list[Path]:
        """The files that may be the part's, those with its id first, then by time."""
        new = [each for each in map(seen, self._names()) if each is not None]
        named = [each for each in new if part_id and each.path.stem == part_id]
        later = [each for each in new if each.path not in before and each not in named]
        known = self._known([each.key for each in named]) if named else set[str]()
        later.sort(key=lambda each: (each.changed_ns, each.path))
        return [each.path for each in (*(each for each in named if each.key not in known), *later)]

    def _complete(self, path: Path, first: dict[Path, tuple[Arrival, float]]) -> Frame | None:
        """The file's frame once it is complete; `first` has when each file was seen as it is now."""
        now, arrival = time.monotonic(), seen(path)
        if arrival is None:
            return None
        if path not in first or first[path][0] != arrival:
            first[path] = arrival, now
        try:
            data = reading.load(path)
        except InputError:
            return None
        settled = formats.has_end_mark(data) or now - first[path][1] >= _SETTLE_S
        if not formats.has_end(data) or not settled or seen(path) != arrival:
            return None
        return Frame(data, printable.name(str(path)), arrival.key)
