"""The region of a training: a drawn one brought into the frame of the picture or the part, and plates within it."""

from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from platewatch.arrays import Array, Mask, Masks
from platewatch.errors import InputError
from platewatch.learning.preflight import GoodPlates
from platewatch.photographs import part_shape
from platewatch.photographs.part_frame import Template
from platewatch.photographs.part_shape import ShapeCheck
from platewatch.photographs.region import Drawn, Region


class Kept(NamedTuple):
    """The region of the model before, which a new one keeps."""

    region: Region
    source: str
    shape: ShapeCheck | None
    """The shape check in whose frame it lies."""


Wanted = Drawn | Kept
"""What a training is to inspect."""


class Inspected(NamedTuple):
    """The good plates as the detectors see them."""

    plates: GoodPlates
    region: Region | None


def template(wanted: Wanted | None) -> Template | None:
    """The template into which the parts are to be brought; None for a new one."""
    return wanted.shape.good.template if isinstance(wanted, Kept) and wanted.shape and wanted.region.in_part else None


def within(plates: GoodPlates, wanted: Wanted | None, shape: ShapeCheck | None) -> Inspected:
    """The plates with everything outside the region blanked; the plates as they are without one.

    Raises InputError when the region does not fit the photographs.
    """
    if wanted is None:
        return Inspected(plates, None)
    region = _placed(plates, wanted, shape) if isinstance(wanted, Drawn) else wanted.region
    if region.in_part and shape is None:
        what = "the good parts have no common pose any more, in which the region of the model before lies"
        raise InputError(wanted.source, what, remedy="train a new model and draw the region again")
    size = plates.photos.shape[1]
    shown = [region.on(frame, size, _matrix(plates, plate, shape)) for plate, frame in enumerate(plates.frames)]
    regions = np.stack([np.zeros((size, size), bool) if each is None else each for each in shown])
    if isinstance(wanted, Drawn):
        region = replace(region, fill=_fill(plates, regions))
    pairs = zip(plates.photos, plates.frames, regions, strict=True)
    photos, frames = zip(*(region.blanked(*each) for each in pairs), strict=True)
    seen = replace(plates, photos=np.stack(photos), frames=tuple(frames), whole=plates)
    return Inspected(seen, region)


def _placed(plates: GoodPlates, drawn: Drawn, shape: ShapeCheck | None) -> Region:
    """The region in the part's frame where it was drawn on a photograph and there is a pose, else in the picture's."""
    if drawn.photograph is not None:
        names = [path.name for path in plates.paths]
        if drawn.photograph not in names:
            what = f"photograph {drawn.photograph!r} is none of the good ones"
            raise InputError(drawn.source, what, expected=f"a name such as {names[0]!r}", remedy="correct it")
        plate = names.index(drawn.photograph)
        mask = _scaled(drawn.on_picture(plates.sizes[plate]), plates, plate)
        if shape is None:
            return Region(mask, in_part=False, fill=(0, 0, 0))
        matrix = _matrix(plates, plate, shape)
        if matrix is None:
            what = f"the part's pose on {drawn.photograph!r} is not sure"
            raise InputError(drawn.source, what, remedy="draw the region on another photograph")
        height, width = shape.good.template.mean.shape
        laid = cv2.warpPerspective(mask.view(np.uint8), matrix, (width, height), flags=cv2.INTER_NEAREST)
        return Region(np.asarray(laid, bool), in_part=True, fill=(0, 0, 0))
    if len(set(plates.sizes)) > 1:
        what = f"the photographs have {len(set(plates.sizes))} sizes, a region in the picture needs one"
        raise InputError(drawn.source, what, remedy="name the photograph that it was drawn on, or leave the others out")
    return Region(_scaled(drawn.on_picture(plates.sizes[0]), plates, 0), in_part=False, fill=(0, 0, 0))


def _scaled(mask: Mask, plates: GoodPlates, plate: int) -> Mask:
    """A mask (H, W) of a photograph at the size of the prepared one without padding."""
    frame = plates.frames[plate]
    small = cv2.resize(mask.astype(np.float32), (frame.width, frame.height), interpolation=cv2.INTER_AREA)
    return np.asarray(small >= 0.5, bool)


def _matrix(plates: GoodPlates, plate: int, shape: ShapeCheck | None) -> Array | None:
    if shape is None:
        return None
    placed = part_shape.examine(plates.frames[plate].cut(plates.photos[plate]), shape).placed
    return None if placed is None else placed.matrix


def _fill(plates: GoodPlates, regions: Masks) -> tuple[int, int, int]:
    """The median colour of what is inspected."""
    red, green, blue = np.median(plates.photos[:, ::2, ::2][regions[:, ::2, ::2]], axis=0)
    return int(red), int(green), int(blue)
