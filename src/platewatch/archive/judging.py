"""Judges one shard into its Parquet files; knows nothing of processes or clusters."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from platewatch.archive import places, rows, sources
from platewatch.archive.places import Place, Reader
from platewatch.archive.shards import Shard, content
from platewatch.arrays import Floats
from platewatch.errors import InputError, PlatewatchError
from platewatch.inspection import Inspection
from platewatch.line import judging
from platewatch.line.judging import JudgedPhotograph
from platewatch.model import ordered_map
from platewatch.model.inspector import Inspector, failed

ROWS, AGAINST, MAPS = "rows", "against", "maps"
"""Folders of the result."""
SUFFIX = ".parquet"
_READERS = 4  # threads that read ahead from a store
_MAP_SCALE = 4096

Notify = Callable[[str], None]
Begun = Callable[[int], None]


@dataclass(frozen=True)
class Work:
    """What a worker needs to judge shards; plain values, so that it can go to another process or machine."""

    sources: tuple[str, ...]
    out: str
    model: str
    against: str | None
    against_mark: str
    """Second half of the names of the other model's shards."""
    working_folder: str
    maps: bool
    all_phases: bool
    patience_s: float


@dataclass(frozen=True)
class Done:
    """What became of a shard."""

    name: str
    photographs: int
    outcomes: Mapping[str, int]
    """Photographs by outcome."""


class ShardWorker:
    """Two models at most, and the readers of all sources; one thread of each library."""

    def __init__(self, work: Work, notify: Notify) -> None:
        """Load the models; raises ModelError. `notify` gets one line for each wait."""
        pa.set_cpu_count(1)
        self._work, self._notify = work, notify
        load = partial(Inspector, threads=1, all_phases=work.all_phases)
        self._inspector = load(Path(work.model))
        self._against = None if work.against is None else load(Path(work.against))
        self._readers: dict[int, Reader] = {}
        self._out = Place.of(work.out)

    def run(self, shard: Shard, begun: Begun, refused: Mapping[int, str] | None = None) -> Done:
        """Judge a shard and write its files, the rows last.

        `begun` is called with the position of each photograph before it is judged; `refused` has those that must not
        be judged, with the reason. Raises StorageUnavailable when a disk or store stays away for longer than it is
        waited for, OutputError when the rows cannot be written.
        """
        first, second, maps = [], [], []
        source = Place.of(self._work.sources[shard.source]).name
        for position, (photograph, data) in enumerate(zip(shard.photographs, self._read(shard), strict=True)):
            begun(position)
            why = (refused or {}).get(position)
            given = InputError(photograph.image, why) if why else data
            judged = self._judge(self._inspector, photograph.image, given)
            first.append(rows.row(judged.inspection, photograph, source))
            if self._work.maps and judged.examination is not None:
                seen = judged.examination
                maps.append(_map(judged.inspection, seen.frame.cut(seen.anomaly_map)))
            if self._against is not None:
                other = self._judge(self._against, photograph.image, given)
                second.append(rows.row(other.inspection, photograph, source))
        if self._against is not None:
            name = f"{content(shard.name)}-{self._work.against_mark}"
            self._write(AGAINST, name, rows.encoded(second))
        if self._work.maps:
            self._write(MAPS, shard.name, rows.encoded(maps, rows.MAPS))
        self._write(ROWS, shard.name, rows.encoded(first))
        outcomes = [each["outcome"] for each in first]
        return Done(shard.name, len(first), {str(name): outcomes.count(name) for name in dict.fromkeys(outcomes)})

    def _write(self, folder: str, name: str, data: bytes) -> None:
        place = self._out.child(folder).child(name + SUFFIX)
        places.patiently(lambda: places.write(place, data), self._work.patience_s, self._notify)

    def _read(self, shard: Shard) -> Iterator[bytes | InputError]:
        """The files of a shard in order: from a store some threads read ahead."""
        base = self._base(shard.source)
        reader = self._readers.setdefault(shard.source, Reader(base))

        def one(image: str) -> bytes | InputError:
            try:
                return places.patiently(lambda: reader.read(image), self._work.patience_s, self._notify)
            except InputError as error:
                return error

        images = [photograph.image for photograph in shard.photographs]
        if base.system is None:
            return map(one, images)
        return ordered_map.ordered_map(one, images, workers=_READERS)

    def _base(self, number: int) -> Place:
        return sources.base(Place.of(self._work.sources[number]), self._work.working_folder)

    @staticmethod
    def _judge(inspector: Inspector, image: str, given: bytes | InputError) -> JudgedPhotograph:
        if isinstance(given, bytes):
            return judging.judge(inspector, given, image)
        return JudgedPhotograph(unread(inspector, image, given), None, given)


def unread(inspector: Inspector, image: str, error: PlatewatchError) -> Inspection:
    """The Inspection of a photograph whose bytes are not at hand."""
    nothing = np.empty(0, np.uint8)  # no bytes to hash
    return failed(inspector.manifest, nothing, image, error, time.perf_counter())


def _map(inspection: Inspection, anomaly_map: Floats) -> dict[str, object]:
    levels = np.clip(np.rint(anomaly_map * _MAP_SCALE), 0, 65535).astype(np.uint16)
    encoded, png = cv2.imencode(".png", levels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not encoded:
        raise RuntimeError("OpenCV encoded no PNG")
    return {"image": inspection.image, "image_sha256": inspection.image_sha256, "map": png.tobytes()}
