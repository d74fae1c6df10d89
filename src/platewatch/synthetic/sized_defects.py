"""Structural defects of a given size and strength, for the sensitivity trials.

The size is fixed; the contrast is what comes out of the part's own texture.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from platewatch.arrays import Mask, Photo
from platewatch.photographs.foreground import strongest_channel
from platewatch.synthetic import artificial_defects
from platewatch.synthetic.compositing import composite
from platewatch.synthetic.hard_defects import LEAST_CHANGE
from platewatch.synthetic.structural_defects import SIZED

_TRIES = 8  # random places tried until the defect shows


def sized_defect(
    photo: Photo,
    rng: np.random.Generator,
    inside: Mask,
    others: Sequence[Photo] = (),
    *,
    kind: str,
    diameter_px: float,
    strength: float,
) -> tuple[Photo, Mask]:
    """One defect of a kind of SIZED, with the area of a disc of this diameter, on the object.

    `photo` is (S, S, 3) uint8 RGB; `inside` (S, S) bool is its object without padding; `others` (h, w, 3) uint8 are
    further good photographs without padding, from which pieces are taken. `strength` 0.1..1 is the opacity.
    Returns the photograph with the defect and its mask (S, S) bool within `inside`. It changes its pixels by at least
    LEAST_CHANGE at strength 1, in the mean; where no place tried allows that, it is the one that changes most.
    Raises InputError for photographs of another shape and an `inside` without a pixel.
    """
    artificial_defects.check(photo, inside)
    best, layer = -1.0, None
    for _ in range(_TRIES):
        opacity, paint = SIZED[kind](photo, inside, others, rng, diameter_px)
        shown = contrast(photo, *composite(photo, opacity, paint)) * 255
        if layer is None or shown > best:
            best, layer = shown, (opacity, paint)
        if best >= LEAST_CHANGE:
            break
    assert layer is not None  # noqa: S101 - there is at least one try
    opacity, paint = layer
    return composite(photo, opacity * np.float32(strength), paint)


def contrast(photo: Photo, damaged: Photo, mask: Mask) -> float:
    """Mean change within a mask (S, S) bool, in the strongest channel, as a fraction of its range; 0 for no pixel."""
    change = strongest_channel(np.asarray(cv2.absdiff(damaged, photo), np.uint8))
    return float(cv2.mean(change, mask.view(np.uint8))[0]) / 255
