"""Speed benchmark of a verdict on this machine: core time by stage, latency, throughput, memory, and what limits it.

A core-millisecond is a millisecond of CPU time on one core. The reference network and the verdict are measured in turn,
so that other load on the machine slows both.
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

from platewatch.arrays import Photo
from platewatch.errors import InputError
from platewatch.inspection import SCHEMA
from platewatch.model import model_folder, ordered_map, thread_limits
from platewatch.model.inspector import Inspector
from platewatch.model.runtime import Runtime
from platewatch.photographs import reading
from platewatch.progress import Progress

STAGES = ("read", "prepare", "judgeable", "surface", "network", "decide")
"""The stages of a verdict, in order; `judgeable` is the quality check, `decide` is everything after the two phases."""

_KEYS = {"quality": "judgeable"}  # keys in the JSON of stages that were renamed later
_PHOTOS = 24  # photographs taken from a folder, at most
_ROUNDS = 9  # rounds over all stages, each with one score of the reference network
_PLATES = 200  # plates judged for the latency, and again for the throughput
_SIDE = 512  # px a side to which the model's own plates are enlarged

PACES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Plates per second of a camera, for which the number of cameras is stated."""
_USABLE = 0.8  # fraction of the throughput that cameras may take: recording, notifying and peaks need the rest
_BUSY = 0.75  # fraction of the cores; below it something else than computing limits the throughput


class _Reference(Protocol):
    image_size: int

    def score(self, photos: Any) -> float: ...


@dataclass(frozen=True)
class Latency:
    """Wall time in ms from a photograph's bytes to its Inspection, one plate at a time."""

    median: float
    p99: float


@dataclass(frozen=True)
class Bench:
    """The measurements on this machine."""

    machine: dict[str, Any]
    photos: str
    """The photographs judged, in words."""
    stages: dict[str, float]
    """Median core-ms of each of STAGES; 0 for a phase that is not run."""
    verdict_core_ms: float
    """Median core-ms of a verdict from a decoded photograph: every stage except `read`."""
    reference_core_ms: float | None
    """Median core-ms of the reference network in eager torch, float32; None where torch is not installed."""
    texture_core_ms: float | None
    """Median core-ms of the texture features' network, which is a part of the stage `surface`; None without one."""
    plates_per_s: float
    """Throughput from bytes to Inspections on all cores, without a record."""
    cores_used: float
    """Cores that this process used meanwhile, on average."""
    latency_ms: Latency
    resident_mb: float
    """Resident memory of the process while it inspects, MiB, before torch is loaded."""

    @property
    def reference_ratio(self) -> float | None:
        """Core time of the reference network divided by that of a verdict; None without torch."""
        return None if self.reference_core_ms is None else self.reference_core_ms / self.verdict_core_ms

    @property
    def plates_per_h(self) -> int:
        """Throughput in an hour."""
        return int(3600 * self.plates_per_s)

    @property
    def cameras(self) -> dict[float, int]:
        """For each of PACES how many cameras of this pace the machine keeps up with; 0 where a plate takes too long.

        They may take 80 % of the throughput, and 99 % of the plates must be judged before the next one comes.
        """
        slowest = 1e-3 * self.latency_ms.p99
        return {pace: int(_USABLE * self.plates_per_s / pace) if slowest <= 1 / pace else 0 for pace in PACES}

    @property
    def limit(self) -> str:
        """What limits the throughput, in words."""
        cores = self.machine["cores"]
        if self.cores_used < _BUSY * cores:
            return f"waiting: {self.cores_used:.1f} of {cores} cores were used; other programs, or threads that wait"
        total, longest = sum(self.stages.values()), max(self.stages, key=lambda name: self.stages[name])
        fraction = f"{self.stages[longest] / total:.0%} of a plate's core time"
        if longest == "read":
            return f"decoding: {fraction}; smaller photographs, JPEG or frames from the camera take less"
        network = self.texture_core_ms
        inside = f", of which the texture network {network / total:.0%}" if longest == "surface" and network else ""
        return f"computing: stage {longest}, {fraction}{inside}; more or faster cores help"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as in schemas/bench.json."""
        cameras = [{"plates_per_s": pace, "cameras": count} for pace, count in self.cameras.items()]
        found = {"reference_ratio": self.reference_ratio, "plates_per_h": self.plates_per_h, "cameras": cameras}
        return {"schema": SCHEMA, **asdict(self), **found, "limit": self.limit}


def bench(
    folder: Path,
    photos: Path | None = None,
    *,
    runtime: Runtime = "onnxruntime",
    all_phases: bool = False,
    progress: Progress,
) -> Bench:
    """Measure a model folder on the photographs of a folder, or on the model's own plates enlarged to 512 px.

    Phase two is measured where it has weight, or with `all_phases`. Raises ModelError and InputError as loading and
    reading do.
    """
    alone = Inspector(folder, threads=1, runtime=runtime, all_phases=all_phases)
    files = _files(folder, alone, photos)
    plates_per_s, cores_used = _throughput(alone, files, progress)
    resident = resident_mb()
    latency = _latency(Inspector(folder, runtime=runtime, all_phases=all_phases), files, progress)
    times = _in_turn(alone, files, progress)
    stages, verdict = _stages(times)
    return Bench(
        machine={**_machine(), "runtime": runtime},
        photos=f"{len(files)} photographs of " + (str(photos) if photos else f"the model, {_SIDE}×{_SIDE} px, PNG"),
        stages=stages,
        verdict_core_ms=verdict,
        reference_core_ms=times.get("reference"),
        texture_core_ms=times.get("texture"),
        plates_per_s=plates_per_s,
        cores_used=cores_used,
        latency_ms=latency,
        resident_mb=resident,
    )


def _files(folder: Path, inspector: Inspector, photos: Path | None) -> list[bytes]:
    """The bytes of the photographs to judge."""
    if photos is not None:
        files = [reading.load(path) for path in reading.find(photos)[:_PHOTOS]]
        for data in files:
            reading.read(data)  # raises InputError when it is not readable
        return files
    plates = [reading.read(folder / plate.file) for plate in inspector.manifest.replay]
    if not plates:
        raise InputError(folder, "has no stored plates to measure with", remedy="pass --photos FOLDER")
    times = max(1, _SIDE // len(plates[0]))
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "plate.png"
        return [_png(path, plate.repeat(times, axis=0).repeat(times, axis=1)) for plate in plates]


def _png(path: Path, photo: Photo) -> bytes:
    reading.write_png(path, photo)
    return path.read_bytes()


def _latency(inspector: Inspector, files: Sequence[bytes], progress: Progress) -> Latency:
    def one(data: bytes) -> float:
        started = time.perf_counter()
        inspector.inspect(data)
        return 1e3 * (time.perf_counter() - started)

    for data in files:
        one(data)  # warm up
    times = []
    for number in range(_PLATES):
        times.append(one(files[number % len(files)]))
        progress("latency, one plate at a time", number + 1, _PLATES)
    return Latency(median(times), float(np.quantile(times, 0.99)))


def _throughput(inspector: Inspector, files: Sequence[bytes], progress: Progress) -> tuple[float, float]:
    """Plates per second on all cores, and the cores used."""
    plates = (files[number % len(files)] for number in range(_PLATES))
    started, worked = time.perf_counter(), time.process_time()
    for done, _ in enumerate(ordered_map.ordered_map(inspector.inspect, plates), start=1):
        progress("throughput on all cores", done, _PLATES)
    wall = time.perf_counter() - started
    return _PLATES / wall, (time.process_time() - worked) / wall


def _in_turn(inspector: Inspector, files: Sequence[bytes], progress: Progress) -> dict[str, float]:
    """Median core-ms of the stages, `verdict`, `texture` and `reference`, measured in turn; without what is not run."""
    reference, texture = _reference(), inspector.surface.texture
    times: dict[str, list[float]] = {name: [] for name in (*STAGES, "verdict", "texture", "reference")}

    def timed(name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        started = time.process_time()
        result = work(*arguments)
        times[_KEYS.get(name, name)].append(1e3 * (time.process_time() - started))
        return result

    for done in range(_ROUNDS):
        for data in files:
            photo = timed("read", reading.read, data)
            seen = inspector.examine(photo, stage=timed)
            timed("verdict", inspector.inspect, photo)
            if texture is not None:
                timed("texture", texture, seen.prepared, seen.frame.inside(len(seen.prepared)))
        if reference is not None:
            timed("reference", reference.score, np.zeros((1, reference.image_size, reference.image_size, 3), np.uint8))
        progress("core time by stage", done + 1, _ROUNDS)
    if not times["surface"]:
        raise InputError("photographs", "none passes the quality check", remedy="pass others by --photos")
    return {name: median(each) for name, each in times.items() if each}


def _stages(times: dict[str, float]) -> tuple[dict[str, float], float]:
    """Core-ms of each of STAGES and of the complete verdict."""
    found = {name: times.get(name, 0.0) for name in STAGES[:-1]}
    before = sum(found[name] for name in STAGES[1:-1])
    return {**found, "decide": max(0.0, times["verdict"] - before)}, times["verdict"]


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
    """Resident memory of this process in MiB; its peak where the system does not give the present value."""
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)
