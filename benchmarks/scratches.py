"""Forged scratches against real ones of the same width: does the stated sensitivity say what real damage would?

    python benchmarks/scratches.py MODEL DATA --out runs/scratches

Every real scratch of DATA/test/scratches is cut out along its mask, made smaller and laid onto good test plates; beside
it scratches are forged onto the same plates, as wide and as long, at several contrasts. Both are judged as a plate on
the line is. The masks are read to cut, nothing is chosen by them. One table in Markdown and one JSON; widths are in px
of the prepared photograph.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import platewatch
import runs
from platewatch.arrays import Array
from platewatch.evaluation.metrics import clopper_pearson
from platewatch.inspection import Verdict
from platewatch.model.inspector import Inspector
from platewatch.photographs import data_sets, preparation, reading
from platewatch.photographs.data_sets import NORMAL
from platewatch.synthetic.artificial_defects import scratch

WIDTHS = (2, 4, 8, 16, 32)
CONTRASTS = (0.1, 0.2, 0.3, 0.5)
_FEATHER = 0.7  # px: the seam of what is laid on must be no line of its own
_SMALLEST = 48  # px of a mask's place: less is no scratch by itself


@dataclass(frozen=True)
class RealScratch:
    """One place of a mask, cut out of its photograph."""

    patch: Array
    """(H, W, 3) uint8."""
    mask: Array
    """(H, W) float32, 0 or 1."""
    length_px: float
    width_px: float
    """Area over length."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--kind", default="scratches", help="the folder of DATA/test whose masks are cut out")
    parser.add_argument("--plates", type=int, default=3, help="good plates that each scratch is laid onto")
    parser.add_argument("--out", type=Path, default=Path("runs/scratches"))
    asked = parser.parse_args()
    inspector = platewatch.load(asked.model, threads=1)
    side = inspector.manifest.config.image_size
    real = [each for path in masked(asked.data, asked.kind) for each in cut(*path, side)]
    samples = [sample for sample in data_sets.test(asked.data) if sample.label == NORMAL]
    good = [preparation.prepare(reading.read(sample.path), side) for sample in samples]
    good = [plate for plate in good if inspector.inspect(plate).verdict is Verdict.PASS]
    found = {
        "model": inspector.manifest.model_id,
        "good_plates": len(good),
        "real": [{"length_px": each.length_px, "width_px": each.width_px} for each in real],
        "widths": [compare(inspector, real, good, width, asked.plates) for width in WIDTHS],
    }
    runs.write_json(asked.out / "scratches.json", found)
    sys.stdout.write(table(found) + "\n")


def masked(data: Path, kind: str) -> Iterator[tuple[Path, Path]]:
    """Photograph and mask of each test plate of this kind."""
    for sample in data_sets.test(data):
        if sample.defect == kind and sample.mask is not None:
            yield sample.path, sample.mask


def cut(path: Path, mask_path: Path, side: int) -> Iterator[RealScratch]:
    """Every place of the mask, by itself, from the photograph prepared to `side` px."""
    photo = preparation.prepare(reading.read(path), side)
    mask = cv2.resize(
        (reading.read(mask_path)[..., 0] >= 128).astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST
    )
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    for place in range(1, count):
        left, top, width, height, area = stats[place]
        if area < _SMALLEST:
            continue
        box = np.s_[top : top + height, left : left + width]
        here = labels[box] == place
        outline, _ = cv2.findContours(here.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        length = max(cv2.minAreaRect(np.concatenate(outline))[1]) + 1
        yield RealScratch(photo[box], here.astype(np.float32), float(length), float(area / length))


def composite(plate: Array, real: RealScratch, scale: float) -> Array:
    """The plate with the real scratch in the middle of it, made smaller by `scale`, its seam feathered."""
    size = max(2, round(real.mask.shape[1] * scale)), max(2, round(real.mask.shape[0] * scale))
    patch, mask = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (real.patch, real.mask))
    top, left = (plate.shape[0] - size[1]) // 2, (plate.shape[1] - size[0]) // 2
    opacity, paint = np.zeros(plate.shape[:2], np.float32), plate.copy()
    opacity[top : top + size[1], left : left + size[0]] = mask
    paint[top : top + size[1], left : left + size[0]] = patch
    share = cv2.GaussianBlur(opacity, (0, 0), _FEATHER)[..., None]
    laid: Array = np.rint(share * paint + (1 - share) * plate).astype(np.uint8)
    return laid


def compare(
    inspector: Inspector, real: Sequence[RealScratch], good: Sequence[Array], width: float, plates: int
) -> dict[str, Any]:
    """What is found of the real scratches made `width` px wide, and of forged ones of that width and length."""
    wide = [each for each in real if each.width_px >= width]
    pairs = [(each, good[(first + step) % len(good)]) for first, each in enumerate(wide) for step in range(plates)]

    def share(photos: Iterator[Array]) -> dict[str, Any]:
        with ThreadPoolExecutor() as pool:
            found = sum(seen.verdict is not Verdict.PASS for seen in pool.map(inspector.inspect, photos))
        return {"found": found, "of": len(pairs), "interval": clopper_pearson(found, len(pairs))}

    artificial = {}
    for contrast in CONTRASTS:
        rngs = (np.random.default_rng([number, round(10 * width)]) for number in range(len(pairs)))
        artificial[f"{contrast:.0%}"] = share(
            scratch(plate, rng, width_px=width, length_px=each.length_px * width / each.width_px, contrast=contrast)[0]
            for (each, plate), rng in zip(pairs, rngs, strict=True)
        )
    runs.say(f"{width} px: {len(pairs)} plates of each")
    laid = share(composite(plate, each, width / each.width_px) for each, plate in pairs)
    return {"width_px": width, "scratches": len(wide), "real": laid, "forged": artificial}


def table(found: dict[str, Any]) -> str:
    """A row a width: the share found, of real scratches and of forged ones at each contrast, with 95 % intervals."""

    def cell(share: dict[str, Any]) -> str:
        low, high = share["interval"]
        return f"{share['found'] / share['of']:.0%} ({low:.0%} to {high:.0%})"

    head = ["width, px", "scratches", "real, made smaller", *(f"forged, {contrast:.0%}" for contrast in CONTRASTS)]
    rows = [
        [
            str(row["width_px"]),
            str(row["scratches"]),
            cell(row["real"]),
            *(cell(each) for each in row["forged"].values()),
        ]
        for row in found["widths"]
    ]
    return runs.markdown(head, rows)


if __name__ == "__main__":
    main()
