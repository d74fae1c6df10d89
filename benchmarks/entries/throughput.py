"""Plates per second from files on all cores, and the decoder alone, in turn within one run; then one plate's latency.

    run.py throughput MODEL --photos DATA/test/good DATA/test/scratches

Photographs are resized to 1024×1024 px and written as PNG and as JPEG of quality 90; without --photos they are
rendered. Figures are medians of several rounds. `÷ decoder` is the time of a verdict divided by the time of reading its
file.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.harness import Found, Table
from benchmarks.timing import in_turn, ratio, timed
from platewatch.arrays import Array, Photo
from platewatch.model import ordered_map
from platewatch.model.inspector import Inspector
from platewatch.model.runtime import Runtime
from platewatch.photographs import reading
from platewatch.synthetic import rendered_plates as rendered

SIDE = 1024  # px
FORMATS: dict[str, dict[str, Any]] = {"png": {}, "jpg": {"quality": 90}}
HEAD = ("plates/s", "decoder alone, plates/s", "÷ decoder", "latency, median ms", "p99 ÷ median")


def measure(
    model: Path, *, photos: Sequence[Path] = (), rounds: int = 9, plates: int = 300, runtime: Runtime = "onnxruntime"
) -> Found:
    alone, together = Inspector(model, threads=1, runtime=runtime), Inspector(model, runtime=runtime)
    with tempfile.TemporaryDirectory() as folder:
        files = write(pictures(photos), Path(folder))
        rows = [[kind, *speed(alone, together, paths, plates, rounds)] for kind, paths in files.items()]
    return Found(tables={"": Table(["1024×1024", *HEAD], rows)})


def pictures(folders: Sequence[Path]) -> Iterator[Photo]:
    """The photographs, enlarged to (SIDE, SIDE, 3) uint8; without folders, rendered ones."""
    if not folders:
        yield from (rendered.render(kind, seed, SIDE)[0] for kind in rendered.KINDS for seed in range(6))
    for path in (path for folder in folders for path in reading.find(folder)):
        enlarged: Array = cv2.resize(reading.read(path), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        yield enlarged


def write(photos: Iterator[Photo], folder: Path) -> dict[str, list[Path]]:
    """The photographs' files, by format."""
    files: dict[str, list[Path]] = {kind: [] for kind in FORMATS}
    for number, photo in enumerate(photos):
        for kind, options in FORMATS.items():
            files[kind].append(folder / f"{number:03d}.{kind}")
            Image.fromarray(photo).save(files[kind][-1], **options)
    return files


def speed(alone: Inspector, together: Inspector, paths: Sequence[Path], count: int, rounds: int) -> list[str]:
    """The cells of HEAD: verdict and decoder in turn, then one plate after the other, from file to verdict."""
    work = [paths[number % len(paths)] for number in range(count)]

    def every(task: Callable[[Path], object]) -> Callable[[], float]:
        return timed(lambda: list(ordered_map.ordered_map(task, work)), time.perf_counter)

    seconds = in_turn({"verdict": every(alone.inspect), "decoder": every(reading.read)}, rounds, what=paths[0].suffix)
    latency = {str(path): timed(partial(together.inspect, path), time.perf_counter) for path in paths}
    ms = [1e3 * each for taken in in_turn(latency, rounds).values() for each in taken]
    rates = [f"{count / median(seconds[name]):.0f}" for name in ("verdict", "decoder")]
    latencies = [f"{median(ms):.1f}", f"{float(np.quantile(ms, 0.99)) / median(ms):.2f}"]
    return [*rates, f"{ratio(seconds['verdict'], seconds['decoder']):.2f}", *latencies]
