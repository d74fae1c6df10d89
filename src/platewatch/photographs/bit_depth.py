"""Bit depth of a set of photographs: how much of their files' range they use, and the camera's own depth.

A camera of 12 bits may write its values into 16 bits. Then all photographs are nearly black, and a model trained on
them finds nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from platewatch.errors import InputError
from platewatch.photographs.raster import Raster

_LEAST = 0.25  # fraction of the range that a photograph has to reach
_DEPTHS = (10, 12, 14)  # of cameras whose files have 16 bits


@dataclass(frozen=True)
class Levels:
    """How much of its file's range one photograph uses."""

    bits: int
    """Bits of a sample in the file; the range is 0 to 2 ** bits - 1."""
    significant_bits: int | None
    """Bits that the camera used, as the file states."""
    reached: int
    """The level that more than 0.01 % of the samples reach."""
    highest: int
    """The highest sample."""


def measure(raster: Raster) -> Levels:
    """The Levels of a picture as it is stored."""
    return Levels(raster.bits, raster.significant_bits, raster.reached, int(raster.samples.max()))


def stated(photographs: Sequence[Levels]) -> int | None:
    """The depth that the files state (sBIT of PNG) when their values lie within it, from the lowest bit on; else None.

    A file that follows the PNG format has the stated bits at the top of the range and needs no scaling.
    """
    deep = [each for each in photographs if each.bits > 8]
    depths = {each.significant_bits for each in deep}
    depth = depths.pop() if len(depths) == 1 else None
    if depth is None or not 8 < depth < min(each.bits for each in deep):
        return None
    return depth if all(each.highest < 2**depth for each in deep) else None


def likely(levels: Levels) -> int | None:
    """The usual camera depth that would leave this upper part of the range empty; None when the range is used."""
    if levels.bits <= 8 or levels.reached >= _LEAST * (2**levels.bits - 1):
        return None
    return next((each for each in _DEPTHS if levels.highest < 2**each and each < levels.bits), None)


def check(levels: Levels, bits: int | None, where: object) -> None:
    """Raise InputError when a photograph uses less than a quarter of its range; `bits` as in `Raster.rgb`."""
    depth = levels.bits if bits is None or levels.bits <= max(bits, 8) else bits
    full = 2**depth - 1
    if levels.reached >= _LEAST * full:
        return
    fitting = likely(levels)
    hint = "a longer exposure or more light"
    if fitting is not None and fitting < depth:
        hint = f"--bits {fitting} if the camera has {fitting} bits, else {hint}"
    what = f"uses {levels.reached / full:.1%} of its range (values up to {levels.highest} of {full})"
    raise InputError(where, what, expected=f"at least {_LEAST:.0%}", remedy=hint)
