"""A model of large photographs, looked at in overlapping tiles, with padding and texture features of a small network.

Tiles of 64 px stand for those of 256 px, and a photograph of 400×300 px for one of 12 megapixels.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest

import small_backbone
import tiny
from platewatch.arrays import Photo
from platewatch.photographs import reading
from platewatch.synthetic.rendered_plates import render

TILE, SIDE = 64, 160  # three tiles along the longer side


def plate(seed: int) -> Photo:
    """A rendered plate of 400×300 px with the noise of a camera."""
    square = render("good", seed, 300)[0]
    photo = cv2.copyMakeBorder(square, 0, 0, 50, 50, cv2.BORDER_REFLECT_101)
    noise = np.random.default_rng(seed).normal(0, 2, photo.shape)
    return np.asarray(np.clip(np.rint(photo + noise), 0, 255), np.uint8)


def build(folder: Path) -> None:
    """`model`, trained on eight plates in `data`."""
    (folder / "data").mkdir()
    for number in range(8):
        reading.write_png(folder / "data" / f"{number}.png", plate(number))
    with pytest.MonkeyPatch.context() as patch:
        small_backbone.install(patch)
        for module in ("learning.fitting", "learning.fusing"):
            patch.setattr(f"platewatch.{module}.TILE", TILE)
        patch.setattr("platewatch.learning.fusing._AT_LEAST", 1.0)  # this poor network keeps its weight
        backbone = small_backbone.weights(folder)
        tiny.learn(
            folder / "data", folder / "model", preset="surface", backbone=backbone, image_size=SIDE, min_images=8
        )
