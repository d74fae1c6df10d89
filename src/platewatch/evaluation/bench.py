"""Is this machine fast enough for the line? A verdict's time by stage, plates a second, and memory.

A core-millisecond is a millisecond of one core's work, whatever else the machine does meanwhile. The reference network
is measured in turn with the verdict, so that a busy machine slows both.
"""

import os
import platform
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import numpy as np

from platewatch.arrays import Array
from platewatch.errors import InputError
from platewatch.inspection import SCHEMA
from platewatch.model import model_folder, ordered_map, thread_limits
from platewatch.model.inspector import Inspector
from platewatch.model.runtime import Runtime
from platewatch.photographs import reading
from platewatch.progress import Progress

STAGES = ("read", "prepare", "judgeable", "surface", "network", "decide")
"""What happens to a photograph, in this order; `decide` is all that follows the two phases."""

_KEYS = {"quality": "judgeable"}  # a stage's key in the JSON, where that is older than its name
_PHOTOS = 24  # taken from a folder at most
_ROUNDS = 9  # over all stages, with the reference network once in each
_PLATES = 200  # judged for the latency, and again for the throughput
_SIDE = 512  # px of the model's own plates, enlarged


class _Reference(Protocol):
    image_size: int

    def score(self, photos: Any) -> float: ...


@dataclass(frozen=True)
class Latency:
    """From a photograph's bytes to its Inspection, one plate after the other, in ms as a clock on the wall shows."""

    median: float
    p99: float


@dataclass(frozen=True)
class Bench:
    """What was measured on this machine."""

    machine: dict[str, Any]
    photos: str
    """What was judged."""
    stages: dict[str, float]
    """Core-ms of each of STAGES, the median."""
    verdict_core_ms: float
    """The complete verdict from a decoded photograph: every stage but `read`."""
    reference_core_ms: float | None
    """The reference network's score in eager torch, float32; None where torch is not installed."""
    plates_per_s: float
    """From bytes to Inspections on every core."""
    latency_ms: Latency
    resident_mb: float
    """Memory of the process while it inspects, before torch is loaded."""

    @property
    def reference_ratio(self) -> float | None:
        """How many verdicts take as long as one score of the reference network."""
        return None if self.reference_core_ms is None else self.reference_core_ms / self.verdict_core_ms

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as schemas/bench.json tells."""
        return {"schema": SCHEMA, **asdict(self), "reference_ratio": self.reference_ratio}


def bench(folder: Path, photos: Path | None = None, *, runtime: Runtime = "onnxruntime", progress: Progress) -> Bench:
    """Measure a model folder on the photographs of a folder, or on the model's own plates enlarged to 512 px.

    Raises ModelError and InputError as loading and reading do.
    """
    alone = Inspector(folder, threads=1, runtime=runtime)
    files = _files(folder, alone, photos)
    plates_per_s = _throughput(alone, files, progress)
    resident = resident_mb()
    latency = _latency(Inspector(folder, runtime=runtime), files, progress)
    stages, verdict, reference = _in_turn(alone, files, progress)
    return Bench(
        machine={**_machine(), "runtime": runtime},
        photos=f"{len(files)} photographs of " + (str(photos) if photos else f"the model, {_SIDE}×{_SIDE} px, PNG"),
        stages=stages,
        verdict_core_ms=verdict,
        reference_core_ms=reference,
        plates_per_s=plates_per_s,
        latency_ms=latency,
        resident_mb=resident,
    )


def _files(folder: Path, inspector: Inspector, photos: Path | None) -> list[bytes]:
    """The bytes of the photographs to judge."""
    if photos is not None:
        files = [reading.load(path) for path in reading.find(photos)[:_PHOTOS]]
        for data in files:
            reading.read(data)  # raises where it cannot be read: a bench is no place for bad photographs
        return files
    plates = [reading.read(folder / plate.file) for plate in inspector.manifest.replay]
    if not plates:
        raise InputError(folder, "has no stored plates to measure with", remedy="pass --photos FOLDER")
    times = max(1, _SIDE // len(plates[0]))
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "plate.png"
        return [_written(path, plate.repeat(times, axis=0).repeat(times, axis=1)) for plate in plates]


def _written(path: Path, photo: Array) -> bytes:
    reading.write_png(path, photo)
    return path.read_bytes()


def _latency(inspector: Inspector, files: Sequence[bytes], progress: Progress) -> Latency:
    def one(data: bytes) -> float:
        started = time.perf_counter()
        inspector.inspect(data)
        return 1e3 * (time.perf_counter() - started)

    for data in files:
        one(data)  # the first ones of a process are slower
    taken = []
    for number in range(_PLATES):
        taken.append(one(files[number % len(files)]))
        progress("one plate after the other", number + 1, _PLATES)
    return Latency(median(taken), float(np.quantile(taken, 0.99)))


def _throughput(inspector: Inspector, files: Sequence[bytes], progress: Progress) -> float:
    plates = (files[number % len(files)] for number in range(_PLATES))
    started = time.perf_counter()
    for done, _ in enumerate(ordered_map.ordered_map(inspector.inspect, plates), start=1):
        progress("plates on every core", done, _PLATES)
    return _PLATES / (time.perf_counter() - started)


def _in_turn(
    inspector: Inspector, files: Sequence[bytes], progress: Progress
) -> tuple[dict[str, float], float, float | None]:
    """Core-ms of the stages, of the complete verdict and of the reference network, one after the other."""
    reference = _reference()
    spent: dict[str, list[float]] = {name: [] for name in (*STAGES, "verdict", "reference")}

    def timed(name: str, work: Callable[..., Any], *given: Any) -> Any:
        started = time.process_time()
        result = work(*given)
        spent[_KEYS.get(name, name)].append(1e3 * (time.process_time() - started))
        return result

    for done in range(_ROUNDS):
        for data in files:
            photo = timed("read", reading.read, data)
            inspector.examine(photo, stage=timed)
            timed("verdict", inspector.inspect, photo)
        if reference is not None:
            timed("reference", reference.score, np.zeros((1, reference.image_size, reference.image_size, 3), np.uint8))
        progress("stage by stage", done + 1, _ROUNDS)
    if not spent["surface"]:
        raise InputError("photographs", "none passes the quality check", remedy="pass others by --photos")
    found = {name: median(taken) for name, taken in spent.items() if taken}
    verdict, reference_ms = found.pop("verdict"), found.pop("reference", None)
    before = sum(found[name] for name in STAGES[1:-1])
    return {**found, "decide": max(0.0, verdict - before)}, verdict, reference_ms


def _reference() -> _Reference | None:
    with suppress(ModuleNotFoundError):  # the PC at the line has no torch
        from platewatch.skipganomaly.reference_network import ReferenceNetwork  # noqa: PLC0415 - as above

        return ReferenceNetwork()
    return None


def _machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": thread_limits.cores(),
        "python": platform.python_version(),
        "versions": model_folder.versions(),
    }


def _processor() -> str:
    with suppress(OSError):
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
        if named:
            return named[1]
    return platform.processor() or platform.machine()


def resident_mb() -> float:
    """What the process holds of memory now; where the system does not say, the most that it held."""
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)
