"""When a part lies still in front of a free-running camera: seen in small grey copies of the frames, no clock.

The view is taken for empty while it looks as at the beginning; its light may change slowly. A part is there when the
view differs from that, and it is still when frames in a row look alike. A part is told once; the view has to become
empty, or to move, before the next one is told.
"""

import cv2
import numpy as np

from platewatch.arrays import Array, Floats, Photo

SIDE = 64
MOVES = 6.0
"""Grey levels: the 99 % quantile of the difference of two frames of a scene that moves is larger."""
DIFFERS = 12.0
"""Grey levels: the same for a view with a part and the empty one."""
STILL_FRAMES = 4
"""Frames in a row that look alike."""
_FOLLOWS = 0.05  # how fast the empty view follows the light


class Stillness:
    """The state of one camera's view; for one thread."""

    def __init__(self) -> None:
        self._empty: Floats | None = None
        self._before: Floats | None = None
        self._alike, self._told = 0, False

    def add(self, photo: Photo) -> bool:
        """Whether a part lies still there since this frame, (H, W, 3) uint8 RGB, and was not told before."""
        view = _small(photo)
        moves = self._before is not None and _difference(view, self._before) > MOVES
        self._before = view
        self._alike = 0 if moves else self._alike + 1
        if moves:
            self._told = False
        if self._alike < STILL_FRAMES:
            return False
        if self._empty is None:
            self._empty = view
        if _difference(view, self._empty) <= DIFFERS:
            self._empty += _FOLLOWS * (view - self._empty)
            self._told = False
            return False
        if self._told:
            return False
        self._told = True
        return True

    def is_empty_now(self) -> None:
        """The view of the last frame is the empty one: a person says so."""
        self._empty, self._told = self._before, False


def _small(photo: Photo) -> Floats:
    grey: Array = cv2.resize(photo, (SIDE, SIDE), interpolation=cv2.INTER_AREA).mean(axis=2)
    return grey.astype(np.float32)


def _difference(first: Floats, second: Floats) -> float:
    """The 99 % quantile of the absolute difference, less what is the same all over the view: the light."""
    difference = first - second
    return float(np.quantile(np.abs(difference - np.median(difference)), 0.99))
