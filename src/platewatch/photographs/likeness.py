"""Likeness of photographs: reduced pictures compared place by place; a defect counts little, pose and light much."""

from collections.abc import Sequence

import cv2
import numpy as np

from platewatch.arrays import Array, Doubles, Floats, Photo

_SIDE = 24
_MOST = 40.0  # grey levels: a place that differs more, such as a defect, counts no more than this


def small(photo: Photo) -> Floats:
    """The (H, W, 3) uint8 photograph reduced to (24, 24, 3) float32, 0 to 255; its aspect is not kept."""
    reduced: Array = cv2.resize(photo, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return reduced.astype(np.float32)


def distances(one: Floats, others: Sequence[Floats]) -> Doubles:
    """The mean difference to each of `others`, all as `small` makes them, (N,) float64 in grey levels, at most 40."""
    apart = np.minimum(np.abs(np.stack(others) - one), _MOST)
    means: Doubles = apart.mean(axis=(1, 2, 3), dtype=np.float64)
    return means


def nearest(photo: Photo, others: Sequence[Floats]) -> int:
    """The number of the one among `others` that is most like the (H, W, 3) uint8 photograph."""
    return int(distances(small(photo), others).argmin())


def spread(photos: Sequence[Photo], most: int) -> list[int]:
    """The numbers of at most `most` photographs that stand for all; the same photographs give the same numbers.

    First comes the most usual one, then each time the one farthest from all chosen before (Gonzalez 1985).
    """
    if not most or not photos:
        return []
    pictures = [small(photo) for photo in photos]
    usual = np.median(np.stack(pictures), axis=0).astype(np.float32)
    chosen = [int(distances(usual, pictures).argmin())]
    apart = distances(pictures[chosen[0]], pictures)
    while len(chosen) < min(most, len(photos)) and apart.max() > 0:
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, distances(pictures[chosen[-1]], pictures))
    return chosen
