"""Compares artificial scratches with real ones of the same width: does the stated sensitivity hold for real damage?

Every real scratch of DATA/test/scratches is cut out along its mask, reduced in size and composited onto good test
plates. Artificial scratches of the same width and length are painted onto the same plates at several contrasts. Both
are judged as at the line. The masks are used for cutting only. Widths are in px of the prepared photograph.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

import platewatch
from benchmarks.harness import Found, Table, say
from platewatch.arrays import Floats, Photo
from platewatch.decision.intervals import clopper_pearson
from platewatch.inspection import Verdict
from platewatch.model import ordered_map
from platewatch.model.inspector import Inspector
from platewatch.photographs import data_sets, masks, preparation, reading
from platewatch.photographs.data_sets import NORMAL
from platewatch.synthetic.artificial_defects import scratch

WIDTHS = (2, 4, 8, 16, 32)
CONTRASTS = (0.1, 0.2, 0.3, 0.5)
COLUMNS = {"width, px": "{width}", "scratches": "{scratches}", "real, made smaller": "{found[real]}"}
COLUMNS |= {f"artificial, {contrast:.0%}": f"{{found[{contrast:.0%}]}}" for contrast in CONTRASTS}


class RealScratch(NamedTuple):
    """One region of a mask, cut out of its photograph."""

    patch: Photo  # (H, W, 3) uint8
    mask: Floats  # (H, W) float32, 0 or 1
    length_px: float
    width_px: float  # area over length


def measure(model: Path, data: Path, *, kind: str = "scratches", plates: int = 3) -> Found:
    inspector = platewatch.load(model, threads=1)
    side, samples = inspector.manifest.config.image_size, data_sets.test(data)
    masked = [(each.path, each.mask) for each in samples if each.defect == kind and each.mask is not None]
    real = [region for photo, mask in masked for region in cut(photo, mask, side)]
    good = [preparation.prepare(reading.read(each.path), side) for each in samples if each.label == NORMAL]
    good = [plate for plate in good if inspector.inspect(plate).verdict is Verdict.PASS]
    rows = [compare(inspector, real, good, width, plates) for width in WIDTHS]
    return Found({"good_plates": len(good), "scratches": len(real)}, {"": Table.of(COLUMNS, rows)})


def cut(path: Path, mask_path: Path, side: int) -> Iterator[RealScratch]:
    """Every region of the mask, cut out of the photograph prepared to `side` px."""
    photo = preparation.prepare(reading.read(path), side)
    small = cv2.resize(masks.read(mask_path).astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(small)
    for region in range(1, count):
        left, top, width, height, area = stats[region]
        if area < 48:  # px: too small to be a scratch
            continue
        box = np.s_[top : top + height, left : left + width]
        here = labels[box] == region
        outline, _ = cv2.findContours(here.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        length = max(cv2.minAreaRect(np.concatenate(outline))[1]) + 1
        yield RealScratch(photo[box], here.astype(np.float32), float(length), float(area / length))


def composite(plate: Photo, real: RealScratch, scale: float) -> Photo:
    """The plate with the real scratch, resized by `scale`, in its middle; the edge is feathered."""
    size = max(2, round(real.mask.shape[1] * scale)), max(2, round(real.mask.shape[0] * scale))
    patch, mask = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (real.patch, real.mask))
    top, left = (plate.shape[0] - size[1]) // 2, (plate.shape[1] - size[0]) // 2
    box = np.s_[top : top + size[1], left : left + size[0]]
    opacity, paint = np.zeros(plate.shape[:2], np.float32), plate.copy()
    opacity[box], paint[box] = mask, patch
    feathered = cv2.GaussianBlur(opacity, (0, 0), 0.7)[..., None]  # without this the edge is detected as a line
    return np.asarray(np.rint(feathered * paint + (1 - feathered) * plate), np.uint8)


def compare(
    inspector: Inspector, real: Sequence[RealScratch], good: Sequence[Photo], width: float, plates: int
) -> dict[str, Any]:
    """How many of the real scratches, resized to `width` px, are found, and how many artificial ones of that size."""
    wide = [each for each in real if each.width_px >= width]
    pairs = [(each, good[(first + step) % len(good)]) for first, each in enumerate(wide) for step in range(plates)]
    say(f"{width} px: {len(pairs)} plates of each")

    def found(photos: Iterator[Photo]) -> str:
        count = sum(seen.verdict is not Verdict.PASS for seen in ordered_map.ordered_map(inspector.inspect, photos))
        low, high = clopper_pearson(count, len(pairs))
        return f"{count / max(1, len(pairs)):.0%} ({low:.0%} to {high:.0%})"

    def artificial(contrast: float) -> Iterator[Photo]:
        for number, (each, plate) in enumerate(pairs):
            rng, length = np.random.default_rng([number, round(10 * width)]), each.length_px * width / each.width_px
            yield scratch(plate, rng, width_px=width, length_px=length, contrast=contrast)[0]

    cells = {"real": found(composite(plate, each, width / each.width_px) for each, plate in pairs)}
    cells |= {f"{contrast:.0%}": found(artificial(contrast)) for contrast in CONTRASTS}
    return {"width": width, "scratches": len(wide), "found": cells}
