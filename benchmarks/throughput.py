"""Plates a second from files on every core, and the decoder alone, in turn within one run; then one plate's latency.

    python benchmarks/throughput.py MODEL --photos DATA/test/good DATA/test/scratches --out runs/throughput

Photographs are brought to 1024×1024 px and written as PNG and as JPEG of quality 90; without --photos they are
rendered. Medians of several rounds; `÷ decoder` is how many times longer a verdict takes than reading its file.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from PIL import Image

import runs
from platewatch.arrays import Array
from platewatch.model import ordered_map
from platewatch.model.inspector import Inspector
from platewatch.model.runtime import RUNTIMES
from platewatch.model.thread_limits import cores
from platewatch.photographs import reading
from platewatch.synthetic import rendered_plates

SIDE = 1024  # px
RENDERED = 24  # where no photographs are given
FORMATS: dict[str, dict[str, Any]] = {"png": {}, "jpg": {"quality": 90}}
"""What is written, with Pillow's options."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--photos", type=Path, nargs="+", default=[], help="folders of photographs")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--plates", type=int, default=300, help="in every round")
    parser.add_argument("--runtime", choices=RUNTIMES, default="onnxruntime")
    parser.add_argument("--out", type=Path, default=Path("runs/throughput"))
    asked = parser.parse_args()
    alone = Inspector(asked.model, threads=1, runtime=asked.runtime)
    together = Inspector(asked.model, runtime=asked.runtime)
    with tempfile.TemporaryDirectory() as folder:
        files = write(photos(asked.photos), Path(folder))
        found = {
            "cores": cores(),
            "photographs": len(files["png"]),
            **{kind: measure(alone, together, paths, asked) for kind, paths in files.items()},
        }
    runs.write_json(asked.out / "throughput.json", found)
    sys.stdout.write(table(found) + "\n")


def photos(folders: Sequence[Path]) -> Iterator[Array]:
    """The photographs, enlarged to SIDE; rendered ones where there are none."""
    if not folders:
        yield from (
            rendered_plates.render(rendered_plates.KINDS[seed % len(rendered_plates.KINDS)], seed, SIDE)[0]
            for seed in range(RENDERED)
        )
    for folder in folders:
        yield from (enlarge(reading.read(path)) for path in reading.find(folder))


def enlarge(photo: Array) -> Array:
    """(SIDE, SIDE, 3) uint8, as a camera with more pixels would take it."""
    enlarged: Array = cv2.resize(photo, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return enlarged


def write(pictures: Iterator[Array], folder: Path) -> dict[str, list[Path]]:
    """The photographs' files, by format."""
    files: dict[str, list[Path]] = {kind: [] for kind in FORMATS}
    for number, picture in enumerate(pictures):
        for kind, options in FORMATS.items():
            path = folder / f"{number:03d}.{kind}"
            Image.fromarray(picture).save(path, **options)
            files[kind].append(path)
    return files


def measure(
    alone: Inspector, together: Inspector, paths: Sequence[Path], asked: argparse.Namespace
) -> dict[str, float]:
    """Plates a second of both ways, in turn, and the latency of one plate after the other, from file to verdict."""
    judged, decoded, latency = [], [], []
    work = [paths[number % len(paths)] for number in range(asked.plates)]
    for done in range(1, asked.rounds + 1):
        judged.append(_a_second(alone.inspect, work))
        decoded.append(_a_second(reading.read, work))
        latency += [_milliseconds(together, path) for path in work[: len(paths)]]
        runs.say(f"{paths[0].suffix}: round {done} of {asked.rounds}")
    return {
        "plates_per_s": median(judged),
        "decoder_per_s": median(decoded),
        "over_decoder": median(reads / verdicts for reads, verdicts in zip(decoded, judged, strict=True)),
        "latency_ms": median(latency),
        "latency_p99_ms": float(np.quantile(latency, 0.99)),
    }


def _a_second(task: Callable[[Path], object], work: Sequence[Path]) -> float:
    started = time.perf_counter()
    for _ in ordered_map.ordered_map(task, work):
        pass
    return len(work) / (time.perf_counter() - started)


def _milliseconds(inspector: Inspector, path: Path) -> float:
    started = time.perf_counter()
    inspector.inspect(path)
    return 1e3 * (time.perf_counter() - started)


def table(found: dict[str, Any]) -> str:
    """A row for each format."""
    rows = []
    for kind in FORMATS:
        one = found[kind]
        rate, decoder = f"{one['plates_per_s']:.0f}", f"{one['decoder_per_s']:.0f}"
        ratio = one["latency_p99_ms"] / one["latency_ms"]
        rows.append((kind, rate, decoder, f"{one['over_decoder']:.2f}", f"{one['latency_ms']:.1f}", f"{ratio:.2f}"))
    head = ("1024×1024", "plates/s", "decoder alone, plates/s", "÷ decoder", "latency, median ms", "p99 ÷ median")
    return runs.markdown(head, rows)


if __name__ == "__main__":
    main()
