"""Limits of a photograph's size: 32 to 8000 px a side; environment variables allow larger ones, for every command."""

import os

from platewatch.errors import InputError

MIN_SIDE = 32
MAX_SIDE = 8000
MAX_SIDE_VARIABLE = "PLATEWATCH_MAX_SIDE"
"""Longest side in px that is read, such as 20000 for a line-scan camera."""


def max_side() -> int:
    """The longest side in px that is read; raises InputError when the environment variable is no number of px."""
    text = os.environ.get(MAX_SIDE_VARIABLE, "")
    if not text:
        return MAX_SIDE
    if not text.isdecimal() or not MIN_SIDE <= int(text) <= 1_000_000:
        raise InputError(
            MAX_SIDE_VARIABLE, repr(text), expected=f"{MIN_SIDE} to 1000000, in px", remedy="set it or unset it"
        )
    return int(text)


def allow_in_pillow() -> None:
    """Let Pillow open as many pixels as the longest side allows; its own limit is 89 million."""
    from PIL import Image  # noqa: PLC0415 - the command line reads the limits and has no use for Pillow

    most = max_side()
    if most > MAX_SIDE and Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, most * most)


def check(width: int, height: int, where: str) -> None:
    """Raise InputError unless both sides have an allowed length in px."""
    most = max_side()
    if min(width, height) < MIN_SIDE or max(width, height) > most:
        larger = max(width, height) > most
        expected = f"{MIN_SIDE} to {most} px a side"
        remedy = "resize the photograph or leave it out"
        if larger:
            remedy = f"{remedy}, or set {MAX_SIDE_VARIABLE}"
        raise InputError(where, f"{width}×{height} px", expected=expected, remedy=remedy)
