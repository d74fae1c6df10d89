"""Artificial defects near the limit of what is seen, to choose between detectors without a label.

A detector that finds every strong defect says nothing about the faint ones. Here each defect's strength is drawn
relative to the texture around it, so that on any part some are found and some are not.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from platewatch.arrays import Floats, Mask, Photo
from platewatch.photographs.foreground import strongest_channel
from platewatch.synthetic import artificial_defects, structural_defects
from platewatch.synthetic.compositing import FAINT
from platewatch.synthetic.structural_defects import Kind, Layer

LEAST_CHANGE = 3.0
"""Least mean change of a defect's pixels, in the strongest channel of 0..255."""
VISIBILITY = 6.0, 60.0
"""Range of `visibility`, drawn log-uniformly."""

_TRIES, _TRIES_OF_A_KIND = 12, 4
_REACHED = 0.8  # of the visibility drawn: a layer that cannot show as well as that is drawn again
_CORRELATED = 3.0  # px: the texture's neighbouring pixels are not independent


def _painted(paint: artificial_defects.Kind) -> Kind:
    """A kind of `random_defect` as a Kind: the same painting, on a mottled or an even tone."""

    def layer(photo: Photo, inside: Mask, _others: Sequence[Photo], rng: np.random.Generator) -> Layer:
        opacity, tone = paint(photo, inside, rng)
        return opacity, np.broadcast_to(tone, photo.shape)

    return layer


KINDS: Mapping[str, Kind] = {
    **structural_defects.KINDS,
    **{name: _painted(kind) for name, kind in artificial_defects.PAINTED.items()},
}
"""All kinds by name: of the part's own texture, and painted ones as in `random_defect`."""


def hard_defect(
    photo: Photo,
    rng: np.random.Generator,
    inside: Mask,
    others: Sequence[Photo] = (),
    *,
    kind: str | None = None,
) -> tuple[Photo, Mask]:
    """One defect of a random kind, near the limit of what is seen, on the object of a prepared photograph.

    `photo` is (S, S, 3) uint8 RGB, S ≥ 32; `inside` (S, S) bool is its object without padding (`find_framed_object`);
    `others` (h, w, 3) uint8 are further good photographs without padding, from which pieces are taken. `kind` is one of
    KINDS, None for a random one.
    Returns the photograph with the defect, and its mask (S, S) bool, which is never empty and lies within `inside`.
    Raises InputError for photographs of another shape and an `inside` without a pixel.
    """
    artificial_defects.check(photo, inside)
    names = [kind] if kind else list(KINDS)
    target, found = np.exp(rng.uniform(*np.log(VISIBILITY))), None
    for attempt in range(_TRIES):
        if attempt % _TRIES_OF_A_KIND == 0:
            make = KINDS[names[rng.integers(len(names))]]
        opacity, paint = make(photo, inside, others, rng)
        damaged, mask, reached = _at_visibility(photo, np.where(inside, opacity, 0), paint, target)
        if _is_seen(photo, damaged, mask):
            found = damaged, mask
            if reached:
                break
    return found or artificial_defects.visible_scratch(photo, inside, rng)


def visibility(photo: Photo, change: Floats, mask: Mask) -> float:
    """How well a change shows in the texture around it: root of its summed squares ÷ (texture's deviation · 3 px).

    `change` (S, S) float32 is that of the strongest channel, in grey levels, within `mask` (S, S) bool. It is the
    signal-to-noise ratio of a matched filter (Rose 1948: a person sees it from about 5), for texture that is correlated
    over 3 px.
    """
    box = _around(mask)
    total = float(np.square(np.where(mask[box], change[box], 0), dtype=np.float64).sum())
    return float(np.sqrt(total)) / (_texture(photo, mask) * _CORRELATED) if total else 0.0


def _at_visibility(photo: Photo, opacity: Floats, paint: Floats, target: float) -> tuple[Photo, Mask, bool]:
    """The layer over the photograph, as faint as `target` says, its mask, and whether it is as strong as that."""
    mask = opacity >= FAINT
    box, change = _around(mask), np.zeros(photo.shape, np.float32)
    change[box] = np.where(mask[box], opacity[box], 0)[..., None] * (paint[box] - photo[box])
    full = visibility(photo, np.abs(change).max(axis=2), mask)
    damaged = photo.copy()
    faint = photo[box] + np.float32(min(1.0, target / max(full, 1e-9))) * change[box]
    damaged[box] = np.clip(np.rint(faint), 0, 255).astype(np.uint8)
    return damaged, mask, full >= _REACHED * target


def _around(mask: Mask, margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns of the rectangle around a mask (S, S) bool, and of `margin` px more."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(max(0, top - margin), top + height + margin), slice(max(0, left - margin), left + width + margin)


def _texture(photo: Photo, mask: Mask) -> float:
    """Deviation, in grey levels and at least 1, of the texture around a mask (S, S) bool."""
    bright = cv2.cvtColor(np.ascontiguousarray(photo[_around(mask, photo.shape[0] // 16)]), cv2.COLOR_RGB2GRAY)
    return max(1.0, float(np.std(bright - cv2.blur(bright.astype(np.float32), (9, 9)))))


def _is_seen(photo: Photo, damaged: Photo, mask: Mask) -> bool:
    """Whether the defect is large enough, and its pixels differ by at least LEAST_CHANGE in the mean."""
    if np.count_nonzero(mask) < max(3, artificial_defects.SMALLEST * mask.size):
        return False
    change = strongest_channel(np.asarray(cv2.absdiff(damaged, photo), np.uint8))
    return bool(cv2.mean(change, mask.view(np.uint8))[0] >= LEAST_CHANGE)
