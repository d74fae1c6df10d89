"""The measurements of `seeds` on a grey copy of the data set, which is written to OUT/plates."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from benchmarks.entries import seeds as coloured
from benchmarks.harness import Found


def measure(data: Path, *, out: Path, seeds: Sequence[int] = (0, 1, 2), options: str = "") -> Found:
    return coloured.measure(copy(data, out / "plates"), out=out, seeds=seeds, options=options)


def copy(data: Path, folder: Path) -> Path:
    """The folder, with a grey copy of every PNG of the data set."""
    for path in sorted(data.rglob("*.png")):
        target = folder / path.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).convert("L").save(target)
    return folder
